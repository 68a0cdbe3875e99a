/* crew.h (internal) - threads that stay at hand between the many short loops of one run of a network. */
#ifndef WK_BASE_CREW_H
#define WK_BASE_CREW_H

#include "base/base.h"

typedef struct wk_crew wk_crew;
typedef void (*wk_crew_fn)(void *user, int part);

/* A crew of `threads`, the caller among them; one thread needs none: *out is NULL then. */
wk_status wk_crew_create(wk_crew **out, int threads, wk_error *err);
void wk_crew_free(wk_crew *t);

/* Calls fn for parts 0..threads-1, each once, and returns when all are done. Whoever is awake takes what is left, so a
 * thread that the system keeps waiting holds nobody up. One call at a time. Without a crew: fn(user, 0). */
void wk_crew_run(wk_crew *t, wk_crew_fn fn, void *user);

#endif
