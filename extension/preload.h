/* preload.h: what the library does more when the server loads it at its start. */
#ifndef EVENTCORE_PRELOAD_H
#define EVENTCORE_PRELOAD_H

/* Does nothing unless called from shared_preload_libraries. */
extern void ec_preload(void);

#endif
