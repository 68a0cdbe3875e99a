/* test_base.c - errors, memory, random numbers, threads and callbacks, hashes and names. Files: test_file.c. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "base/arena.h"
#include "support.h"

/* ---- errors ------------------------------------------------------------------------------------ */

static void test_error_messages(void **state) {
  (void)state;
  wk_error err;
  assert_int_equal(wk_error_set(&err, WK_ERR_FORMAT, "reader", "%s: %d bytes", "a.bin", 7), WK_ERR_FORMAT);
  assert_string_equal(err.message, "a.bin: 7 bytes");
  assert_string_equal(err.where, "reader");
  assert_int_equal(wk_error_prefix(&err, WK_ERR_IO, "%s", "photos"), WK_ERR_FORMAT);
  assert_string_equal(err.message, "photos: a.bin: 7 bytes");
  wk_error_set(&err, WK_ERR_FORMAT, "x", "tensor %s", "a\n\x1b[2J\xc2\x9b\xc3\xa9");
  assert_string_equal(err.message, "tensor a??[2J??\xc3\xa9");
  wk_error_set(&err, WK_ERR_FORMAT, "x", "photos: a.bin: 7 bytes");
  /* A message may be built from the one it replaces. */
  wk_error_set(&err, WK_ERR_IO, "x", "<%s>", err.message);
  assert_string_equal(err.message, "<photos: a.bin: 7 bytes>");
  assert_int_equal(wk_error_set(NULL, WK_ERR_IO, "x", "y"), WK_ERR_IO);
  assert_int_equal(wk_error_prefix(NULL, WK_ERR_IO, "y"), WK_ERR_IO);
}

static void test_error_truncates(void **state) {
  (void)state;
  char big[4000];
  memset(big, 'x', sizeof big - 1);
  big[sizeof big - 1] = 0;
  wk_error err;
  wk_error_set(&err, WK_ERR_IO, big, "%s", big);
  assert_int_equal(strlen(err.message), sizeof err.message - 1);
  assert_int_equal(strlen(err.where), sizeof err.where - 1);
  for (size_t n = sizeof err.message - 8; n < sizeof err.message + 8; n++) {
    wk_error_set(&err, WK_ERR_IO, "x", "message");
    wk_error_prefix(&err, WK_ERR_IO, "%.*s", (int)n, big);
    assert_true(strlen(err.message) < sizeof err.message);
  }
}

static void test_status_names(void **state) {
  (void)state;
  for (int s = WK_OK; s <= WK_ERR_INTERNAL; s++)
    assert_string_not_equal(wk_status_name((wk_status)s), "unknown");
  assert_string_equal(wk_status_name((wk_status)99), "unknown");
  assert_string_equal(wk_status_name((wk_status)-1), "unknown");
  assert_string_equal(wk_version(), WK_VERSION);
}

/* ---- memory ------------------------------------------------------------------------------------ */

static void test_alloc(void **state) {
  (void)state;
  void *p = wk_alloc(0);
  assert_non_null(p);
  assert_int_equal((uintptr_t)p % 64, 0);
  wk_free(p);
  wk_free(NULL);
  assert_null(wk_alloc(SIZE_MAX));
  assert_null(wk_calloc(SIZE_MAX / 2, 3));
  assert_null(wk_alloc_array(SIZE_MAX / 2, 3));
  unsigned char *zero = wk_calloc(100, 3);
  for (int i = 0; i < 300; i++)
    assert_int_equal(zero[i], 0);
  wk_free(zero);
  char *s = wk_strndup("whisker", 4);
  assert_string_equal(s, "whis");
  char *grown = wk_grow(s, 5, 5000);
  assert_string_equal(grown, "whis");
  wk_free(grown);
}

static char *build_text(void) {
  wk_text t = {0};
  for (int i = 0; i < 1000; i++) {
    wk_text_add(&t, "%d,", i);
    wk_text_append(&t, "ab\0c", 4);
  }
  if (t.failed)
    wk_text_free(&t);
  return t.data;
}

static void test_text(void **state) {
  (void)state;
  wk_text t = {0};
  wk_text_append(&t, NULL, 0);
  assert_string_equal(t.data, "");
  wk_text_add(&t, "%s=%d", "a", 1);
  wk_text_append(&t, ";", 1);
  assert_string_equal(t.data, "a=1;");
  assert_int_equal(t.len, 4);
  assert_false(t.failed);
  wk_text_append(&t, "", SIZE_MAX - 2);
  assert_true(t.failed);
  wk_text_add(&t, "more");
  assert_string_equal(t.data, "a=1;");
  wk_text_free(&t);
  wk_text_free(&t);
  wk_text_free(NULL);
  char *s = wk_asprintf("%05d", 42);
  assert_string_equal(s, "00042");
  wk_free(s);
}

static wk_status nothing(void *user, size_t index, int worker, wk_error *err) {
  (void)user, (void)index, (void)worker, (void)err;
  return WK_OK;
}

/* Many blocks of every size: aligned, apart from each other, and each as it was left. */
static void test_arena(void **state) {
  (void)state;
  enum { BLOCKS = 300 };
  wk_arena arena = wk_arena_large();
  uint8_t *block[BLOCKS];
  size_t bytes[BLOCKS];
  for (size_t i = 0; i < BLOCKS; i++) {
    bytes[i] = i % 50 == 49 ? (size_t)9 << 20 : i * i % 70000;
    block[i] = wk_arena_alloc(&arena, bytes[i]);
    assert_non_null(block[i]);
    assert_int_equal((uintptr_t)block[i] % 64, 0);
    memset(block[i], (int)i, bytes[i]);
  }
  for (size_t i = 0; i < BLOCKS; i++)
    if (bytes[i]) {
      assert_int_equal(block[i][0], (uint8_t)i);
      assert_int_equal(block[i][bytes[i] - 1], (uint8_t)i);
    }
  assert_null(wk_arena_alloc(&arena, SIZE_MAX - 5));
  wk_arena_free(&arena);
  wk_arena_free(&arena); /* empty by now */
}

/* Every allocation of the calls below fails once; each must say so and leave nothing behind (seen by the sanitizer). */
static void test_failing_allocations(void **state) {
  (void)state;
  wk_error err;
  long n;
  for (n = 0;; n++) {
    test_fail_allocation(n);
    char *s = build_text();
    if (s) {
      wk_free(s);
      break;
    }
  }
  assert_true(n >= 2); /* it did grow more than once */
  test_fail_allocation(0);
  assert_null(wk_asprintf("x"));
  test_fail_allocation(0);
  assert_null(wk_strdup("x"));
  test_fail_allocation(0);
  assert_null(wk_sha256_begin());
  test_fail_allocation(0);
  assert_int_equal(wk_parallel(NULL, 2, 2, nothing, NULL, &err), WK_ERR_MEMORY);
  test_fail_allocation(0);
  assert_int_equal(wk_parallel(NULL, 1, 2, nothing, NULL, &err), WK_OK); /* one thread needs no memory */
  test_fail_allocation(-1);
  char *kept = wk_strdup("kept");
  test_fail_allocation(0);
  assert_null(wk_grow(kept, 5, 50));
  assert_string_equal(kept, "kept");
  wk_free(kept);
  wk_set_allocator(NULL);
}

/* ---- random numbers ---------------------------------------------------------------------------- */

/* Known answers published with Random123 (kat_vectors, philox4x32 10). */
static void test_philox_vectors(void **state) {
  (void)state;
  static const struct {
    uint32_t counter[4], key[2], out[4];
  } known[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    uint32_t out[4];
    wk_philox(out, known[i].counter, known[i].key);
    assert_memory_equal(out, known[i].out, sizeof out);
  }
}

static void test_rng_streams(void **state) {
  (void)state;
  wk_rng a, b, fork;
  wk_rng_init(&a, 42, 7);
  wk_rng_init(&b, 42, 7);
  for (int i = 0; i < 5; i++)
    assert_int_equal(wk_rng_u32(&a), wk_rng_u32(&b));
  fork = a;
  assert_int_equal(wk_rng_u32(&a), wk_rng_u32(&fork));
  /* Another seed or stream is another sequence, in all 64 bits of either. */
  wk_rng_init(&a, 42, 7);
  uint32_t first = wk_rng_u32(&a);
  for (int bit = 0; bit < 64; bit++) {
    wk_rng_init(&b, 42 ^ (uint64_t)1 << bit, 7);
    assert_int_not_equal(wk_rng_u32(&b), first);
    wk_rng_init(&b, 42, 7 ^ (uint64_t)1 << bit);
    assert_int_not_equal(wk_rng_u32(&b), first);
  }
  /* The block counter carries into its upper word instead of repeating. */
  wk_rng_init(&a, 1, 2);
  a.counter[0] = UINT32_MAX;
  for (int i = 0; i < 8; i++)
    wk_rng_u32(&a);
  assert_int_equal(a.counter[0], 1);
  assert_int_equal(a.counter[1], 1);
}

/* Bounds of five standard deviations: with a fixed seed the outcome never changes, so none of these is flaky. */
static void test_rng_distributions(void **state) {
  (void)state;
  wk_rng r;
  wk_rng_init(&r, 42, 0);
  enum { N = 100000, SIDES = 7 };
  int seen[SIDES] = {0};
  for (int i = 0; i < N; i++) {
    uint32_t v = wk_rng_below(&r, SIDES);
    assert_true(v < SIDES);
    seen[v]++;
  }
  for (int i = 0; i < SIDES; i++)
    assert_near(seen[i], (double)N / SIDES, 5 * sqrt(N * (1.0 / SIDES) * (1 - 1.0 / SIDES)));
  for (int i = 0; i < 1000; i++)
    assert_true(wk_rng_below(&r, 0x80000001u) <= 0x80000000u);
  assert_int_equal(wk_rng_below(&r, 1), 0);
  double sum = 0, normal = 0, square = 0;
  for (int i = 0; i < N; i++) {
    double u = wk_rng_uniform(&r), z = wk_rng_normal(&r);
    assert_true(u >= 0 && u < 1 && isfinite(z));
    sum += u, normal += z, square += z * z;
  }
  assert_near(sum / N, 0.5, 5 * sqrt(1.0 / 12 / N));
  assert_near(normal / N, 0, 5 * sqrt(1.0 / N));
  assert_near(square / N, 1, 5 * sqrt(2.0 / N));
}

static void test_rng_shuffle(void **state) {
  (void)state;
  enum { N = 1000 };
  uint32_t index[N], again[N], count[N] = {0}, moved = 0;
  wk_rng r;
  for (uint32_t i = 0; i < N; i++)
    index[i] = again[i] = i;
  wk_rng_init(&r, 1, 1);
  wk_rng_shuffle(&r, index, N);
  wk_rng_init(&r, 1, 1);
  wk_rng_shuffle(&r, again, N);
  assert_memory_equal(index, again, sizeof index);
  for (uint32_t i = 0; i < N; i++) {
    count[index[i]]++;
    moved += index[i] != i;
  }
  for (int i = 0; i < N; i++)
    assert_int_equal(count[i], 1);
  assert_true(moved > N * 9 / 10);
  wk_rng_shuffle(&r, index, 0);
}

/* ---- threads ----------------------------------------------------------------------------------- */

typedef struct jobs {
  atomic_int seen[1000];
  atomic_size_t last; /* index handed out last; checked with one worker only */
  atomic_bool wrong;
  int threads;
  size_t fail_from;
  bool fail_slowly;
} jobs;

static wk_status count_job(void *user, size_t index, int worker, wk_error *err) {
  jobs *j = user;
  atomic_fetch_add(&j->seen[index], 1);
  if (worker < 0 || worker >= j->threads)
    atomic_store(&j->wrong, true);
  if (j->threads == 1 && index && atomic_load(&j->last) + 1 != index)
    atomic_store(&j->wrong, true);
  atomic_store(&j->last, index);
  if (index >= j->fail_from) {
    /* The first index to fail is made the last to say so. */
    if (index == j->fail_from && j->fail_slowly)
      nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    return WK_FAIL(err, WK_ERR_FORMAT, "photo %zu is broken", index);
  }
  return WK_OK;
}

static void test_parallel_covers(void **state) {
  (void)state;
  for (int threads = 1; threads <= 8; threads++) {
    jobs j = {.threads = threads, .fail_from = SIZE_MAX};
    wk_error err;
    assert_ok(wk_parallel(NULL, threads, 1000, count_job, &j, &err), &err);
    for (int i = 0; i < 1000; i++)
      assert_int_equal(j.seen[i], 1);
    assert_false(j.wrong);
  }
  assert_int_equal(wk_parallel(NULL, 4, 0, nothing, NULL, NULL), WK_OK);
  wk_context ctx;
  wk_context_init(&ctx);
  assert_true(wk_context_threads(NULL) >= 1);
  assert_int_equal(wk_context_threads(&ctx), wk_context_threads(NULL));
  assert_int_equal(ctx.seed, 42);
  ctx.threads = 3;
  assert_int_equal(wk_context_threads(&ctx), 3);
  jobs j = {.threads = 3, .fail_from = SIZE_MAX};
  assert_int_equal(wk_parallel(&ctx, 0, 1000, count_job, &j, NULL), WK_OK);
  assert_false(j.wrong);
}

/* Which error is reported must not depend on the number of threads or on who was faster. */
static void test_parallel_first_failure(void **state) {
  (void)state;
  for (int threads = 1; threads <= 8; threads++)
    for (int repeat = 0; repeat < 10; repeat++) {
      jobs j = {.threads = threads, .fail_from = 100, .fail_slowly = true};
      wk_error err;
      assert_int_equal(wk_parallel(NULL, threads, 1000, count_job, &j, &err), WK_ERR_FORMAT);
      assert_string_equal(err.message, "photo 100 is broken");
      for (int i = 0; i <= 100; i++)
        assert_int_equal(j.seen[i], 1);
      assert_int_equal(j.seen[999], 0); /* the hand-out stopped */
      jobs again = {.threads = threads, .fail_from = 0};
      assert_int_equal(wk_parallel(NULL, threads, 1000, count_job, &again, NULL), WK_ERR_FORMAT);
    }
}

static bool cancel_after(void *user) { return atomic_fetch_sub((atomic_int *)user, 1) <= 0; }

static void test_parallel_cancel(void **state) {
  (void)state;
  for (int threads = 1; threads <= 4; threads++) {
    atomic_int left = 50;
    wk_context ctx;
    wk_context_init(&ctx);
    ctx.cancelled = cancel_after;
    ctx.user = &left;
    jobs j = {.threads = threads, .fail_from = SIZE_MAX};
    wk_error err;
    assert_int_equal(wk_parallel(&ctx, threads, 1000, count_job, &j, &err), WK_ERR_CANCELLED);
    assert_int_equal(err.code, WK_ERR_CANCELLED);
    int ran = 0;
    for (int i = 0; i < 1000; i++)
      ran += j.seen[i];
    assert_int_equal(ran, 50);
  }
  assert_false(wk_cancelled(NULL));
}

static wk_status signals_blocked(void *user, size_t index, int worker, wk_error *err) {
  (void)index, (void)err;
  sigset_t set;
  pthread_sigmask(SIG_SETMASK, NULL, &set);
  if (sigismember(&set, SIGINT) != (worker != 0))
    atomic_store((atomic_bool *)user, false);
  nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL); /* so that every worker gets some */
  return WK_OK;
}

static void test_parallel_leaves_signals(void **state) {
  (void)state;
  atomic_bool right = true;
  assert_int_equal(wk_parallel(NULL, 4, 100, signals_blocked, &right, NULL), WK_OK);
  assert_true(right);
}

/* ---- callbacks --------------------------------------------------------------------------------- */

typedef struct listener {
  atomic_int inside;
  int overlaps, calls, backwards, warnings;
  uint64_t first, last, total;
  char message[200];
} listener;

static void enter(listener *l) {
  if (atomic_fetch_add(&l->inside, 1) != 0)
    l->overlaps++;
}

static void on_progress(void *user, const char *stage, uint64_t done, uint64_t total) {
  listener *l = user;
  enter(l);
  assert_string_equal(stage, "features");
  if (l->calls == 0)
    l->first = done;
  else if (done <= l->last)
    l->backwards++;
  l->last = done, l->total = total, l->calls++;
  atomic_fetch_sub(&l->inside, 1);
}

static void on_warn(void *user, const char *message) {
  listener *l = user;
  enter(l);
  l->warnings++;
  snprintf(l->message, sizeof l->message, "%s", message);
  atomic_fetch_sub(&l->inside, 1);
}

typedef struct reporting {
  wk_context *ctx;
  wk_progress *progress;
} reporting;

static wk_status report_job(void *user, size_t index, int worker, wk_error *err) {
  (void)worker, (void)err;
  reporting *r = user;
  wk_progress_add(r->progress, 1);
  if (index % 100 == 0)
    wk_warn(r->ctx, "photo %zu was skipped", index);
  return WK_OK;
}

static void test_progress(void **state) {
  (void)state;
  listener l = {0};
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.progress = on_progress, ctx.warn = on_warn, ctx.user = &l;
  wk_progress p;
  wk_error err;
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  assert_ok(wk_progress_begin(&p, &ctx, "features", 100000, &err), &err);
  reporting r = {&ctx, &p};
  assert_ok(wk_parallel(&ctx, 4, 100000, report_job, &r, &err), &err);
  wk_progress_end(&p);
  clock_gettime(CLOCK_MONOTONIC, &end);
  double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
  assert_int_equal(l.first, 0);
  assert_int_equal(l.last, 100000);
  assert_int_equal(l.total, 100000);
  assert_int_equal(l.overlaps, 0);
  assert_int_equal(l.backwards, 0);
  assert_int_equal(l.warnings, 1000);
  assert_true(l.calls <= 3 + seconds * 20 + 1);
  wk_progress_end(&p);
}

static void test_progress_quiet(void **state) {
  (void)state;
  wk_progress zero = {0}, p;
  wk_progress_add(&zero, 1);
  wk_progress_end(&zero);
  test_fail_allocation(0); /* without a listener nothing is allocated */
  assert_int_equal(wk_progress_begin(&p, NULL, "features", 1, NULL), WK_OK);
  wk_progress_add(&p, 1);
  wk_progress_end(&p);
  listener l = {0};
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.progress = on_progress, ctx.user = &l;
  assert_int_equal(wk_progress_begin(&p, &ctx, "features", 10, NULL), WK_ERR_MEMORY);
  wk_progress_add(&p, 3);
  wk_progress_end(&p);
  wk_set_allocator(NULL);
  assert_int_equal(l.calls, 0);
  /* Stopped half-way: the last report is what was reached. */
  assert_int_equal(wk_progress_begin(&p, &ctx, "features", 10, NULL), WK_OK);
  wk_progress_add(&p, 3);
  wk_progress_end(&p);
  assert_int_equal(l.last, 3);
  wk_warn(NULL, "nobody listens");
  wk_warn(&ctx, "nobody listens");
}

/* ---- processor, hashes, names ------------------------------------------------------------------- */

static void test_cpu(void **state) {
  (void)state;
  wk_isa isa = wk_cpu_isa();
  assert_true(isa >= WK_ISA_C && isa <= WK_ISA_AVX512);
  print_message("this processor: %s\n", wk_isa_name(isa));
  assert_string_equal(wk_isa_name((wk_isa)9), "unknown");
}

/* FIPS 180-2, appendix B. */
static void test_sha256(void **state) {
  (void)state;
  static const char *const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  static const char *const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  static const char *const million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
  uint8_t digest[WK_SHA256_BYTES];
  char hex[2 * WK_SHA256_BYTES + 1];
  wk_sha256(digest, NULL, 0);
  wk_hex(hex, digest, sizeof digest);
  assert_string_equal(hex, empty);
  wk_sha256(digest, "abc", 3);
  wk_hex(hex, digest, sizeof digest);
  assert_string_equal(hex, abc);
  wk_sha256_state *s = wk_sha256_begin();
  for (int i = 0; i < 10000; i++) {
    char chunk[100];
    memset(chunk, 'a', sizeof chunk);
    wk_sha256_add(s, chunk, 33);
    wk_sha256_add(s, chunk, 67);
    wk_sha256_add(s, NULL, 0);
  }
  wk_sha256_end(s, digest);
  wk_hex(hex, digest, sizeof digest);
  assert_string_equal(hex, million);
  wk_sha256_end(wk_sha256_begin(), NULL);
  wk_sha256_end(NULL, digest);
}

static void test_edit_distance(void **state) {
  (void)state;
  static const struct {
    const char *a, *b;
    int distance;
  } known[] = {{"", "", 0},
               {"", "abc", 3},
               {"abc", "", 3},
               {"resnet51", "resnet50", 1},
               {"ResNet", "resnet", 0},
               {"kitten", "sitting", 3},
               {"mobilnet", "mobilenet", 1},
               {"vgg61", "vgg16", 1},
               {"ca", "abc", 3}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    assert_int_equal(wk_edit_distance(known[i].a, known[i].b), known[i].distance);
    assert_int_equal(wk_edit_distance(known[i].b, known[i].a), known[i].distance);
  }
  char big[1000];
  memset(big, 'x', sizeof big - 1);
  big[sizeof big - 1] = 0;
  assert_true(wk_edit_distance(big, "resnet50") > 100);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_error_messages),
      cmocka_unit_test(test_error_truncates),
      cmocka_unit_test(test_status_names),
      cmocka_unit_test(test_alloc),
      cmocka_unit_test(test_text),
      cmocka_unit_test(test_arena),
      cmocka_unit_test(test_failing_allocations),
      cmocka_unit_test(test_philox_vectors),
      cmocka_unit_test(test_rng_streams),
      cmocka_unit_test(test_rng_distributions),
      cmocka_unit_test(test_rng_shuffle),
      cmocka_unit_test(test_parallel_covers),
      cmocka_unit_test(test_parallel_first_failure),
      cmocka_unit_test(test_parallel_cancel),
      cmocka_unit_test(test_parallel_leaves_signals),
      cmocka_unit_test(test_progress),
      cmocka_unit_test(test_progress_quiet),
      cmocka_unit_test(test_cpu),
      cmocka_unit_test(test_sha256),
      cmocka_unit_test(test_edit_distance),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
