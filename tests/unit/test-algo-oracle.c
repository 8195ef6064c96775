/* SPDX-License-Identifier: Apache-2.0 */
/* Every plane, label, area and overlay byte of the reference's results, from the shared folder's
 * oracle, under every instruction set that this processor has.  Each case runs as it is and, where
 * it is of integers, as doubles too.
 */
#include "test.h"

#include <inttypes.h>

#include "algo/algo-priv.h"
#include "base/array.h"
#include "base/hash.h"
#include "image/overlay.h"
#include "kernel/kernel-ops.h"
#include "npy.h"

/* Every slice of a series; with sanitizers, which make all of this twenty times as slow, every
 * fourth. */
#if COR_SANITIZED
#define SLICE_STEP 4
#else
#define SLICE_STEP 1
#endif

typedef struct Algorithm {
    const char *key; /* in index.json */
    const char *id;
    CorAlgoFind find;
} Algorithm;

static const Algorithm algorithms[] = {
    {"p1", "processing_1", cor_algo_priv_processing_1_find},
    {"p6", "processing_6", cor_algo_priv_processing_6_find},
};

typedef struct Check {
    const char *case_name;
    const json_t *expected; /* member p1 or p6 */
    const Npy *steps;       /* NULL if there is no such file */
    const Npy *labels;
    size_t width;
    size_t height;
    size_t planes_seen;
    size_t failures;
} Check;

static char oracle_path[512];
static json_t *oracle_index;

static void complain(Check *check, const char *what)
{
    print_error("%s: %s differs\n", check->case_name, what);
    check->failures++;
}

static void hex_sha256(const void *data, size_t size, char hex[COR_SHA256_HEX_SIZE])
{
    uint8_t digest[COR_SHA256_SIZE];

    cor_sha256(data, size, digest);
    cor_hex_encode(digest, sizeof(digest), hex);
}

static void check_hash(Check *check, const char *name, const void *data, size_t size,
                       const char *expected)
{
    char hex[COR_SHA256_HEX_SIZE];

    hex_sha256(data, size, hex);
    if (!expected || strcmp(hex, expected) != 0) {
        complain(check, name);
    }
}

/* Position of a plane in the steps file. */
static size_t step_of(const Check *check, const char *name)
{
    const json_t *planes = json_object_get(check->expected, "planes");

    for (size_t i = 0; i < json_array_size(planes); i++) {
        if (strcmp(json_string_value(json_array_get(planes, i)), name) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void see_bytes(void *context, const char *name, const uint8_t *plane)
{
    Check *check = context;
    size_t size = check->width * check->height;
    const json_t *hashes = json_object_get(check->expected, "sha256");

    check->planes_seen++;
    check_hash(check, name, plane, size, cor_json_string(hashes, name, NULL));
    if (check->steps) {
        const uint8_t *expected =
            (const uint8_t *) check->steps->data + step_of(check, name) * size;

        for (size_t i = 0; i < size; i++) {
            if (plane[i] != expected[i]) {
                print_error("%s: first difference at x %zu, y %zu: %u instead of %u\n", name,
                            i % check->width, i / check->width, plane[i], expected[i]);
                check->failures++;
                return;
            }
        }
    }
}

static void see_bits(void *context, const char *name, const CorBits *bits)
{
    Check *check = context;
    size_t size = check->width * check->height;
    uint8_t *plane = cor_new_array(uint8_t, size);

    for (size_t y = 0; y < check->height; y++) {
        cor_kernel_bits_unpack_row(bits, y, plane + y * check->width);
    }
    see_bytes(context, name, plane);
    free(plane);
}

static void see_runs(void *context, const CorRuns *runs)
{
    Check *check = context;
    size_t size = check->width * check->height;
    uint16_t *plane = cor_new_array(uint16_t, size);

    for (size_t y = 0; y < check->height; y++) {
        for (size_t i = runs->rows[y]; i < runs->rows[y + 1]; i++) {
            for (size_t x = runs->runs[i].begin_px; x < runs->runs[i].end_px; x++) {
                plane[y * check->width + x] = (uint16_t) runs->labels[i];
            }
        }
    }
    if (check->labels && memcmp(plane, check->labels->data, check->labels->size) != 0) {
        complain(check, "labels");
    }
    free(plane);
}

static void check_overlay(Check *check, const CorPlane *plane, const uint8_t *mask,
                          const char *grey_hash)
{
    size_t size = plane->width_px * plane->height_px;
    size_t rgb_size = 3 * size;
    uint8_t *rgb = cor_new_array(uint8_t, rgb_size);
    uint8_t *grey = cor_new_array(uint8_t, size);
    CorError err = {0};

    if (cor_image_overlay(plane, mask, rgb, grey, &err)) {
        check_hash(check, "img8", grey, size, grey_hash);
        check_hash(check, "overlay", rgb, rgb_size,
                   cor_json_string(check->expected, "overlay_rgb_sha256", NULL));
    } else {
        complain(check, err.text);
    }
    free(rgb);
    free(grey);
}

/* The whole algorithm on one plane, everything compared on the way. */
static void check_slice(Check *check, const Algorithm *algorithm, const void *params,
                        const CorPlane *plane, const char *grey_hash)
{
    CorAlgoWorkspace workspace = {0};
    CorAlgoTrace trace = {.bytes = see_bytes, .bits = see_bits, .runs = see_runs, .context = check};
    CorAlgoOutcome outcome = {0};
    CorError err = {0};

    check->width = plane->width_px;
    check->height = plane->height_px;
    if (!algorithm->find(params, plane, &workspace, &trace, &outcome, &err)) {
        complain(check, err.text);
        return;
    }
    cor_algo_priv_draw_mask(&workspace, &outcome);
    see_bytes(check, "mask", workspace.mask);
    if ((int64_t) outcome.component_len != cor_json_integer(check->expected, "n_labels", -1)) {
        complain(check, "n_labels");
    }
    if ((int64_t) outcome.chosen != cor_json_integer(check->expected, "chosen", -1)) {
        complain(check, "chosen");
    }
    if ((int64_t) outcome.component.area_px != cor_json_integer(check->expected, "area", -1)) {
        complain(check, "area");
    }
    if (check->planes_seen != json_object_size(json_object_get(check->expected, "sha256"))) {
        complain(check, "number of planes");
    }
    check_overlay(check, plane, workspace.mask, grey_hash);
    cor_algo_priv_workspace_done(&workspace);
}

static double *to_doubles(const Npy *input)
{
    double *values = cor_new_array(double, input->len);

    for (size_t i = 0; i < input->len; i++) {
        values[i] = ((const int16_t *) input->data)[i];
    }
    return values;
}

static CorPlane slice_of(const Npy *input, const double *doubles, size_t z)
{
    bool is_double = doubles || input->type == 'd';
    const uint8_t *data = doubles ? (const void *) doubles : input->data;
    size_t row_bytes = input->dims[2] * (is_double ? sizeof(double) : sizeof(int16_t));

    return (CorPlane){
        .data = data + z * input->dims[1] * row_bytes,
        .width_px = input->dims[2],
        .height_px = input->dims[1],
        .row_bytes = row_bytes,
        .type = is_double ? COR_PIXEL_F64 : COR_PIXEL_S16,
    };
}

static bool read_member(const json_t *item, const char *name, const json_t *member, Npy *npy)
{
    const char *file = cor_json_string(member, "file", NULL);
    char path[1024];

    (void) item;
    if (!file) {
        return false;
    }
    snprintf(path, sizeof(path), "%s/%s/%s", oracle_path, name, file);
    return npy_read(path, npy);
}

static void *read_params(const Algorithm *algorithm)
{
    CorProcessing1 *first = cor_new(CorProcessing1);
    CorProcessing6 *second = cor_new(CorProcessing6);
    json_t *nothing = json_object(); /* so everything has its default */
    CorError err = {0};

    assert_true(cor_algo_priv_processing_1_read(nothing, first, &err));
    assert_true(cor_algo_priv_processing_6_read(nothing, second, &err));
    json_decref(nothing);
    if (algorithm == &algorithms[0]) {
        free(second);
        return first;
    }
    free(first);
    return second;
}

static size_t check_image(const json_t *item, const char *name, const Npy *input,
                          const double *doubles)
{
    const char *grey_hash = cor_json_string(json_object_get(item, "img8"), "sha256_raw", NULL);
    CorPlane plane = slice_of(input, doubles, 0);
    size_t failures = 0;

    for (size_t i = 0; i < COR_ARRAY_LEN(algorithms); i++) {
        const json_t *expected = json_object_get(item, algorithms[i].key);
        void *params = read_params(&algorithms[i]);
        Npy steps = {0};
        Npy labels = {0};
        Check check = {.case_name = name, .expected = expected};

        check.steps =
            read_member(item, name, json_object_get(expected, "steps"), &steps) ? &steps : NULL;
        check.labels =
            read_member(item, name, json_object_get(expected, "labels"), &labels) ? &labels : NULL;
        if (!check.steps || !check.labels) {
            complain(&check, "a file");
        }
        check_slice(&check, &algorithms[i], params, &plane, grey_hash);
        failures += check.failures;
        free(params);
        free(steps.data);
        free(labels.data);
    }
    return failures;
}

static size_t check_series(const json_t *item, const char *name, const Npy *input,
                           const double *doubles)
{
    const json_t *slices = json_object_get(item, "slices");
    size_t failures = 0;

    for (size_t i = 0; i < COR_ARRAY_LEN(algorithms); i++) {
        void *params = read_params(&algorithms[i]);

        for (size_t z = 0; z < json_array_size(slices); z += SLICE_STEP) {
            const json_t *slice = json_array_get(slices, z);
            CorPlane plane = slice_of(input, doubles, z);
            Check check = {.case_name = name,
                           .expected = json_object_get(slice, algorithms[i].key)};

            check_slice(&check, &algorithms[i], params, &plane,
                        cor_json_string(slice, "img8_sha256", NULL));
            failures += check.failures;
        }
        free(params);
    }
    return failures;
}

/* A job over all slices of an input, as a host runs it. */
typedef struct Job {
    const Npy *input;
    const double *doubles;
    uint8_t *masks;
    size_t emitted;
    size_t found;
    double fraction;
} Job;

static bool job_load(void *context, size_t slice, CorAlgoSlice *ret_slice, CorError *err)
{
    Job *job = context;

    (void) err;
    *ret_slice = (CorAlgoSlice){.plane = slice_of(job->input, job->doubles, slice)};
    return true;
}

static bool job_emit(void *context, const CorAlgoResult *result, CorError *err)
{
    Job *job = context;
    size_t size = job->input->dims[1] * job->input->dims[2];

    (void) err;
    memcpy(job->masks + result->slice * size, result->mask, size);
    job->emitted++;
    job->found += result->is_found;
    return true;
}

static bool job_progress(void *context, double fraction, CorError *err)
{
    Job *job = context;

    (void) err;
    job->fraction = fraction;
    return true;
}

/* The same through the public interface: only masks are seen there. */
static size_t check_run(const json_t *item, const char *name, const Npy *input,
                        const double *doubles)
{
    size_t failures = 0;

    for (size_t i = 0; i < COR_ARRAY_LEN(algorithms); i++) {
        const CorAlgorithm *algorithm = cor_algo_find(algorithms[i].id);
        bool is_series = json_object_get(item, "slices") != NULL;
        char member[16];
        const char *hash = NULL;
        Job context = {.input = input, .doubles = doubles, .masks = malloc(input->len)};
        json_t *params = json_object();
        CorAlgoJob job = {.params = params,
                          .slice_len = input->dims[0],
                          .load = job_load,
                          .emit = job_emit,
                          .progress = job_progress,
                          .context = &context};
        Check check = {.case_name = name};
        CorError err = {0};

        snprintf(member, sizeof(member), "%s%s", algorithms[i].key, is_series ? "_mask" : "");
        hash = is_series ? cor_json_string(json_object_get(item, member), "sha256_raw", NULL)
                         : cor_json_string(json_object_get(json_object_get(item, member), "sha256"),
                                           "mask", NULL);
        if (!algorithm->run(&job, &err) || context.emitted != input->dims[0] ||
            context.fraction < 1 || context.fraction > 1) {
            complain(&check, "the course of the run");
        }
        check_hash(&check, "mask of the run", context.masks, input->len, hash);
        failures += check.failures;
        json_decref(params);
        free(context.masks);
    }
    return failures;
}

static size_t check_case(const json_t *item, bool has_doubles)
{
    const char *name = cor_json_string(item, "name", "?");
    bool is_series = json_object_get(item, "slices") != NULL;
    Npy input = {0};
    size_t failures = 0;

    if (!read_member(item, name, json_object_get(item, "input"), &input)) {
        print_error("%s: no input\n", name);
        return 1;
    }
    for (int as_double = 0; as_double <= (has_doubles && input.type == 'h'); as_double++) {
        double *doubles = as_double ? to_doubles(&input) : NULL;

        failures += is_series ? check_series(item, name, &input, doubles)
                              : check_image(item, name, &input, doubles);
        failures += check_run(item, name, &input, doubles);
        free(doubles);
    }
    print_message("%-26s %4zu x %4zu x %2zu %s: %s\n", name, input.dims[2], input.dims[1],
                  input.dims[0],
                  input.type != 'h' ? "float64" : (has_doubles ? "int16, float64" : "int16"),
                  failures ? "DIFFERS" : "equal");
    free(input.data);
    return failures;
}

static void every_byte_is_that_of_the_reference(void **state)
{
    const json_t *cases = json_object_get(oracle_index, "cases");
    size_t failures = 0;
    size_t i = 0;
    const json_t *item = NULL;
    (void) state;

    assert_true(json_array_size(cases) > 20);
    for (size_t k = 0; cor_kernel_priv_ops_at(k); k++) {
        cor_kernel_priv_use(cor_kernel_priv_ops_at(k));
        print_message("--- %s\n", cor_kernel_isa());
        json_array_foreach(cases, i, item)
        {
            failures += check_case(item, !cor_kernel_priv_ops_at(k + 1));
        }
    }
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_that_of_the_reference),
    };
    char index_path[600];
    int failed = 0;

    if (!npy_shared_path(oracle_path, sizeof(oracle_path), "oracle")) {
        printf("skipped: the shared data is not there (COR_SHARED_DIR)\n");
        return 77; /* what meson counts as skipped */
    }
    snprintf(index_path, sizeof(index_path), "%s/index.json", oracle_path);
    oracle_index = json_load_file(index_path, 0, NULL);
    failed = cmocka_run_group_tests_name("algo-oracle", tests, NULL, NULL);
    json_decref(oracle_index);
    return failed;
}
