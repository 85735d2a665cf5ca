/* role.h: act as another role for a while. */
#ifndef EVENTCORE_ROLE_H
#define EVENTCORE_ROLE_H

typedef struct ec_role {
    Oid user;
    int security;
    int guc_level;
} ec_role;

/*
 * From now on act as `role`, with this search_path, until ec_role_end. SET ROLE is refused
 * meanwhile; `restricted` also refuses what would run later with the rights of somebody else:
 * deferred triggers, cursors WITH HOLD, temporary tables. Settings made meanwhile end with it. An
 * error ends it too, with the (sub)transaction.
 */
extern ec_role ec_role_begin(Oid role, const char *search_path, bool restricted);
extern void ec_role_end(const ec_role *before);

/* The same as the owner of our tables: SPI is connected, names and operators are the server's. */
extern ec_role ec_role_begin_statements(void);
extern void ec_role_end_statements(const ec_role *before);

#endif
