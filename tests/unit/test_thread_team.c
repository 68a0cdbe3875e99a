/* test_thread_team.c - every part of every loop is done exactly once, however many threads there are and however late
 * they come; a team that cannot be had is an error, not a crash. */
#include <assert.h>
#include <stdatomic.h>
#include <time.h>

#include "base/thread_team.h"
#include "support.h"

enum { MOST = 9, PARTS = MOST * WK_TEAM_CHUNKS };

typedef struct loop {
  atomic_int times[PARTS];
  long sum[PARTS];        /* plain: what a part writes must be seen when wk_thread_team_run returns */
  atomic_bool busy[MOST]; /* the worker is in a part */
  int parts, slow;        /* slow: the part that takes its time; -1: none */
} loop;

static void count(void *user, wk_chunk p) {
  loop *l = user;
  assert(p.parts == l->parts && !atomic_exchange(&l->busy[p.worker], true));
  if (p.index == l->slow)
    nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
  atomic_fetch_add(&l->times[p.index], 1);
  l->sum[p.index] += p.index + 1;
  atomic_store(&l->busy[p.worker], false);
}

static void test_once(void **state) {
  (void)state;
  for (int threads = 1; threads <= MOST; threads += threads < 3 ? 1 : 3) {
    wk_thread_team *team;
    wk_error err;
    assert_int_equal(wk_thread_team_create(&team, threads, &err), WK_OK);
    assert_true((team == NULL) == (threads == 1));
    loop l = {.slow = -1};
    long times[PARTS] = {0};
    for (int run = 1; run <= 3000; run++) {
      l.parts = 1 + run * 7 % (threads * WK_TEAM_CHUNKS);
      l.slow = run % 100 == 0 ? run / 100 % l.parts : -1;
      if (run % 500 == 0) /* long enough for all to fall asleep */
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
      wk_thread_team_run(team, l.parts, count, &l);
      for (int i = 0; i < PARTS; i++) {
        times[i] += i < l.parts;
        assert_int_equal(atomic_load(&l.times[i]), times[i]);
        assert_int_equal(l.sum[i], times[i] * (i + 1));
      }
    }
    wk_thread_team_free(team);
  }
}

/* Another thing to do in each loop: nobody may still be at the one before. */
static void test_changing(void **state) {
  (void)state;
  wk_thread_team *team;
  wk_error err;
  assert_int_equal(wk_thread_team_create(&team, 4, &err), WK_OK);
  for (int run = 0; run < 3000; run++) {
    loop here = {.slow = -1, .parts = 1 + run % 16};
    wk_thread_team_run(team, here.parts, count, &here);
    for (int i = 0; i < here.parts; i++)
      assert_int_equal(atomic_load(&here.times[i]), 1);
  }
  wk_thread_team_free(team);
  wk_thread_team_free(NULL);
}

static void test_no_memory(void **state) {
  (void)state;
  for (int fail = 0; fail < 3; fail++) {
    wk_thread_team *team = (wk_thread_team *)1;
    wk_error err;
    test_fail_allocation(fail);
    assert_int_equal(wk_thread_team_create(&team, 3, &err), WK_ERR_MEMORY);
    test_fail_allocation(-1);
    assert_null(team);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_once), cmocka_unit_test(test_changing),
                                     cmocka_unit_test(test_no_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
