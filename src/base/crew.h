/* crew.h (internal) - threads that stay at hand between the many short loops of one run of a network. */
#ifndef WK_BASE_CREW_H
#define WK_BASE_CREW_H

#include "base/base.h"
#include "base/part.h"

typedef struct wk_crew wk_crew;
typedef void (*wk_crew_fn)(void *user, wk_crew_part part);

enum { WK_CREW_PARTS = 4 }; /* most parts of a loop a thread */

/* A crew of `threads`, the caller among them; one thread needs none: *out is NULL then. */
wk_status wk_crew_create(wk_crew **out, int threads, wk_error *err);
void wk_crew_free(wk_crew *t);

/* Calls fn for each of `parts` parts (1 to WK_CREW_PARTS * threads) once, and returns when all are done. Each thread
 * begins with parts that follow each other, and then takes what the others have left, from its end: one that the system
 * keeps waiting, or that a neighbour slows down, holds nobody up. One call at a time. Without a crew, the caller does
 * all of them. */
void wk_crew_run(wk_crew *t, int parts, wk_crew_fn fn, void *user);

#endif
