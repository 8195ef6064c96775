/* SPDX-License-Identifier: Apache-2.0 */
/* State is kept in the object, so that input may be cut anywhere:
 *
 *     PREAMBLE --delimiter--> DELIMITER --end of line--> HEADERS --empty line--> BODY
 *                              |     ^                                            |
 *                              |     +-----------------delimiter------------------+
 *                              +--"--"--> EPILOGUE           (anything wrong)--> BROKEN
 *
 * Bodies are searched for "\n--boundary" by cor_find() over all that is there; a CR before it
 * belongs to it.  Only what could be the beginning of a delimiter at the end of the input is held
 * back. That is never stored: being a beginning of the delimiter, it is known.  As LF occurs in the
 * delimiter once, a match that fails can be taken up again at the byte that failed it, and nowhere
 * before. */
#include "dicomweb/multipart.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "base/find.h"

typedef enum MultipartState {
    MULTIPART_PREAMBLE,
    MULTIPART_DELIMITER, /* behind "--boundary" */
    MULTIPART_HEADERS,
    MULTIPART_BODY,
    MULTIPART_EPILOGUE,
    MULTIPART_BROKEN,
} MultipartState;

/* Where in the line of a delimiter. */
typedef enum LineState {
    LINE_BEGINS,
    LINE_HAS_DASH,
    LINE_HAS_BLANKS,
    LINE_HAS_CR,
} LineState;

#define LINE_END_SIZE ((size_t) 2) /* of the CRLF that begins a delimiter */

struct CorMultipart {
    MultipartState state;
    char delimiter[LINE_END_SIZE + 2 + COR_MULTIPART_BOUNDARY_MAX + 1]; /* CRLF "--" boundary */
    size_t delimiter_size;
    size_t matched;   /* bytes of delimiter that the input ends with ... */
    size_t held_from; /* ... of which those before this one were not really there */
    LineState line;
    size_t padding;
    size_t around; /* bytes of preamble or epilogue */
    size_t parts;
    size_t parts_max;

    char headers[COR_MULTIPART_HEADER_BYTES_MAX]; /* name NUL value NUL ... and the line that comes
                                                   */
    size_t headers_size;                          /* of the complete ones */
    size_t line_size;                             /* of the line that comes */
    size_t headers_len;
};

/* --- making --- */

static bool is_boundary(const char *boundary)
{
    static const char legal[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "'()+_,-./:=? ";
    size_t size = strlen(boundary);

    return size >= 1 && size <= COR_MULTIPART_BOUNDARY_MAX && strspn(boundary, legal) == size &&
           boundary[size - 1] != ' ';
}

bool cor_dicomweb_priv_multipart_new(const char *boundary, size_t parts_max,
                                     CorMultipart **ret_reader, CorError *err)
{
    if (!is_boundary(boundary)) {
        return cor_fail(err, COR_ERR_INVALID,
                        "the boundary is not 1 to %zu characters of those that RFC 2046 allows",
                        COR_MULTIPART_BOUNDARY_MAX);
    }
    CorMultipart *reader = cor_new(CorMultipart);
    if (!reader) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory to read a multipart body");
    }
    (void) snprintf(reader->delimiter, sizeof(reader->delimiter), "\r\n--%s", boundary);
    reader->delimiter_size = strlen(reader->delimiter);
    reader->matched = reader->held_from = LINE_END_SIZE; /* the first one needs no line end */
    reader->parts_max = parts_max;
    *ret_reader = reader;
    return true;
}

void cor_dicomweb_priv_multipart_free(CorMultipart *reader)
{
    free(reader);
}

/* --- searching for the delimiter --- */

/* Take up a match that the last input ended in; true if bytes turned out to be no delimiter. */
static bool go_on_matching(CorMultipart *reader, const uint8_t **at, const uint8_t *end,
                           CorMultipartPiece *piece)
{
    while (*at < end && reader->matched < reader->delimiter_size &&
           **at == (uint8_t) reader->delimiter[reader->matched]) {
        (*at)++;
        reader->matched++;
    }
    if (*at == end || reader->matched == reader->delimiter_size) {
        return false;
    }
    piece->data = (const uint8_t *) reader->delimiter + reader->held_from;
    piece->size = reader->matched - reader->held_from;
    reader->matched = 0;
    return piece->size > 0;
}

/* Set matched to how much of a delimiter the bytes may end with, and return where that begins. */
static const uint8_t *hold_back(CorMultipart *reader, const uint8_t *at, const uint8_t *end)
{
    size_t size = COR_MIN((size_t) (end - at), reader->delimiter_size - 2);
    const uint8_t *lf = memrchr(end - size, '\n', size);

    if (lf && memcmp(lf, reader->delimiter + 1, (size_t) (end - lf)) == 0) {
        bool has_cr = lf > at && lf[-1] == '\r';
        reader->matched = (size_t) (end - lf) + 1;
        reader->held_from = has_cr ? 0 : 1;
        return has_cr ? lf - 1 : lf;
    }
    if (end[-1] == '\r') {
        reader->matched = 1;
        reader->held_from = 0;
        return end - 1;
    }
    return end;
}

/* Read up to a delimiter: piece is what comes before it.  True if there is any; else matched is
 * delimiter_size if it is here, and if not, the input is used up. */
static bool search(CorMultipart *reader, const uint8_t **at, const uint8_t *end,
                   CorMultipartPiece *piece)
{
    if (reader->matched > 0 && go_on_matching(reader, at, end, piece)) {
        return true;
    }
    if (reader->matched == reader->delimiter_size || *at == end) {
        return false;
    }
    const uint8_t *begin = *at;
    const uint8_t *found =
        cor_find(begin, (size_t) (end - begin), reader->delimiter + 1, reader->delimiter_size - 1);
    if (found) {
        *at = found + reader->delimiter_size - 1;
        reader->matched = reader->delimiter_size;
        found -= found > begin && found[-1] == '\r';
    } else {
        *at = end;
        found = hold_back(reader, begin, end);
    }
    piece->data = begin;
    piece->size = (size_t) (found - begin);
    return piece->size > 0;
}

static bool is_at_delimiter(const CorMultipart *reader)
{
    return reader->matched == reader->delimiter_size;
}

static void enter_delimiter(CorMultipart *reader)
{
    reader->matched = 0;
    reader->state = MULTIPART_DELIMITER;
    reader->line = LINE_BEGINS;
    reader->padding = 0;
}

/* --- the states: each reads on until it gives an event, leaves its state or needs more --- */

static bool count_around(CorMultipart *reader, size_t size, const char *what, CorError *err)
{
    reader->around += size;
    if (reader->around > COR_MULTIPART_AROUND_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "there are more than %zu bytes %s",
                        COR_MULTIPART_AROUND_MAX, what);
    }
    return true;
}

static bool read_preamble(CorMultipart *reader, const uint8_t **at, const uint8_t *end,
                          CorError *err)
{
    CorMultipartPiece skipped;

    if (search(reader, at, end, &skipped)) {
        return count_around(reader, skipped.size, "before the first boundary", err);
    }
    if (is_at_delimiter(reader)) {
        reader->around = 0;
        enter_delimiter(reader);
    }
    return true;
}

static void read_body(CorMultipart *reader, const uint8_t **at, const uint8_t *end,
                      CorMultipartPiece *piece)
{
    if (search(reader, at, end, piece)) {
        piece->event = COR_MULTIPART_DATA;
    } else if (is_at_delimiter(reader)) {
        piece->event = COR_MULTIPART_PART_END;
        enter_delimiter(reader);
    }
}

static void begin_headers(CorMultipart *reader)
{
    reader->state = MULTIPART_HEADERS;
    reader->headers_size = 0;
    reader->line_size = 0;
    reader->headers_len = 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* "--boundary" is followed by "--", or by blanks and the end of the line. */
static bool read_delimiter(CorMultipart *reader, const uint8_t **at, CorMultipartPiece *piece,
                           CorError *err)
{
    char c = (char) *(*at)++;

    if (c == '\n' && reader->line != LINE_HAS_DASH) {
        begin_headers(reader);
        return true;
    }
    if (c == '-' && reader->line == LINE_HAS_DASH) {
        reader->state = MULTIPART_EPILOGUE;
        piece->event = COR_MULTIPART_END;
        return true;
    }
    bool may_have_blanks = reader->line == LINE_BEGINS || reader->line == LINE_HAS_BLANKS;
    if (c == '-' && reader->line == LINE_BEGINS) {
        reader->line = LINE_HAS_DASH;
    } else if (c == '\r' && may_have_blanks) {
        reader->line = LINE_HAS_CR;
    } else if (is_blank(c) && may_have_blanks && reader->padding < COR_MULTIPART_PADDING_MAX) {
        reader->line = LINE_HAS_BLANKS;
        reader->padding++;
    } else {
        return cor_fail(err, COR_ERR_INVALID, "a boundary is not followed by the end of its line");
    }
    return true;
}

/* --- headers of a part --- */

static bool check_line(const char *line, size_t size, CorError *err)
{
    for (size_t i = 0; i < size; i++) {
        if ((line[i] >= 0 && line[i] < ' ' && line[i] != '\t') || line[i] == 0x7F) {
            return cor_fail(err, COR_ERR_INVALID, "a header of a part has a control character");
        }
    }
    return true;
}

/* Blanks at both ends are cut. */
static size_t trim(const char **text, size_t size)
{
    while (size > 0 && is_blank(**text)) {
        (*text)++;
        size--;
    }
    while (size > 0 && is_blank((*text)[size - 1])) {
        size--;
    }
    return size;
}

static void keep(CorMultipart *reader, const char *text, size_t size)
{
    memmove(reader->headers + reader->headers_size, text, size);
    reader->headers_size += size;
    reader->headers[reader->headers_size++] = '\0';
}

/* A line that begins with a blank goes on with the header before it (RFC 5322 section 2.2.3). */
static bool unfold(CorMultipart *reader, const char *line, size_t size, CorError *err)
{
    if (reader->headers_len == 0) {
        return cor_fail(err, COR_ERR_INVALID, "a part begins with a line that is no header");
    }
    const char *text = line;
    size_t text_size = trim(&text, size);
    reader->headers[reader->headers_size - 1] = ' '; /* in place of the NUL */
    keep(reader, text, text_size);
    return true;
}

/* The line lies behind the complete headers; name and value are never longer than it. */
static bool add_header(CorMultipart *reader, CorError *err)
{
    const char *line = reader->headers + reader->headers_size;
    size_t size = reader->line_size;

    reader->line_size = 0;
    if (!check_line(line, size, err)) {
        return false;
    }
    if (is_blank(line[0])) {
        return unfold(reader, line, size, err);
    }
    const char *colon = memchr(line, ':', size);
    if (!colon) {
        return cor_fail(err, COR_ERR_INVALID, "a line among the headers of a part has no ':'");
    }
    if (reader->headers_len == COR_MULTIPART_HEADERS_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "a part has more than %zu headers",
                        COR_MULTIPART_HEADERS_MAX);
    }
    const char *value = colon + 1;
    size_t name_size = trim(&line, (size_t) (colon - line));
    size_t value_size = trim(&value, size - (size_t) (value - line));
    reader->headers_len++;
    keep(reader, line, name_size);
    keep(reader, value, value_size);
    return true;
}

static bool begin_part(CorMultipart *reader, CorMultipartPiece *piece, CorError *err)
{
    static const char multipart[] = "multipart/";
    const char *type = cor_dicomweb_priv_multipart_header(reader, "Content-Type");

    if (++reader->parts > reader->parts_max) {
        return cor_fail(err, COR_ERR_LIMIT, "the body has more than %zu parts", reader->parts_max);
    }
    if (type && strncasecmp(type, multipart, sizeof(multipart) - 1) == 0) {
        return cor_fail(err, COR_ERR_INVALID, "a part is a multipart body itself");
    }
    reader->state = MULTIPART_BODY;
    /* The empty line may serve as the line end of a delimiter: a part without content. */
    reader->matched = reader->held_from = LINE_END_SIZE;
    piece->event = COR_MULTIPART_PART;
    return true;
}

/* One line, or what there is of it. */
static bool read_headers(CorMultipart *reader, const uint8_t **at, const uint8_t *end,
                         CorMultipartPiece *piece, CorError *err)
{
    const uint8_t *lf = memchr(*at, '\n', (size_t) (end - *at));
    size_t size = (size_t) ((lf ? lf : end) - *at);
    size_t used = reader->headers_size + reader->line_size;

    /* One byte is for the NUL that a value gets in place of its line end. */
    if (size + 1 >= sizeof(reader->headers) - used) {
        return cor_fail(err, COR_ERR_LIMIT, "the headers of a part are longer than %zu bytes",
                        COR_MULTIPART_HEADER_BYTES_MAX);
    }
    memcpy(reader->headers + used, *at, size);
    reader->line_size += size;
    *at += size + (lf != NULL);
    if (!lf) {
        return true;
    }
    if (reader->line_size > 0 &&
        reader->headers[reader->headers_size + reader->line_size - 1] == '\r') {
        reader->line_size--;
    }
    return reader->line_size == 0 ? begin_part(reader, piece, err) : add_header(reader, err);
}

/* --- for its users --- */

static bool step(CorMultipart *reader, const uint8_t **at, const uint8_t *end,
                 CorMultipartPiece *piece, CorError *err)
{
    switch (reader->state) {
    case MULTIPART_PREAMBLE:
        return read_preamble(reader, at, end, err);
    case MULTIPART_DELIMITER:
        return read_delimiter(reader, at, piece, err);
    case MULTIPART_HEADERS:
        return read_headers(reader, at, end, piece, err);
    case MULTIPART_BODY:
        read_body(reader, at, end, piece);
        return true;
    case MULTIPART_EPILOGUE: {
        size_t size = (size_t) (end - *at);
        *at = end;
        return count_around(reader, size, "behind the last boundary", err);
    }
    case MULTIPART_BROKEN:
        break;
    }
    return cor_fail(err, COR_ERR_INVALID, "the body was not well formed before");
}

/* A delimiter that has been read whole is an event without any further byte. */
static bool has_event_ready(const CorMultipart *reader)
{
    return (reader->state == MULTIPART_BODY || reader->state == MULTIPART_PREAMBLE) &&
           is_at_delimiter(reader);
}

bool cor_dicomweb_priv_multipart_next(CorMultipart *reader, const uint8_t **at, const uint8_t *end,
                                      CorMultipartPiece *ret_piece, CorError *err)
{
    CorMultipartPiece piece = {.event = COR_MULTIPART_MORE};

    while (piece.event == COR_MULTIPART_MORE && (*at < end || has_event_ready(reader))) {
        if (!step(reader, at, end, &piece, err)) {
            reader->state = MULTIPART_BROKEN;
            return false;
        }
    }
    *ret_piece = piece;
    return true;
}

bool cor_dicomweb_priv_multipart_finish(const CorMultipart *reader, CorError *err)
{
    switch (reader->state) {
    case MULTIPART_EPILOGUE:
        return true;
    case MULTIPART_PREAMBLE:
        return cor_fail(err, COR_ERR_INVALID, "the body does not have its boundary");
    default:
        return cor_fail(err, COR_ERR_INVALID,
                        "the body ends before its closing boundary, in part %zu",
                        COR_MAX(reader->parts, (size_t) 1));
    }
}

const char *cor_dicomweb_priv_multipart_header(const CorMultipart *reader, const char *name)
{
    const char *at = reader->headers;

    for (size_t i = 0; i < reader->headers_len; i++) {
        const char *value = at + strlen(at) + 1;
        if (strcasecmp(at, name) == 0) {
            return value;
        }
        at = value + strlen(value) + 1;
    }
    return NULL;
}
