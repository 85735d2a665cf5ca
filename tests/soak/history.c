/* history.c: text that grows, lines of history, time and chance. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "soak.h"

static int history_file = -1;
static uint64_t chance_state;

void text_clear(text *text)
{
    text->length = 0;
    text_add(text, "%s", "");
}

void text_add(text *text, const char *format, ...)
{
    for (;;) {
        size_t room = text->capacity - text->length;
        va_list arguments;
        int length;

        va_start(arguments, format);
        length = vsnprintf(room > 0 ? text->bytes + text->length : NULL, room, format, arguments);
        va_end(arguments);
        if ((size_t)length < room) {
            text->length += length;
            return;
        }
        text->capacity = (text->capacity + length + 1) * 2;
        text->bytes = realloc(text->bytes, text->capacity);
        if (text->bytes == NULL)
            abort();
    }
}

void history_open(const char *directory, const char *process)
{
    char path[4096];

    if (history_file >= 0)
        close(history_file);
    snprintf(path, sizeof path, "%s/%s.jsonl", directory, process);
    history_file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (history_file < 0) {
        perror(path);
        exit(2);
    }
}

void history_write(text *line)
{
    text_add(line, "\n");
    if (write(history_file, line->bytes, line->length) != (ssize_t)line->length) {
        perror("history");
        exit(2);
    }
}

int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void nap_ms(int ms)
{
    struct timespec nap = {ms / 1000, ms % 1000 * 1000000L};

    nanosleep(&nap, NULL);
}

void chance_seed(uint64_t seed)
{
    chance_state = seed * 0x9e3779b97f4a7c15u + 1;
}

int chance(int below)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (int)((chance_state >> 33) % (uint64_t)below);
}

bool percent(int likely)
{
    return chance(100) < likely;
}
