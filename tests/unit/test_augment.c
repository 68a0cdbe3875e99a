/* test_augment.c - the random side of augmentation: pure in its key, steps independent of each other, options that read
 * back. */
#include "image/augment.h"
#include "support.h"

enum { SIDE = 48, BYTES = SIDE * SIDE * 3 };

static wk_image photo_of(int width, int height) {
  wk_image image;
  wk_error err;
  assert_ok(wk_image_alloc(&image, width, height, &err), &err);
  for (int i = 0; i < width * height; i++) {
    image.pixels[3 * i] = (uint8_t)(i % width), image.pixels[3 * i + 1] = (uint8_t)(i / width);
    image.pixels[3 * i + 2] = (uint8_t)(i * 7);
  }
  return image;
}

static wk_preprocess input(void) {
  wk_preprocess p;
  wk_preprocess_init(&p);
  p.width = p.height = SIDE, p.resize = 56;
  return p;
}

static wk_augment parsed(const char *text) {
  wk_augment a;
  wk_error err;
  assert_ok(wk_augment_parse(&a, text, &err), &err);
  return a;
}

static void run(uint8_t *rgb, const wk_image *photo, const char *text, wk_augment_key key) {
  wk_preprocess p = input();
  wk_augment a = parsed(text);
  wk_error err;
  assert_ok(wk_augment_pixels(rgb, photo, &p, &a, &key, &err), &err);
}

static void test_pure(void **state) {
  (void)state;
  static const char *const text[] = {"light", "standard", "strong", "hflip=0.5 vflip=0.5 rotate=20",
                                     "gaussian-blur-prob=0.7 grayscale-prob=0.5 reprob=1 remode=rand recount=3"};
  static uint8_t first[BYTES], again[BYTES];
  wk_image photo = photo_of(130, 90);
  for (size_t t = 0; t < sizeof text / sizeof *text; t++) {
    const wk_augment_key key = {42, 3, 1000, 1};
    run(first, &photo, text[t], key);
    run(again, &photo, text[t], (wk_augment_key){7, 7, 7, 7});
    run(again, &photo, text[t], key);
    assert_memory_equal(first, again, BYTES);
    /* Each part of the key matters: among eight other values at least one gives other pixels. */
    for (int part = 0; part < 4; part++) {
      bool other = false;
      for (uint64_t v = 2000; v < 2008 && !other; v++) {
        wk_augment_key k = key;
        *(uint64_t *[]){&k.seed, &k.epoch, &k.photo, &k.view}[part] = v;
        run(again, &photo, text[t], k);
        other = memcmp(first, again, BYTES) != 0;
      }
      assert_true(other);
    }
  }
  wk_image_free(&photo);
}

/* Off is exactly the network's own preprocessing. */
static void test_off(void **state) {
  (void)state;
  static uint8_t rgb[BYTES];
  wk_image photo = photo_of(130, 90), want;
  wk_preprocess p = input();
  wk_error err;
  wk_augment a = parsed("none");
  assert_true(wk_augment_is_off(&a));
  run(rgb, &photo, "none", (wk_augment_key){1, 2, 3, 4});
  assert_ok(wk_preprocess_pixels(&want, &photo, &p, &err), &err);
  assert_memory_equal(rgb, want.pixels, BYTES);
  wk_image_free(&want);
  wk_image_free(&photo);
}

/* Turning a flip on leaves the crop where it was. */
static void test_independent_steps(void **state) {
  (void)state;
  static uint8_t plain[BYTES], flipped[BYTES];
  wk_image photo = photo_of(130, 90);
  for (uint64_t i = 0; i < 10; i++) {
    run(plain, &photo, "scale=0.2:0.9", (wk_augment_key){1, 0, i, 0});
    run(flipped, &photo, "scale=0.2:0.9 hflip=1", (wk_augment_key){1, 0, i, 0});
    wk_image view = {SIDE, SIDE, flipped};
    wk_image_flip(&view, false);
    assert_memory_equal(plain, flipped, BYTES);
  }
  wk_image_free(&photo);
}

/* From bytes the same choices are made; where nothing is scaled, the pixels are the same, too. */
static void test_bytes(void **state) {
  (void)state;
  wk_error err;
  wk_image photo = photo_of(90, 70), decoded;
  uint8_t *bytes;
  size_t size;
  static uint8_t a[BYTES], b[BYTES];
  assert_ok(wk_image_encode_jpeg(&bytes, &size, &photo, 90, &err), &err);
  assert_ok(wk_image_decode(&decoded, bytes, size, NULL, &err), &err);
  wk_preprocess p = input();
  wk_augment strong = parsed("strong");
  for (uint64_t i = 0; i < 40; i++) {
    const wk_augment_key key = {5, 0, i, 0};
    assert_ok(wk_augment_pixels(a, &decoded, &p, &strong, &key, &err), &err);
    assert_ok(wk_augment_bytes(b, bytes, size, &p, &strong, &key, &err), &err);
    assert_memory_equal(a, b, BYTES);
  }
  assert_int_equal(wk_augment_bytes(b, bytes, size / 2, &p, &strong, &(wk_augment_key){0}, &err), WK_ERR_FORMAT);
  wk_free(bytes);
  wk_image_free(&photo);
  wk_image_free(&decoded);
}

/* A scaled decode shows the same part of the photo. */
static void test_bytes_scaled(void **state) {
  (void)state;
  wk_error err;
  wk_image photo;
  assert_ok(wk_image_alloc(&photo, 1200, 900, &err), &err);
  for (int i = 0; i < 1200 * 900; i++)
    photo.pixels[3 * i] = (uint8_t)(i % 1200 / 5), photo.pixels[3 * i + 1] = (uint8_t)(i / 1200 / 4),
                     photo.pixels[3 * i + 2] = 90;
  uint8_t *bytes;
  size_t size;
  static uint8_t a[BYTES], b[BYTES];
  assert_ok(wk_image_encode_jpeg(&bytes, &size, &photo, 95, &err), &err);
  wk_preprocess p = input();
  wk_augment crop = parsed("scale=0.08:1");
  for (uint64_t i = 0; i < 40; i++) {
    const wk_augment_key key = {6, 0, i, 0};
    assert_ok(wk_augment_pixels(a, &photo, &p, &crop, &key, &err), &err);
    assert_ok(wk_augment_bytes(b, bytes, size, &p, &crop, &key, &err), &err);
    for (int j = 0; j < BYTES; j++)
      assert_near(a[j], b[j], 6);
  }
  wk_free(bytes);
  wk_image_free(&photo);
}

static void test_odd_shapes(void **state) {
  (void)state;
  static uint8_t rgb[BYTES];
  static const int sides[][2] = {{1, 1}, {1, 700}, {700, 1}, {3, 2}, {2, 400}};
  for (size_t i = 0; i < 5; i++) {
    wk_image photo = photo_of(sides[i][0], sides[i][1]);
    for (uint64_t k = 0; k < 5; k++)
      run(rgb, &photo, "strong rotate=30 color-jitter=0.4:0.4:0.4:0.1 gaussian-blur-prob=1",
          (wk_augment_key){k, 0, 0, 0});
    wk_image_free(&photo);
  }
}

/* Every operation of RandAugment at both ends of its strength. */
static void test_rand_ops(void **state) {
  (void)state;
  wk_error err;
  wk_rng rng;
  wk_rng_init(&rng, 1, 2);
  for (int op = 0; op < wk_augment_rand_count(); op++)
    for (int level = 0; level <= 10; level += 5)
      for (int increasing = 0; increasing < 2; increasing++) {
        wk_image photo = photo_of(31, 22);
        assert_ok(wk_augment_rand_apply(&photo, op, level, increasing, &rng, &err), &err);
        assert_int_equal(photo.width, 31);
        wk_image_free(&photo);
      }
  wk_image photo = photo_of(3, 3);
  assert_int_equal(wk_augment_rand_apply(&photo, 99, 1, true, &rng, &err), WK_ERR_ARGUMENT);
  wk_image_free(&photo);
}

static void test_text(void **state) {
  (void)state;
  static const char *const text[] = {"",
                                     "none",
                                     "light",
                                     "standard",
                                     "strong",
                                     "strong, reprob=0.1, remode=const recount=2",
                                     "rotate=12.5 vflip=1",
                                     "color-jitter=0.1:0.2:0.3:0.05 color-jitter-prob=0.8",
                                     "color-jitter=0.4",
                                     "aa=rand-m3.25-n1-mstdinf",
                                     "scale=0.333333333:0.9 ratio=0.7:1.42857142857143 grayscale-prob=0.2",
                                     "gaussian-blur-prob=0.5 gaussian-blur-sigma=0.2:3"};
  for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
    wk_augment a = parsed(text[i]);
    char *once = wk_augment_text(&a);
    assert_non_null(once);
    wk_augment b = parsed(once);
    char *twice = wk_augment_text(&b);
    assert_string_equal(once, twice);
    assert_true(wk_augment_is_off(&a) == wk_augment_is_off(&b));
    wk_free(once);
    wk_free(twice);
  }
  wk_augment a = parsed("light hflip=0");
  assert_true(a.crop && a.hflip == 0 && a.scale[0] == 0.5 && a.ratio[1] == 4.0 / 3);
  char *light = wk_augment_text(&a);
  wk_augment b = parsed(light);
  assert_true(b.ratio[1] == a.ratio[1]);
  wk_free(light);
  a = parsed("aa=rand-m9-n3-mstd0.5-inc1");
  assert_true(a.rand_ops == 3 && a.rand_magnitude == 9 && a.rand_deviation == 0.5 && a.rand_increasing);
}

static void test_bad_text(void **state) {
  (void)state;
  static const char *const text[] = {"hflip",          "hflip=",           "hflip=x",
                                     "hflip=2",        "hflip=0.5:1",      "scale=0.5",
                                     "scale=0:1",      "scale=1:0.5",      "nonsense=1",
                                     "hflip=1 strong", "aa=rand-z3",       "aa=augmix",
                                     "aa=rand-m99",    "color-jitter=1:2", "remode=blue",
                                     "recount=0",      "reprob=1e3",       "hflip=nan",
                                     "rotate=-4",      "aa=rand-m",        "color-jitter=0.1:0.1:0.1:0.9"};
  for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
    wk_augment a = {.rand_ops = -77};
    wk_error err = {0};
    if (wk_augment_parse(&a, text[i], &err) != WK_ERR_ARGUMENT)
      fail_msg("\"%s\" was taken", text[i]);
    assert_true(strlen(err.message) > 10);
    assert_int_equal(a.rand_ops, -77);
  }
}

static void test_no_memory(void **state) {
  (void)state;
  wk_error err = {0};
  wk_image photo = photo_of(60, 50);
  wk_preprocess p = input();
  wk_augment a = parsed("strong rotate=20 gaussian-blur-prob=1 color-jitter=0.4");
  static uint8_t rgb[BYTES];
  for (uint64_t k = 0; k < 6; k++)
    for (long n = 0;; n++) {
      test_fail_allocation(n);
      wk_status st = wk_augment_pixels(rgb, &photo, &p, &a, &(wk_augment_key){k, 0, 0, 0}, &err);
      bool reached = test_allocations() > n;
      test_fail_allocation(-1);
      if (!reached) {
        assert_ok(st, &err);
        break;
      }
      assert_int_equal(st, WK_ERR_MEMORY);
    }
  wk_image_free(&photo);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pure),      cmocka_unit_test(test_off),          cmocka_unit_test(test_independent_steps),
      cmocka_unit_test(test_bytes),     cmocka_unit_test(test_bytes_scaled), cmocka_unit_test(test_odd_shapes),
      cmocka_unit_test(test_rand_ops),  cmocka_unit_test(test_text),         cmocka_unit_test(test_bad_text),
      cmocka_unit_test(test_no_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
