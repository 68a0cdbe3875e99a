/* pool.c - work on several threads, and the three callbacks of a context (progress, warning, cancel). Threads live as
 * long as one wk_parallel call: starting one costs microseconds, the jobs here take milliseconds. */
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/base.h"
#include "base/thread.h"
#include "whisker/clock.h"

#define MAX_THREADS 1024
#define PROGRESS_INTERVAL_NS 50000000 /* 20 reports a second */

/* ---- the context ------------------------------------------------------------------------------- */

void wk_context_init(wk_context *ctx) { *ctx = (wk_context){.seed = 42}; }

/* What a container may use of the machine's processors; INT_MAX where nothing limits it. */
static int quota_threads(void) {
  long long quota, period;
  FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
  int fields = f ? fscanf(f, "%lld %lld", &quota, &period) : 0; /* "max 100000" has no first number */
  if (f)
    fclose(f);
  if (fields != 2 || quota <= 0 || period <= 0 || quota / period >= MAX_THREADS)
    return INT_MAX;
  return (int)((quota + period - 1) / period);
}

int wk_context_threads(const wk_context *ctx) {
  if (ctx && ctx->threads > 0)
    return ctx->threads < MAX_THREADS ? ctx->threads : MAX_THREADS;
  cpu_set_t set;
  long n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
  int quota = quota_threads();
  n = n < quota ? n : quota;
  return n < 1 ? 1 : n < MAX_THREADS ? (int)n : MAX_THREADS;
}

bool wk_cancelled(const wk_context *ctx) { return ctx && ctx->cancelled && ctx->cancelled(ctx->user); }

/* ---- callbacks, one at a time ------------------------------------------------------------------ */

/* One lock for warnings and progress of all contexts, since both usually end on the same terminal. Recursive, so that
 * a callback may itself use whisker. It guards no data. */
static pthread_mutex_t callback_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void wk_warn(const wk_context *ctx, const char *fmt, ...) {
  if (!ctx || !ctx->warn)
    return;
  char message[sizeof((wk_error *)0)->message];
  va_list args;
  va_start(args, fmt);
  vsnprintf(message, sizeof message, fmt, args);
  va_end(args);
  wk_one_line(message);
  pthread_mutex_lock(&callback_lock);
  ctx->warn(ctx->user, message);
  pthread_mutex_unlock(&callback_lock);
}

struct wk_progress_state {
  _Atomic uint64_t done;
  _Atomic int64_t next_ns; /* no report before this time */
  uint64_t reported;       /* under callback_lock */
};

static int64_t now_ns(void) { return (int64_t)(wk_clock_seconds() * 1e9); }

wk_status wk_progress_begin(wk_progress *p, const wk_context *ctx, const char *stage, uint64_t total, wk_error *err) {
  *p = (wk_progress){.ctx = ctx, .stage = stage, .total = total};
  if (!ctx || !ctx->progress)
    return WK_OK;
  p->state = wk_calloc(1, sizeof *p->state);
  if (!p->state)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  atomic_store(&p->state->next_ns, now_ns() + PROGRESS_INTERVAL_NS);
  pthread_mutex_lock(&callback_lock);
  ctx->progress(ctx->user, stage, 0, total);
  pthread_mutex_unlock(&callback_lock);
  return WK_OK;
}

void wk_progress_add(wk_progress *p, uint64_t n) {
  struct wk_progress_state *s = p->state;
  if (!s)
    return;
  uint64_t done = atomic_fetch_add(&s->done, n) + n;
  int64_t now = now_ns(), next = atomic_load(&s->next_ns);
  /* Whoever moves the time on reports; the others go back to work. */
  if (done != p->total &&
      (now < next || !atomic_compare_exchange_strong(&s->next_ns, &next, now + PROGRESS_INTERVAL_NS)))
    return;
  pthread_mutex_lock(&callback_lock);
  done = atomic_load(&s->done);    /* read under the lock, so that reports never go backwards */
  if (done != s->reported || !n) { /* n 0: nothing is new but the time */
    s->reported = done;
    p->ctx->progress(p->ctx->user, p->stage, done, p->total);
  }
  pthread_mutex_unlock(&callback_lock);
}

void wk_progress_end(wk_progress *p) {
  struct wk_progress_state *s = p->state;
  if (!s)
    return;
  pthread_mutex_lock(&callback_lock);
  uint64_t done = atomic_load(&s->done);
  if (done != s->reported)
    p->ctx->progress(p->ctx->user, p->stage, done, p->total);
  pthread_mutex_unlock(&callback_lock);
  wk_free(s);
  p->state = NULL;
}

/* ---- wk_parallel ------------------------------------------------------------------------------- */

typedef struct pool {
  const wk_context *ctx;
  wk_job_fn job;
  void *user;
  size_t count;
  atomic_size_t next;
  atomic_bool stop;
  pthread_mutex_t lock; /* guards what follows */
  bool cancelled, failed;
  size_t failed_index;
  wk_status status;
  wk_error error;
} pool;

typedef struct worker {
  pool *pool;
  int number;
  pthread_t thread;
} worker;

/* Indices are handed out in order, so every index below a failing one was handed out too and is waited for: keeping
 * the lowest makes the reported error the same for any number of threads. */
static void record_failure(pool *p, size_t index, wk_status st, const wk_error *error) {
  pthread_mutex_lock(&p->lock);
  if (!p->failed || index < p->failed_index) {
    p->failed = true;
    p->failed_index = index;
    p->status = st;
    p->error = *error;
  }
  pthread_mutex_unlock(&p->lock);
}

static void work(pool *p, int number) {
  wk_error error = {.code = WK_OK};
  while (!atomic_load_explicit(&p->stop, memory_order_relaxed)) {
    if (wk_cancelled(p->ctx)) {
      pthread_mutex_lock(&p->lock);
      p->cancelled = true;
      pthread_mutex_unlock(&p->lock);
      atomic_store(&p->stop, true);
      return;
    }
    size_t index = atomic_fetch_add(&p->next, 1);
    if (index >= p->count)
      return;
    wk_status st = p->job(p->user, index, number, &error);
    if (st != WK_OK) {
      record_failure(p, index, st, &error);
      atomic_store(&p->stop, true);
      return;
    }
  }
}

bool wk_thread_start(pthread_t *thread, void *(*body)(void *), void *arg) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const bool started = pthread_create(thread, NULL, body, arg) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

static void *thread_main(void *arg) {
  worker *w = arg;
  work(w->pool, w->number);
  return NULL;
}

wk_status wk_parallel(const wk_context *ctx, int threads, size_t count, wk_job_fn job, void *user, wk_error *err) {
  if (threads < 1)
    threads = wk_context_threads(ctx);
  if (threads > MAX_THREADS)
    threads = MAX_THREADS;
  if ((size_t)threads > count)
    threads = count ? (int)count : 1;
  pool p = {.ctx = ctx, .job = job, .user = user, .count = count, .lock = PTHREAD_MUTEX_INITIALIZER};
  worker *workers = NULL;
  int started = 1; /* the caller */
  if (threads > 1) {
    workers = wk_alloc_array((size_t)threads, sizeof *workers);
    if (!workers)
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
    for (; started < threads; started++) {
      workers[started] = (worker){.pool = &p, .number = started};
      /* With fewer threads than asked the work is slower, not different. */
      if (!wk_thread_start(&workers[started].thread, thread_main, &workers[started]))
        break;
    }
  }
  work(&p, 0);
  for (int i = 1; i < started; i++)
    pthread_join(workers[i].thread, NULL);
  wk_free(workers);
  pthread_mutex_destroy(&p.lock);
  if (p.failed) {
    if (err)
      *err = p.error;
    return p.status;
  }
  return p.cancelled ? WK_FAIL(err, WK_ERR_CANCELLED, "stopped as asked") : WK_OK;
}
