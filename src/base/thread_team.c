/* thread_team.c - sharing a loop of some microseconds among threads. The others wait awake for a moment, since the next
 * loop usually follows at once, and then asleep.
 *
 * A loop is an edition: the caller writes down what is to be done and raises the edition's number. Each part has the
 * number of the last edition in which it was taken; moving it on to this one's takes the part. A thread that comes late
 * finds all parts of its edition taken and does nothing, and what is to be done changes only when every part is
 * finished, so whoever took a part reads the right thing. An edition's number and how many parts it has are one word:
 * a late thread must not see one's number with another's parts. */
#include "base/thread_team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/thread.h"

#define LINE 64
#define AWAKE 2000 /* looks before falling asleep: some 30 to 100 microseconds */

typedef struct slot {
  _Alignas(LINE) atomic_ullong taken; /* the number of the last edition in which this part was */
} slot;

/* The number, which never comes round, and below it the parts. */
typedef unsigned long long edition;
enum { PARTS_BITS = 16 };

static unsigned long long number_of(edition e) { return e >> PARTS_BITS; }
static int parts_of(edition e) { return (int)(e & ((1u << PARTS_BITS) - 1)); }

typedef struct member {
  wk_thread_team *team;
  int number;
  pthread_t thread;
} member;

struct wk_thread_team {
  int threads, started; /* members that are wanted; that run, the caller included */
  slot *slot;           /* [WK_TEAM_CHUNKS * threads] */
  member *member;       /* [threads], the first unused */
  _Atomic(wk_thread_team_fn) fn;
  _Atomic(void *) user;
  _Alignas(LINE) atomic_ullong edition;
  _Alignas(LINE) atomic_int left; /* parts of this edition that are not finished */
  atomic_int asleep;
  atomic_bool over;
  pthread_mutex_t lock;
  pthread_cond_t news;
};

static void look_again(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void do_part(wk_thread_team *t, edition e, int part, int worker) {
  unsigned long long before = atomic_load(&t->slot[part].taken);
  while (before < number_of(e)) /* by more than one, if editions in between had fewer parts */
    if (atomic_compare_exchange_weak(&t->slot[part].taken, &before, number_of(e))) {
      atomic_load (&t->fn)(atomic_load(&t->user), (wk_chunk){part, parts_of(e), worker});
      atomic_fetch_sub(&t->left, 1);
      return;
    }
}

/* Takes what is left of an edition: one's own parts forward, so that they follow each other in memory, and then
 * backward from there, so that what the others would do last is taken first. */
static void work(wk_thread_team *t, edition e, int worker) {
  const int parts = parts_of(e), begin = (int)wk_chunk_bound(parts, 1, t->threads, worker),
            end = (int)wk_chunk_bound(parts, 1, t->threads, worker + 1);
  for (int i = begin; i < end; i++)
    do_part(t, e, i, worker);
  for (int i = 1; i <= parts - (end - begin); i++)
    do_part(t, e, (begin - i + parts) % parts, worker);
}

/* An edition after `last`, or `last` when the team is over. */
static edition wait_for_news(wk_thread_team *t, edition last) {
  for (int i = 0; i < AWAKE; i++, look_again()) {
    const edition now = atomic_load(&t->edition);
    if (now != last)
      return now;
  }
  pthread_mutex_lock(&t->lock);
  atomic_fetch_add(&t->asleep, 1); /* before the last look: the caller looks here after raising the number */
  while (atomic_load(&t->edition) == last && !atomic_load(&t->over))
    pthread_cond_wait(&t->news, &t->lock);
  atomic_fetch_sub(&t->asleep, 1);
  pthread_mutex_unlock(&t->lock);
  return atomic_load(&t->edition);
}

static void *member_main(void *arg) {
  const member *m = arg;
  for (edition last = 0;;) {
    const edition now = wait_for_news(m->team, last);
    if (now == last)
      return NULL;
    work(m->team, now, m->number);
    last = now;
  }
}

void wk_thread_team_run(wk_thread_team *t, int parts, wk_thread_team_fn fn, void *user) {
  if (!t) {
    for (int i = 0; i < parts; i++)
      fn(user, (wk_chunk){i, parts, 0});
    return;
  }
  const edition e = (number_of(atomic_load(&t->edition)) + 1) << PARTS_BITS | (unsigned)parts;
  atomic_store(&t->fn, fn);
  atomic_store(&t->user, user);
  atomic_store(&t->left, parts);
  atomic_store(&t->edition, e);
  if (atomic_load(&t->asleep)) {
    pthread_mutex_lock(&t->lock);
    pthread_cond_broadcast(&t->news);
    pthread_mutex_unlock(&t->lock);
  }
  work(t, e, 0);
  for (int i = 0; atomic_load(&t->left); i++)
    if (i < AWAKE)
      look_again();
    else
      sched_yield(); /* its thread may be waiting for this very processor */
}

wk_status wk_thread_team_create(wk_thread_team **out, int threads, wk_error *err) {
  *out = NULL;
  if (threads < 2)
    return WK_OK;
  wk_thread_team *t = wk_calloc(1, sizeof *t);
  slot *slots = wk_calloc((size_t)threads * WK_TEAM_CHUNKS, sizeof *slots);
  member *members = wk_calloc((size_t)threads, sizeof *members);
  if (!t || !slots || !members) {
    wk_free(t);
    wk_free(slots);
    wk_free(members);
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %d threads", threads);
  }
  t->threads = threads;
  t->slot = slots;
  t->member = members;
  pthread_mutex_init(&t->lock, NULL);
  pthread_cond_init(&t->news, NULL);
  for (t->started = 1; t->started < threads; t->started++) {
    member *m = &members[t->started];
    *m = (member){.team = t, .number = t->started};
    /* With fewer threads than asked the work is slower, not different. */
    if (!wk_thread_start(&m->thread, member_main, m))
      break;
  }
  *out = t;
  return WK_OK;
}

void wk_thread_team_free(wk_thread_team *t) {
  if (!t)
    return;
  pthread_mutex_lock(&t->lock);
  atomic_store(&t->over, true);
  pthread_cond_broadcast(&t->news);
  pthread_mutex_unlock(&t->lock);
  for (int i = 1; i < t->started; i++)
    pthread_join(t->member[i].thread, NULL);
  pthread_mutex_destroy(&t->lock);
  pthread_cond_destroy(&t->news);
  wk_free(t->slot);
  wk_free(t->member);
  wk_free(t);
}
