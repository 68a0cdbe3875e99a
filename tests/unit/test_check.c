/* test_check.c - the data doctor: broken files, wrong endings, copies and look-alikes, classes that are small. */
#include <unistd.h>

#include "support.h"

static char *dir;
static wk_dataset *data;
static wk_check *check;
static wk_error error;

static int setup(void **state) {
  (void)state;
  dir = test_tmp_dir();
  data = NULL;
  check = NULL;
  return 0;
}

static int teardown(void **state) {
  (void)state;
  wk_check_free(check);
  wk_dataset_free(data);
  test_tmp_remove(dir);
  return 0;
}

static char *in_dir(const char *name) {
  static char path[4200];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  return path;
}

/* A smooth picture that differs from those of other seeds: a few waves. */
static void make(const char *name, uint64_t seed, int width, int height) {
  char folder[4200];
  snprintf(folder, sizeof folder, "%s", in_dir(name));
  *strrchr(folder, '/') = 0;
  assert_ok(wk_mkdir_p(folder, &error), &error);
  wk_rng rng;
  wk_rng_init(&rng, seed, 0);
  double wave[4][3];
  for (int i = 0; i < 4; i++)
    for (int k = 0; k < 3; k++)
      wave[i][k] = 12 * wk_rng_uniform(&rng) - 6;
  wk_image image;
  assert_ok(wk_image_alloc(&image, width, height, &error), &error);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      double sum = 0;
      for (int i = 0; i < 4; i++)
        sum += sin(wave[i][0] * (x + .5) / width + wave[i][1] * (y + .5) / height + wave[i][2]);
      for (int k = 0; k < 3; k++)
        image.pixels[(y * width + x) * 3 + k] = (uint8_t)(128 + 25 * sum);
    }
  assert_ok(wk_image_save_png(&image, in_dir(name), &error), &error);
  wk_image_free(&image);
}

static void write_bytes(const char *name, const void *bytes, size_t n) {
  FILE *f = fopen(in_dir(name), "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, n, f), n);
  fclose(f);
}

static void copy(const char *to, const char *from) {
  wk_file_view v;
  assert_ok(wk_file_map(&v, in_dir(from), &error), &error);
  write_bytes(to, v.data, v.size);
  wk_file_unmap(&v);
}

static void run(int threads) {
  wk_check_free(check);
  wk_dataset_free(data);
  check = NULL;
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.threads = threads;
  assert_ok(wk_dataset_open(&data, dir, NULL, &error), &error);
  assert_ok(wk_check_run(&check, data, NULL, &ctx, &error), &error);
}

static const char *relative(size_t photo) { return data->photos[photo].path + strlen(dir) + 1; }

/* The only warning of that kind; NULL: none. */
static const char *warning(wk_check_kind kind) {
  const char *found = NULL;
  for (size_t i = 0; i < check->warning_count; i++)
    if (check->warnings[i].kind == kind) {
      if (found)
        fail_msg("two warnings: %s, and: %s", found, check->warnings[i].message);
      found = check->warnings[i].message;
    }
  return found;
}

static void says(wk_check_kind kind, const char *words) {
  const char *message = warning(kind);
  if (!message || !strstr(message, words))
    fail_msg("%s: \"%s\" is not in: %s", wk_check_kind_name(kind), words, message ? message : "nothing");
}

static void make_classes(const char *prefix, int first, int count) {
  for (int i = first; i < first + count; i++) {
    char name[64];
    snprintf(name, sizeof name, "%scat/%02d.png", prefix, i);
    make(name, 1000 + (uint64_t)i, 60, 40);
    snprintf(name, sizeof name, "%sdog/%02d.png", prefix, i);
    make(name, 2000 + (uint64_t)i, 40, 60);
  }
}

static void all_is_well(void **state) {
  (void)state;
  make_classes("", 0, 12);
  run(2);
  assert_int_equal(check->files, 24);
  assert_int_equal(check->usable, 24);
  assert_int_equal(check->broken_count, 0);
  assert_int_equal(check->warning_count, 0);
  assert_int_equal(check->group_count, 0);
  assert_int_equal(check->class_photos[0], 12);
  assert_int_equal(check->class_photos[1], 12);
}

static void broken_and_odd(void **state) {
  (void)state;
  make_classes("", 0, 10);
  write_bytes("cat/empty.jpg", "", 0);
  write_bytes("cat/text.jpg", "no picture", 10);
  write_bytes("cat/notes.txt", "notes", 5);
  write_bytes("dog/more.mat", "notes", 5);
  wk_file_view v;
  assert_ok(wk_file_map(&v, in_dir("cat/00.png"), &error), &error);
  write_bytes("cat/cut.png", v.data, v.size * 2 / 3);
  wk_file_unmap(&v);
  make("dog/really.jpg", 5, 50, 50);
  make("dog/small.png", 6, 50, 20);
  assert_int_equal(symlink("nowhere", in_dir("dog/gone.png")), 0);
  run(2);
  assert_int_equal(check->files, 20 + 8);
  assert_int_equal(check->usable, 22);
  assert_int_equal(check->broken_count, 4);
  assert_string_equal(relative(check->broken[0].photo), "cat/cut.png");
  assert_string_equal(relative(check->broken[1].photo), "cat/empty.jpg");
  assert_non_null(strstr(check->broken[1].why, "empty"));
  assert_string_equal(relative(check->broken[2].photo), "cat/text.jpg");
  assert_string_equal(relative(check->broken[3].photo), "dog/gone.png");
  says(WK_CHECK_ENDING, "dog/really.jpg: this is a PNG");
  says(WK_CHECK_TINY, "dog/small.png: only 50 x 20 pixels");
  says(WK_CHECK_IGNORED, "2 files are no photos");
  assert_int_equal(check->warning_count, 3);
  assert_int_equal(check->class_photos[0], 10);
  assert_int_equal(check->class_photos[1], 12);
}

static void copies(void **state) {
  (void)state;
  make_classes("train/", 0, 10);
  make_classes("test/", 20, 10);
  copy("train/cat/a-copy.png", "train/cat/03.png");
  copy("train/dog/other-label.png", "train/cat/05.png");
  copy("test/dog/leak.png", "train/dog/07.png");
  make("test/cat/look-alike.png", 1004, 90, 60); /* train/cat/04.png, larger */
  make("train/dog/look-alike.png", 1006, 120, 80);
  make("train/cat/within.png", 1008, 90, 60); /* same class and part: no harm */
  run(2);
  assert_int_equal(check->group_count, 5);
  static const struct {
    bool exact;
    const char *photo[2];
  } want[] = {{true, {"test/dog/leak.png", "train/dog/07.png"}},
              {true, {"train/cat/03.png", "train/cat/a-copy.png"}},
              {true, {"train/cat/05.png", "train/dog/other-label.png"}},
              {false, {"test/cat/look-alike.png", "train/cat/04.png"}},
              {false, {"train/cat/06.png", "train/dog/look-alike.png"}}};
  for (size_t i = 0; i < 5; i++) {
    assert_int_equal(check->groups[i].exact, want[i].exact);
    assert_int_equal(check->groups[i].photo_count, 2);
    for (size_t k = 0; k < 2; k++)
      assert_string_equal(relative(check->groups[i].photos[k]), want[i].photo[k]);
  }
  static const struct {
    wk_check_kind kind;
    const char *words;
  } told[] = {{WK_CHECK_LEAK, "train/dog/07.png are one photo, but one is in test, the other in train"},
              {WK_CHECK_LABELS, "train/dog/other-label.png are one photo, but one is in class \"cat\""},
              {WK_CHECK_LEAK, "train/cat/04.png look almost the same"},
              {WK_CHECK_LABELS, "train/dog/look-alike.png look almost the same"}};
  assert_int_equal(check->warning_count, 4);
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(check->warnings[i].kind, told[i].kind);
    assert_non_null(strstr(check->warnings[i].message, told[i].words));
  }

  wk_check_options o;
  wk_check_options_init(&o);
  o.look_alikes = false;
  wk_check_free(check);
  check = NULL;
  assert_ok(wk_check_run(&check, data, &o, NULL, &error), &error);
  assert_int_equal(check->group_count, 3);
}

/* Even pictures all look the same, and are not copies of each other. */
static void blank_photos(void **state) {
  (void)state;
  make_classes("", 0, 10);
  wk_image image;
  for (int i = 0; i < 2; i++) {
    assert_ok(wk_image_alloc(&image, 50 + i, 50, &error), &error);
    assert_ok(wk_image_save_png(&image, in_dir(i ? "cat/black.png" : "dog/black.png"), &error), &error);
    wk_image_free(&image);
  }
  run(1);
  assert_int_equal(check->group_count, 0);
}

static void class_sizes(void **state) {
  (void)state;
  make_classes("train/", 0, 10);
  make_classes("test/", 20, 2);
  for (int i = 0; i < 50; i++) {
    char name[64];
    snprintf(name, sizeof name, "train/rat/%d.png", i);
    make(name, 3000 + (uint64_t)i, 40, 40);
  }
  make("train/ant/1.png", 4000, 40, 40);
  run(2);
  assert_int_equal(check->warning_count, 3);
  assert_string_equal(check->warnings[0].message, "few photos in 1 of 4 classes: \"ant\" (1). 10 a class are a start");
  assert_string_equal(check->warnings[1].message, "test: no photo of 2 of 4 classes: \"ant\" (0), \"rat\" (0)");
  assert_int_equal(check->warnings[2].kind, WK_CHECK_IMBALANCE);
  assert_non_null(strstr(check->warnings[2].message, "\"rat\" has 50 photos, \"ant\" only 1"));
}

static bool always(void *user) {
  (void)user;
  return true;
}

static void failing(void **state) {
  (void)state;
  make_classes("", 0, 3);
  copy("dog/copy.png", "cat/00.png");
  write_bytes("dog/text.jpg", "no picture", 10);
  run(1);
  size_t warnings = check->warning_count;
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.threads = 1;
  for (long n = 0;; n++) {
    wk_check *c = NULL;
    test_fail_allocation(n);
    wk_status st = wk_check_run(&c, data, NULL, &ctx, &error);
    bool all = test_allocations() <= n;
    test_fail_allocation(-1);
    assert_true(st == WK_OK || st == WK_ERR_MEMORY);
    if (all)
      assert_int_equal(c->warning_count, warnings);
    wk_check_free(c);
    if (all)
      break;
  }
  ctx.cancelled = always;
  wk_check *c = NULL;
  assert_int_equal(wk_check_run(&c, data, NULL, &ctx, &error), WK_ERR_CANCELLED);
  assert_null(c);
}

static void real_pets(void **state) {
  (void)state;
  TEST_NEEDS(path, "photos/pets/images");
  wk_dataset_options o;
  wk_dataset_options_init(&o);
  o.labels_from_name = true;
  assert_ok(wk_dataset_open(&data, path, &o, &error), &error);
  assert_ok(wk_check_run(&check, data, NULL, NULL, &error), &error);
  assert_int_equal(check->usable, 372);
  assert_int_equal(check->group_count, 0);
  assert_int_equal(check->warning_count, 3);
  assert_non_null(strstr(check->warnings[0].message, "Abyssinian_34.jpg: this is a GIF"));
  assert_non_null(strstr(check->warnings[1].message, "Abyssinian_5.jpg: this is a PNG"));
  assert_int_equal(check->warnings[2].kind, WK_CHECK_IGNORED);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(all_is_well), T(broken_and_odd), T(copies), T(blank_photos), T(class_sizes), T(failing), T(real_pets),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
