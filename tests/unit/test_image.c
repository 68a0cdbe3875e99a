/* test_image.c - decoding, turning, cropping, resizing and preprocessing on pictures that are made here, and on a few
 * odd real ones where the photos are there. */
#include "support.h"

#include <jpeglib.h>

#include <png.h>

#include "image/codec.h"
#include "image/shrink.h"

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

/* A photo that was made ready before is cropped, not blown up; others are resized as ever. */
static void test_keep(void **state) {
  (void)state;
  wk_error err;
  wk_preprocess p;
  wk_preprocess_init(&p);
  p.rule = WK_CROP_KEEP, p.width = p.height = 48, p.resize = 57;
  static const int ready[][2] = {{48, 48}, {51, 60}, {80, 56}};
  for (size_t i = 0; i < 3; i++) {
    wk_image a = gradient(ready[i][0], ready[i][1]), want, got;
    assert_ok(wk_image_crop(&want, &a, (int)rint((ready[i][0] - 48) / 2.0), (int)rint((ready[i][1] - 48) / 2.0), 48, 48,
                            &err),
              &err);
    assert_ok(wk_preprocess_pixels(&got, &a, &p, &err), &err);
    same(&want, &got);
    wk_image_free(&a), wk_image_free(&want), wk_image_free(&got);
  }
  static const int other[][2] = {{47, 90}, {57, 60}, {300, 200}};
  for (size_t i = 0; i < 3; i++) {
    wk_image a = gradient(other[i][0], other[i][1]), want, got;
    assert_ok(wk_preprocess_pixels(&got, &a, &p, &err), &err);
    p.rule = WK_CROP_CENTER;
    assert_ok(wk_preprocess_pixels(&want, &a, &p, &err), &err);
    p.rule = WK_CROP_KEEP;
    same(&want, &got);
    wk_image_free(&a), wk_image_free(&want), wk_image_free(&got);
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

/* What people have where a photo should be is named, with what to do about it. */
static void test_file_types(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t size;
    const char *name, *cure;
  } known[] = {
#define T(bytes, name, cure) {bytes, sizeof bytes - 1, name, cure}
      T("", "an empty file", "get it again"),
      T("<!DOCTYPE html><html>404</html>", "a web page", "the picture itself"),
      T("\n  <HTML>\n<head>", "a web page", "the picture itself"),
      T("\xef\xbb\xbf<!doctype HTML>", "a web page", "the picture itself"),
      T("<?xml version=\"1.0\"?><svg xmlns=\"x\"/>", "an SVG drawing", "save it as PNG"),
      T("<?xml version=\"1.0\"?><annotation/>", "an XML file", "leave it out"),
      T("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1\n", "a Git LFS pointer", "git lfs pull"),
      T("%PDF-1.4", "a PDF document", "pdftoppm"),
      T("https://example.org/cat.jpg\n", "a web address", "download what it leads to"),
      T("[InternetShortcut]\r\nURL=https://example.org\r\n", "a shortcut to a web address", "save the picture"),
      T("data:image/jpeg;base64,/9j/4AAQ", "written as text", "browser"),
      T("\0\0\0\x18"
        "ftypmp42\0\0\0\0isommp42",
        "a film (MP4)", "ffmpeg"),
      T("\0\0\0\x14"
        "ftypqt  \0\0\0\0qt  ",
        "a film (QuickTime)", "ffmpeg"),
      T("RIFF\x24\0\0\0AVI LIST", "a film (AVI)", "ffmpeg"),
      T("RIFF\x24\0\0\0WAVEfmt ", "a sound file", "leave it out"),
      T("RIFF........", "sound or film", "leave it out"),
      T("\x1a\x45\xdf\xa3\x01\0\0\0", "a film (Matroska or WebM)", "ffmpeg"),
      T("\x08\x08\x12\x07pytorch\x1a\x05"
        "2.0.0:\x10"
        "abc",
        "an ONNX model", "as a model"),
      T("\x1c\0\0\0TFL3\0\0\0\0\0\0", "a TensorFlow Lite model", "as a model"),
      T("PK\3\4\x14\0\0\0\0\0m/code/__torch__.py", "a TorchScript model", "as a model"),
      T("PK\3\4\x14\0\0\0\0\0archive/data.pkl", "a PyTorch file", "as a model"),
      T("PK\3\4\x14\0\0\0\0\0config.json..model.weights.h5", "a Keras model", "as a model"),
      T("PK\3\4\x14\0\0\0\0\0word/document.xml", "an Office document", "save the pictures"),
      T("PK\3\4\x14\0\0\0\0\0cats/1.jpg", "a ZIP archive", "unpack it"),
      T("\x89HDF\r\n\x1a\n", "an HDF5 file", "as a model"),
      T("{\"metadata\":{},\"weight_map\":{\"a\":\"b\"}}", "the index of a model", "one file"),
      T("{\"images\": []}", "a JSON file", "leave it out"),
      T("\x80\x02}q\0.", "a Python pickle", "as a model"),
      T("\x10\0\0\0\0\0\0\0{\"a\":{}}      ", "a safetensors", "as a model"),
      T("\x1f\x8b\x08\0", "a gzip file", "unpack it"),
      T("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "a file of zero bytes", "get it again"),
      T("\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture", "save it as JPEG"),
      T("8BPS\0\1", "a Photoshop document", "save it as JPEG"),
      T("\0\x05\x16\x07\0\2\0\0Mac OS X", "macOS", "leave it out"),
      T("just some words, \xe4 and \xfc\n", "a text file", "leave it out"),
      T("\xff\xfeh\0i\0", "a text file (UTF-16)", "leave it out"),
      T("\x01\x02\x03\x04\x05\x06\x07\x08\x09", "does not know", "image program"),
#undef T
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    wk_file_type type = wk_file_type_of(known[i].bytes, known[i].size);
    if (!strstr(type.name, known[i].name) || !strstr(type.cure, known[i].cure))
      fail_msg("\"%s; %s\" was expected to be \"%s; %s\"", type.name, type.cure, known[i].name, known[i].cure);
    wk_error err = {0};
    wk_image image;
    wk_status st = wk_image_decode(&image, known[i].bytes, known[i].size, NULL, &err);
    assert_int_equal(st, WK_ERR_FORMAT);
    assert_non_null(strstr(err.message, type.name));
    assert_non_null(strstr(err.message, type.cure));
  }
  /* A picture inside of another file does not make that file a picture. */
  static const char zip[] = "PK\3\4\x14\0\0\0\0\0a.jpg\xff\xd8\xff\xe0\0\4xx\xff";
  assert_int_equal(wk_image_sniff(zip, sizeof zip - 1), WK_IMAGE_UNKNOWN);
  assert_string_equal(wk_file_type_of("\xff\xd8\xff\xe0", 4).name, "a JPEG photo");
  assert_int_equal(wk_image_format_of_name("IMG_0001.HEIC"), WK_IMAGE_HEIF);
  assert_int_equal(wk_image_format_of_name("a.b/notes"), WK_IMAGE_UNKNOWN);
  assert_int_equal(wk_image_format_of_name(".png"), WK_IMAGE_UNKNOWN);
}

/* ---- bytes that mean harm ---------------------------------------------------------------------- */

/* Calls `check` for every picture that a list in `folder` names in a line that begins with `word`, and goes on with
 * `then`. */
static int each_of(const char *folder, const char *list, const char *word, const char *then,
                   void (*check)(const char *name, const uint8_t *bytes, size_t size)) {
  char line[512], path[300];
  snprintf(path, sizeof path, "%s/%s", folder, list);
  FILE *f = fopen(test_source(path), "r");
  assert_non_null(f);
  int n = 0;
  while (fgets(line, sizeof line, f)) {
    char *rest = NULL, *kind = strtok_r(line, " \n", &rest), *name = strtok_r(NULL, " \n", &rest);
    if (!kind || !name || strcmp(kind, word) != 0 || strncmp(rest, then, strlen(then)) != 0)
      continue;
    wk_error err;
    uint8_t *bytes;
    size_t size;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_ok(wk_file_read(&bytes, &size, test_source(path), 1 << 20, &err), &err);
    /* libheif and libavif are loaded when they are needed; a machine may be without them. */
    int width, height;
    if (wk_image_probe(&width, &height, NULL, bytes, size, &err) == WK_OK)
      check(name, bytes, size);
    else
      assert_non_null(strstr(err.message, "which is not here"));
    wk_free(bytes);
    n++;
  }
  fclose(f);
  return n;
}

static int each_golden(void (*check)(const char *name, const uint8_t *bytes, size_t size)) {
  return each_of("tests/golden/image", "expected.txt", "file", "", check);
}

/* Pictures as people's programs write them: more kinds, so less is done with each. */
static int each_corpus(void (*check)(const char *name, const uint8_t *bytes, size_t size)) {
  return each_of("tests/golden/corpus", "corpus.txt", "same", "0 ", check);
}

/* Decoded, or refused with a reason; never anything else. */
static wk_status try_decode(wk_image *out, const uint8_t *bytes, size_t size, bool accept_truncated) {
  /* The exact length on the heap, so that a sanitizer sees the first byte read too many. */
  uint8_t *copy = malloc(size ? size : 1);
  assert_non_null(copy);
  memcpy(copy, bytes, size);
  wk_decode_options o;
  wk_decode_options_init(&o);
  o.accept_truncated = accept_truncated;
  o.max_pixels = 1 << 16;
  wk_error err = {0};
  int width, height;
  (void)!wk_image_probe(&width, &height, NULL, copy, size, NULL);
  wk_image image = {.width = -7};
  wk_status st = wk_image_decode(&image, copy, size, &o, &err);
  if (st != WK_OK) {
    assert_true(st == WK_ERR_FORMAT || st == WK_ERR_UNSUPPORTED);
    assert_int_equal(image.width, -7);
    assert_true(strlen(err.message) > 10 && !strchr(err.message, '\n'));
  } else {
    assert_true(image.width > 0 && image.height > 0 && (uint64_t)image.width * (uint64_t)image.height <= o.max_pixels);
    *out = image;
  }
  free(copy);
  return st;
}

/* A file cut off anywhere is refused, unless every pixel is already there. */
static void cut_off(const char *name, const uint8_t *bytes, size_t size) {
  wk_image whole, part;
  assert_int_equal(try_decode(&whole, bytes, size, false), WK_OK);
  for (size_t n = 0; n < size; n++) {
    if (try_decode(&part, bytes, n, false) == WK_OK) {
      if (part.width != whole.width || part.height != whole.height ||
          memcmp(part.pixels, whole.pixels, (size_t)whole.width * (size_t)whole.height * 3) != 0)
        fail_msg("%s cut to %zu of %zu bytes gives another picture instead of an error", name, n, size);
      wk_image_free(&part);
    }
    if (try_decode(&part, bytes, n, true) == WK_OK)
      wk_image_free(&part);
  }
  wk_image_free(&whole);
}

/* The same at every tenth. A decoder may take the lack of the last bytes for nothing missing: then the pixels are the
 * same. */
static void cut_in_tenths(const char *name, const uint8_t *bytes, size_t size) {
  wk_image whole, part;
  assert_int_equal(try_decode(&whole, bytes, size, false), WK_OK);
  for (size_t tenth = 0; tenth < 10; tenth++) {
    if (try_decode(&part, bytes, size * tenth / 10, false) == WK_OK) {
      if (part.width != whole.width || part.height != whole.height ||
          memcmp(part.pixels, whole.pixels, (size_t)whole.width * (size_t)whole.height * 3) != 0)
        fail_msg("%s cut to %zu0%% gives another picture instead of an error", name, tenth);
      wk_image_free(&part);
    }
    if (try_decode(&part, bytes, size * tenth / 10, true) == WK_OK)
      wk_image_free(&part);
  }
  wk_image_free(&whole);
}

static void test_cut_off(void **state) {
  (void)state;
  assert_true(each_golden(cut_off) > 70);
  assert_true(each_corpus(cut_in_tenths) > 100);
}

static void damage_times(const char *name, const uint8_t *bytes, size_t size, int rounds) {
  wk_rng rng;
  wk_rng_init(&rng, 11, strlen(name));
  uint8_t *copy = malloc(size);
  assert_non_null(copy);
  for (int round = 0; round < rounds; round++) {
    memcpy(copy, bytes, size);
    /* A few flips, more often near the beginning, where the lengths are. */
    for (uint32_t n = 1 + wk_rng_below(&rng, 4); n > 0; n--) {
      size_t reach = wk_rng_below(&rng, 2) && size > 100 ? 100 : size;
      copy[wk_rng_below(&rng, (uint32_t)reach)] ^= (uint8_t)(1u << wk_rng_below(&rng, 8));
    }
    wk_image image;
    if (try_decode(&image, copy, size, round & 1) == WK_OK)
      wk_image_free(&image);
  }
  free(copy);
}

static void damage(const char *name, const uint8_t *bytes, size_t size) { damage_times(name, bytes, size, 400); }
static void damage_less(const char *name, const uint8_t *bytes, size_t size) { damage_times(name, bytes, size, 40); }

static void test_damage(void **state) {
  (void)state;
  assert_true(each_golden(damage) > 70);
  assert_true(each_corpus(damage_less) > 100);
}

static void run_out_of_memory(const char *name, const uint8_t *bytes, size_t size) {
  (void)name;
  for (long n = 0;; n++) {
    wk_error err = {0};
    wk_image image;
    test_fail_allocation(n);
    wk_status st = wk_image_decode(&image, bytes, size, NULL, &err);
    bool reached = test_allocations() > n;
    test_fail_allocation(-1);
    if (!reached) {
      assert_ok(st, &err);
      wk_image_free(&image);
      return;
    }
    assert_int_equal(st, WK_ERR_MEMORY);
    assert_true(strlen(err.message) > 10);
  }
}

static void test_no_memory(void **state) {
  (void)state;
  each_golden(run_out_of_memory);
  each_corpus(run_out_of_memory);
  wk_error err = {0};
  wk_image in = gradient(50, 40);
  wk_preprocess p;
  wk_preprocess_init(&p);
  for (long n = 0;; n++) {
    wk_image out;
    test_fail_allocation(n);
    wk_status st = wk_preprocess_pixels(&out, &in, &p, &err);
    bool reached = test_allocations() > n;
    test_fail_allocation(-1);
    if (!reached) {
      assert_ok(st, &err);
      wk_image_free(&out);
      break;
    }
    assert_int_equal(st, WK_ERR_MEMORY);
  }
  wk_image_free(&in);
}

/* A PNG of 30,000 x 30,000 pixels in a few bytes: refused from its header, before memory is taken. */
static void test_bomb(void **state) {
  (void)state;
  static const uint8_t bomb[] = {0x89, 'P',  'N',  'G',  '\r', '\n', 0x1a, '\n', 0,    0,    0,   13,  'I', 'H',
                                 'D',  'R',  0,    0,    0x75, 0x30, 0,    0,    0x75, 0x30, 8,   2,   0,   0,
                                 0,    0xe9, 0x45, 0x6f, 0xed, 0,    0,    0,    1,    'I',  'D', 'A', 'T', 0x78};
  wk_error err = {0};
  wk_image image;
  test_fail_allocation(0);
  wk_status st = wk_image_decode(&image, bomb, sizeof bomb, NULL, &err);
  test_fail_allocation(-1);
  assert_int_equal(st, WK_ERR_FORMAT);
  assert_non_null(strstr(err.message, "30000 x 30000"));
}

/* A picture of that size in bytes that cannot hold it is refused before memory is taken, in a line that names the
 * limit. */
static void refused_by_size(const uint8_t *bytes, size_t size, const char *says) {
  wk_error err = {0};
  wk_image image;
  test_fail_allocation(0);
  wk_status st = wk_image_decode(&image, bytes, size, NULL, &err);
  test_fail_allocation(-1);
  assert_int_equal(st, WK_ERR_FORMAT);
  if (!strstr(err.message, says) || !strstr(err.message, "make the picture smaller"))
    fail_msg("\"%s\" does not say \"%s\" and what to do", err.message, says);
}

static void test_bombs(void **state) {
  (void)state;
  static const uint8_t gif[] = {'G', 'I', 'F', '8', '9', 'a', 0xff, 0xff, 0xff, 0xff, 0x80, 0, 0, 0,    0, 0, 255, 255,
                                255, ',', 0,   0,   0,   0,   1,    0,    1,    0,    0,    2, 2, 0x44, 1, 0, ';'};
  refused_by_size(gif, sizeof gif, "65535 x 65535");
  refused_by_size((const uint8_t *)"P6 60000 60000 255\n", 19, "60000 x 60000");
  refused_by_size((const uint8_t *)"P5 100000000 1 255\n", 19, "a side may have at most 1000000");
  uint8_t bmp[54] = {'B', 'M'};
  bmp[10] = 54, bmp[14] = 40, bmp[19] = 0x80, bmp[23] = 0x80, bmp[26] = 1, bmp[28] = 24; /* 32768 x 32768 */
  refused_by_size(bmp, sizeof bmp, "32768 x 32768");
}

/* Bits of a parameter set. */
struct bit_writer {
  uint8_t at[64];
  size_t next;
};

static void put(struct bit_writer *b, uint32_t v, int n) {
  for (int i = n - 1; i >= 0; i--, b->next++)
    b->at[b->next / 8] |= (uint8_t)((v >> i & 1) << (7 - b->next % 8));
}

static void put_golomb(struct bit_writer *b, uint32_t v) {
  const int n = 31 - __builtin_clz(v + 1);
  put(b, 0, n);
  put(b, v + 1, n + 1);
}

/* A box "hvcC" with one sequence parameter set for pictures of that size. */
static size_t hevc_box(uint8_t box[256], uint32_t width, uint32_t height) {
  struct bit_writer b = {0};
  put(&b, 33 << 9 | 1, 16); /* its kind */
  put(&b, 0, 4);
  put(&b, 0, 3); /* no layers below */
  put(&b, 1, 1);
  for (int i = 0; i < 12; i++)
    put(&b, 0xff, 8); /* profile and level */
  put_golomb(&b, 0);
  put_golomb(&b, 1); /* 4:2:0 */
  put_golomb(&b, width);
  put_golomb(&b, height);
  put(&b, 1, 1);
  const size_t n = (b.next + 7) / 8;
  memset(box, 0, 256);
  memcpy(box, "hvcC", 4);
  box[4 + 22] = 1; /* arrays */
  box[4 + 23] = 33;
  box[4 + 25] = 1;
  box[4 + 27] = (uint8_t)n;
  memcpy(box + 4 + 28, b.at, n);
  return 4 + 28 + n;
}

/* What an HEIC says of its size may be a lie; the pictures in it say their own. */
static void test_hevc_size(void **state) {
  (void)state;
  uint8_t box[256];
  wk_error err = {0};
  wk_decode_options o;
  wk_decode_options_init(&o);
  size_t n = hevc_box(box, 8192, 4320);
  assert_ok(wk_hevc_check_size(box, n, &o, &err), &err);
  n = hevc_box(box, 65536, 65536);
  assert_int_equal(wk_hevc_check_size(box, n, &o, &err), WK_ERR_FORMAT);
  assert_non_null(strstr(err.message, "65536 x 65536"));
  for (size_t cut = 0; cut < n; cut++) { /* nothing behind the end is looked at */
    uint8_t *part = malloc(cut + 1);
    assert_non_null(part);
    memcpy(part, box, cut);
    (void)!wk_hevc_check_size(part, cut, &o, &err);
    free(part);
  }
  o.max_pixels = 36 * 24;
  n = hevc_box(box, 64, 64); /* of 36 x 24, filled up */
  assert_ok(wk_hevc_check_size(box, n, &o, &err), &err);
}

/* ---- very large pictures ----------------------------------------------------------------------- */

/* Averages of blocks, also of the narrower ones at the edges. */
static void test_shrinker(void **state) {
  (void)state;
  enum { W = 7, H = 5, S = 3 };
  uint8_t rgb[H][W][3];
  wk_image out;
  wk_shrinker s;
  wk_error err = {0};
  for (int y = 0; y < H; y++)
    for (int x = 0; x < W; x++)
      for (int c = 0; c < 3; c++)
        rgb[y][x][c] = (uint8_t)(40 * y + 5 * x + c);
  assert_ok(wk_shrinker_open(&s, &out, W, H, S, &err), &err);
  assert_int_equal(out.width, 3);
  assert_int_equal(out.height, 2);
  for (int y = 0; y < H; y++)
    wk_shrinker_add(&s, rgb[y][0]);
  wk_shrinker_free(&s);
  for (int y = 0; y < 2; y++)
    for (int x = 0; x < 3; x++)
      for (int c = 0; c < 3; c++) {
        int sum = 0, n = 0;
        for (int v = S * y; v < H && v < S * y + S; v++)
          for (int u = S * x; u < W && u < S * x + S; u++, n++)
            sum += rgb[v][u][c];
        assert_int_equal(out.pixels[3 * (3 * y + x) + c], (sum + n / 2) / n);
      }
  wk_image_free(&out);
}

struct png_bytes {
  uint8_t *at;
  size_t size;
};

static void add_bytes(png_structp png, png_bytep from, size_t n) {
  struct png_bytes *b = png_get_io_ptr(png);
  assert_non_null(b->at = realloc(b->at, b->size + n));
  memcpy(b->at + b->size, from, n);
  b->size += n;
}

/* One bit a pixel: black on the left, white on the right. */
static struct png_bytes large_png(uint32_t width, uint32_t height, int interlace) {
  struct png_bytes b = {0};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  uint8_t *row = calloc(1, width / 8);
  memset(row + width / 16, 0xff, width / 16);
  png_set_write_fn(png, &b, add_bytes, NULL);
  png_set_IHDR(png, info, width, height, 1, PNG_COLOR_TYPE_GRAY, interlace, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_set_compression_level(png, 1);
  png_write_info(png, info);
  for (int pass = png_set_interlace_handling(png); pass; pass--)
    for (uint32_t y = 0; y < height; y++)
      png_write_row(png, row);
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  free(row);
  return b;
}

/* What a network needs of a large PNG does not take the memory of all of it; what nobody could use is refused. */
static void test_large_png(void **state) {
  (void)state;
  wk_error err = {0};
  wk_image image;
  wk_decode_options o;
  wk_decode_options_init(&o);
  struct png_bytes b = large_png(8192, 4608, PNG_INTERLACE_NONE);
  o.min_width = o.min_height = 448;
  assert_ok(wk_image_decode(&image, b.at, b.size, &o, &err), &err);
  assert_int_equal(image.width, 4096);
  assert_int_equal(image.height, 2304);
  for (int y = 0; y < image.height; y += 100)
    for (int x = 0; x < image.width; x += 7)
      assert_int_equal(image.pixels[3 * ((size_t)y * 4096 + (size_t)x)], x < 2048 ? 0 : 255);
  wk_image_free(&image);
  o.min_width = 5000; /* more is wanted than half of it */
  assert_ok(wk_image_decode(&image, b.at, b.size, &o, &err), &err);
  assert_int_equal(image.width, 8192);
  wk_image_free(&image);
  free(b.at);
  b = large_png(16384, 4608, PNG_INTERLACE_ADAM7);
  assert_int_equal(wk_image_decode(&image, b.at, b.size, &o, &err), WK_ERR_FORMAT);
  assert_non_null(strstr(err.message, "is interlaced"));
  assert_non_null(strstr(err.message, "save it without interlacing"));
  free(b.at);
}

/* EXIF of 100 MB is looked through in no time, with no memory. */
static void test_endless_exif(void **state) {
  (void)state;
  const size_t length = 100u << 20;
  uint8_t *png = calloc(1, length + 1000);
  assert_non_null(png);
  static const uint8_t head[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0,
                                 0,    0,   1,   0,   0,    0,    1,    8,    2, 0, 0, 0,  0,   0,   0,   0};
  memcpy(png, head, sizeof head);
  uint8_t *at = png + sizeof head;
  at[0] = (uint8_t)(length >> 24), at[1] = (uint8_t)(length >> 16), at[2] = (uint8_t)(length >> 8);
  memcpy(at + 4, "eXIfMM\0\x2a\0\0\0\x08\xff\xff", 14);
  wk_error err = {0};
  int width, height;
  test_fail_allocation(0);
  assert_ok(wk_image_probe(&width, &height, NULL, png, length + 1000, &err), &err);
  assert_int_equal(test_allocations(), 0);
  test_fail_allocation(-1);
  free(png);
}

/* ---- JPEG's own ways --------------------------------------------------------------------------- */

struct memory_file {
  uint8_t *bytes;
  unsigned long size;
};

/* A JPEG of `image` made by libjpeg itself, with 2x2 subsampled colours. */
static struct memory_file make_jpeg(const wk_image *image, bool progressive) {
  struct jpeg_compress_struct c;
  struct jpeg_error_mgr errors;
  struct memory_file f = {0};
  c.err = jpeg_std_error(&errors);
  jpeg_create_compress(&c);
  jpeg_mem_dest(&c, &f.bytes, &f.size);
  c.image_width = (JDIMENSION)image->width;
  c.image_height = (JDIMENSION)image->height;
  c.input_components = 3;
  c.in_color_space = JCS_RGB;
  jpeg_set_defaults(&c);
  jpeg_set_quality(&c, 90, TRUE);
  if (progressive)
    jpeg_simple_progression(&c);
  jpeg_start_compress(&c, TRUE);
  while (c.next_scanline < c.image_height) {
    JSAMPROW row = image->pixels + (size_t)c.next_scanline * (size_t)image->width * 3;
    jpeg_write_scanlines(&c, &row, 1);
  }
  jpeg_finish_compress(&c);
  jpeg_destroy_compress(&c);
  return f;
}

/* The part that a region asks for is what the whole picture has there, at every scale. */
static void test_jpeg_region(void **state) {
  (void)state;
  wk_error err;
  wk_rng rng;
  wk_rng_init(&rng, 13, 0);
  for (int round = 0; round < 300; round++) {
    wk_image source = gradient(20 + (int)wk_rng_below(&rng, 300), 20 + (int)wk_rng_below(&rng, 300));
    for (size_t i = 0; i < (size_t)source.width * (size_t)source.height * 3; i++)
      source.pixels[i] = (uint8_t)(source.pixels[i] / 2 + wk_rng_below(&rng, 60)); /* not only flat blocks */
    struct memory_file f = make_jpeg(&source, round % 4 == 0);
    wk_decode_options o;
    wk_decode_options_init(&o);
    if (round % 2)
      o.min_width = 1 + (int)wk_rng_below(&rng, 60), o.min_height = 1 + (int)wk_rng_below(&rng, 60);
    int x0 = (int)wk_rng_below(&rng, (uint32_t)source.width), y0 = (int)wk_rng_below(&rng, (uint32_t)source.height);
    int region[4] = {x0, y0, x0 + 1 + (int)wk_rng_below(&rng, (uint32_t)(source.width - x0)),
                     y0 + 1 + (int)wk_rng_below(&rng, (uint32_t)(source.height - y0))};
    wk_image whole, part;
    int scale, same_scale;
    wk_probe probe;
    assert_ok(wk_probe_read(&probe, f.bytes, f.size, 0, &err), &err);
    assert_ok(wk_image_decode_region(&whole, &scale, &probe, &o, NULL, &err), &err);
    assert_ok(wk_image_decode_region(&part, &same_scale, &probe, &o, region, &err), &err);
    assert_int_equal(scale, same_scale);
    assert_int_equal(whole.width, (source.width + scale - 1) / scale);
    assert_true(scale == 1 || (whole.width >= o.min_width && whole.height >= o.min_height));
    int left = region[0] / scale, right = (region[2] + scale - 1) / scale;
    for (int y = region[1] / scale; y < (region[3] + scale - 1) / scale; y++) {
      size_t at = ((size_t)y * (size_t)whole.width + (size_t)left) * 3;
      assert_memory_equal(part.pixels + at, whole.pixels + at, (size_t)(right - left) * 3);
    }
    wk_image_free(&source), wk_image_free(&whole), wk_image_free(&part);
    free(f.bytes);
  }
}

/* The region goes through the turn, too: preprocessing a turned photo equals preprocessing its upright pixels. */
static void turned(const char *name, const uint8_t *bytes, size_t size) {
  (void)name;
  wk_error err;
  wk_preprocess p;
  wk_preprocess_init(&p);
  p.width = 7, p.height = 5, p.resize = 9;
  wk_image image, want, got;
  assert_ok(wk_image_decode(&image, bytes, size, NULL, &err), &err);
  assert_ok(wk_preprocess_pixels(&want, &image, &p, &err), &err);
  assert_ok(wk_image_alloc(&got, p.width, p.height, &err), &err);
  assert_ok(wk_preprocess_bytes(got.pixels, bytes, size, &p, &err), &err);
  same(&want, &got);
  wk_image_free(&image), wk_image_free(&want), wk_image_free(&got);
}

static void test_turned(void **state) {
  (void)state;
  each_golden(turned);
  each_corpus(turned);
}

/* An EXIF turn swaps which side a least width is about. */
static void test_scaled_and_turned(void **state) {
  (void)state;
  wk_error err;
  wk_image source = gradient(400, 100);
  struct memory_file f = make_jpeg(&source, false);
  static const uint8_t exif[] = {0xff, 0xe1, 0,    34, 'E', 'x', 'i', 'f', 0, 0, 'I', 'I', 42, 0, 8, 0, 0, 0,
                                 1,    0,    0x12, 1,  3,   0,   1,   0,   0, 0, 6,   0,   0,  0, 0, 0, 0, 0};
  size_t size = f.size + sizeof exif;
  uint8_t *bytes = malloc(size);
  assert_non_null(bytes);
  memcpy(bytes, f.bytes, 2);
  memcpy(bytes + 2, exif, sizeof exif);
  memcpy(bytes + 2 + sizeof exif, f.bytes + 2, f.size - 2);
  wk_decode_options o;
  wk_decode_options_init(&o);
  o.min_width = 50, o.min_height = 60;
  wk_image image;
  assert_ok(wk_image_decode(&image, bytes, size, &o, &err), &err);
  assert_int_equal(image.width, 50);
  assert_int_equal(image.height, 200);
  wk_image_free(&image);
  o.ignore_orientation = true;
  assert_ok(wk_image_decode(&image, bytes, size, &o, &err), &err);
  assert_int_equal(image.width, 400);
  wk_image_free(&image), wk_image_free(&source);
  free(bytes);
  free(f.bytes);
}

/* Run lengths of 4 bits with an odd number of literal pixels, then a jump to the right and up. */
static void test_bmp_odd_literal(void **state) {
  (void)state;
  uint8_t b[14 + 40 + 64 + 20] = {'B', 'M'};
  b[10] = 14 + 40 + 64, b[14] = 40, b[18] = 6, b[22] = 2, b[26] = 1, b[28] = 4, b[30] = 2;
  for (int i = 0; i < 16; i++)
    b[54 + 4 * i] = (uint8_t)(i + 100), b[55 + 4 * i] = (uint8_t)(i + 50), b[56 + 4 * i] = (uint8_t)i;
  static const uint8_t runs[] = {0, 5, 0x12, 0x34, 0x50, 0, 0, 0, 2, 0xab, 0, 2, 1, 0, 1, 0xc0, 0, 1};
  memcpy(b + 118, runs, sizeof runs);
  wk_error err;
  wk_image image;
  assert_ok(wk_image_decode(&image, b, sizeof b, NULL, &err), &err);
  static const uint8_t want[2][6] = {{10, 11, 0, 12, 0, 0}, {1, 2, 3, 4, 5, 0}};
  for (int y = 0; y < 2; y++)
    for (int x = 0; x < 6; x++) {
      const uint8_t *p = image.pixels + (y * 6 + x) * 3;
      assert_int_equal(p[0], want[y][x]);
      assert_int_equal(p[1], want[y][x] + 50);
      assert_int_equal(p[2], want[y][x] + 100);
    }
  wk_image_free(&image);
}

/* JPEG in memory: larger than its first buffer, read back near enough; and without memory at any point. */
static void test_jpeg_write(void **state) {
  (void)state;
  wk_error err;
  wk_image in = gradient(400, 300), back;
  uint8_t *bytes;
  size_t size;
  assert_ok(wk_image_encode_jpeg(&bytes, &size, &in, 100, &err), &err);
  assert_true(size > 1 << 16);
  assert_ok(wk_image_decode(&back, bytes, size, NULL, &err), &err);
  double sum = 0;
  for (size_t i = 0; i < (size_t)in.width * (size_t)in.height; i++)
    sum += abs(in.pixels[3 * i + 1] - back.pixels[3 * i + 1]);
  assert_true(sum / (400 * 300) < 30); /* colours are subsampled, and this picture is nothing but colour */
  wk_free(bytes);
  for (long n = 0;; n++) {
    test_fail_allocation(n);
    wk_status st = wk_image_encode_jpeg(&bytes, &size, &in, 100, &err);
    bool reached = test_allocations() > n;
    test_fail_allocation(-1);
    if (!reached)
      break;
    assert_int_equal(st, WK_ERR_MEMORY);
  }
  wk_free(bytes);
  assert_int_equal(wk_image_encode_jpeg(&bytes, &size, &in, 0, &err), WK_ERR_ARGUMENT);
  in.width = 70000;
  assert_int_equal(wk_image_encode_jpeg(&bytes, &size, &in, 90, &err), WK_ERR_ARGUMENT);
  wk_image_free(&in);
  wk_image_free(&back);
}

static void test_arguments(void **state) {
  (void)state;
  wk_error err;
  wk_image a = gradient(8, 8), b;
  static const double outside[4] = {0, 0, 9, 8}, empty[4] = {3, 3, 3, 8};
  assert_int_equal(wk_image_resize(&b, &a, 4, 4, WK_FILTER_BILINEAR, outside, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_image_resize(&b, &a, 4, 4, WK_FILTER_BILINEAR, empty, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_image_resize(&b, &a, 0, 4, WK_FILTER_BILINEAR, NULL, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_image_resize(&b, &a, 4, 4, (wk_filter)9, NULL, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_image_save_png(&a, "/nonexistent/a.png", &err), WK_ERR_NOT_FOUND);
  wk_preprocess p;
  wk_preprocess_init(&p);
  p.std[1] = 0;
  assert_int_equal(wk_preprocess_validate(&p, &err), WK_ERR_ARGUMENT);
  wk_preprocess_init(&p);
  wk_preprocess_set_size(&p, 112, 0);
  assert_int_equal(p.resize, 128);
  wk_preprocess_set_size(&p, 96, 100);
  assert_int_equal(p.resize, 100);
  wk_image_free(&a);
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
      cmocka_unit_test(test_png_round_trip),
      cmocka_unit_test(test_crop),
      cmocka_unit_test(test_resize_identity),
      cmocka_unit_test(test_preprocess_window),
      cmocka_unit_test(test_keep),
      cmocka_unit_test(test_normalise),
      cmocka_unit_test(test_not_pictures),
      cmocka_unit_test(test_cut_off),
      cmocka_unit_test(test_damage),
      cmocka_unit_test(test_no_memory),
      cmocka_unit_test(test_bomb),
      cmocka_unit_test(test_hevc_size),
      cmocka_unit_test(test_bombs),
      cmocka_unit_test(test_shrinker),
      cmocka_unit_test(test_large_png),
      cmocka_unit_test(test_endless_exif),
      cmocka_unit_test(test_file_types),
      cmocka_unit_test(test_jpeg_region),
      cmocka_unit_test(test_turned),
      cmocka_unit_test(test_scaled_and_turned),
      cmocka_unit_test(test_bmp_odd_literal),
      cmocka_unit_test(test_jpeg_write),
      cmocka_unit_test(test_arguments),
      cmocka_unit_test(test_oxford_oddities),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
