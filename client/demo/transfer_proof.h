/* transfer_proof.h: measurement and proof for transfer_demo.c. */
#ifndef TRANSFER_PROOF_H
#define TRANSFER_PROOF_H

#include <stdbool.h>

#include <eventcore/eventcore.h>

#define ACCOUNT_ID_SIZE 64

/* The accounts of this run, numbered from 0 on. Their ids are this run's own. */
struct bank {
    char prefix[ACCOUNT_ID_SIZE / 2];
    long account_count;
    long long deposit;
    int64_t before; /* the position in the log in front of their first event */
};

bool bank_open(struct bank *bank, long account_count, long long deposit);
void account_id(const struct bank *bank, long number, char id[ACCOUNT_ID_SIZE]);

/* What workers count. */
struct tally {
    long transferred;
    long rejected;
    long gave_up; /* lost too many races */
    long conflicts;
    long retries;
    double seconds;
    double *latencies;
    size_t latency_count, latency_capacity;
    bool failed;
};

void tally_latency(struct tally *tally, double seconds);
void tally_add(struct tally *total, struct tally *part); /* empties `part` */
void tally_print_header(void);
void tally_print(struct tally *tally, const char *name, const char *lesson);

/* A thread that follows the log with ec_read_all() while it is written. NULL if it cannot. */
struct follower *follower_start(const struct bank *bank, const char *conninfo);
void follower_finish(struct follower *follower); /* let it read up to the end, and wait for it */
void follower_free(struct follower *follower);

/* Read everything back and print what holds; false if anything does not. */
bool prove(ec_connection *connection, const struct bank *bank, const struct follower *follower,
           long transfers);

#endif
