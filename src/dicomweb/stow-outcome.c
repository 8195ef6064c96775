/* SPDX-License-Identifier: Apache-2.0 */
/* One part becomes an instance, or a failure with a reason code. */
#include "dicomweb/stow-outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"
#include "program/log.h"

void cor_dicomweb_priv_stow_outcome_done(CorStowOutcome *outcome)
{
    free(outcome->uids);
    free(outcome->why);
    *outcome = (CorStowOutcome){0};
}

void cor_dicomweb_priv_stow_fail(CorStowOutcome *outcome, uint16_t failure, const CorError *err)
{
    free(outcome->why);
    outcome->is_stored = false;
    outcome->failure = failure;
    outcome->is_transient = failure == COR_STOW_OUT_OF_RESOURCES && err->code != COR_ERR_LIMIT;
    outcome->why = strdup(err->text);
}

/* The host's word on a file that it could not read. */
static uint16_t failure_of_reading(const CorError *err)
{
    switch (err->code) {
    case COR_ERR_UNSUPPORTED:
        return COR_STOW_TRANSFER_SYNTAX;
    case COR_ERR_INVALID:
    case COR_ERR_CORRUPT:
    case COR_ERR_LIMIT:
    case COR_ERR_NOT_FOUND:
        return COR_STOW_CANNOT_UNDERSTAND;
    case COR_ERR_UNAVAILABLE:
    case COR_ERR_TIMEOUT:
    case COR_ERR_NOMEM:
    case COR_ERR_CANCELLED:
        return COR_STOW_OUT_OF_RESOURCES;
    default: /* HOST_LOST: the file ended its reader */
        return COR_STOW_PROCESSING_FAILURE;
    }
}

typedef struct Search {
    const char *sop_instance_uid;
    bool is_there;
} Search;

static bool look_up(CorSqlTxn *txn, void *arg, CorError *err)
{
    Search *search = arg;
    COR_CLEANUP(cor_catalog_instance_freep) CorCatalogInstance *found = NULL;

    if (!cor_catalog_find(txn, search->sop_instance_uid, &found, err)) {
        return false;
    }
    search->is_there = found != NULL;
    return true;
}

/* A conflict is another object under the same UID, or a place that is another's.  The item names
 * the UIDs, so that the reason can be short enough for it. */
static uint16_t failure_of_conflict(CorDicomweb *dicomweb, const CorStowUids *uids, CorError *err)
{
    Search search = {.sop_instance_uid = uids->sop_instance};
    CorError why = {0};

    if (!cor_sql_read(dicomweb->options.catalog, look_up, &search, &why) || search.is_there) {
        (void) cor_fail(err, COR_ERR_CONFLICT, "this SOP Instance UID is stored with other bytes");
        return COR_STOW_DUPLICATE_INSTANCE;
    }
    (void) cor_fail(err, COR_ERR_CONFLICT, "its Series Instance UID belongs to another study");
    return COR_STOW_DOES_NOT_MATCH;
}

static uint16_t failure_of_storing(CorDicomweb *dicomweb, const CorStowUids *uids, CorError *err)
{
    switch (err->code) {
    case COR_ERR_CONFLICT:
        return failure_of_conflict(dicomweb, uids, err);
    case COR_ERR_UNAVAILABLE:
    case COR_ERR_TIMEOUT:
    case COR_ERR_NOMEM:
    case COR_ERR_LIMIT:
    case COR_ERR_CANCELLED:
        return COR_STOW_OUT_OF_RESOURCES;
    case COR_ERR_INVALID:
        return COR_STOW_CANNOT_UNDERSTAND;
    default:
        return COR_STOW_PROCESSING_FAILURE;
    }
}

static CorStowUids *uids_of(const json_t *record)
{
    CorStowUids *uids = cor_new(CorStowUids);

    if (!uids) {
        return NULL;
    }
    const struct {
        char *to;
        const char *member;
    } texts[] = {{uids->study, "study_instance_uid"},
                 {uids->series, "series_instance_uid"},
                 {uids->sop_class, "sop_class_uid"},
                 {uids->sop_instance, "sop_instance_uid"}};
    for (size_t i = 0; i < COR_ARRAY_LEN(texts); i++) {
        (void) snprintf(texts[i].to, COR_UID_SIZE, "%s",
                        cor_json_string(record, texts[i].member, ""));
    }
    return uids;
}

static bool check_study(const CorStowUids *uids, const char *study, CorError *err)
{
    return !study[0] || strcmp(uids->study, study) == 0 ||
           cor_fail(err, COR_ERR_INVALID, "it belongs to another study than the request");
}

void cor_dicomweb_priv_stow_store(CorDicomweb *dicomweb, CorBlobTemp *temp, const char *study,
                                  CorStowOutcome *outcome)
{
    CorArchive *archive = dicomweb->options.archive;
    COR_CLEANUP(cor_json_freep) json_t *record = NULL;
    CorArchiveStored stored;
    CorError err = {0};

    if (!cor_archive_read(archive, temp, &record, &err)) {
        cor_dicomweb_priv_stow_fail(outcome, failure_of_reading(&err), &err);
        return;
    }
    outcome->uids = uids_of(record);
    if (!outcome->uids) {
        (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for an instance");
        cor_dicomweb_priv_stow_fail(outcome, COR_STOW_OUT_OF_RESOURCES, &err);
    } else if (!check_study(outcome->uids, study, &err)) {
        cor_dicomweb_priv_stow_fail(outcome, COR_STOW_OTHER_STUDY, &err);
    } else if (!cor_archive_store(archive, temp, record, NULL, &stored, &err)) {
        uint16_t failure = failure_of_storing(dicomweb, outcome->uids, &err);
        cor_dicomweb_priv_stow_fail(outcome, failure, &err);
    } else {
        outcome->is_stored = true;
        outcome->is_duplicate = stored.is_duplicate;
    }
}

CorStowCounts cor_dicomweb_priv_stow_count(const CorStowOutcome *outcomes, size_t len)
{
    CorStowCounts counts = {0};

    for (size_t i = 0; i < len; i++) {
        const CorStowOutcome *outcome = &outcomes[i];
        counts.stored += outcome->is_stored;
        counts.duplicates += outcome->is_duplicate;
        counts.failed += outcome->failure != 0;
        counts.transient += outcome->is_transient;
        if (!counts.first_failure && outcome->failure) {
            counts.first_failure = outcome->why ? outcome->why : "out of memory";
        }
    }
    return counts;
}
