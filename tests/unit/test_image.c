/* test_image.c - decoding, turning, cropping, resizing and preprocessing on pictures that are made here, and on a few
 * odd real ones where the photos are there. */
#include "support.h"

/* A picture with a different colour everywhere. */
static wk_image gradient(int width, int height) {
  wk_image image;
  wk_error err;
  assert_ok(wk_image_alloc(&image, width, height, &err), &err);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      uint8_t *p = image.pixels + ((size_t)y * (size_t)width + (size_t)x) * 3;
      p[0] = (uint8_t)(x * 7 + y), p[1] = (uint8_t)(y * 5 + 3 * x), p[2] = (uint8_t)(x * y + 11);
    }
  return image;
}

static void same(const wk_image *a, const wk_image *b) {
  assert_int_equal(a->width, b->width);
  assert_int_equal(a->height, b->height);
  assert_memory_equal(a->pixels, b->pixels, (size_t)a->width * (size_t)a->height * 3);
}

static void test_png_round_trip(void **state) {
  (void)state;
  wk_error err;
  char *dir = test_tmp_dir(), path[4096];
  snprintf(path, sizeof path, "%s/a.png", dir);
  wk_image a = gradient(37, 23), b;
  assert_ok(wk_image_save_png(&a, path, &err), &err);
  assert_ok(wk_image_load(&b, path, NULL, &err), &err);
  same(&a, &b);
  wk_image_free(&a);
  wk_image_free(&b);
  test_tmp_remove(dir);
}

static void test_crop(void **state) {
  (void)state;
  wk_error err;
  wk_image a = gradient(10, 8), c;
  assert_ok(wk_image_crop(&c, &a, -2, 6, 5, 4, &err), &err);
  for (int y = 0; y < 4; y++)
    for (int x = 0; x < 5; x++) {
      static const uint8_t black[3];
      const uint8_t *want = x < 2 || y >= 2 ? black : a.pixels + ((size_t)(y + 6) * 10 + (size_t)(x - 2)) * 3;
      assert_memory_equal(c.pixels + ((size_t)y * 5 + (size_t)x) * 3, want, 3);
    }
  wk_image_free(&c);
  assert_ok(wk_image_crop(&c, &a, INT32_MAX, INT32_MIN, 3, 3, &err), &err);
  wk_image_free(&c);
  assert_int_equal(wk_image_crop(&c, &a, 0, 0, 0, 4, &err), WK_ERR_ARGUMENT);
  wk_image_free(&a);
}

static void test_resize_identity(void **state) {
  (void)state;
  wk_error err;
  wk_image a = gradient(33, 21), b;
  for (int f = WK_FILTER_BILINEAR; f <= WK_FILTER_NEAREST; f++) {
    assert_ok(wk_image_resize(&b, &a, 33, 21, (wk_filter)f, NULL, &err), &err);
    same(&a, &b);
    wk_image_free(&b);
  }
  wk_image_free(&a);
}

/* Resize and crop in one step give what resize and then crop give. */
static void test_preprocess_window(void **state) {
  (void)state;
  wk_error err;
  static const int sides[][2] = {{300, 200}, {200, 300}, {31, 17}, {64, 64}, {500, 90}};
  for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
    wk_image a = gradient(sides[i][0], sides[i][1]), r, c, got;
    wk_preprocess p;
    wk_preprocess_init(&p);
    p.width = p.height = 48, p.resize = 57;
    int w = sides[i][0], h = sides[i][1];
    int rw = w >= h ? (int)(57.0 * w / h) : 57, rh = w >= h ? 57 : (int)(57.0 * h / w);
    assert_ok(wk_image_resize(&r, &a, rw, rh, p.filter, NULL, &err), &err);
    assert_ok(wk_image_crop(&c, &r, (int)rint((rw - 48) / 2.0), (int)rint((rh - 48) / 2.0), 48, 48, &err), &err);
    assert_ok(wk_preprocess_pixels(&got, &a, &p, &err), &err);
    same(&c, &got);
    wk_image_free(&a), wk_image_free(&r), wk_image_free(&c), wk_image_free(&got);
  }
}

static void test_normalise(void **state) {
  (void)state;
  wk_preprocess p;
  wk_preprocess_init(&p);
  p.width = 7, p.height = 5;
  uint8_t rgb[7 * 5 * 3];
  float out[7 * 5 * 3];
  for (size_t i = 0; i < sizeof rgb; i++)
    rgb[i] = (uint8_t)(i * 7);
  for (int bgr = 0; bgr < 2; bgr++) {
    p.bgr = bgr;
    wk_preprocess_normalise(out, rgb, &p);
    for (size_t i = 0; i < sizeof rgb; i++) {
      size_t c = i % 3, from = bgr ? i - c + 2 - c : i;
      assert_near(out[i], ((double)rgb[from] - p.mean[c]) / p.std[c], 1e-5);
    }
  }
}

static void test_not_pictures(void **state) {
  (void)state;
  wk_error err;
  wk_image a;
  assert_int_equal(wk_image_decode(&a, "", 0, NULL, &err), WK_ERR_FORMAT);
  assert_non_null(strstr(err.message, "empty"));
  assert_int_equal(wk_image_decode(&a, "hello world", 11, NULL, &err), WK_ERR_FORMAT);
  assert_int_equal(wk_image_load(&a, "/nonexistent/x.jpg", NULL, &err), WK_ERR_NOT_FOUND);
}

static void test_oxford_oddities(void **state) {
  (void)state;
  static const struct {
    const char *path;
    wk_image_format format;
  } odd[] = {{"photos/pets/images/Abyssinian_34.jpg", WK_IMAGE_GIF},
             {"photos/pets/images/Abyssinian_5.jpg", WK_IMAGE_PNG}};
  for (size_t i = 0; i < 2; i++) {
    TEST_NEEDS(path, odd[i].path);
    wk_error err;
    uint8_t *bytes;
    size_t size;
    int w, h;
    wk_image_format format;
    wk_image image;
    assert_ok(wk_file_read(&bytes, &size, path, 1 << 24, &err), &err);
    assert_ok(wk_image_probe(&w, &h, &format, bytes, size, &err), &err);
    assert_int_equal(format, odd[i].format);
    assert_ok(wk_image_decode(&image, bytes, size, NULL, &err), &err);
    assert_int_equal(image.width, w);
    assert_int_equal(image.height, h);
    wk_image_free(&image);
    wk_free(bytes);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_png_round_trip),  cmocka_unit_test(test_crop),
      cmocka_unit_test(test_resize_identity), cmocka_unit_test(test_preprocess_window),
      cmocka_unit_test(test_normalise),       cmocka_unit_test(test_not_pictures),
      cmocka_unit_test(test_oxford_oddities),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
