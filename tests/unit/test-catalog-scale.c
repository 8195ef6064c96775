/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue's answers cost what they say, not what is stored: counted in steps of SQLite's
 * virtual machine in a small catalogue and in one a hundred times as large. */
#include "catalog-fixture.h"

#include "driver/sql-test.h"

enum {
    SMALL = 100,
    LARGE = 100 * SMALL,
    STUDY_SIZE = 100, /* every second study image lies in the second series */
};

/* --- Filling. --- */

typedef struct Filling {
    int len;
    bool is_one_series; /* all images in one series, else studies of STUDY_SIZE */
} Filling;

typedef struct Names {
    char study[COR_UID_SIZE];
    char series[COR_UID_SIZE];
    char sop[COR_UID_SIZE];
    char key[COR_KEY_SIZE];
} Names;

static Names names_of(int i, bool is_one_series)
{
    Names names;
    int study = is_one_series ? 1 : i / STUDY_SIZE + 1;
    int series = is_one_series ? 1 : i % 2 + 1;

    (void) snprintf(names.study, sizeof(names.study), "1.%d", study);
    (void) snprintf(names.series, sizeof(names.series), "1.%d.%d", study, series);
    (void) snprintf(names.sop, sizeof(names.sop), "1.%d.%d.%d", study, series, i + 1);
    (void) snprintf(names.key, sizeof(names.key), "p%05d/s%d/im-%05d.dcm", study, series, i);
    return names;
}

static bool add_names(CorSqlTxn *txn, const Names *names, int number, CorError *err)
{
    char digest[65];
    CorCatalogOutcome outcome = COR_CATALOG_ADDED;
    const Item item = {
        .study = names->study, .series = names->series, .sop = names->sop, .number = number};
    json_t *record = fixture_record(&item);

    (void) snprintf(digest, sizeof(digest), "%064x", (unsigned) number);
    const CorCatalogEntry entry = {.index = record,
                                   .bucket = "pacs",
                                   .key = names->key,
                                   .size = 1,
                                   .sha256 = digest,
                                   .created_unix_ms = 1};
    bool ok = cor_catalog_add(txn, &entry, &outcome, NULL, err);
    json_decref(record);
    return ok;
}

static bool run_fill(CorSqlTxn *txn, void *arg, CorError *err)
{
    const Filling *filling = arg;

    for (int i = 0; i < filling->len; i++) {
        Names names = names_of(i, filling->is_one_series);
        if (!add_names(txn, &names, i + 1, err)) {
            return false;
        }
    }
    return true;
}

/* --- Questions. --- */

static bool ask_resolve(CorSqlTxn *txn, const CorPacsRef *ref, size_t expected, CorError *err)
{
    COR_CLEANUP(cor_catalog_instances_freep) CorCatalogInstances *list = NULL;

    if (!cor_catalog_resolve(txn, ref, 1000, &list, err)) {
        return expected == 0 && err->code == COR_ERR_NOT_FOUND;
    }
    return list->len == expected || cor_fail(err, COR_ERR_BUG, "found %zu", list->len);
}

#define ASK_IMAGE(name, study, series, image, expected)                                           \
    static bool name(CorSqlTxn *txn, void *arg, CorError *err)                                    \
    {                                                                                             \
        const CorPacsRef ref = {.study_id = (study), .series_id = (series), .image_id = (image)}; \
        (void) arg;                                                                               \
        return ask_resolve(txn, &ref, expected, err);                                             \
    }

/* Image 50 is there in every filling. */
ASK_IMAGE(image_by_key, "p00001", "s1", "im-00050.dcm", 1)
ASK_IMAGE(image_by_uid, "1.1", "1.1.1", "1.1.1.51", 1)
ASK_IMAGE(image_by_name_in_series, "1.1", "1.1.1", "im-00050.dcm", 1)
ASK_IMAGE(image_by_key_in_study, "1.1", "s1", "im-00050.dcm", 1)
ASK_IMAGE(image_by_uid_in_folder, "p00001", "s1", "1.1.1.51", 1)
ASK_IMAGE(no_such_image, "1.1", "1.1.1", "im-99999.dcm", 0)
ASK_IMAGE(no_such_series, "p00001", "s9", "im-00050.dcm", 0)
ASK_IMAGE(series_of_another_study, "p00001", "1.2.1", "im-00050.dcm", 0)
ASK_IMAGE(no_such_study, "p", "s1", "im-00050.dcm", 0)

static bool whole_series(CorSqlTxn *txn, void *arg, CorError *err)
{
    const CorPacsRef ref = {.study_id = "p00001", .series_id = "s1", .scope = COR_PACS_SERIES};
    (void) arg;
    return ask_resolve(txn, &ref, STUDY_SIZE / 2, err);
}

static bool whole_study(CorSqlTxn *txn, void *arg, CorError *err)
{
    const CorPacsRef ref = {.study_id = "1.1", .scope = COR_PACS_STUDY};
    (void) arg;
    return ask_resolve(txn, &ref, STUDY_SIZE, err);
}

static bool ask_images(CorSqlTxn *txn, const char *study, const char *series, CorError *err)
{
    COR_CLEANUP(cor_catalog_instances_freep) CorCatalogInstances *list = NULL;
    const CorCatalogImagesOptions options = {
        .study_id = study, .series_id = series, .after = "p00001/s1/im-00040.dcm", .max = 10};

    return cor_catalog_images(txn, &options, &list, err) &&
           (list->len == 10 || cor_fail(err, COR_ERR_BUG, "listed %zu", list->len));
}

static bool page_of_folder(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return ask_images(txn, "p00001", NULL, err);
}

static bool page_of_study(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return ask_images(txn, "1.1", NULL, err);
}

static bool page_of_everything(CorSqlTxn *txn, void *arg, CorError *err)
{
    COR_CLEANUP(cor_catalog_instances_freep) CorCatalogInstances *list = NULL;
    (void) arg;
    return cor_catalog_page(txn, "pacs", "p00001/s1/im-00040.dcm", 10, &list, err);
}

static bool page_of_studies(CorSqlTxn *txn, void *arg, CorError *err)
{
    COR_CLEANUP(cor_catalog_texts_freep) CorCatalogTexts *ids = NULL;
    (void) arg;
    return cor_catalog_study_ids(txn, "", 1, &ids, err);
}

static bool totals(CorSqlTxn *txn, void *arg, CorError *err)
{
    CorCatalogTotals ignored;
    (void) arg;
    return cor_catalog_totals(txn, &ignored, err);
}

static bool find_both_ways(CorSqlTxn *txn, void *arg, CorError *err)
{
    COR_CLEANUP(cor_catalog_instance_freep) CorCatalogInstance *by_uid = NULL;
    COR_CLEANUP(cor_catalog_instance_freep) CorCatalogInstance *by_key = NULL;
    bool has = false;
    (void) arg;
    return cor_catalog_find(txn, "1.1.1.51", &by_uid, err) &&
           cor_catalog_find_key(txn, "pacs", "p00001/s1/im-00050.dcm", &by_key, err) &&
           cor_catalog_has_key(txn, "pacs", "p00001/s1/nothing", &has, err) &&
           ((by_uid && by_key && !has) || cor_fail(err, COR_ERR_BUG, "not found"));
}

static bool look_for_older(CorSqlTxn *txn, void *arg, CorError *err)
{
    static const char *const keys[COR_CATALOG_TWINS] = {"p00001/s1/im-00050",
                                                        "p00001/s1/im-00050.dcm"};
    COR_CLEANUP(cor_catalog_instance_freep) CorCatalogInstance *instance = NULL;
    bool has = false;
    (void) arg;
    return cor_catalog_find(txn, "1.1.1.51", &instance, err) &&
           cor_catalog_has_older(txn, instance, keys, &has, err) &&
           (!has || cor_fail(err, COR_ERR_BUG, "older than itself"));
}

static bool select_series(CorSqlTxn *txn, void *arg, CorError *err)
{
    static const CorCatalogUids uids = {"1.1", "1.1.1", NULL};
    COR_CLEANUP(cor_catalog_instances_freep) CorCatalogInstances *list = NULL;
    (void) arg;
    return cor_catalog_select(txn, &uids, 1000, &list, err) &&
           (list->len == STUDY_SIZE / 2 || cor_fail(err, COR_ERR_BUG, "selected %zu", list->len));
}

static bool states(CorSqlTxn *txn, void *arg, CorError *err)
{
    static const CorCatalogUids uids[] = {{NULL, NULL, NULL},
                                          {"1.1", NULL, NULL},
                                          {"1.1", "1.1.1", NULL},
                                          {"1.1", "1.1.1", "1.1.1.51"}};
    CorCatalogState state;
    (void) arg;
    for (size_t i = 0; i < COR_ARRAY_LEN(uids); i++) {
        if (!cor_catalog_state(txn, &uids[i], &state, err)) {
            return false;
        }
    }
    return true;
}

static bool take_change(void *context, int64_t seq, const char *json, size_t size)
{
    (void) context;
    (void) seq;
    return json && size > 0;
}

static bool page_of_changes(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_catalog_changes(txn, 40, 10, take_change, NULL, err);
}

/* Takes the first and the last key of the study out, so that its folder is looked up anew. */
static bool remove_and_add(CorSqlTxn *txn, void *arg, CorError *err)
{
    Names names = names_of(0, true);
    (void) arg;
    return cor_catalog_remove(txn, "1.1.1.1", 1, NULL, err) && add_names(txn, &names, 1, err);
}

typedef struct Question {
    const char *name;
    CorSqlRun *run;
} Question;

/* --- Comparing. --- */

static int64_t steps_of(Fixture *fixture, CorSqlRun *run)
{
    CorError err = {0};

    /* Once to have the statements cached, which is when their steps begin to count. */
    for (int i = 0; i < 2; i++) {
        int64_t before = cor_sql_test_vm_steps(fixture->db);
        if (!cor_sql_write(fixture->db, run, NULL, COR_SQL_RELAXED, &err)) {
            fail_msg("%s", err.text);
        }
        if (i == 1) {
            return cor_sql_test_vm_steps(fixture->db) - before;
        }
    }
    return 0;
}

static void compare(bool is_one_series, const Question *questions, size_t len)
{
    Fixture *fixtures[2];
    Filling fillings[2] = {{SMALL, is_one_series}, {LARGE, is_one_series}};

    for (size_t i = 0; i < 2; i++) {
        CorError err = {0};
        assert_int_equal(fixture_open((void **) &fixtures[i]), 0);
        if (!cor_sql_write(fixtures[i]->db, run_fill, &fillings[i], COR_SQL_RELAXED, &err)) {
            fail_msg("%s", err.text);
        }
    }
    for (size_t i = 0; i < len; i++) {
        int64_t small = steps_of(fixtures[0], questions[i].run);
        int64_t large = steps_of(fixtures[1], questions[i].run);

        print_message("  %-28s %6ld %6ld steps\n", questions[i].name, (long) small, (long) large);
        if (small <= 0 || large > small + small / 4 + 20) {
            fail_msg("%s needs %ld steps among %d images and %ld among %d", questions[i].name,
                     (long) small, SMALL, (long) large, LARGE);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(fixture_close((void **) &fixtures[i]), 0);
    }
}

static void every_answer_costs_the_same_among_a_hundred_times_as_many_studies(void **state)
{
    static const Question questions[] = {
        {"image by key", image_by_key},
        {"image by uid", image_by_uid},
        {"image by name in series", image_by_name_in_series},
        {"image by key in study", image_by_key_in_study},
        {"image by uid in folder", image_by_uid_in_folder},
        {"no such image", no_such_image},
        {"no such series", no_such_series},
        {"series of another study", series_of_another_study},
        {"no such study", no_such_study},
        {"whole series", whole_series},
        {"whole study", whole_study},
        {"page of folder", page_of_folder},
        {"page of study", page_of_study},
        {"series by uid", select_series},
        {"states", states},
        {"page of changes", page_of_changes},
        {"page of everything", page_of_everything},
        {"page of studies", page_of_studies},
        {"totals", totals},
        {"find both ways", find_both_ways},
        {"look for older", look_for_older},
        {"remove and add", remove_and_add},
    };
    (void) state;

    compare(false, questions, COR_ARRAY_LEN(questions));
}

static void every_answer_costs_the_same_in_a_series_a_hundred_times_as_long(void **state)
{
    static const Question questions[] = {
        {"image by key", image_by_key},
        {"image by uid", image_by_uid},
        {"image by name in series", image_by_name_in_series},
        {"image by key in study", image_by_key_in_study},
        {"image by uid in folder", image_by_uid_in_folder},
        {"no such image", no_such_image},
        {"no such series", no_such_series},
        {"page of folder", page_of_folder},
        {"page of study", page_of_study},
        {"page of everything", page_of_everything},
        {"page of studies", page_of_studies},
        {"find both ways", find_both_ways},
        {"look for older", look_for_older},
        {"remove and add", remove_and_add},
    };
    (void) state;

    compare(true, questions, COR_ARRAY_LEN(questions));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_costs_the_same_among_a_hundred_times_as_many_studies),
        cmocka_unit_test(every_answer_costs_the_same_in_a_series_a_hundred_times_as_long),
    };

    return cmocka_run_group_tests_name("catalog-scale", tests, NULL, NULL);
}
