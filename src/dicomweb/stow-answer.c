/* SPDX-License-Identifier: Apache-2.0 */
/* The Store Instances Response (PS3.18 section 10.5.3, annex I.2): status and data set.
 *
 * The standard's codes say what kind of failure it was, not why this file failed.  So each failed
 * item has an Error Comment (0000,0902) beside its Failure Reason, as a C-STORE response would
 * (PS3.7 annex C), and the first failure is told in full in a Warning header (RFC 7234 section 5.5;
 * PS3.18 uses its code 299 for searches).  A body that was refused as a whole is answered with a
 * problem document; what was stored of it before stands in its
 * members "stored", "failed" and "response".  So is one of which nothing could be stored now.
 * That something was there already is no failure and no warning: a header of ours counts it.
 *
 * "Prefer: handling=lenient" (RFC 7240 section 4.4) makes 202 of 409: a browser calls every 4xx an
 * error of its own, and what became of each file stands in the data set anyway. */
#include "dicomweb/stow-outcome.h"

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"

enum { LO_MAX = 64, RETRY_S = 5, BRIEF_MAX = 100 };

static bool set(json_t *data_set, const char *tag, json_t *element)
{
    return json_object_set_new(data_set, tag, element) == 0;
}

static json_t *text_element(const char *vr, const char *text)
{
    return text[0] ? json_pack("{s:s, s:[s]}", "vr", vr, "Value", text)
                   : json_pack("{s:s}", "vr", vr);
}

static json_t *url_element(json_t *url)
{
    return json_pack("{s:s, s:[o]}", "vr", "UR", "Value", url);
}

static json_t *study_url(const CorStowAnswer *answer, const char *study)
{
    return url_element(json_sprintf("%s/dicom-web/studies/%s", answer->public_url, study));
}

static json_t *instance_url(const CorStowAnswer *answer, const CorStowUids *uids)
{
    return url_element(json_sprintf("%s/dicom-web/studies/%s/series/%s/instances/%s",
                                    answer->public_url, uids->study, uids->series,
                                    uids->sop_instance));
}

static bool set_reason(json_t *item, const CorStowOutcome *outcome)
{
    char comment[LO_MAX + 1];

    (void) snprintf(comment, sizeof(comment), "%s", outcome->why ? outcome->why : "out of memory");
    for (char *c = comment; *c; c++) {
        if (*c == '\\' || *c < ' ' || *c > '~') { /* a backslash divides values */
            *c = '?';
        }
    }
    return set(item, "00000902", text_element("LO", comment)) &&
           set(item, "00081197", json_pack("{s:s, s:[i]}", "vr", "US", "Value", outcome->failure));
}

static json_t *item_of(const CorStowAnswer *answer, const CorStowOutcome *outcome)
{
    COR_CLEANUP(cor_json_freep) json_t *item = json_object();
    const CorStowUids *uids = outcome->uids;

    if (uids && (!set(item, "00081150", text_element("UI", uids->sop_class)) ||
                 !set(item, "00081155", text_element("UI", uids->sop_instance)))) {
        return NULL;
    }
    if (outcome->is_stored && !set(item, "00081190", instance_url(answer, uids))) {
        return NULL;
    }
    if (outcome->failure && !set_reason(item, outcome)) {
        return NULL;
    }
    return COR_TAKE(item);
}

/* ReferencedSOPSequence, FailedSOPSequence, OtherFailuresSequence: which a part belongs to. */
static const char *sequence_of(const CorStowOutcome *outcome)
{
    if (outcome->is_stored) {
        return "00081199";
    }
    if (!outcome->failure) {
        return NULL; /* nobody dealt with it: the end of it never came */
    }
    return outcome->uids ? "00081198" : "0008119A";
}

static bool append(const CorStowAnswer *answer, const CorStowOutcome *outcome, json_t *data_set)
{
    const char *tag = sequence_of(outcome);

    if (!tag) {
        return true;
    }
    json_t *values = json_object_get(json_object_get(data_set, tag), "Value");
    if (!values) {
        values = json_array();
        if (!set(data_set, tag, json_pack("{s:s, s:o}", "vr", "SQ", "Value", values))) {
            return false;
        }
    }
    return json_array_append_new(values, item_of(answer, outcome)) == 0;
}

/* The study of all that is stored; "" if there are several, or none. */
static const char *study_of(const CorStowAnswer *answer)
{
    const char *study = answer->study;

    for (size_t i = 0; !answer->study[0] && i < answer->len; i++) {
        const CorStowOutcome *outcome = &answer->outcomes[i];
        if (outcome->is_stored && study[0] && strcmp(study, outcome->uids->study) != 0) {
            return "";
        }
        study = outcome->is_stored ? outcome->uids->study : study;
    }
    return study;
}

static json_t *data_set_of(const CorStowAnswer *answer)
{
    COR_CLEANUP(cor_json_freep) json_t *data_set = json_object();
    const char *study = study_of(answer);

    if (study[0] && !set(data_set, "00081190", study_url(answer, study))) {
        return NULL;
    }
    for (size_t i = 0; i < answer->len; i++) {
        if (!append(answer, &answer->outcomes[i], data_set)) {
            return NULL;
        }
    }
    return COR_TAKE(data_set);
}

/* --- status --- */

/* PS3.18 table 10.5.3-1.  When nothing was stored and trying again can help, say so. */
static int status_of(const CorStowAnswer *answer, const CorStowCounts *counts)
{
    if (counts->failed == 0) {
        return 200;
    }
    if (counts->stored > 0) {
        return 202;
    }
    if (counts->transient == counts->failed) {
        return 503;
    }
    return answer->is_lenient ? 202 : 409;
}

static void warn(const CorStowCounts *counts, CorHttpResponse *res)
{
    char text[256];

    (void) snprintf(text, sizeof(text), "%s", counts->first_failure);
    for (char *c = text; *c; c++) {
        if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\') {
            *c = *c == '"' ? '\'' : '?';
        }
    }
    cor_http_res_header(res, "Warning", "299 corsia \"%zu of %zu failed; the first: %s\"",
                        counts->failed, counts->failed + counts->stored, text);
}

static void answer_problem(const CorStowAnswer *answer, const CorStowCounts *counts, int status,
                           CorHttpResponse *res)
{
    bool is_told = !answer->is_brief || answer->len <= BRIEF_MAX;
    json_t *extra =
        json_pack("{s:I, s:I, s:o*}", "stored", (json_int_t) counts->stored, "failed",
                  (json_int_t) counts->failed, "response", is_told ? data_set_of(answer) : NULL);

    cor_http_problem_extra(res, status, NULL, extra, "%s",
                           answer->status ? answer->fault->text : counts->first_failure);
}

void cor_dicomweb_priv_stow_answer(const CorStowAnswer *answer, CorHttpResponse *res)
{
    CorStowCounts counts = cor_dicomweb_priv_stow_count(answer->outcomes, answer->len);
    int status = answer->status ? answer->status : status_of(answer, &counts);

    if (counts.failed > 0) {
        warn(&counts, res);
    }
    if (counts.duplicates > 0) {
        cor_http_res_header(res, "Corsia-Duplicates", "%zu", counts.duplicates);
    }
    if (answer->is_lenient && !answer->status && status != 503) {
        cor_http_res_header(res, "Preference-Applied", "handling=lenient");
    }
    if (status == 503) {
        cor_http_res_header(res, "Retry-After", "%d", RETRY_S);
    }
    if (answer->status || status == 503) {
        answer_problem(answer, &counts, status, res);
        return;
    }
    COR_CLEANUP(cor_json_freep) json_t *data_set = data_set_of(answer);
    char *text = data_set ? cor_json_text(data_set) : NULL;
    if (text) {
        cor_http_res_buffer(res, status, answer->media_type, text, strlen(text));
    } else {
        cor_http_problem(res, 500, NULL, "out of memory for the answer; %zu were stored",
                         counts.stored);
    }
}
