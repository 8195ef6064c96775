/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DATE_AND_TIME_LEN (sizeof("2026-01-31T23:59:59") - 1)

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;

    (void) clock_gettime(clock, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t cor_time_ms(void)
{
    return clock_us(CLOCK_MONOTONIC) / 1000;
}

int64_t cor_time_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t cor_time_unix_ms(void)
{
    return clock_us(CLOCK_REALTIME) / 1000;
}

char *cor_time_iso(int64_t unix_ms, char *text, size_t size)
{
    int ms = (int) (unix_ms % 1000);
    time_t seconds = (time_t) (unix_ms / 1000);
    struct tm parts = {0};

    assert(size >= COR_TIME_ISO_SIZE);
    if (ms < 0) { /* before 1970: the second that it is in began earlier */
        ms += 1000;
        seconds--;
    }
    (void) gmtime_r(&seconds, &parts);
    (void) snprintf(text, size, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ",
                    (long long) parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                    parts.tm_hour, parts.tm_min, parts.tm_sec, ms);
    return text;
}

/* strptime() also takes 31 April, single digits and spaces: what it has read must be written as
 * text. */
static bool is_canonical(const char *text, const struct tm *parts)
{
    struct tm copy = *parts;
    char again[COR_TIME_ISO_SIZE];

    (void) cor_time_iso((int64_t) timegm(&copy) * 1000, again, sizeof(again));
    return strncmp(text, again, DATE_AND_TIME_LEN) == 0;
}

bool cor_time_parse_iso(const char *text, int64_t *ret_unix_ms)
{
    struct tm parts = {0};
    int fraction = 0;

    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (!rest || !is_canonical(text, &parts)) {
        return false;
    }
    if (*rest == '.') {
        int digits = 0;
        for (rest++; *rest >= '0' && *rest <= '9'; rest++) {
            if (digits < 3) {
                fraction = fraction * 10 + (*rest - '0');
                digits++;
            }
        }
        if (digits == 0) {
            return false;
        }
        for (; digits < 3; digits++) {
            fraction *= 10;
        }
    }
    if (strcmp(rest, "Z") != 0 && strcmp(rest, "") != 0) {
        return false;
    }
    *ret_unix_ms = (int64_t) timegm(&parts) * 1000 + fraction;
    return true;
}
