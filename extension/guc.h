/* guc.h: settings. */
#ifndef EVENTCORE_GUC_H
#define EVENTCORE_GUC_H

extern int ec_max_event_size; /* eventcore.max_event_size, in kB */

extern void ec_guc_define(void);

#endif
