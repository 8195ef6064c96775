/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog-fixture.h"

/* Two patients' studies as a hospital keeps them, one stored under its UIDs, and results. */
#define LIVER "liver1/phantomx/D55-01"
#define LIVER_SERIES "300/AiCE_300_172938.900"
static const Item house[] = {
    {.sop = "1.1.1.3", .key = LIVER "/" LIVER_SERIES "/IM-3.dcm", .digest = '3', .number = 1},
    {.sop = "1.1.1.1", .key = LIVER "/" LIVER_SERIES "/IM-1.dcm", .digest = '1', .number = 3},
    {.sop = "1.1.1.2", .key = LIVER "/" LIVER_SERIES "/IM-2.dcm", .digest = '2', .number = 2},
    {.series = "1.1.2", .sop = "1.1.2.1", .key = LIVER "/301/IM-1", .digest = '4', .z = 5},
    {.series = "1.1.2", .sop = "1.1.2.2", .key = LIVER "/301/IM-2", .digest = '5', .z = -5},
    {.study = "2.2",
     .series = "2.2.1",
     .sop = "2.2.1.1",
     .key = "liver1/phantomx/D55-010/1/x.dcm",
     .digest = '6'},
    {.study = "3.3",
     .series = "3.3.1",
     .sop = "3.3.1.1",
     .key = "3.3/3.3.1/3.3.1.1.dcm",
     .digest = '7'},
    {.series = "1.1.9",
     .sop = "1.1.9.1",
     .bucket = "output",
     .key = LIVER "/" LIVER_SERIES "/IM-1_p1.dcm",
     .digest = '8',
     .is_derived = true,
     .modality = "OT"},
    {.series = "1.1.9",
     .sop = "1.1.9.2",
     .bucket = "output",
     .key = LIVER "/" LIVER_SERIES "/IM-2_p1.dcm",
     .digest = '9',
     .is_derived = true,
     .modality = "OT"},
    {.study = "3.3",
     .series = "3.3.9",
     .sop = "3.3.9.1",
     .bucket = "output",
     .key = "3.3/3.3.1/3.3.1.1_p1.dcm",
     .digest = 'a',
     .is_derived = true,
     .modality = "OT"},
};

static int open_house(void **state)
{
    if (fixture_open(state) != 0) {
        return -1;
    }
    fixture_add_all(*state, house, COR_ARRAY_LEN(house));
    return 0;
}

/* SOP Instance UIDs of a list, joined by commas. */
static const char *uids_of(const CorCatalogInstances *list, char *text, size_t size)
{
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < list->len; i++) {
        len += (size_t) snprintf(text + len, size - len, "%s%s", i ? "," : "",
                                 list->items[i]->sop_instance_uid);
    }
    return text;
}

typedef struct Case {
    const char *study;
    const char *series;
    const char *image;
    CorPacsScope scope;
    const char *expected; /* UIDs joined by commas, or what the error says */
} Case;

static void assert_resolves(Fixture *fixture, const Case *wanted)
{
    Call call = {.ref = {.study_id = wanted->study,
                         .series_id = wanted->series,
                         .image_id = wanted->image,
                         .scope = wanted->scope}};
    CorError err = {0};
    char text[512] = "";

    if (!cor_sql_read(fixture->db, fixture_run_resolve, &call, &err)) {
        assert_null(call.list);
        if (!strstr(err.text, wanted->expected)) { /* the driver may say more */
            fail_msg("%s | %s | %s: '%s', not '%s'", wanted->study, wanted->series, wanted->image,
                     err.text, wanted->expected);
        }
        assert_int_equal(err.code, strstr(err.text, "no such") ? COR_ERR_NOT_FOUND : err.code);
        return;
    }
    uids_of(call.list, text, sizeof(text));
    cor_catalog_instances_free(call.list);
    if (strcmp(text, wanted->expected) != 0) {
        fail_msg("%s | %s | %s: '%s', not '%s'", wanted->study, wanted->series, wanted->image, text,
                 wanted->expected);
    }
}

static void assert_all_resolve(Fixture *fixture, const Case *cases, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        assert_resolves(fixture, &cases[i]);
    }
}

static void an_image_is_named_by_keys_by_uids_or_by_both(void **state)
{
    static const char *const studies[] = {LIVER, "1.1", LIVER "/"};
    static const char *const series[] = {LIVER_SERIES, "1.1.1", NULL};

    for (size_t i = 0; i < COR_ARRAY_LEN(studies); i++) {
        for (size_t k = 0; k < COR_ARRAY_LEN(series); k++) {
            const char *name = series[k] ? "IM-2.dcm" : LIVER_SERIES "/IM-2.dcm";
            const Case cases[] = {
                {studies[i], series[k], name, COR_PACS_IMAGE, "1.1.1.2"},
                {studies[i], series[k], "1.1.1.2", COR_PACS_IMAGE, "1.1.1.2"},
            };
            assert_all_resolve(*state, cases, COR_ARRAY_LEN(cases));
        }
    }
}

static void image_ids_may_have_several_parts(void **state)
{
    static const Case cases[] = {
        {LIVER, "300", "AiCE_300_172938.900/IM-1.dcm", COR_PACS_IMAGE, "1.1.1.1"},
        {LIVER, NULL, LIVER_SERIES "/IM-1.dcm", COR_PACS_IMAGE, "1.1.1.1"},
        {"1.1", NULL, LIVER_SERIES "/IM-1.dcm", COR_PACS_IMAGE, "1.1.1.1"},
        {"1.1", NULL, LIVER "/" LIVER_SERIES "/IM-1.dcm", COR_PACS_IMAGE, "1.1.1.1"},
        {"1.1", LIVER "/" LIVER_SERIES, "IM-1.dcm", COR_PACS_IMAGE, "1.1.1.1"},
        {"2.2", "1", "x.dcm", COR_PACS_IMAGE, "2.2.1.1"}, /* its folder is that of its series */
        {"2.2", "D55-010/1", "x.dcm", COR_PACS_IMAGE, "2.2.1.1"},
        {"2.2", NULL, "D55-010/1/x.dcm", COR_PACS_IMAGE, "2.2.1.1"},
        {"1.1", "1.1.1", "AiCE_300_172938.900/IM-1.dcm", COR_PACS_IMAGE, "1.1.1.1"},
        {"liver1", "phantomx/D55-01/301", "IM-2", COR_PACS_IMAGE, "1.1.2.2"},
        {LIVER "/300", "AiCE_300_172938.900", "IM-1.dcm", COR_PACS_IMAGE, "1.1.1.1"},
    };

    assert_all_resolve(*state, cases, COR_ARRAY_LEN(cases));
}

static void a_key_part_is_a_whole_part(void **state)
{
    static const Case cases[] = {
        {"liver1/phantomx/D55-0", NULL, NULL, COR_PACS_STUDY, "no such study"},
        {"liver1/phantomx/D55-010", NULL, NULL, COR_PACS_STUDY, "2.2.1.1"},
        {LIVER, "30", NULL, COR_PACS_SERIES, "no such series in the study"},
        {LIVER, LIVER_SERIES, "M-1.dcm", COR_PACS_IMAGE, "no such image in the series"},
        {"1.1", "1.1.1", "M-1.dcm", COR_PACS_IMAGE, "no such image in the series"},
        {"1.1", "1.1.1", "IM-1", COR_PACS_IMAGE, "no such image in the series"},
        {"liver1/phantomx/D55-01/301/IM-1", NULL, NULL, COR_PACS_STUDY, "no such study"},
    };

    assert_all_resolve(*state, cases, COR_ARRAY_LEN(cases));
}

static void the_error_names_the_level_that_is_missing(void **state)
{
    static const Case cases[] = {
        {"nobody", LIVER_SERIES, "IM-1.dcm", COR_PACS_IMAGE, "no such study"},
        {"9.9", "1.1.1", "1.1.1.1", COR_PACS_IMAGE, "no such study"},
        {LIVER, "999", "IM-1.dcm", COR_PACS_IMAGE, "no such series in the study"},
        {LIVER, "2.2.1", "2.2.1.1", COR_PACS_IMAGE, "no such series in the study"},
        {"1.1", "2.2.1", NULL, COR_PACS_SERIES, "no such series in the study"},
        {LIVER, LIVER_SERIES, "1.1.2.1", COR_PACS_IMAGE, "no such image in the series"},
        {"1.1", "1.1.1", "1.1.2.1", COR_PACS_IMAGE, "no such image in the series"},
        {LIVER, NULL, "2.2.1.1", COR_PACS_IMAGE, "no such image in the study"},
        {"", "a", "b", COR_PACS_IMAGE, "study_id is missing"},
        {NULL, "a", "b", COR_PACS_IMAGE, "study_id is missing"},
        {LIVER, NULL, NULL, COR_PACS_SERIES, "series_id is missing"},
        {LIVER, "300", "", COR_PACS_IMAGE, "image_id is missing"},
        {"/", NULL, NULL, COR_PACS_STUDY, "no such study"},
    };

    assert_all_resolve(*state, cases, COR_ARRAY_LEN(cases));
}

static void a_series_comes_in_order_of_number_then_position_then_key(void **state)
{
    static const Case cases[] = {
        {LIVER, LIVER_SERIES, NULL, COR_PACS_SERIES, "1.1.1.3,1.1.1.2,1.1.1.1"},
        {"1.1", "1.1.1", NULL, COR_PACS_SERIES, "1.1.1.3,1.1.1.2,1.1.1.1"},
        {LIVER, "1.1.2", NULL, COR_PACS_SERIES, "1.1.2.2,1.1.2.1"},
        {"1.1", "301", "ignored", COR_PACS_SERIES, "1.1.2.2,1.1.2.1"},
    };

    assert_all_resolve(*state, cases, COR_ARRAY_LEN(cases));
}

static void a_study_means_what_came_in_series_by_series(void **state)
{
    static const Case cases[] = {
        {LIVER, "ignored", NULL, COR_PACS_STUDY, "1.1.1.3,1.1.1.2,1.1.1.1,1.1.2.2,1.1.2.1"},
        {"1.1", NULL, NULL, COR_PACS_STUDY, "1.1.1.3,1.1.1.2,1.1.1.1,1.1.2.2,1.1.2.1"},
        {"3.3", NULL, NULL, COR_PACS_STUDY, "3.3.1.1"},
        {"liver1", NULL, NULL, COR_PACS_STUDY, "1.1.1.3,1.1.1.2,1.1.1.1,1.1.2.2,1.1.2.1,2.2.1.1"},
    };

    assert_all_resolve(*state, cases, COR_ARRAY_LEN(cases));
}

static void something_derived_is_found_by_uid(void **state)
{
    static const Case cases[] = {
        {"1.1", "1.1.9", "1.1.9.1", COR_PACS_IMAGE, "1.1.9.1"},
        {"1.1", "1.1.9", "IM-1_p1.dcm", COR_PACS_IMAGE, "1.1.9.1"},
        {"1.1", "1.1.9", NULL, COR_PACS_SERIES, "1.1.9.1,1.1.9.2"},
        {LIVER, "1.1.9", NULL, COR_PACS_SERIES, "1.1.9.1,1.1.9.2"},
        {LIVER, "1.1.9", "1.1.9.2", COR_PACS_IMAGE, "1.1.9.2"},
        {LIVER, LIVER_SERIES, "1.1.9.2", COR_PACS_IMAGE, "1.1.9.2"},
        {LIVER, LIVER_SERIES, "IM-1_p1.dcm", COR_PACS_IMAGE, "no such image in the series"},
        {"3.3", "3.3.9", "3.3.9.1", COR_PACS_IMAGE, "3.3.9.1"},
        {"liver1/phantomx/D55-010", "1.1.9", NULL, COR_PACS_SERIES, "no such series in the study"},
    };

    assert_all_resolve(*state, cases, COR_ARRAY_LEN(cases));
}

static void where_a_key_and_a_uid_match_the_key_wins(void **state)
{
    /* A folder called like another study's UID, a file called like another instance's. */
    static const Item more[] = {
        {.study = "4.4",
         .series = "4.4.1",
         .sop = "4.4.1.1",
         .key = "2.2/2.2.1/2.2.1.1",
         .digest = 'b'},
        {.study = "5.5",
         .series = "5.5.1",
         .sop = "5.5.1.1",
         .key = "five/s/5.5.1.2",
         .digest = 'c'},
        {.study = "5.5", .series = "5.5.1", .sop = "5.5.1.2", .key = "five/s/x", .digest = 'd'},
    };
    static const Case cases[] = {
        {"2.2", NULL, NULL, COR_PACS_STUDY, "4.4.1.1"},
        {"2.2", "2.2.1", "2.2.1.1", COR_PACS_IMAGE, "4.4.1.1"},
        {"2.2", "1", "x.dcm", COR_PACS_IMAGE, "2.2.1.1"}, /* the key leads nowhere: the UID does */
        {"2.2", "9", "x.dcm", COR_PACS_IMAGE, "no such series in the study"},
        {"five", "s", "5.5.1.2", COR_PACS_IMAGE, "5.5.1.1"},
        {"5.5", "5.5.1", "5.5.1.2", COR_PACS_IMAGE, "5.5.1.1"},
        {"5.5", "5.5.1", "x", COR_PACS_IMAGE, "5.5.1.2"},
    };

    fixture_add_all(*state, more, COR_ARRAY_LEN(more));
    assert_all_resolve(*state, cases, COR_ARRAY_LEN(cases));
}

static void a_name_that_fits_several_images_of_a_series_is_a_conflict(void **state)
{
    static const Item more[] = {
        {.study = "6.6", .series = "6.6.1", .sop = "6.6.1.1", .key = "six/a/x.dcm", .digest = 'b'},
        {.study = "6.6", .series = "6.6.1", .sop = "6.6.1.2", .key = "six/b/x.dcm", .digest = 'c'},
    };
    static const Case cases[] = {
        {"6.6", "6.6.1", "x.dcm", COR_PACS_IMAGE, "image_id fits several images of the series"},
        {"6.6", "6.6.1", "b/x.dcm", COR_PACS_IMAGE, "6.6.1.2"},
        {"6.6", "a", "x.dcm", COR_PACS_IMAGE, "6.6.1.1"},
        {"six/b", "6.6.1", "x.dcm", COR_PACS_IMAGE, "6.6.1.2"},
        {"six/b", "6.6.1", NULL, COR_PACS_SERIES, "6.6.1.2"},
    };

    fixture_add_all(*state, more, COR_ARRAY_LEN(more));
    assert_all_resolve(*state, cases, COR_ARRAY_LEN(cases));
}

static void keys_with_wild_and_foreign_characters_mean_themselves(void **state)
{
    static const Item more[] = {
        {.study = "7.1",
         .series = "7.1.1",
         .sop = "7.1.1.1",
         .key = "50%/a_b/*.dcm",
         .digest = 'b'},
        {.study = "7.2",
         .series = "7.2.1",
         .sop = "7.2.1.1",
         .key = "50x/aXb/q.dcm",
         .digest = 'c'},
        {.study = "7.3",
         .series = "7.3.1",
         .sop = "7.3.1.1",
         .digest = 'd',
         .key = "\xE8\x82\x9D\xE8\x87\x93/\xC3\xA9'\"; DROP/\xF0\x9F\xA9\xBA?.dcm"},
        {.study = "7.4",
         .series = "7.4.1",
         .sop = "7.4.1.1",
         .key = "[a]/{b}/c d.dcm",
         .digest = 'e'},
    };
    static const Case cases[] = {
        {"50%", NULL, NULL, COR_PACS_STUDY, "7.1.1.1"},
        {"50%", "a_b", "*.dcm", COR_PACS_IMAGE, "7.1.1.1"},
        {"5%", NULL, NULL, COR_PACS_STUDY, "no such study"},
        {"%", NULL, NULL, COR_PACS_STUDY, "no such study"},
        {"50_", NULL, NULL, COR_PACS_STUDY, "no such study"},
        {"50x", "a_b", NULL, COR_PACS_SERIES, "no such series in the study"},
        {"50x", "aXb", "*", COR_PACS_IMAGE, "no such image in the series"},
        {"7.2", "7.2.1", "*", COR_PACS_IMAGE, "no such image in the series"},
        {"\xE8\x82\x9D\xE8\x87\x93", "\xC3\xA9'\"; DROP", "\xF0\x9F\xA9\xBA?.dcm", COR_PACS_IMAGE,
         "7.3.1.1"},
        {"[a]", "{b}", "c d.dcm", COR_PACS_IMAGE, "7.4.1.1"},
        {"' OR '1'='1", NULL, NULL, COR_PACS_STUDY, "no such study"},
        {"..", NULL, NULL, COR_PACS_STUDY, "no such study"},
        {"\xFF\xFE", NULL, NULL, COR_PACS_STUDY, "no such study"},
    };

    fixture_add_all(*state, more, COR_ARRAY_LEN(more));
    assert_all_resolve(*state, cases, COR_ARRAY_LEN(cases));
}

static void ids_longer_than_any_key_are_not_found(void **state)
{
    char text[4 * COR_KEY_MAX];
    static const size_t sizes[] = {COR_KEY_MAX - 1, COR_KEY_MAX, COR_KEY_MAX + 1, sizeof(text) - 1};

    for (size_t i = 0; i < COR_ARRAY_LEN(sizes); i++) {
        memset(text, 'a', sizeof(text));
        text[sizes[i]] = '\0';
        const Case cases[] = {
            {text, text, text, COR_PACS_IMAGE, "no such study"},
            {LIVER, text, "x", COR_PACS_IMAGE, "no such series in the study"},
            {LIVER, LIVER_SERIES, text, COR_PACS_IMAGE, "no such image in the series"},
            {"1.1", text, "x", COR_PACS_IMAGE, "no such series in the study"},
            {"1.1", "1.1.1", text, COR_PACS_IMAGE, "no such image in the series"},
            {"1.1", NULL, text, COR_PACS_IMAGE, "no such image in the study"},
        };
        assert_all_resolve(*state, cases, COR_ARRAY_LEN(cases));
    }
}

static void more_images_than_allowed_are_a_limit(void **state)
{
    Call call = {.ref = {.study_id = "1.1", .scope = COR_PACS_STUDY}, .max = 4};
    CorError err = {0};

    assert_false(cor_sql_read(((Fixture *) *state)->db, fixture_run_resolve, &call, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
    assert_null(call.list);
    call.max = 5;
    fixture_read(*state, fixture_run_resolve, &call);
    assert_int_equal(call.list->len, 5);
    assert_false(call.list->has_more);
    cor_catalog_instances_free(call.list);
}

static void scopes_have_names(void **state)
{
    CorPacsScope scope = COR_PACS_IMAGE;
    (void) state;

    assert_true(cor_pacs_scope_from_name("study", &scope) && scope == COR_PACS_STUDY);
    assert_true(cor_pacs_scope_from_name("series", &scope) && scope == COR_PACS_SERIES);
    assert_true(cor_pacs_scope_from_name("image", &scope) && scope == COR_PACS_IMAGE);
    assert_false(cor_pacs_scope_from_name("Image", &scope));
}

/* --- Lists. --- */

static void assert_images(Fixture *fixture, const char *study, const char *series,
                          const char *expected)
{
    char after[COR_KEY_SIZE] = "";
    char all[512] = "";
    bool has_more = true;

    while (has_more) { /* page by page: two at a time */
        Call call = {.images = {.study_id = study, .series_id = series, .after = after, .max = 2}};
        char text[256];

        fixture_read(fixture, fixture_run_images, &call);
        (void) snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s",
                        all[0] && call.list->len ? "," : "",
                        uids_of(call.list, text, sizeof(text)));
        has_more = call.list->has_more;
        if (call.list->len > 0) {
            (void) snprintf(after, sizeof(after), "%s", call.list->items[call.list->len - 1]->key);
        }
        cor_catalog_instances_free(call.list);
    }
    assert_string_equal(all, expected);
}

static void images_are_listed_in_byte_order_of_their_keys(void **state)
{
    static const char all[] = "1.1.1.1,1.1.1.2,1.1.1.3,1.1.2.1,1.1.2.2";

    assert_images(*state, LIVER, NULL, all);
    assert_images(*state, "1.1", NULL, all);
    assert_images(*state, LIVER, LIVER_SERIES, "1.1.1.1,1.1.1.2,1.1.1.3");
    assert_images(*state, LIVER, "300", "1.1.1.1,1.1.1.2,1.1.1.3");
    assert_images(*state, "1.1", "1.1.1", "1.1.1.1,1.1.1.2,1.1.1.3");
    assert_images(*state, "1.1", "301", "1.1.2.1,1.1.2.2");
    assert_images(*state, "1.1", "1.1.9", "1.1.9.1,1.1.9.2");
    assert_images(*state, "3.3", NULL, "3.3.1.1");
    assert_images(*state, "nobody", NULL, "");
    assert_images(*state, LIVER, "nothing", "");
    assert_images(*state, "", "", "");
}

static void a_study_is_called_by_its_common_folder_or_its_uid(void **state)
{
    static const Item more[] = {
        {.study = "7.7", .series = "7.7.1", .sop = "7.7.1.1", .key = "loose.dcm", .digest = 'b'},
        {.study = "8.8", .series = "8.8.1", .sop = "8.8.1.1", .key = "x/1/a", .digest = 'c'},
        {.study = "8.8", .series = "8.8.1", .sop = "8.8.1.2", .key = "y/1/a", .digest = 'd'},
        {.study = "9.9",
         .series = "9.9.1",
         .sop = "9.9.1.1",
         .bucket = "output",
         .key = "z/z",
         .digest = 'e',
         .is_derived = true},
    };

    assert_study_ids(*state, "3.3/3.3.1," LIVER ",liver1/phantomx/D55-010/1");
    fixture_add_all(*state, more, COR_ARRAY_LEN(more));
    assert_study_ids(*state, "3.3/3.3.1,7.7,8.8,9.9," LIVER ",liver1/phantomx/D55-010/1");
}

static void the_common_folder_follows_arrivals_and_removals(void **state)
{
    static const Item more[] = {
        {.study = "8.8", .series = "8.8.1", .sop = "8.8.1.1", .key = "x/1/a/1.dcm", .digest = 'b'},
        {.study = "8.8", .series = "8.8.1", .sop = "8.8.1.2", .key = "x/1/ab/1.dcm", .digest = 'c'},
        {.study = "8.8", .series = "8.8.1", .sop = "8.8.1.3", .key = "x/10/1.dcm", .digest = 'd'},
        {.study = "8.8", .series = "8.8.1", .sop = "8.8.1.4", .key = "xy", .digest = 'e'},
        {.study = "8.8",
         .series = "8.8.1",
         .sop = "8.8.1.5",
         .bucket = "output",
         .key = "x/1/a/o",
         .digest = 'f',
         .is_derived = true},
    };
    static const char *const grown[] = {"x/1/a", "x/1", "x", "8.8", "8.8"};
    static const char *const shrunk[] = {"8.8", "x/1", "x/1/ab", "8.8"};
    static const char *const order[] = {"8.8.1.5", "8.8.1.3", "8.8.1.1", "8.8.1.2"};

    for (size_t i = 0; i < COR_ARRAY_LEN(house); i++) {
        fixture_remove(*state, house[i].sop);
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(more); i++) {
        fixture_add(*state, &more[i]);
        assert_study_ids(*state, grown[i]);
    }
    fixture_remove(*state, order[0]);
    assert_study_ids(*state, shrunk[0]);
    fixture_remove(*state, "8.8.1.4");
    assert_study_ids(*state, "x");
    fixture_remove(*state, order[1]);
    assert_study_ids(*state, shrunk[1]);
    fixture_remove(*state, order[2]);
    assert_study_ids(*state, shrunk[2]);
    fixture_add(*state, &more[4]);
    fixture_remove(*state, order[3]);
    assert_study_ids(*state, shrunk[3]); /* only something derived is left */
    fixture_remove(*state, "8.8.1.5");
    assert_study_ids(*state, "");
}

static void study_ids_are_paged_and_each_shows_once(void **state)
{
    static const Item more[] = {
        {.study = "8.1", .series = "8.1.1", .sop = "8.1.1.1", .key = "inbox/1", .digest = 'b'},
        {.study = "8.2", .series = "8.2.1", .sop = "8.2.1.1", .key = "inbox/2", .digest = 'c'},
    };
    static const char *const expected[] = {"3.3/3.3.1", "inbox", LIVER,
                                           "liver1/phantomx/D55-010/1"};
    char after[COR_KEY_SIZE] = "";

    fixture_add_all(*state, more, COR_ARRAY_LEN(more));
    for (size_t i = 0; i < COR_ARRAY_LEN(expected); i++) {
        Call call = {.after = after, .max = 1};
        fixture_read(*state, fixture_run_ids, &call);
        assert_int_equal(call.ids->len, 1);
        assert_string_equal(call.ids->items[0], expected[i]);
        assert_int_equal(call.ids->has_more, i + 1 < COR_ARRAY_LEN(expected));
        (void) snprintf(after, sizeof(after), "%s", call.ids->items[0]);
        cor_catalog_texts_free(call.ids);
    }
}

/* --- Images only. --- */

static void assert_only_pixels(Fixture *fixture, CorPacsScope scope, const char *series,
                               const char *image, const char *expected)
{
    Call call = {.ref = {.study_id = "r",
                         .series_id = series,
                         .image_id = image,
                         .scope = scope,
                         .only_pixels = true},
                 .max = 2};
    CorError err = {0};
    char text[512] = "";

    if (!cor_sql_read(fixture->db, fixture_run_resolve, &call, &err)) {
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_non_null(strstr(err.text, expected));
        return;
    }
    assert_string_equal(uids_of(call.list, text, sizeof(text)), expected);
    cor_catalog_instances_free(call.list);
}

static void objects_without_pixels_are_left_out_where_only_images_are_wanted(void **state)
{
    static const Item items[] = {
        {.study = "5", .series = "5.1", .sop = "5.1.1", .key = "r/a/1", .number = 1},
        {.study = "5", .series = "5.1", .sop = "5.1.2", .key = "r/a/2", .without = "has_pixels"},
        {.study = "5", .series = "5.1", .sop = "5.1.3", .key = "r/a/3", .number = 3},
        {.study = "5", .series = "5.2", .sop = "5.2.1", .key = "r/b/1", .without = "has_pixels"},
    };

    fixture_add_all(*state, items, COR_ARRAY_LEN(items));
    assert_only_pixels(*state, COR_PACS_SERIES, "a", NULL, "5.1.1,5.1.3");
    assert_only_pixels(*state, COR_PACS_STUDY, NULL, NULL, "5.1.1,5.1.3");
    assert_only_pixels(*state, COR_PACS_SERIES, "5.1", NULL, "5.1.1,5.1.3");
    assert_only_pixels(*state, COR_PACS_IMAGE, "a", "1", "5.1.1");
    assert_only_pixels(*state, COR_PACS_IMAGE, "a", "2", "image_id names an object without pixels");
    assert_only_pixels(*state, COR_PACS_SERIES, "b", NULL, "series_id names no image with pixels");
    assert_resolves(*state, &(Case){"r", "a", "2", COR_PACS_IMAGE, "5.1.2"});
    assert_resolves(*state, &(Case){"r", "b", NULL, COR_PACS_SERIES, "5.2.1"});
    for (int i = 1; i <= 3; i += 2) {
        fixture_remove(*state, i == 1 ? "5.1.1" : "5.1.3");
    }
    assert_only_pixels(*state, COR_PACS_STUDY, NULL, NULL, "study_id names no image with pixels");
}

/* --- Who was there first. --- */

typedef struct Twins {
    const char *uid;
    const char *keys[COR_CATALOG_TWINS];
    bool has_older;
} Twins;

static bool run_has_older(CorSqlTxn *txn, void *arg, CorError *err)
{
    COR_CLEANUP(cor_catalog_instance_freep) CorCatalogInstance *instance = NULL;
    Twins *twins = arg;

    return cor_catalog_find(txn, twins->uid, &instance, err) &&
           cor_catalog_has_older(txn, instance, twins->keys, &twins->has_older, err);
}

static bool has_older(Fixture *fixture, const char *uid)
{
    Twins twins = {.uid = uid, .keys = {"t/1", "t/1.dcm", [8] = "t/1.DCM"}};
    CorError err = {0};

    assert_true(cor_sql_read(fixture->db, run_has_older, &twins, &err));
    return twins.has_older;
}

static void only_what_was_there_first_has_nothing_older(void **state)
{
    static const Item items[] = {
        {.study = "6", .series = "6.1", .sop = "6.1.1", .key = "t/1.dcm"},
        {.study = "6", .series = "6.1", .sop = "6.1.2", .key = "t/1"},
        {.study = "6", .series = "6.1", .sop = "6.1.3", .key = "t/1.DCM"},
        {.study = "6", .series = "6.2", .sop = "6.2.1", .key = "t/1", .bucket = "output"},
    };

    fixture_add(*state, &items[0]);
    assert_false(has_older(*state, "6.1.1"));
    fixture_add_all(*state, items + 1, COR_ARRAY_LEN(items) - 1);
    assert_false(has_older(*state, "6.1.1"));
    assert_true(has_older(*state, "6.1.2"));
    assert_true(has_older(*state, "6.1.3"));
    assert_false(has_older(*state, "6.2.1"));
}

static void where_two_orders_contradict_each_other_none_is_first(void **state)
{
    static const Item items[] = {
        {.study = "6", .series = "6.1", .sop = "6.1.1", .key = "t/1", .created = 2000},
        {.study = "6", .series = "6.1", .sop = "6.1.2", .key = "t/1.dcm", .created = 1000},
    };

    fixture_add_all(*state, items, COR_ARRAY_LEN(items));
    assert_true(has_older(*state, "6.1.1"));
    assert_true(has_older(*state, "6.1.2"));
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, open_house, fixture_close)
    const struct CMUnitTest tests[] = {
        CASE(an_image_is_named_by_keys_by_uids_or_by_both),
        CASE(image_ids_may_have_several_parts),
        CASE(a_key_part_is_a_whole_part),
        CASE(the_error_names_the_level_that_is_missing),
        CASE(a_series_comes_in_order_of_number_then_position_then_key),
        CASE(a_study_means_what_came_in_series_by_series),
        CASE(something_derived_is_found_by_uid),
        CASE(where_a_key_and_a_uid_match_the_key_wins),
        CASE(a_name_that_fits_several_images_of_a_series_is_a_conflict),
        CASE(keys_with_wild_and_foreign_characters_mean_themselves),
        CASE(ids_longer_than_any_key_are_not_found),
        CASE(more_images_than_allowed_are_a_limit),
        CASE(objects_without_pixels_are_left_out_where_only_images_are_wanted),
        CASE(only_what_was_there_first_has_nothing_older),
        CASE(where_two_orders_contradict_each_other_none_is_first),
        CASE(scopes_have_names),
        CASE(images_are_listed_in_byte_order_of_their_keys),
        CASE(a_study_is_called_by_its_common_folder_or_its_uid),
        CASE(the_common_folder_follows_arrivals_and_removals),
        CASE(study_ids_are_paged_and_each_shows_once),
    };

    return cmocka_run_group_tests_name("catalog-resolve", tests, NULL, NULL);
}
