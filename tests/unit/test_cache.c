/* test_cache.c - kept features: that they come back, and that nothing which can happen to their file does harm. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

enum { COLUMNS = 5, HEADER = 128, RECORD = 32 + 4 * COLUMNS + 8 };
static const uint8_t key[32] = {0xab, 0xcd, 0xef, 1, 2, 3, 4, 5, 6};
#define FILE_NAME "abcdef0102030405.wkf"

static char *dir;
static int warnings;
static char last_warning[1024];

static void on_warn(void *user, const char *message) {
  (void)user;
  warnings++;
  snprintf(last_warning, sizeof last_warning, "%s", message);
}

static wk_context context(void) {
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.warn = on_warn;
  return ctx;
}

static int setup(void **state) {
  (void)state;
  dir = test_tmp_dir();
  warnings = 0;
  return 0;
}

static int teardown(void **state) {
  (void)state;
  test_tmp_remove(dir);
  return 0;
}

static const char *file(void) {
  static char path[4200];
  snprintf(path, sizeof path, "%s/%s", dir, FILE_NAME);
  return path;
}

static wk_cache *open_with(const char *folder, const uint8_t *k, int columns) {
  wk_error err = {0};
  wk_cache *c = NULL;
  wk_context ctx = context();
  assert_ok(wk_cache_open(&c, folder, k, columns, &ctx, &err), &err);
  assert_non_null(c);
  return c;
}

static wk_cache *open_cache(void) { return open_with(dir, key, COLUMNS); }

static void photo_hash(uint8_t hash[32], int i) {
  char text[16];
  snprintf(text, sizeof text, "%d", i);
  wk_sha256(hash, text, strlen(text));
}

static float value(int i, int column) { return (float)i * 0.5f + (float)column; }

static void put(wk_cache *c, int i) {
  uint8_t hash[32];
  float row[COLUMNS];
  photo_hash(hash, i);
  for (int k = 0; k < COLUMNS; k++)
    row[k] = value(i, k);
  wk_cache_put(c, hash, row);
}

/* Whether photo i is there; if so, its row must be right. */
static bool have(wk_cache *c, int i) {
  uint8_t hash[32];
  float row[COLUMNS];
  photo_hash(hash, i);
  if (!wk_cache_get(c, hash, row))
    return false;
  for (int k = 0; k < COLUMNS; k++)
    assert_true(row[k] == value(i, k));
  return true;
}

static int count_have(wk_cache *c, int n) {
  int found = 0;
  for (int i = 0; i < n; i++)
    found += have(c, i);
  return found;
}

static void fill(int from, int to) {
  wk_cache *c = open_cache();
  for (int i = from; i < to; i++)
    put(c, i);
  wk_cache_close(c);
}

static long file_size(const char *path) {
  struct stat s;
  return stat(path, &s) == 0 ? (long)s.st_size : -1;
}

static void keeps(void **state) {
  (void)state;
  wk_cache *c = open_cache();
  assert_false(have(c, 0));
  for (int i = 0; i < 10; i++)
    put(c, i);
  put(c, 3);
  assert_int_equal(count_have(c, 20), 10); /* before they are written, too */
  wk_cache_close(c);
  assert_int_equal(file_size(file()), HEADER + 10 * RECORD);
  c = open_cache();
  assert_int_equal(count_have(c, 20), 10);
  wk_cache_close(c);
  assert_int_equal(warnings, 0);
}

static void without_folder(void **state) {
  (void)state;
  wk_cache *c = open_with(NULL, key, COLUMNS);
  put(c, 1);
  assert_false(have(c, 1));
  wk_cache_close(c);
  wk_cache_close(NULL);
  assert_int_equal(warnings, 0);
}

static void makes_folder(void **state) {
  (void)state;
  char inner[4200];
  snprintf(inner, sizeof inner, "%s/a/b", dir);
  wk_cache *c = open_with(inner, key, COLUMNS);
  put(c, 1);
  assert_true(have(c, 1));
  wk_cache_close(c);
  assert_int_equal(warnings, 0);
}

/* However many bytes of the last record (or of the header) reached the disk, the whole ones are kept and appending
 * goes on. */
static void torn_tail(void **state) {
  (void)state;
  for (int cut = 0; cut <= HEADER + 3 * RECORD; cut++) {
    unlink(file());
    fill(0, 3);
    assert_int_equal(truncate(file(), cut), 0);
    int whole = cut < HEADER ? 0 : (cut - HEADER) / RECORD;
    wk_cache *c = open_cache();
    assert_int_equal(count_have(c, 3), whole);
    put(c, 7);
    wk_cache_close(c);
    assert_int_equal(file_size(file()), HEADER + (whole + 1) * RECORD);
    c = open_cache();
    assert_int_equal(count_have(c, 3), whole);
    assert_true(have(c, 7));
    wk_cache_close(c);
  }
  assert_int_equal(warnings, 0);
}

/* A process that dies while this one has the file open leaves a torn record as well. */
static void torn_meanwhile(void **state) {
  (void)state;
  wk_cache *c = open_cache();
  put(c, 0);
  int fd = open(file(), O_WRONLY | O_APPEND);
  assert_int_equal(write(fd, "torn", 4), 4);
  close(fd);
  wk_cache_close(c);
  c = open_cache();
  assert_true(have(c, 0));
  wk_cache_close(c);
  assert_int_equal(file_size(file()), HEADER + RECORD);
}

static void flip(const char *path, long at) {
  FILE *f = fopen(path, "r+b");
  assert_non_null(f);
  fseek(f, at, SEEK_SET);
  int byte = fgetc(f);
  fseek(f, at, SEEK_SET);
  fputc(byte ^ 0x10, f);
  fclose(f);
}

static void damaged_record(void **state) {
  (void)state;
  for (int at = 0; at < RECORD; at++) {
    unlink(file());
    fill(0, 3);
    flip(file(), HEADER + RECORD + at);
    wk_cache *c = open_cache();
    assert_true(have(c, 0));
    assert_false(have(c, 1));
    assert_true(have(c, 2));
    put(c, 1); /* computed again */
    assert_true(have(c, 1));
    wk_cache_close(c);
    c = open_cache();
    assert_int_equal(count_have(c, 3), 3);
    wk_cache_close(c);
  }
  assert_int_equal(warnings, 0);
}

static int files_in(const char *folder) {
  DIR *d = opendir(folder);
  int n = 0;
  for (struct dirent *e; (e = readdir(d));)
    n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

/* What is not this cache's is moved aside, never overwritten. */
static void foreign_file(void **state) {
  (void)state;
  FILE *f = fopen(file(), "w");
  fputs("my thesis", f);
  fclose(f);
  wk_cache *c = open_cache();
  assert_int_equal(warnings, 1);
  assert_non_null(strstr(last_warning, ".aside1"));
  put(c, 1);
  wk_cache_close(c);
  char aside[4300], text[32] = "";
  snprintf(aside, sizeof aside, "%s.aside1", file());
  f = fopen(aside, "r");
  assert_non_null(f);
  assert_non_null(fgets(text, sizeof text, f));
  fclose(f);
  assert_string_equal(text, "my thesis");

  c = open_with(dir, key, COLUMNS + 1); /* same name, other columns */
  assert_int_equal(warnings, 2);
  assert_int_equal(files_in(dir), 3);
  wk_cache_close(c);

  for (int at = 0; at < HEADER; at++) { /* a damaged header */
    test_tmp_remove(dir);
    dir = test_tmp_dir();
    fill(0, 1);
    flip(file(), at);
    c = open_cache();
    assert_false(have(c, 0));
    put(c, 0);
    wk_cache_close(c);
    c = open_cache();
    assert_true(have(c, 0));
    wk_cache_close(c);
    assert_int_equal(files_in(dir), 2);
  }
}

static void folder_in_the_way(void **state) {
  (void)state;
  assert_int_equal(mkdir(file(), 0777), 0);
  wk_cache *c = open_cache();
  put(c, 1);
  assert_false(have(c, 1));
  wk_cache_close(c);
  assert_int_equal(warnings, 1);

  char below[4300];
  fill(0, 0);
  snprintf(below, sizeof below, "%s/x", dir);
  FILE *f = fopen(below, "w");
  fclose(f);
  c = open_with(below, key, COLUMNS); /* the folder is a file */
  assert_false(have(c, 1));
  wk_cache_close(c);
  assert_true(warnings >= 2);
}

/* Runs `job` as a process of its own; it must end well. */
static void in_child(void (*job)(void)) {
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    job();
    _exit(0);
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define CHILD_CHECK(cond)                                                                                              \
  do {                                                                                                                 \
    if (!(cond)) {                                                                                                     \
      fprintf(stderr, "line %d: %s\n", __LINE__, #cond);                                                               \
      _exit(1);                                                                                                        \
    }                                                                                                                  \
  } while (0)

static void read_only_child(void) {
  if (geteuid() == 0)
    CHILD_CHECK(setuid(65534) == 0);
  wk_cache *c = open_cache();
  CHILD_CHECK(warnings == 1);
  CHILD_CHECK(count_have(c, 5) == 3);
  put(c, 4);
  CHILD_CHECK(!have(c, 4));
  wk_cache_close(c);
  static const uint8_t other[32] = {9};
  c = open_with(dir, other, COLUMNS); /* no file yet, and none can be made */
  CHILD_CHECK(warnings == 2);
  put(c, 4);
  wk_cache_close(c);
  CHILD_CHECK(warnings == 2);
}

static void read_only(void **state) {
  (void)state;
  fill(0, 3);
  chmod(file(), 0444);
  chmod(dir, 0555);
  in_child(read_only_child);
  chmod(dir, 0755);
}

static void full_disk_child(void) {
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = {HEADER + 40 * RECORD + 11, RLIM_INFINITY};
  CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  wk_cache *c = open_cache();
  for (int i = 3; i < 60000; i++)
    put(c, i);
  CHILD_CHECK(count_have(c, 3) == 3);
  wk_cache_close(c);
  CHILD_CHECK(warnings == 1);
  limit.rlim_cur = HEADER / 2;
  CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  static const uint8_t other[32] = {9};
  c = open_with(dir, other, COLUMNS); /* not even a header fits */
  put(c, 1);
  wk_cache_close(c);
  CHILD_CHECK(warnings == 2);
}

static void full_disk(void **state) {
  (void)state;
  fill(0, 3);
  in_child(full_disk_child);
  assert_int_equal(file_size(file()), HEADER + 3 * RECORD);
  wk_cache *c = open_cache();
  assert_int_equal(count_have(c, 10), 3);
  wk_cache_close(c);
}

static void two_processes(void **state) {
  (void)state;
  enum { EACH = 30000 };
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    fill(0, EACH);
    fill(EACH, EACH + 7);
    _exit(0);
  }
  fill(EACH + 7, 2 * EACH);
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  wk_cache *c = open_cache();
  assert_int_equal(count_have(c, 2 * EACH), 2 * EACH);
  wk_cache_close(c);
  assert_int_equal(file_size(file()), HEADER + 2 * EACH * RECORD);
  assert_int_equal(warnings, 0);
}

static wk_cache *shared;

static void *putter(void *user) {
  int from = *(int *)user;
  for (int i = from; i < 40000; i += 2) {
    put(shared, i);
    assert_true(have(shared, i));
  }
  return NULL;
}

static void two_threads(void **state) {
  (void)state;
  shared = open_cache();
  pthread_t thread;
  int odd = 1, even = 0;
  pthread_create(&thread, NULL, putter, &odd);
  putter(&even);
  pthread_join(thread, NULL);
  assert_int_equal(count_have(shared, 40000), 40000);
  wk_cache_close(shared);
}

/* Someone empties the file while it is open: misses, no harm. */
static void emptied_meanwhile(void **state) {
  (void)state;
  fill(0, 3);
  wk_cache *c = open_cache();
  assert_int_equal(truncate(file(), 0), 0);
  assert_false(have(c, 1));
  put(c, 5);
  wk_cache_close(c);
  assert_int_equal(warnings, 1);
  fill(0, 3);
  c = open_cache();
  assert_int_equal(count_have(c, 5), 3);
  wk_cache_close(c);
}

/* The file is removed while it is open: the next opening begins a new one. */
static void removed_meanwhile(void **state) {
  (void)state;
  wk_cache *c = open_cache();
  put(c, 1);
  unlink(file());
  wk_cache_close(c);
  c = open_cache();
  assert_false(have(c, 1));
  wk_cache_close(c);
  assert_int_equal(warnings, 0);
}

static void no_memory(void **state) {
  (void)state;
  fill(0, 3);
  wk_context ctx = context();
  for (long n = 0;; n++) {
    wk_error err = {0};
    wk_cache *c = NULL;
    test_fail_allocation(n);
    wk_status st = wk_cache_open(&c, dir, key, COLUMNS, &ctx, &err);
    if (st == WK_OK)
      put(c, (int)n + 10);
    wk_cache_close(c);
    bool all = test_allocations() <= n;
    test_fail_allocation(-1);
    assert_true(st == WK_OK || st == WK_ERR_MEMORY);
    if (all)
      break;
  }
  wk_cache *c = open_cache();
  assert_int_equal(count_have(c, 3), 3);
  wk_cache_close(c);
}

/* 25,000 rows of a real network are indexed at once: far below the time of decoding a single photo each. */
static void opens_fast(void **state) {
  (void)state;
  enum { ROWS = 25000, WIDE = 1280 };
  static float row[WIDE];
  wk_cache *c = open_with(dir, key, WIDE);
  uint8_t hash[32];
  for (int i = 0; i < ROWS; i++) {
    photo_hash(hash, i);
    row[0] = (float)i;
    wk_cache_put(c, hash, row);
  }
  wk_cache_close(c);
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  c = open_with(dir, key, WIDE);
  clock_gettime(CLOCK_MONOTONIC, &b);
  double ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
  printf("             %d rows of %d indexed in %.1f ms\n", ROWS, WIDE, ms);
  clock_gettime(CLOCK_MONOTONIC, &a);
  for (int i = 0; i < ROWS; i++) {
    photo_hash(hash, i);
    assert_true(wk_cache_get(c, hash, row));
    assert_true(row[0] == (float)i);
  }
  clock_gettime(CLOCK_MONOTONIC, &b);
  ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
  printf("             and read in %.1f ms\n", ms);
  wk_cache_close(c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(keeps),          T(without_folder), T(makes_folder),      T(torn_tail),         T(torn_meanwhile),
      T(damaged_record), T(foreign_file),   T(folder_in_the_way), T(read_only),         T(full_disk),
      T(two_processes),  T(two_threads),    T(emptied_meanwhile), T(removed_meanwhile), T(no_memory),
      T(opens_fast),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
