/*
 * exposition.h: what Prometheus reads, checked and looked into.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/, as far as counters and histograms
 * with quoted labels go.
 */
#ifndef EXPOSITION_H
#define EXPOSITION_H

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "bank.h"

/* Behind a metric's or a label's name; fails if there is none. */
static inline const char *behind_name(const char *text)
{
    assert_true(isalpha((unsigned char)*text) || *text == '_');
    while (isalnum((unsigned char)*text) || *text == '_')
        text++;
    return text;
}

/* Behind a quoted value, in which only \\, \" and \n are escaped. */
static inline const char *behind_value(const char *text)
{
    assert_int_equal(*text++, '"');
    for (; *text != '"'; text++) {
        assert_true(*text != '\0' && *text != '\n');
        if (*text == '\\')
            assert_non_null(strchr("\\\"n", *++text));
    }
    return text + 1;
}

/* Behind a sample and its line feed; its name begins with the metric's. */
static inline const char *behind_sample(const char *text, const char *metric)
{
    const char *end = behind_name(text);
    char *behind;

    assert_int_equal(strncmp(text, metric, strlen(metric)), 0);
    assert_int_equal(*end++, '{');
    for (;;) {
        end = behind_name(end);
        assert_int_equal(*end++, '=');
        end = behind_value(end);
        if (*end != ',')
            break;
        end++;
    }
    assert_int_equal(strncmp(end, "} ", 2), 0);
    strtod(end + 2, &behind);
    assert_int_equal(*behind, '\n');
    return behind + 1;
}

/* Every metric has one HELP, then one TYPE, then its samples. */
static inline void check_exposition(const char *text)
{
    char metric[100], type[100], known[2000] = "\n";
    int read;

    assert_int_equal(text[strlen(text) - 1], '\n');
    while (*text != '\0') {
        assert_int_equal(sscanf(text, "# HELP %99s ", metric), 1);
        text = strchr(text, '\n') + 1;
        assert_int_equal(sscanf(text, "# TYPE %*s %99[a-z]%n", type, &read), 1);
        assert_int_equal(strncmp(text + 7, metric, strlen(metric)), 0);
        assert_true(strcmp(type, "counter") == 0 || strcmp(type, "histogram") == 0);
        assert_int_equal(text[read], '\n');
        text += read + 1;
        strcat(metric, "\n");
        assert_null(strstr(known, metric));
        strcat(known, metric);
        *strchr(metric, '\n') = '\0';
        while (*text != '#' && *text != '\0')
            text = behind_sample(text, metric);
    }
}

/* The value of a sample; -1 if there is none. */
static inline double sample(const char *text, const char *name_and_labels)
{
    size_t length = strlen(name_and_labels);

    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name_and_labels, length) == 0 && line[length] == ' ')
            return atof(line + length);
        if (*line == '\0')
            break;
    }
    return -1;
}

/* The count of a command's histogram, whose buckets hold what those below them hold. */
static inline double histogram(const char *text, const char *command)
{
    double last = 0, count;
    char name[200];

    snprintf(name, sizeof name,
             "eventcore_command_duration_seconds_bucket{command=\"%s\",le=", command);
    for (const char *at = strstr(text, name); at != NULL; at = strstr(at + 1, name)) {
        double value = atof(strchr(at, ' '));

        assert_true(value >= last);
        last = value;
    }
    snprintf(name, sizeof name,
             "eventcore_command_duration_seconds_bucket{command=\"%s\",le=\"+Inf\"}", command);
    assert_true(sample(text, name) == last);
    snprintf(name, sizeof name, "eventcore_command_duration_seconds_count{command=\"%s\"}",
             command);
    count = sample(text, name);
    assert_true(count == last);
    return count;
}

#endif
