/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "dicom/dicom.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "dicom-builder.h"
#include "dicom-prepare.h"

static Builder builder;

/* Read a patient's name under a Specific Character Set. */
static void assert_name(const char *charset, const char *bytes, const char *expected)
{
    CorDicom *dicom = NULL;
    CorError err = {0};
    char text[256];

    builder_init(&builder, "1.2.840.10008.1.2.1");
    add_text(&builder, 0x00080005, "CS", charset);
    add_text(&builder, 0x00100010, "PN", bytes);
    assert_true(cor_dicom_open_memory(builder.data, builder.size, NULL, &dicom, &err));
    (void) cor_dicom_text(dicom, 0x00100010, text, sizeof(text));
    assert_string_equal(text, expected);
    cor_dicom_free(dicom);
}

static void single_byte_sets_are_read(void **state)
{
    (void) state;
    assert_name("ISO_IR 100", "J\xE9r\xF4me", "Jérôme");
    assert_name("ISO_IR 144", "\xBB\xEE\xDA", "Люк");
    assert_name("ISO_IR 126", "\xC4\xE9\xEF", "Διο");
    assert_name("ISO_IR 166", "\xA1", "ก");
    assert_name("ISO_IR 13", "\xD4\xCF\xC0\xDE", "ﾔﾏﾀﾞ");
}

static void sets_without_escapes_are_read(void **state)
{
    (void) state;
    assert_name("ISO_IR 192", "王^小東", "王^小東");
    assert_name("GB18030", "\xCD\xF5^\xD0\xA1\xB6\xAB", "王^小东");
    assert_name("GBK", "\xCD\xF5", "王");
}

/* The examples of PS3.5 annexes H, I and K. */
static void escape_sequences_switch_sets(void **state)
{
    (void) state;
    assert_name(
        "\\ISO 2022 IR 87",
        "Yamada^Tarou=\033$B;3ED\033(B^\033$BB@O:\033(B=\033$B$d$^$@\033(B^\033$B$?$m$&\033(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう");
    assert_name("ISO 2022 IR 13\\ISO 2022 IR 87",
                "\xD4\xCF\xC0\xDE^\xC0\xDB\xB3=\033$B;3ED\033(J^\033$BB@O:\033(J",
                "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎");
    assert_name("\\ISO 2022 IR 149",
                "Hong^Gildong=\033$)C\xFB\xF3^\033$)C\xD1\xCE\xD4\xD7=\033$)C\xC8\xAB^\033$)"
                "C\xB1\xE6\xB5\xBF",
                "Hong^Gildong=洪^吉洞=홍^길동");
    assert_name("\\ISO 2022 IR 58", "Zhang^=\033$)A\xD5\xC5^", "Zhang^=张^");
    assert_name("ISO 2022 IR 100\\ISO 2022 IR 144", "Buc^J\xE9=\033-L\xBB\xEE\xDA", "Buc^Jé=Люк");
}

static void a_delimiter_ends_what_an_escape_sequence_began(void **state)
{
    (void) state;
    assert_name("ISO 2022 IR 100\\ISO 2022 IR 144", "\033-L\xBB^\xE9", "Л^é");
}

/* The second byte of this character is that of a backslash. */
static void a_backslash_inside_a_character_divides_nothing(void **state)
{
    (void) state;
    assert_name("GB18030", "\x81\x5C\x41", "乗A");
    assert_name("\\ISO 2022 IR 87", "\033$B9\\\033(B!", "砿!");
}

static void what_cannot_be_read_is_replaced(void **state)
{
    (void) state;
    assert_name("ISO_IR 192", "A\xFFZ", "A\xEF\xBF\xBDZ");
    assert_name("ISO_IR 127", "A\xA1Z", "A\xEF\xBF\xBDZ");
    assert_name("NO SUCH SET", "A\xE4Z", "AäZ"); /* Latin-1, as everybody does */
}

static void text_is_cut_between_characters(void **state)
{
    CorDicom *dicom = NULL;
    CorError err = {0};
    char text[6];
    (void) state;

    builder_init(&builder, "1.2.840.10008.1.2.1");
    add_text(&builder, 0x00080005, "CS", "ISO_IR 192");
    add_text(&builder, 0x00100010, "PN", "ab小東");
    assert_true(cor_dicom_open_memory(builder.data, builder.size, NULL, &dicom, &err));
    assert_true(cor_dicom_text(dicom, 0x00100010, text, sizeof(text)));
    assert_string_equal(text, "ab小");
    cor_dicom_free(dicom);
}

/* Hosts have no file system: the converters are there once the room is prepared. */
static void no_set_needs_a_file_after_preparing(void **state)
{
    struct rlimit before;
    (void) state;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(open("/dev/null", O_RDONLY | O_CLOEXEC), -1);
    single_byte_sets_are_read(state);
    sets_without_escapes_are_read(state);
    escape_sequences_switch_sets(state);
    assert_name("ISO_IR 101", "\xB3", "ł");
    assert_name("ISO_IR 109", "\xA1", "Ħ");
    assert_name("ISO_IR 110", "\xA2", "ĸ");
    assert_name("ISO_IR 127", "\xC7", "ا");
    assert_name("ISO_IR 138", "\xE0", "א");
    assert_name("ISO_IR 148", "\xD0", "Ğ");
    assert_name("ISO_IR 203", "\xA4", "€");
    assert_name("\\ISO 2022 IR 159", "\033$(DD_\033(B", "榭");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            no_set_needs_a_file_after_preparing), /* first: the others would load sets */
        cmocka_unit_test(single_byte_sets_are_read),
        cmocka_unit_test(sets_without_escapes_are_read),
        cmocka_unit_test(escape_sequences_switch_sets),
        cmocka_unit_test(a_delimiter_ends_what_an_escape_sequence_began),
        cmocka_unit_test(a_backslash_inside_a_character_divides_nothing),
        cmocka_unit_test(what_cannot_be_read_is_replaced),
        cmocka_unit_test(text_is_cut_between_characters),
    };

    return cmocka_run_group_tests_name("dicom-charset", tests, prepare, NULL);
}
