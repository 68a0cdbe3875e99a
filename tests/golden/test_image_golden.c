/* test_image_golden.c - every byte as Pillow makes it: tiny files of all formats, resizes, crops, and a few real
 * photos. tools/make_image_goldens.py and make_image_corpus.py made the expectations. */
#include "support.h"

static uint32_t crc32_of(const uint8_t *bytes, size_t n) {
  uint32_t crc = ~UINT32_C(0);
  for (size_t i = 0; i < n; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++)
      crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
  }
  return ~crc;
}

static void expect(const wk_image *image, int width, int height, uint32_t crc, const char *what) {
  uint32_t got = crc32_of(image->pixels, (size_t)image->width * (size_t)image->height * 3);
  if (image->width != width || image->height != height || got != crc)
    fail_msg("%s: %d x %d pixels with CRC %08x, expected %d x %d with %08x", what, image->width, image->height, got,
             width, height, crc);
}

/* The same formula is in tools/make_image_goldens.py. */
static wk_image texture(int width, int height) {
  wk_image image;
  wk_error err;
  assert_ok(wk_image_alloc(&image, width, height, &err), &err);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int c = 0; c < 3; c++)
        image.pixels[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)c] =
            (uint8_t)(((x * (3 + c)) ^ (y * (5 - c))) + (x * y >> 3));
  return image;
}

static wk_filter filter_of(const char *name) {
  return strcmp(name, "bicubic") == 0   ? WK_FILTER_BICUBIC
         : strcmp(name, "nearest") == 0 ? WK_FILTER_NEAREST
                                        : WK_FILTER_BILINEAR;
}

/* Calls `check` with each line of a golden file that begins with `kind`; returns how many there were. */
static int each_line(const char *file, const char *kind, void (*check)(const char *line)) {
  FILE *f = fopen(test_source(file), "r");
  assert_non_null(f);
  char line[512];
  int n = 0;
  while (fgets(line, sizeof line, f))
    if (strncmp(line, kind, strlen(kind)) == 0) {
      check(line);
      n++;
    }
  fclose(f);
  return n;
}

static void check_file(const char *line) {
  char name[200], path[300];
  int width, height;
  unsigned crc;
  assert_int_equal(sscanf(line, "file %199s %d %d %x", name, &width, &height, &crc), 4);
  snprintf(path, sizeof path, "tests/golden/image/%s", name);
  wk_image image;
  wk_error err = {0};
  if (wk_image_load(&image, test_source(path), NULL, &err) != WK_OK)
    fail_msg("%s", err.message);
  expect(&image, width, height, crc, name);
  wk_image_free(&image);

  uint8_t *bytes;
  size_t size;
  int w, h;
  assert_ok(wk_file_read(&bytes, &size, test_source(path), 1 << 20, &err), &err);
  assert_ok(wk_image_probe(&w, &h, NULL, bytes, size, &err), &err);
  if (w != width || h != height)
    fail_msg("%s: the header says %d x %d, the picture is %d x %d", name, w, h, width, height);
  wk_free(bytes);
}

static void test_files(void **state) {
  (void)state;
  assert_true(each_line("tests/golden/image/expected.txt", "file", check_file) > 70);
}

static void check_resize(const char *line) {
  char name[20];
  int width, height, to_width, to_height;
  double box[4];
  unsigned crc;
  assert_int_equal(sscanf(line, "resize %19s %d %d %lf %lf %lf %lf %d %d %x", name, &width, &height, box, box + 1,
                          box + 2, box + 3, &to_width, &to_height, &crc),
                   10);
  wk_image in = texture(width, height), out;
  wk_error err;
  assert_ok(wk_image_resize(&out, &in, to_width, to_height, filter_of(name), box, &err), &err);
  expect(&out, to_width, to_height, crc, line);
  wk_image_free(&in);
  wk_image_free(&out);
}

static void test_resizes(void **state) {
  (void)state;
  assert_true(each_line("tests/golden/image/expected.txt", "resize", check_resize) > 40);
}

static void check_preprocess(const char *line) {
  int width, height, resize, side, same;
  unsigned crc;
  assert_int_equal(sscanf(line, "preprocess %d %d %d %d %d %x", &width, &height, &resize, &side, &same, &crc), 6);
  wk_image in = texture(width, height), out;
  wk_error err;
  wk_preprocess p;
  wk_preprocess_init(&p);
  p.resize = resize, p.width = side, p.height = same;
  assert_ok(wk_preprocess_pixels(&out, &in, &p, &err), &err);
  expect(&out, side, same, crc, line);
  wk_image_free(&in);
  wk_image_free(&out);
}

static void test_preprocesses(void **state) {
  (void)state;
  assert_true(each_line("tests/golden/image/expected.txt", "preprocess", check_preprocess) > 8);
}

/* ---- the corpus: pictures as people's programs write them -------------------------------------- */

static void corpus_path(char path[300], const char *name) { snprintf(path, 300, "tests/golden/corpus/%s", name); }

static void read_corpus(uint8_t **bytes, size_t *size, const char *name) {
  char path[300];
  wk_error err;
  corpus_path(path, name);
  assert_ok(wk_file_read(bytes, size, test_source(path), 1 << 20, &err), &err);
}

/* libheif is loaded when it is needed; a machine may be without it. */
static bool lacks_library(const wk_error *err) { return strstr(err->message, "which is not here") != NULL; }
static int lacking;

static void check_same(const char *line) {
  char name[200], expected[200], path[300];
  int frame = 0, tolerance, width, height, worst = 0;
  const bool to_srgb = strncmp(line, "srgb", 4) == 0;
  if (to_srgb)
    assert_int_equal(sscanf(line, "srgb %199s %d %d %d %199s", name, &tolerance, &width, &height, expected), 5);
  else
    assert_int_equal(
        sscanf(line, "same %199s %d %d %d %d %199s", name, &frame, &tolerance, &width, &height, expected), 6);
  uint8_t *bytes;
  size_t size;
  read_corpus(&bytes, &size, name);
  wk_decode_options o;
  wk_decode_options_init(&o);
  o.frame = frame;
  o.to_srgb = to_srgb;
  wk_image got = {0}, want;
  wk_error err = {0};
  wk_status st = wk_image_decode(&got, bytes, size, &o, &err);
  if (st != WK_OK && lacks_library(&err)) {
    lacking++;
    wk_free(bytes);
    return;
  }
  if (st != WK_OK)
    fail_msg("%s: %s", name, err.message);
  snprintf(path, sizeof path, "tests/golden/corpus/expected/%s", expected);
  assert_ok(wk_image_load(&want, test_source(path), NULL, &err), &err);
  if (got.width != width || got.height != height || want.width != width || want.height != height)
    fail_msg("%s: %d x %d pixels, expected %d x %d", name, got.width, got.height, width, height);
  for (size_t i = 0; i < (size_t)width * (size_t)height * 3; i++) {
    int d = abs(got.pixels[i] - want.pixels[i]);
    worst = d > worst ? d : worst;
  }
  if (worst > tolerance)
    fail_msg("%s, frame %d: a value is off by %d, more than %d", name, frame, worst, tolerance);
  int w, h;
  if (frame == 0) {
    assert_ok(wk_image_probe(&w, &h, NULL, bytes, size, &err), &err);
    if (w != width || h != height)
      fail_msg("%s: the header says %d x %d, the picture is %d x %d", name, w, h, width, height);
  }
  wk_free(bytes);
  wk_image_free(&got);
  wk_image_free(&want);
}

static void check_refused(const char *line) {
  char name[200];
  int at = 0;
  assert_int_equal(sscanf(line, "refused %199s %n", name, &at), 1);
  char words[200];
  snprintf(words, sizeof words, "%s", line + at);
  words[strcspn(words, "\n")] = 0;
  uint8_t *bytes;
  size_t size;
  read_corpus(&bytes, &size, name);
  wk_image got;
  wk_error err = {0};
  assert_int_equal(wk_image_decode(&got, bytes, size, NULL, &err), WK_ERR_UNSUPPORTED);
  if (!strstr(err.message, words))
    fail_msg("%s: \"%s\" does not say \"%s\"", name, err.message, words);
  wk_free(bytes);
}

static void check_frames(const char *line) {
  char name[200];
  int want, got;
  assert_int_equal(sscanf(line, "frames %199s %d", name, &want), 2);
  uint8_t *bytes;
  size_t size;
  wk_error err = {0};
  read_corpus(&bytes, &size, name);
  wk_status st = wk_image_frames(&got, bytes, size, &err);
  if (st != WK_OK && !lacks_library(&err))
    fail_msg("%s: %s", name, err.message);
  if (st == WK_OK) {
    if (got != want)
      fail_msg("%s: %d frames, expected %d", name, got, want);
    wk_decode_options o;
    wk_decode_options_init(&o);
    wk_image image;
    for (o.frame = -1; o.frame <= want; o.frame += want + 1) { /* one before the first, one behind the last */
      assert_int_equal(wk_image_decode(&image, bytes, size, &o, &err), WK_ERR_ARGUMENT);
      assert_non_null(strstr(err.message, "counted from 0"));
    }
  }
  wk_free(bytes);
}

static void test_corpus(void **state) {
  (void)state;
  const char *list = "tests/golden/corpus/corpus.txt";
  assert_true(each_line(list, "same", check_same) > 120);
  assert_true(each_line(list, "srgb", check_same) >= 8);
  assert_true(each_line(list, "refused", check_refused) >= 4);
  assert_true(each_line(list, "frames", check_frames) >= 8);
  if (lacking) {
    printf("skipped: %d HEIC and AVIF pictures need libheif, which is not here\n", lacking);
    skip();
  }
}

static int photos_seen;

static void check_photo(const char *line) {
  char name[200], what[20], path[300];
  int width, height;
  unsigned crc;
  assert_int_equal(sscanf(line, "%199s %19s %d %d %x", name, what, &width, &height, &crc), 5);
  snprintf(path, sizeof path, "photos/%s", name);
  const char *where = test_data(path);
  if (!where)
    return;
  photos_seen++;
  wk_error err;
  wk_image image = {0}, out = {0};
  if (strcmp(what, "preprocess") == 0) {
    uint8_t *bytes;
    size_t size;
    wk_preprocess p;
    wk_preprocess_init(&p);
    assert_ok(wk_file_read(&bytes, &size, where, 1 << 26, &err), &err);
    assert_ok(wk_image_alloc(&out, p.width, p.height, &err), &err);
    assert_ok(wk_preprocess_bytes(out.pixels, bytes, size, &p, &err), &err);
    wk_free(bytes);
  } else {
    assert_ok(wk_image_load(&image, where, NULL, &err), &err);
    if (strcmp(what, "decode") == 0)
      out = image, image = (wk_image){0};
    else
      assert_ok(wk_image_resize(&out, &image, width, height, filter_of(what), NULL, &err), &err);
  }
  expect(&out, width, height, crc, line);
  wk_image_free(&image);
  wk_image_free(&out);
}

static void test_photos(void **state) {
  (void)state;
  int lines = each_line("tests/golden/image/photos.txt", "", check_photo);
  if (photos_seen < lines) {
    printf("skipped: %d of %d photos are not here (set WHISKER_TEST_DATA)\n", lines - photos_seen, lines);
    skip();
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_files),
      cmocka_unit_test(test_corpus),
      cmocka_unit_test(test_resizes),
      cmocka_unit_test(test_preprocesses),
      cmocka_unit_test(test_photos),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
