/* test_photo_hash.c - photos are known again by content and by look; different ones are not taken for each other. */
#include <string.h>
#include <unistd.h>

#include "support.h"
#include "whisker/photo_hash.h"

static char folder[] = "/tmp/whisker-hash-XXXXXX";

static const char *in(const char *name) {
  static char path[4][256];
  static int at;
  at = (at + 1) % 4;
  snprintf(path[at], sizeof path[at], "%s/%s", folder, name);
  return path[at];
}

/* Soft blobs at places that come from the seed: a picture with low frequencies, as photos have. */
static void draw(wk_image *image, int width, int height, uint64_t seed) {
  wk_rng rng;
  double x[6], y[6], level[6];
  wk_rng_init(&rng, seed, 1);
  for (int i = 0; i < 6; i++) {
    x[i] = wk_rng_uniform(&rng);
    y[i] = wk_rng_uniform(&rng);
    level[i] = wk_rng_uniform(&rng) * 255;
  }
  assert_int_equal(wk_image_alloc(image, width, height, NULL), WK_OK);
  for (int v = 0; v < height; v++)
    for (int u = 0; u < width; u++) {
      double sum = 0, weights = 1e-9;
      for (int i = 0; i < 6; i++) {
        double dx = (u + 0.5) / width - x[i], dy = (v + 0.5) / height - y[i], w = 1 / (0.01 + dx * dx + dy * dy);
        sum += w * level[i];
        weights += w;
      }
      memset(image->pixels + 3 * ((size_t)v * (size_t)width + (size_t)u), (int)(sum / weights), 3);
    }
}

static void save(const char *name, int width, int height, uint64_t seed, int quality) {
  wk_image image = {0};
  uint8_t *bytes = NULL;
  size_t size = 0;
  draw(&image, width, height, seed);
  if (quality) {
    assert_int_equal(wk_image_encode_jpeg(&bytes, &size, &image, quality, NULL), WK_OK);
    FILE *f = fopen(in(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
    wk_free(bytes);
  } else {
    assert_int_equal(wk_image_save_png(&image, in(name), NULL), WK_OK);
  }
  wk_image_free(&image);
}

static wk_photo_hash hash_of(const char *name) {
  const char *path = in(name);
  wk_prints *p = NULL;
  assert_int_equal(wk_prints_compute(&p, &path, 1, NULL, NULL, NULL), WK_OK);
  wk_photo_hash h = wk_prints_get(p, 0);
  wk_prints_free(p);
  return h;
}

static void group_of(uint32_t *group, const char *const *path, size_t n) {
  wk_prints *p = NULL;
  assert_int_equal(wk_prints_compute(&p, path, n, NULL, NULL, NULL), WK_OK);
  assert_int_equal(wk_prints_group(group, p, NULL, NULL), WK_OK);
  wk_prints_free(p);
}

static int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}

static void copies_are_known_again(void **state) {
  (void)state;
  save("a.png", 400, 300, 7, 0);
  save("same.png", 400, 300, 7, 0);
  save("small.jpg", 200, 150, 7, 80);
  save("other.png", 400, 300, 8, 0);
  wk_photo_hash a = hash_of("a.png"), same = hash_of("same.png"), small = hash_of("small.jpg"),
                other = hash_of("other.png");
  assert_true(a.content == same.content && a.look == same.look && a.look != 0);
  assert_true(a.content != small.content);
  wk_photo_set *set = NULL;
  assert_int_equal(wk_photo_set_create(&set, (wk_photo_hash[]){a, same}, 2, NULL), WK_OK);
  assert_int_equal(wk_photo_set_size(set), 1);
  assert_true(wk_photo_set_has(set, &same));
  assert_true(wk_photo_set_has(set, &small));
  assert_false(wk_photo_set_has(set, &other));
  assert_false(wk_photo_set_has(NULL, &a));
  wk_photo_set_free(set);
  uint32_t group[4];
  const char *path[] = {in("other.png"), in("small.jpg"), in("a.png"), in("same.png")};
  group_of(group, path, 4);
  assert_true(group[0] == 0 && group[1] == 1 && group[2] == 1 && group[3] == 1);
}

/* No two of 400 different pictures are taken for one. */
static void different_pictures_differ(void **state) {
  (void)state;
  enum { N = 400 };
  static wk_photo_hash hash[N];
  static uint32_t group[N];
  static char name[N][256];
  const char *path[N];
  for (int i = 0; i < N; i++) {
    char file[32];
    snprintf(file, sizeof file, "different-%d.png", i);
    save(file, 128, 96, 100 + (uint64_t)i, 0);
    snprintf(name[i], sizeof name[i], "%s", in(file));
    path[i] = name[i];
    hash[i] = hash_of(file);
    assert_true(hash[i].look != 0);
  }
  for (int i = 0; i < N; i++)
    for (int k = 0; k < i; k++)
      assert_true(__builtin_popcountll(hash[i].look ^ hash[k].look) > WK_SAME_LOOK_BITS);
  group_of(group, path, N);
  for (uint32_t i = 0; i < N; i++)
    assert_int_equal(group[i], i);
}

/* Small or blank pictures have no look, so that two digits are not one; what cannot be read is nothing. */
static void what_tells_nothing(void **state) {
  (void)state;
  save("digit.png", 28, 28, 3, 0);
  wk_photo_hash digit = hash_of("digit.png");
  assert_true(digit.content != 0 && digit.look == 0);
  wk_image grey = {0};
  assert_int_equal(wk_image_alloc(&grey, 300, 300, NULL), WK_OK);
  memset(grey.pixels, 90, 300 * 300 * 3);
  assert_int_equal(wk_image_save_png(&grey, in("grey.png"), NULL), WK_OK);
  wk_image_free(&grey);
  assert_true(hash_of("grey.png").look == 0);
  wk_photo_hash absent = hash_of("absent.png");
  assert_true(absent.content == 0 && absent.look == 0);
  wk_photo_set *set = NULL;
  assert_int_equal(wk_photo_set_create(&set, &absent, 1, NULL), WK_OK);
  assert_int_equal(wk_photo_set_size(set), 0);
  assert_false(wk_photo_set_has(set, &absent));
  wk_photo_set_free(set);
}

/* Every look that differs in at most WK_SAME_LOOK_BITS bits is found, wherever these lie, and none that differs in
 * more. */
static void near_looks_are_found(void **state) {
  (void)state;
  wk_rng rng;
  wk_rng_init(&rng, 1, 1);
  wk_photo_hash one = {1, UINT64_C(0x123456789abcdef0)};
  wk_photo_set *set = NULL;
  assert_int_equal(wk_photo_set_create(&set, &one, 1, NULL), WK_OK);
  for (int round = 0; round < 2000; round++) {
    wk_photo_hash asked = {2, one.look};
    for (int bits = 1; bits <= WK_SAME_LOOK_BITS + 1; bits++) {
      uint64_t flip;
      do
        flip = UINT64_C(1) << wk_rng_below(&rng, 64);
      while ((asked.look ^ one.look) & flip);
      asked.look ^= flip;
      assert_int_equal(wk_photo_set_has(set, &asked), bits <= WK_SAME_LOOK_BITS);
    }
  }
  wk_photo_set_free(set);
}

/* A kept look is the same as a new one, and the order of photos does not matter. */
static void kept_and_in_any_order(void **state) {
  (void)state;
  save("x.png", 200, 200, 1, 0);
  save("y.png", 200, 200, 2, 0);
  const char *path[] = {in("x.png"), in("y.png")};
  wk_photo_hash fresh[2], kept[2];
  for (int round = 0; round < 2; round++) {
    wk_prints *p = NULL;
    assert_int_equal(wk_prints_compute(&p, path, 2, folder, NULL, NULL), WK_OK);
    for (size_t i = 0; i < 2; i++)
      (round ? kept : fresh)[i] = wk_prints_get(p, i);
    wk_prints_free(p);
  }
  assert_memory_equal(fresh, kept, sizeof fresh);
  wk_photo_set *a = NULL, *b = NULL;
  assert_int_equal(wk_photo_set_create(&a, fresh, 2, NULL), WK_OK);
  assert_int_equal(wk_photo_set_create(&b, (wk_photo_hash[]){fresh[1], fresh[0]}, 2, NULL), WK_OK);
  for (size_t i = 0; i < 2; i++)
    assert_memory_equal(wk_photo_set_at(a, i), wk_photo_set_at(b, i), sizeof fresh[0]);
  wk_photo_set_free(a);
  wk_photo_set_free(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(copies_are_known_again),
                                     cmocka_unit_test(different_pictures_differ), cmocka_unit_test(what_tells_nothing),
                                     cmocka_unit_test(near_looks_are_found), cmocka_unit_test(kept_and_in_any_order)};
  return cmocka_run_group_tests(tests, make_folder, NULL);
}
