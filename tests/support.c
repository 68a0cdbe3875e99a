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

/* ---- pictures ---------------------------------------------------------------------------------- */

enum { HASH_SIDE = 16, HASH_APART = 20 };

/* Mean brightness of the pixels of cell (i, j) of a grid over the picture. */
static double cell_mean(const wk_image *p, int i, int j, int columns, int rows) {
  int x0 = i * p->width / columns, x1 = (i + 1) * p->width / columns;
  int y0 = j * p->height / rows, y1 = (j + 1) * p->height / rows;
  x1 = x1 > x0 ? x1 : x0 + 1;
  y1 = y1 > y0 ? y1 : y0 + 1;
  double sum = 0;
  for (int y = y0; y < y1; y++)
    for (int x = x0; x < x1; x++) {
      const uint8_t *v = p->pixels + ((size_t)y * (size_t)p->width + (size_t)x) * 3;
      sum += 0.299 * v[0] + 0.587 * v[1] + 0.114 * v[2];
    }
  return sum / ((double)(x1 - x0) * (y1 - y0));
}

void test_picture_hash(char hex[TEST_HASH_SIZE], const wk_image *picture) {
  for (int j = 0; j < HASH_SIDE; j++) {
    unsigned row = 0;
    double left = cell_mean(picture, 0, j, HASH_SIDE + 1, HASH_SIDE);
    for (int i = 0; i < HASH_SIDE; i++) {
      double right = cell_mean(picture, i + 1, j, HASH_SIDE + 1, HASH_SIDE);
      row = row << 1 | (left > right + 2);
      left = right;
    }
    sprintf(hex + j * HASH_SIDE / 4, "%04x", row);
  }
}

static int hash_distance(const char *a, const char *b) {
  int bits = 0;
  for (; *a && *b; a++, b++) {
    const char one[2] = {*a}, other[2] = {*b};
    bits += __builtin_popcountl((unsigned long)(strtol(one, NULL, 16) ^ strtol(other, NULL, 16)));
  }
  return *a || *b ? HASH_SIDE * HASH_SIDE : bits;
}

/* Spread of all values: a blank picture has none. */
static double deviation(const wk_image *p) {
  double sum = 0, square = 0;
  size_t n = (size_t)p->width * (size_t)p->height * 3;
  for (size_t i = 0; i < n; i++) {
    sum += p->pixels[i];
    square += (double)p->pixels[i] * p->pixels[i];
  }
  return sqrt(square / (double)n - sum / (double)n * (sum / (double)n));
}

const char *test_picture_wrong(const wk_image *picture, int width, int height, const char *hash) {
  static char why[256];
  char is[TEST_HASH_SIZE];
  test_picture_hash(is, picture);
  if ((width && picture->width != width) || (height && picture->height != height))
    snprintf(why, sizeof why, "it is %d x %d, expected %d x %d; %s", picture->width, picture->height, width, height,
             is);
  else if (!(deviation(picture) > 4))
    snprintf(why, sizeof why, "it is blank");
  else if (hash && hash_distance(is, hash) > HASH_APART)
    snprintf(why, sizeof why, "it looks different in %d of 256 places; its hash is %s", hash_distance(is, hash), is);
  else
    return NULL;
  return why;
}
