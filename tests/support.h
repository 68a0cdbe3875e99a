/* support.h - what the test programs share: cmocka, paths of committed goldens and of fetched data. */
#ifndef WK_TEST_SUPPORT_H
#define WK_TEST_SUPPORT_H

/* cmocka.h needs these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "whisker/whisker.h"

/* Built with a sanitizer: tests that take long by plain work do less of it. */
#if defined(__SANITIZE_ADDRESS__)
#define TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_SANITIZED 1
#endif
#endif
#ifndef TEST_SANITIZED
#define TEST_SANITIZED 0
#endif

/* Path of a committed file, relative to the top of the source tree. Static buffer, overwritten at each fourth call. */
const char *test_source(const char *relative);
/* Path of fetched data (weights/..., photos/...) in $WHISKER_TEST_DATA or ../shared/data; NULL when it is not there. */
const char *test_data(const char *relative);
/* Skips the running test, saying why, where the data is absent. */
#define TEST_NEEDS(path, relative)                                                                                     \
  const char *path = test_data(relative);                                                                              \
  if (!path) {                                                                                                         \
    printf("skipped: %s is not here (set WHISKER_TEST_DATA)\n", relative);                                             \
    skip();                                                                                                            \
  }
/* A fresh folder for the test's files; removed by test_tmp_remove. */
char *test_tmp_dir(void);
void test_tmp_remove(char *dir);
/* The n-th allocation from now on fails (n = 0: the next); negative: none. Counts go on. */
void test_fail_allocation(long n);
long test_allocations(void); /* since the last test_fail_allocation */
/* Which allocation fails after the n-th, in loops over all: sanitizers see the first forty, then every seventh. */
#define TEST_NEXT_ALLOCATION(n) ((n) + (TEST_SANITIZED && (n) >= 40 ? 7 : 1))

/* What a picture looks like, as 256 bits in hexadecimal: is each of 16 x 16 places clearly brighter than its right
 * neighbour (dHash)? Pictures that look alike differ in few bits, whatever the last bits of their numbers are. */
#define TEST_HASH_SIZE 65
void test_picture_hash(char hex[TEST_HASH_SIZE], const wk_image *picture);
/* NULL when the picture has that size (0: any), is not blank, and differs from `hash` (NULL: any) in at most 20 bits;
 * else what is wrong, with the hash it has, so that a change that is meant can be written down. Static buffer. */
const char *test_picture_wrong(const wk_image *picture, int width, int height, const char *hash);
#define assert_picture(picture, width, height, hash)                                                                   \
  do {                                                                                                                 \
    const char *wrong_ = test_picture_wrong((picture), (width), (height), (hash));                                     \
    if (wrong_)                                                                                                        \
      fail_msg("%s: %s", #picture, wrong_);                                                                            \
  } while (0)

#define assert_ok(st, err)                                                                                             \
  do {                                                                                                                 \
    if ((st) != WK_OK)                                                                                                 \
      fail_msg("%s: %s", wk_status_name(st), (err)->message);                                                          \
  } while (0)
#define assert_near(a, b, tol)                                                                                         \
  do {                                                                                                                 \
    double a_ = (a), b_ = (b), t_ = (tol);                                                                             \
    if (!(fabs(a_ - b_) <= t_))                                                                                        \
      fail_msg("%s = %.9g, expected %.9g within %.3g", #a, a_, b_, t_);                                                \
  } while (0)

#endif
