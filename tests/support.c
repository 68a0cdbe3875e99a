/* support.c - see support.h. */
#include "support.h"

#include <ftw.h>
#include <stdatomic.h>
#include <unistd.h>

static const char *slot(const char *folder, const char *relative) {
  static char buffer[4][4096];
  static int turn;
  char *b = buffer[turn++ & 3];
  snprintf(b, sizeof buffer[0], "%s/%s", folder, relative);
  return b;
}

const char *test_source(const char *relative) { return slot(WK_SOURCE_DIR, relative); }

const char *test_data(const char *relative) {
  const char *folder = getenv("WHISKER_TEST_DATA");
  const char *path = slot(folder && *folder ? folder : WK_SOURCE_DIR "/../shared/data", relative);
  return access(path, R_OK) == 0 ? path : NULL;
}

char *test_tmp_dir(void) {
  char *dir = strdup("/tmp/whisker-test-XXXXXX");
  assert_non_null(mkdtemp(dir));
  return dir;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
  (void)st, (void)flag, (void)ftw;
  return remove(path);
}

void test_tmp_remove(char *dir) {
  nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  free(dir);
}

static atomic_long fail_at = -1, count;

static void *hook_alloc(void *user, size_t bytes) {
  (void)user;
  long n = atomic_fetch_add(&count, 1);
  return n == atomic_load(&fail_at) ? NULL : aligned_alloc(64, (bytes + 63) & ~(size_t)63);
}

static void hook_free(void *user, void *block) {
  (void)user;
  free(block);
}

void test_fail_allocation(long n) {
  static const wk_allocator hook = {hook_alloc, hook_free, NULL};
  atomic_store(&count, 0);
  atomic_store(&fail_at, n);
  wk_set_allocator(&hook);
}

long test_allocations(void) { return atomic_load(&count); }
