/* events.h (internal) - what happens, told to every page that listens (server-sent events): numbered, and the last ones
 * kept, so that a page that was away is told what it missed. */
#ifndef WK_STUDIO_EVENTS_H
#define WK_STUDIO_EVENTS_H

#include <jansson.h>
#include <pthread.h>

#include "fault.h"

enum { WK_EVENTS_KEPT = 1024 };

typedef struct wk_events {
  pthread_mutex_t lock;
  pthread_cond_t news;
  char *
      kept[WK_EVENTS_KEPT]; /* the event with number n at n % WK_EVENTS_KEPT, as it is sent; NULL: none, or no memory */
  uint64_t next;            /* number of the next event; the first is 1 */
  bool closed;
} wk_events;

wk_status wk_events_open(wk_events *e, wk_fault *f);
void wk_events_free(wk_events *e);
/* Takes `data`. */
void wk_events_tell(wk_events *e, const char *kind, json_t *data);
/* Whoever waits returns at once, with false. */
void wk_events_close(wk_events *e);
/* The number of the last event. */
uint64_t wk_events_last(wk_events *e);
/* The first event after number *after as it is sent (free it), and its number; waits for it for at most so many
 * milliseconds. *text NULL: none came. False: it is over. Where events were missed and are no longer kept, *text is an
 * event "lost". */
bool wk_events_wait(wk_events *e, uint64_t *after, char **text, int milliseconds);

#endif
