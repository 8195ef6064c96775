/* SPDX-License-Identifier: Apache-2.0 */
/* Names are a function of the inputs (invariant 5): the instance of the SOP Instance UIDs of all
 * slices that the image was made from, algorithm, version and parameters; the series of the source
 * Series UID and the same.
 */
#include "host/host-image.h"

#include <stdlib.h>

#include "base/array.h"
#include "dicom/dicom-variant.h"
#include "host/host-report.h"

/* What the slices say that the image was made from, side by side. */
static bool gather_sources(const CorHostRunning *run, const CorAlgoImage *made,
                           CorDicomSource **ret_sources, CorError *err)
{
    const CorHostSlices *slices = &run->slices;

    if (made->source_len == 0 || made->source_begin >= slices->len ||
        made->source_len > slices->len - made->source_begin) {
        return cor_fail(err, COR_ERR_BUG, "an image was made from slices that there are not");
    }
    CorDicomSource *sources = cor_new_array(CorDicomSource, made->source_len);
    if (!sources) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for sources");
    }
    for (size_t i = 0; i < made->source_len; i++) {
        sources[i] = slices->items[made->source_begin + i].source;
    }
    *ret_sources = sources;
    return true;
}

static bool name_image(const CorHostRunning *run, const CorDicomSource *sources, size_t source_len,
                       char uid[COR_UID_SIZE], CorError *err)
{
    const char *how[] = {run->algorithm->id, run->algorithm->version, run->params_text};
    COR_CLEANUP(cor_freep)
    const char **names = cor_new_array(const char *, source_len + COR_ARRAY_LEN(how));

    if (!names) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for names");
    }
    for (size_t i = 0; i < source_len; i++) {
        names[i] = sources[i].sop_instance_uid;
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(how); i++) {
        names[source_len + i] = how[i];
    }
    cor_uid_from_texts(names, source_len + COR_ARRAY_LEN(how), uid);
    return true;
}

static bool send_image(CorHostRunning *run, const CorAlgoResult *result,
                       const CorDicomSource *sources, const char *sop_instance_uid, CorError *err)
{
    const CorAlgorithm *algorithm = run->algorithm;
    const CorAlgoImage *made = result->image;
    const CorHostSlice *slice = &run->slices.items[result->slice];
    const char *series[] = {slice->source.series_instance_uid, algorithm->id, algorithm->version,
                            run->params_text};
    const CorDicomAlgorithm by = {.id = algorithm->id,
                                  .version = algorithm->version,
                                  .title = algorithm->title,
                                  .params_text = run->params_text};
    char series_instance_uid[COR_UID_SIZE];
    const CorDicomVariant variant = {
        .algorithm = &by,
        .derivation = {made->derivation.value, made->derivation.scheme, made->derivation.meaning},
        .sop_instance_uid = sop_instance_uid,
        .series_instance_uid = series_instance_uid,
        .content_unix_ms = run->accepted_unix_ms,
        .thickness_mm = made->thickness_mm,
        .sources = sources,
        .source_len = made->source_len,
        .plane = made->plane};
    CorHostObject object = {.role = "image",
                            .first = slice,
                            .sources = sources,
                            .source_len = made->source_len,
                            .sop_instance_uid = sop_instance_uid,
                            .series_instance_uid = series_instance_uid};

    cor_uid_from_texts(series, COR_ARRAY_LEN(series), series_instance_uid);
    if (!cor_dicom_write_variant(run->dicom, &variant, &object.file, &object.size, err)) {
        return false;
    }
    object.details =
        json_pack("{s:s, s:b, s:O*}", "source_sop_instance_uid", slice->source.sop_instance_uid,
                  "found", result->is_found, "measurements", run->measurements);
    return cor_host_priv_send_object(run, &object, err);
}

bool cor_host_priv_render_image(CorHostRunning *run, const CorAlgoResult *result, CorError *err)
{
    COR_CLEANUP(cor_freep) CorDicomSource *sources = NULL;
    char sop_instance_uid[COR_UID_SIZE];

    return !run->wishes.image ||
           (gather_sources(run, result->image, &sources, err) &&
            name_image(run, sources, result->image->source_len, sop_instance_uid, err) &&
            send_image(run, result, sources, sop_instance_uid, err));
}
