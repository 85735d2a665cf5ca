/*
 * batch_import.c: execute many commands at the price of one.
 *
 *     batch_import [CONNINFO] < FILE
 *
 * Each line of the file is a product, {"sku": "lamp-1", "name": "Lamp", "price": 1999}, and becomes
 * a command: list the product. A hundred of them at a time are executed with one read, one append
 * and one commit. Each is atomic for itself: a line that is rejected is reported, and the others
 * are in. A product that is listed already, as the line says, needs no event. So a file can be
 * imported again, after an interruption or because somebody has corrected some lines.
 *
 * Exit status: 0 if all lines are in, 1 if some were refused, 2 if the import had to stop.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <eventcore/eventcore.h>
#include <jansson.h>

#define SKU_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"
enum { LINES_PER_BATCH = 100, LONGEST_SKU = 100, ID_SIZE = 128 };

struct list {
    const char *name;
    long long price;
};

struct product {
    const char *name; /* NULL: not listed */
    long long price;
};

#define CATALOGUE_EVENTS(list, type) type(list, Listed, "ProductListed")
#define LIST_STREAMS(command, stream) stream(command, writes, product)
EC_EVENTS(catalogue, CATALOGUE_EVENTS);
EC_COMMAND(list, LIST_STREAMS, catalogue, struct list, struct product);

static ec_status list_apply(const struct list *command, struct product *product,
                            catalogue_kind kind, const ec_event *event)
{
    (void)command, (void)kind;
    return ec_event_unpack(event, "{s:s, s:I}", "name", &product->name, "price", &product->price);
}

static ec_status list_handle(const struct list *command, const struct product *product,
                             list_context ctx)
{
    EC_VALIDATE(ctx, command->price > 0, "invalid_price", "%lld", command->price);
    if (product->name == NULL)
        return list_record(ctx, list_product, catalogue_Listed, "{s:s, s:I}", "name", command->name,
                           "price", command->price);
    EC_REQUIRE(ctx, strcmp(product->name, command->name) == 0 && product->price == command->price,
               "listed_otherwise", "as %s at %lld", product->name, product->price);
    return EC_OK;
}

/* ------------------------------------------------------------------ the program */

/* A line, and what its command refers to: all of it must live until the batch is done. */
struct line {
    long number;
    const char *problem; /* why it has no command; NULL: it has one */
    json_t *json;
    char product[ID_SIZE];
    list_streams streams;
    struct list command;
};

struct import {
    ec_connection *catalogue;
    struct line lines[LINES_PER_BATCH];
    size_t line_count;
    long listed, unchanged, refused;
};

static const char *parse(struct line *line, const char *text)
{
    const char *sku;

    line->json = json_loads(text, 0, NULL);
    if (json_unpack(line->json, "{s:s, s:s, s:I}", "sku", &sku, "name", &line->command.name,
                    "price", &line->command.price) != 0)
        return "a product has a sku, a name and a price in cents";
    if (strlen(sku) > LONGEST_SKU || sku[strspn(sku, SKU_CHARACTERS)] != '\0')
        return "a sku has at most 100 letters, digits and hyphens";
    snprintf(line->product, ID_SIZE, "product-%s", sku);
    line->streams.product = line->product;
    return NULL;
}

static void refuse(struct import *import, const struct line *line, const char *reason)
{
    printf("line %ld: %s\n", line->number, reason);
    import->refused++;
}

/* Execute the commands of all lines collected; false if the import must stop. */
static bool execute(struct import *import)
{
    ec_command commands[LINES_PER_BATCH];
    size_t count = 0, next = 0;
    bool decided = true;

    for (size_t i = 0; i < import->line_count; i++)
        if (import->lines[i].problem == NULL)
            commands[count++] = list_prepare(&import->lines[i].streams, &import->lines[i].command);
    ec_execute_batch(import->catalogue, commands, count, NULL); /* each has its own status */
    for (size_t i = 0; i < import->line_count; i++) {
        struct line *line = &import->lines[i];
        ec_command *command = line->problem == NULL ? &commands[next++] : NULL;

        if (command == NULL)
            refuse(import, line, line->problem);
        else if (ec_status_is_rejection(command->status))
            refuse(import, line, ec_outcome_message(command->outcome));
        else if (command->status != EC_OK)
            decided = false;
        else if (ec_outcome_event_count(command->outcome) > 0)
            import->listed++;
        else
            import->unchanged++;
        if (command != NULL)
            ec_outcome_free(command->outcome);
        json_decref(line->json);
    }
    import->line_count = 0;
    return decided;
}

static bool run(struct import *import, FILE *input)
{
    size_t size = 0;
    char *text = NULL;
    bool decided = true;

    for (long number = 1; decided && getline(&text, &size, input) != -1; number++) {
        struct line *line = &import->lines[import->line_count++];

        *line = (struct line){.number = number};
        line->problem = parse(line, text);
        if (import->line_count == LINES_PER_BATCH)
            decided = execute(import);
    }
    free(text);
    return decided && execute(import) && !ferror(input);
}

int main(int argc, char **argv)
{
    struct import import = {.listed = 0};
    bool done = ec_connect(&import.catalogue, argc > 1 ? argv[1] : NULL, NULL) == EC_OK &&
                run(&import, stdin);

    if (!done)
        fprintf(stderr, "batch_import: %s\n",
                ferror(stdin) ? "cannot read" : ec_error_message(import.catalogue));
    printf("%ld listed, %ld unchanged, %ld refused\n", import.listed, import.unchanged,
           import.refused);
    ec_close(import.catalogue);
    return !done ? 2 : import.refused > 0;
}
