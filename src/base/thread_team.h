/* thread_team.h (internal) - threads that stay at hand between the many short loops of one run of a network. */
#ifndef WK_BASE_THREAD_TEAM_H
#define WK_BASE_THREAD_TEAM_H

#include "base/base.h"
#include "base/chunk.h"

typedef struct wk_thread_team wk_thread_team;
typedef void (*wk_thread_team_fn)(void *user, wk_chunk part);

enum { WK_TEAM_CHUNKS = 4 }; /* most parts of a loop a thread */

/* A team of `threads`, the caller among them; one thread needs none: *out is NULL then. */
wk_status wk_thread_team_create(wk_thread_team **out, int threads, wk_error *err);
void wk_thread_team_free(wk_thread_team *t);

/* Calls fn for each of `parts` parts (1 to WK_TEAM_CHUNKS * threads) once, and returns when all are done. Each thread
 * begins with parts that follow each other, and then takes what the others have left, from its end: one that the system
 * keeps waiting, or that a neighbour slows down, holds nobody up. One call at a time. Without a team, the caller does
 * all of them. */
void wk_thread_team_run(wk_thread_team *t, int parts, wk_thread_team_fn fn, void *user);

#endif
