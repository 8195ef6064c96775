/* SPDX-License-Identifier: Apache-2.0 */
/* Searches in a small catalogue: what each kind of key finds, at each level, and what answers say.
 */
#include "catalog-fixture.h"

#include "catalog/catalog-search.h"

#define PERSON(name) "{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"" name "\"}]}"
#define TEXT(vr, value) "{\"vr\":\"" vr "\",\"Value\":[\"" value "\"]}"
#define HEADER(study, series, sop, more)                                    \
    "{\"attributes\":{\"00080018\":" TEXT("UI", sop) ",\"0020000D\":" TEXT( \
        "UI", study) ",\"0020000E\":" TEXT("UI", series) "," more "}}"

/* Two studies: of the first two series, CT and SR. */
static const Item items[] = {
    {.study = "1.1",
     .series = "1.1.1",
     .sop = "1.1.1.1",
     .key = "a/1",
     .number = 1,
     .with =
         HEADER("1.1", "1.1.1", "1.1.1.1",
                "\"00080005\":{\"vr\":\"CS\",\"Value\":[\"ISO_IR 192\"]},"
                "\"00080020\":{\"vr\":\"DA\",\"Value\":[\"20200229\"]},"
                "\"00080030\":{\"vr\":\"TM\",\"Value\":[\"101530.5\"]},"
                "\"00080060\":{\"vr\":\"CS\",\"Value\":[\"CT\"]},"
                "\"0008103E\":{\"vr\":\"LO\",\"Value\":[\"Lung [1%_]*\"]},"
                "\"00081070\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"One^Op\"},"
                "{\"Alphabetic\":\"Two^Op\"}]},"
                "\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"Yamada^Tarou\","
                "\"Ideographic\":\"山田^太郎\",\"Phonetic\":\"やまだ^たろう\"}]},"
                "\"00100020\":{\"vr\":\"LO\",\"Value\":[\" P-1\"]},"
                "\"00180060\":{\"vr\":\"DS\",\"Value\":[120.0]},"
                "\"00200011\":{\"vr\":\"IS\",\"Value\":[7]},"
                "\"00200013\":{\"vr\":\"IS\",\"Value\":[1]},"
                "\"00280010\":{\"vr\":\"US\",\"Value\":[512]},"
                "\"00400275\":{\"vr\":\"SQ\",\"Value\":[{\"00400009\":{\"vr\":\"SH\","
                "\"Value\":[\"STEP1\"]}},{\"00400009\":{\"vr\":\"SH\",\"Value\":[\"STEP2\"]}}]},"
                "\"7FE00010\":{\"vr\":\"OW\",\"BulkDataURI\":\"bulkdata/7FE00010\"}")},
    {.study = "1.1",
     .series = "1.1.1",
     .sop = "1.1.1.2",
     .key = "a/2",
     .number = 2,
     .with = HEADER("1.1", "1.1.1", "1.1.1.2",
                    "\"00180060\":{\"vr\":\"DS\",\"Value\":[80]},"
                    "\"00200013\":{\"vr\":\"IS\",\"Value\":[2]},"
                    "\"0040A032\":{\"vr\":\"DT\",\"Value\":[\"20200301120000.000000+0100\"]}")},
    {.study = "1.1",
     .series = "1.1.2",
     .sop = "1.1.2.1",
     .key = "a/3",
     .modality = "SR",
     .with = HEADER("1.1", "1.1.2", "1.1.2.1", "\"00080060\":" TEXT("CS", "SR"))},
    {.study = "1.2",
     .series = "1.2.1",
     .sop = "1.2.1.1",
     .key = "b/1",
     .modality = "MR",
     .with = HEADER("1.2", "1.2.1", "1.2.1.1",
                    "\"00080020\":{\"vr\":\"DA\",\"Value\":[\"20210101\"]},"
                    "\"00080060\":{\"vr\":\"CS\",\"Value\":[\"MR\"]},"
                    "\"00100010\":" PERSON("Doe^Jane^^Dr.") ",\"00100020\":" TEXT(
                        "LO", "P-2") ",\"00200010\":{\"vr\":\"SH\"}")},
};

typedef struct Question {
    CorCatalogLevel level;
    CorCatalogUids within;
    const char *keys[5][2];
    const char *includes[3];
    int64_t offset;
    int64_t limit; /* 0: 100 */
    CorCatalogQuery *query;
    CorString *text;
    CorCatalogFound found;
} Question;

static bool run_search(CorSqlTxn *txn, void *arg, CorError *err)
{
    Question *question = arg;

    return cor_catalog_search(txn, question->query, "http://h/dicom-web", question->text,
                              &question->found, err);
}

/* The answers as JSON. */
static json_t *ask(Fixture *fixture, Question *question)
{
    json_t *answers = NULL;
    CorError err = {0};
    bool is_used = false;

    assert_true(cor_catalog_query_new(question->level, &question->within, &question->query, &err));
    for (size_t i = 0; i < COR_ARRAY_LEN(question->keys) && question->keys[i][0]; i++) {
        if (!cor_catalog_query_match(question->query, question->keys[i][0], question->keys[i][1],
                                     &is_used, &err)) {
            fail_msg("%s", err.text);
        }
        assert_true(is_used);
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(question->includes) && question->includes[i]; i++) {
        assert_true(cor_catalog_query_include(question->query, question->includes[i]));
    }
    cor_catalog_query_page(question->query, question->offset,
                           question->limit ? question->limit : 100);
    question->text = cor_string_new(1 << 20);
    if (!cor_sql_read(fixture->db, run_search, question, &err)) {
        fail_msg("%s", err.text);
    }
    if (!cor_json_parse(cor_string_text(question->text), cor_string_size(question->text), &answers,
                        &err)) {
        fail_msg("%s: %s", err.text, cor_string_text(question->text));
    }
    assert_int_equal(json_array_size(answers), question->found.len);
    cor_string_free(question->text);
    cor_catalog_query_free(question->query);
    return answers;
}

static const char *text_of(const json_t *answer, const char *tag)
{
    return json_string_value(
        json_array_get(json_object_get(json_object_get(answer, tag), "Value"), 0));
}

/* What a single key finds at a level, as the UIDs of that level. */
static void assert_finds(Fixture *fixture, CorCatalogLevel level, const char *name,
                         const char *value, const char *expected)
{
    static const char *const tags[] = {"0020000D", "0020000E", "00080018"};
    Question question = {.level = level, .keys = {{name, value}}};
    json_t *answers = ask(fixture, &question);
    char found[256] = "";

    for (size_t i = 0; i < json_array_size(answers); i++) {
        size_t len = strlen(found);
        (void) snprintf(found + len, sizeof(found) - len, "%s%s", len ? " " : "",
                        text_of(json_array_get(answers, i), tags[level]));
    }
    if (strcmp(found, expected) != 0) {
        fail_msg("%s=%s finds '%s', not '%s'", name, value, found, expected);
    }
    json_decref(answers);
}

typedef struct Finding {
    const char *name;
    const char *value;
    const char *expected;
} Finding;

static void assert_all_find(Fixture *fixture, CorCatalogLevel level, const Finding *findings,
                            size_t len)
{
    fixture_add_all(fixture, items, COR_ARRAY_LEN(items));
    for (size_t i = 0; i < len; i++) {
        assert_finds(fixture, level, findings[i].name, findings[i].value, findings[i].expected);
    }
}

static void studies_are_found_by_each_kind_of_matching(void **state)
{
    static const Finding findings[] = {
        /* single value, by keyword and by tag; universal */
        {"PatientID", "P-1", "1.1"},
        {"00100020", "P-2", "1.2"},
        {"00100020", "p-2", ""},
        {"PatientID", "", "1.1 1.2"},
        {"PatientID", "*", "1.1 1.2"},
        {"StudyID", "", "1.1 1.2"},
        {"StudyID", "1", ""},
        /* lists of UIDs */
        {"StudyInstanceUID", "1.2", "1.2"},
        {"StudyInstanceUID", "1.2,1.1,9.9", "1.1 1.2"},
        {"StudyInstanceUID", "1.2\\1.1", "1.1 1.2"},
        /* wildcards */
        {"PatientID", "P-?", "1.1 1.2"},
        {"PatientID", "P?", ""},
        {"PatientID", "*2", "1.2"},
        {"PatientID", "*-*", "1.1 1.2"},
        /* dates and times */
        {"StudyDate", "20200229", "1.1"},
        {"StudyDate", "20200101-20201231", "1.1"},
        {"StudyDate", "20200301-", "1.2"},
        {"StudyDate", "-20200229", "1.1"},
        {"StudyTime", "10", "1.1"},
        {"StudyTime", "101530.5", "1.1"},
        {"StudyTime", "101530.51", ""},
        {"StudyTime", "1016-", ""},
        {"StudyTime", "09-1015", "1.1"},
        {"StudyTime", "-1014", ""},
        /* names */
        {"PatientName", "yamada^tarou", "1.1"},
        {"PatientName", "YAMADA TAROU", "1.1"},
        {"PatientName", "Yamada", ""},
        {"PatientName", "山田*", "1.1"},
        {"PatientName", "山?^*", "1.1"},
        {"PatientName", "*たろう", "1.1"},
        {"PatientName", "Yamada^Tarou=山田^太郎", "1.1"},
        {"PatientName", "=山田*", "1.1"},
        {"PatientName", "Doe=山田*", ""},
        {"PatientName", "doe^j*", "1.2"},
        {"PatientName", "doe jane", ""},
        {"PatientName", "doe^jane^^dr.", "1.2"},
        /* of a lower level */
        {"ModalitiesInStudy", "SR", "1.1"},
        {"ModalitiesInStudy", "SR\\MR", "1.1 1.2"},
        {"ModalitiesInStudy", "?T", "1.1"},
        {"Modality", "MR", "1.2"},
        {"SeriesInstanceUID", "1.1.2", "1.1"},
        {"SOPInstanceUID", "1.1.1.2,1.2.1.1", "1.1 1.2"},
        {"SOPClassesInStudy", "1.2.840.10008.5.1.4.1.1.2", "1.1 1.2"},
        {"SOPClassesInStudy", "1.2.3", ""},
        {"OperatorsName", "two op", "1.1"},
        {"KVP", "80", "1.1"},
        {"NumberOfStudyRelatedInstances", "3", "1.1"},
        {"InstanceAvailability", "ONLINE", "1.1 1.2"},
        {"InstanceAvailability", "OFFLINE", ""},
    };

    assert_all_find(*state, COR_CATALOG_STUDIES, findings, COR_ARRAY_LEN(findings));
}

static void series_are_found_by_keys_of_all_levels(void **state)
{
    static const Finding findings[] = {
        {"PatientID", "P-1", "1.1.1 1.1.2"},
        {"SeriesNumber", "007", "1.1.1"},
        {"SeriesNumber", "7.0", "1.1.1"},
        {"SeriesNumber", "8", ""},
        {"SeriesDescription", "Nose\\Lung *", "1.1.1"},
        {"SeriesDescription", "Lung [1%_]*", "1.1.1"},
        {"SeriesDescription", "Lung ?1*", "1.1.1"},
        {"SeriesDescription", "Lung [*", "1.1.1"},
        {"SeriesDescription", "*%*", "1.1.1"},
        {"SeriesDescription", "Lung 1*", ""},
        {"RequestAttributesSequence.ScheduledProcedureStepID", "STEP2", "1.1.1"},
        {"00400275.00400009", "STEP?", "1.1.1"},
        {"00400275.00400009", "STEP3", ""},
        {"SOPInstanceUID", "1.1.1.2", "1.1.1"},
        {"ModalitiesInStudy", "SR", "1.1.1 1.1.2"},
    };

    assert_all_find(*state, COR_CATALOG_SERIES, findings, COR_ARRAY_LEN(findings));
}

static void instances_are_found_by_keys_of_all_levels(void **state)
{
    static const Finding findings[] = {
        {"PatientID", "P-2", "1.2.1.1"},
        {"Modality", "CT", "1.1.1.1 1.1.1.2"},
        {"InstanceNumber", "2", "1.1.1.2"},
        {"KVP", "120", "1.1.1.1"},
        {"KVP", "1.2e2", "1.1.1.1"},
        {"ObservationDateTime", "202003", "1.1.1.2"},
        {"ObservationDateTime", "20200301-20200302", "1.1.1.2"},
        {"ObservationDateTime", "2021-", ""},
        {"ObservationDateTime", "20200301110000-0500", ""},
        {"Rows", "512", "1.1.1.1"},
    };

    assert_all_find(*state, COR_CATALOG_INSTANCES, findings, COR_ARRAY_LEN(findings));
}

static void several_keys_have_to_match_together_and_uids_in_several_keys_are_one_list(void **state)
{
    Question both = {.keys = {{"PatientID", "P-?"}, {"StudyDate", "2020-"}}};
    Question lists = {.keys = {{"StudyInstanceUID", "1.1"}, {"0020000D", "1.2"}}};

    fixture_add_all(*state, items, COR_ARRAY_LEN(items));
    both.keys[1][1] = "20210101";
    json_t *answers = ask(*state, &both);
    assert_int_equal(json_array_size(answers), 1);
    json_decref(answers);
    answers = ask(*state, &lists);
    assert_int_equal(json_array_size(answers), 2);
    json_decref(answers);
}

static void values_that_make_no_sense_are_refused_and_named(void **state)
{
    static const char *const keys[][2] = {
        {"StudyInstanceUID", "1.2.x"},
        {"StudyInstanceUID", "1.2,"},
        {"StudyInstanceUID", "1.*"},
        {"StudyDate", "2020"},
        {"StudyDate", "20201301"},
        {"StudyDate", "20200101-x"},
        {"StudyDate", "-"},
        {"StudyTime", "25"},
        {"StudyTime", "1"},
        {"StudyTime", "101530."},
        {"SeriesNumber", "x"},
        {"SeriesNumber", "1*"},
        {"ObservationDateTime", "20201"},
        {"PatientBirthDate", "1970-01-01"},
    };
    const CorCatalogUids within = {0};
    CorCatalogQuery *query = NULL;

    (void) state;
    assert_true(cor_catalog_query_new(COR_CATALOG_STUDIES, &within, &query, NULL));
    for (size_t i = 0; i < COR_ARRAY_LEN(keys); i++) {
        CorError err = {0};
        bool is_used = false;

        if (cor_catalog_query_match(query, keys[i][0], keys[i][1], &is_used, &err)) {
            fail_msg("%s=%s is taken", keys[i][0], keys[i][1]);
        }
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_int_equal(strncmp(err.text, keys[i][0], strlen(keys[i][0])), 0);
    }
    cor_catalog_query_free(query);
}

static void what_nobody_knows_is_no_error_and_not_used(void **state)
{
    static const char *const names[] = {"foo",
                                        "0010002",
                                        "PatientID.",
                                        ".PatientID",
                                        "patientid",
                                        "PixelData",
                                        "RetrieveURL",
                                        "RequestAttributesSequence",
                                        "PatientID..PatientID",
                                        "1.2.3"};
    const CorCatalogUids within = {0};
    CorCatalogQuery *query = NULL;

    (void) state;
    assert_true(cor_catalog_query_new(COR_CATALOG_STUDIES, &within, &query, NULL));
    for (size_t i = 0; i < COR_ARRAY_LEN(names); i++) {
        bool is_used = true;
        assert_true(cor_catalog_query_match(query, names[i], "1", &is_used, NULL));
        if (is_used) {
            fail_msg("%s is used", names[i]);
        }
    }
    assert_false(cor_catalog_query_include(query, "foo"));
    assert_false(cor_catalog_query_include(query, "Rows"));
    assert_true(cor_catalog_query_include(query, "PatientAge"));
    cor_catalog_query_free(query);
}

static void assert_keys(const json_t *answer, const char *expected)
{
    char keys[1024] = "";
    const char *key = NULL;
    json_t *value = NULL;

    json_object_foreach((json_t *) answer, key, value)
    {
        size_t len = strlen(keys);
        (void) snprintf(keys + len, sizeof(keys) - len, "%s%s", len ? " " : "", key);
    }
    assert_string_equal(keys, expected);
}

static void answers_hold_what_the_level_returns_in_the_order_of_tags(void **state)
{
    static const char study_keys[] =
        "00080005 00080020 00080030 00080050 00080056 00080061 00080090"
        " 00081190 00100010 00100020 00100030 00100040 0020000D 00200010"
        " 00201206 00201208";
    static const char series_keys[] =
        "00080005 00080056 00080060 0008103E 00081190 0020000D 0020000E"
        " 00200011 00201209 00400275";
    static const char instance_keys[] =
        "00080005 00080018 00080056 00081190 0020000D 0020000E 00200013 00280010";
    Question studies = {.level = COR_CATALOG_STUDIES, .limit = 1};
    Question series = {.level = COR_CATALOG_SERIES, .within = {"1.1", NULL, NULL}, .limit = 1};
    Question instances = {
        .level = COR_CATALOG_INSTANCES, .within = {"1.1", "1.1.1", NULL}, .limit = 1};

    fixture_add_all(*state, items, COR_ARRAY_LEN(items));
    json_t *answers = ask(*state, &studies);
    const json_t *answer = json_array_get(answers, 0);
    assert_keys(answer, study_keys);
    assert_string_equal(text_of(answer, "00081190"), "http://h/dicom-web/studies/1.1");
    assert_string_equal(text_of(answer, "00080061"), "CT");
    assert_null(json_object_get(json_object_get(answer, "00080090"), "Value"));
    assert_string_equal(text_of(answer, "00100020"), " P-1");
    json_decref(answers);

    answers = ask(*state, &series);
    answer = json_array_get(answers, 0);
    assert_keys(answer, series_keys);
    assert_string_equal(text_of(answer, "00081190"), "http://h/dicom-web/studies/1.1/series/1.1.1");
    json_decref(answers);

    answers = ask(*state, &instances);
    answer = json_array_get(answers, 0);
    assert_keys(answer, instance_keys);
    assert_string_equal(text_of(answer, "00081190"),
                        "http://h/dicom-web/studies/1.1/series/1.1.1/instances/1.1.1.1");
    json_decref(answers);
}

static void levels_that_the_path_leaves_open_are_told_too(void **state)
{
    static const char keys[] =
        "00080005 00080018 00080020 00080030 00080050 00080056 00080060 00080061 00080090 0008103E"
        " 00081190 00100010 00100020 00100030 00100040 0020000D 0020000E 00200010 00200011 00200013"
        " 00201206 00201208 00201209 00280010 00400275";
    Question open = {.level = COR_CATALOG_INSTANCES, .limit = 1};
    Question half = {.level = COR_CATALOG_INSTANCES, .within = {"1.1", NULL, NULL}, .limit = 1};

    fixture_add_all(*state, items, COR_ARRAY_LEN(items));
    json_t *answers = ask(*state, &open);
    assert_keys(json_array_get(answers, 0), keys);
    json_decref(answers);
    answers = ask(*state, &half);
    assert_null(json_object_get(json_array_get(answers, 0), "00100010"));
    assert_non_null(json_object_get(json_array_get(answers, 0), "00080060"));
    json_decref(answers);
}

static void attributes_can_be_included(void **state)
{
    Question named = {.level = COR_CATALOG_INSTANCES,
                      .within = {"1.1", "1.1.1", NULL},
                      .includes = {"KVP", "00100010", "ModalitiesInStudy"},
                      .limit = 1};
    Question all = {.level = COR_CATALOG_INSTANCES,
                    .within = {"1.1", "1.1.1", NULL},
                    .includes = {"all"},
                    .limit = 1};
    Question series = {.level = COR_CATALOG_SERIES,
                       .within = {"1.1", NULL, NULL},
                       .includes = {"all"},
                       .limit = 1};
    Question key = {.level = COR_CATALOG_SERIES, .keys = {{"OperatorsName", "one*"}}};

    fixture_add_all(*state, items, COR_ARRAY_LEN(items));
    json_t *answers = ask(*state, &named);
    const json_t *answer = json_array_get(answers, 0);
    assert_non_null(json_object_get(answer, "00180060"));
    assert_non_null(json_object_get(answer, "00100010"));
    assert_string_equal(text_of(answer, "00080061"), "CT");
    assert_null(json_object_get(answer, "00201208"));
    json_decref(answers);

    answers = ask(*state, &all);
    answer = json_object_get(json_array_get(answers, 0), "7FE00010");
    assert_string_equal(
        json_string_value(json_object_get(answer, "BulkDataURI")),
        "http://h/dicom-web/studies/1.1/series/1.1.1/instances/1.1.1.1/bulkdata/7FE00010");
    json_decref(answers);

    answers = ask(*state, &series);
    answer = json_array_get(answers, 0);
    assert_non_null(json_object_get(answer, "00100010"));
    assert_non_null(json_object_get(answer, "00081070"));
    assert_null(json_object_get(answer, "00180060"));
    assert_null(json_object_get(answer, "7FE00010"));
    json_decref(answers);

    answers = ask(*state, &key);
    assert_non_null(json_object_get(json_array_get(answers, 0), "00081070"));
    json_decref(answers);
}

static void pages_follow_each_other_and_say_what_remains(void **state)
{
    static const char *const expected[] = {"1.1.1.1", "1.1.1.2", "1.1.2.1", "1.2.1.1"};
    Question beyond = {.level = COR_CATALOG_INSTANCES, .offset = 9};
    Question filtered = {
        .level = COR_CATALOG_INSTANCES, .keys = {{"PatientID", "P-1"}}, .limit = 1};
    Question below = {.level = COR_CATALOG_INSTANCES, .within = {"1.1", NULL, NULL}, .limit = 2};

    fixture_add_all(*state, items, COR_ARRAY_LEN(items));
    for (int i = 0; i < 4; i++) {
        Question question = {.level = COR_CATALOG_INSTANCES, .offset = i, .limit = 1};
        json_t *answers = ask(*state, &question);
        assert_string_equal(text_of(json_array_get(answers, 0), "00080018"), expected[i]);
        assert_int_equal(question.found.remaining, 3 - i);
        json_decref(answers);
    }
    json_decref(ask(*state, &beyond));
    assert_int_equal(beyond.found.len, 0);
    assert_int_equal(beyond.found.remaining, 0);
    json_decref(ask(*state, &filtered));
    assert_int_equal(filtered.found.remaining, 2);
    json_decref(ask(*state, &below));
    assert_int_equal(below.found.remaining, 1);
}

/* --- What is said of a study and a series follows the instance that is first in it. --- */

static void a_replaced_first_instance_is_what_its_study_and_series_say(void **state)
{
    Item derived = {.sop = "1.1.1.1",
                    .bucket = "output",
                    .key = "d/1",
                    .is_derived = true,
                    .job_id = "j1",
                    .with = HEADER("1.1", "1.1.1", "1.1.1.1", "\"00100010\":" PERSON("Old^Name"))};
    Call call = {0};

    fixture_add(*state, &derived);
    derived.digest = 'b';
    derived.job_id = "j2";
    derived.with = HEADER("1.1", "1.1.1", "1.1.1.1", "\"00100010\":" PERSON("New^Name"));
    derived.modality = "MR";
    assert_true(fixture_offer(*state, fixture_run_add, &derived, &call, NULL));
    assert_int_equal(call.outcome, COR_CATALOG_REPLACED);

    assert_finds(*state, COR_CATALOG_STUDIES, "PatientName", "old*", "");
    assert_finds(*state, COR_CATALOG_STUDIES, "PatientName", "new*", "1.1");
    assert_finds(*state, COR_CATALOG_STUDIES, "ModalitiesInStudy", "CT", "");
    assert_finds(*state, COR_CATALOG_SERIES, "Modality", "MR", "1.1.1");
    Question question = {.level = COR_CATALOG_STUDIES};
    json_t *answers = ask(*state, &question);
    const json_t *names =
        json_object_get(json_object_get(json_array_get(answers, 0), "00100010"), "Value");
    assert_string_equal(json_string_value(json_object_get(json_array_get(names, 0), "Alphabetic")),
                        "New^Name");
    json_decref(answers);
}

static void a_removed_first_instance_lets_the_next_one_speak(void **state)
{
    Call call = {.uid = "1.1.1.1"};

    fixture_add_all(*state, items, COR_ARRAY_LEN(items));
    assert_finds(*state, COR_CATALOG_SERIES, "SeriesNumber", "7", "1.1.1");
    assert_finds(*state, COR_CATALOG_STUDIES, "PatientID", "P-1", "1.1");
    assert_true(
        cor_sql_write(((Fixture *) *state)->db, fixture_run_remove, &call, COR_SQL_RELAXED, NULL));
    free(call.instance);

    assert_finds(*state, COR_CATALOG_SERIES, "SeriesNumber", "7", "");
    assert_finds(*state, COR_CATALOG_SERIES, "Modality", "CT", "1.1.1");
    assert_finds(*state, COR_CATALOG_SERIES, "KVP", "80", "1.1.1");
    assert_finds(*state, COR_CATALOG_STUDIES, "PatientID", "P-1", "");
    assert_finds(*state, COR_CATALOG_STUDIES, "PatientName", "yamada*", "");
    Question question = {.level = COR_CATALOG_SERIES};
    json_t *answers = ask(*state, &question);
    assert_null(json_object_get(json_array_get(answers, 0), "0008103E"));
    json_decref(answers);
}

/* --- A catalogue that the first version wrote. --- */

static bool run_forget(CorSqlTxn *txn, void *arg, CorError *err)
{
    /* What the second step makes, undone: its tables, indexes and columns. */
    static const char script[] =
        "UPDATE schema_version SET version = 1 WHERE room = 'catalog';"
        "DROP TABLE fragments; DROP TABLE ready; DROP TABLE removal;"
        "DROP TABLE identity;"
        "DROP INDEX instance_study_order; DROP INDEX instance_series_order;"
        "DROP INDEX change_removed; DROP INDEX study_name_groups;"
        "ALTER TABLE study DROP COLUMN has_name_groups;"
        "ALTER TABLE study DROP COLUMN change_seq; ALTER TABLE study DROP COLUMN ready;"
        "ALTER TABLE series DROP COLUMN change_seq; ALTER TABLE series DROP COLUMN ready;"
        "ALTER TABLE instance DROP COLUMN pixel_offset;"
        "ALTER TABLE instance DROP COLUMN frame_bytes;"
        "ALTER TABLE instance DROP COLUMN data_set_offset;"
        "ALTER TABLE instance DROP COLUMN lacks_meta;";

    (void) arg;
    return cor_sql_exec(txn, script, err);
}

static bool run_migrate(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_catalog_migrate(txn, err);
}

static bool run_state(CorSqlTxn *txn, void *arg, CorError *err)
{
    static const CorCatalogUids study = {.study_instance_uid = "1.1"};
    return cor_catalog_state(txn, &study, arg, err);
}

static void a_catalogue_of_the_first_version_answers_the_same(void **state)
{
    Fixture *fixture = *state;
    CorCatalogState study;
    CorError err = {0};
    json_t *before[3];

    fixture_add_all(fixture, items, COR_ARRAY_LEN(items));
    for (int level = 0; level < 3; level++) {
        Question question = {.level = (CorCatalogLevel) level};
        before[level] = ask(fixture, &question);
    }
    assert_true(cor_sql_write(fixture->db, run_forget, NULL, COR_SQL_RELAXED, &err));
    if (!cor_sql_write(fixture->db, run_migrate, NULL, COR_SQL_RELAXED, &err)) {
        fail_msg("%s", err.text);
    }
    for (int level = 0; level < 3; level++) {
        Question question = {.level = (CorCatalogLevel) level};
        json_t *after = ask(fixture, &question);
        assert_true(json_equal(before[level], after));
        json_decref(after);
        json_decref(before[level]);
    }
    assert_true(cor_sql_read(fixture->db, run_state, &study, NULL));
    assert_int_equal(study.instances, 3);
    assert_int_equal(study.change_seq, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        TEST(studies_are_found_by_each_kind_of_matching),
        TEST(series_are_found_by_keys_of_all_levels),
        TEST(instances_are_found_by_keys_of_all_levels),
        TEST(several_keys_have_to_match_together_and_uids_in_several_keys_are_one_list),
        TEST(values_that_make_no_sense_are_refused_and_named),
        TEST(what_nobody_knows_is_no_error_and_not_used),
        TEST(answers_hold_what_the_level_returns_in_the_order_of_tags),
        TEST(levels_that_the_path_leaves_open_are_told_too),
        TEST(attributes_can_be_included),
        TEST(pages_follow_each_other_and_say_what_remains),
        TEST(a_replaced_first_instance_is_what_its_study_and_series_say),
        TEST(a_removed_first_instance_lets_the_next_one_speak),
        TEST(a_catalogue_of_the_first_version_answers_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
