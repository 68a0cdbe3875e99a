/* events.c - see events.h. */
#include "events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

wk_status wk_events_open(wk_events *e, wk_fault *f) {
  *e = (wk_events){.next = 1};
  pthread_condattr_t attr;
  if (pthread_mutex_init(&e->lock, NULL) || pthread_condattr_init(&attr))
    return wk_fault_memory(f);
  const bool bad = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) || pthread_cond_init(&e->news, &attr);
  pthread_condattr_destroy(&attr);
  return bad ? wk_fault_memory(f) : WK_OK;
}

void wk_events_free(wk_events *e) {
  if (!e->next)
    return;
  for (int i = 0; i < WK_EVENTS_KEPT; i++)
    free(e->kept[i]);
  pthread_cond_destroy(&e->news);
  pthread_mutex_destroy(&e->lock);
  *e = (wk_events){0};
}

void wk_events_tell(wk_events *e, const char *kind, json_t *data) {
  char *json = data ? json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL, *text = NULL;
  json_decref(data);
  pthread_mutex_lock(&e->lock);
  /* Without memory the number is used up all the same: listeners see that something is missing. */
  if (json && asprintf(&text, "id: %llu\nevent: %s\ndata: %s\n\n", (unsigned long long)e->next, kind, json) < 0)
    text = NULL;
  char **place = &e->kept[e->next++ % WK_EVENTS_KEPT];
  free(*place);
  *place = text;
  pthread_cond_broadcast(&e->news);
  pthread_mutex_unlock(&e->lock);
  free(json);
}

void wk_events_close(wk_events *e) {
  pthread_mutex_lock(&e->lock);
  e->closed = true;
  pthread_cond_broadcast(&e->news);
  pthread_mutex_unlock(&e->lock);
}

uint64_t wk_events_last(wk_events *e) {
  pthread_mutex_lock(&e->lock);
  const uint64_t last = e->next - 1;
  pthread_mutex_unlock(&e->lock);
  return last;
}

bool wk_events_wait(wk_events *e, uint64_t *after, char **text, int milliseconds) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += milliseconds / 1000;
  until.tv_nsec += milliseconds % 1000 * 1000000L;
  if (until.tv_nsec >= 1000000000L) {
    until.tv_sec++;
    until.tv_nsec -= 1000000000L;
  }
  *text = NULL;
  pthread_mutex_lock(&e->lock);
  while (!e->closed && *after + 1 >= e->next && *after < e->next)
    if (pthread_cond_timedwait(&e->news, &e->lock, &until))
      break;
  const bool open = !e->closed;
  if (open && *after + 1 != e->next) {
    /* A number from another life of the studio, or one that is long gone: all is to be asked for anew. */
    const bool known = *after < e->next && e->next - *after - 1 <= WK_EVENTS_KEPT;
    const char *kept = known ? e->kept[(*after + 1) % WK_EVENTS_KEPT] : NULL;
    *after = known ? *after + 1 : e->next - 1;
    if (kept)
      *text = strdup(kept);
    else if (asprintf(text, "id: %llu\nevent: lost\ndata: {}\n\n", (unsigned long long)*after) < 0)
      *text = NULL;
  }
  pthread_mutex_unlock(&e->lock);
  return open;
}
