/* test_check.c - the data doctor: broken files, wrong endings, copies and look-alikes however they were changed,
 * classes that are small. */
#include <unistd.h>

#include "data/check.h"
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

/* The only finding of that kind; NULL: none. */
static const wk_finding *finding(wk_check_kind kind) {
  const wk_finding *found = NULL;
  for (size_t i = 0; i < check->finding_count; i++)
    if (check->findings[i].kind == kind) {
      if (found)
        fail_msg("two findings: %s, and: %s", found->what, check->findings[i].what);
      found = &check->findings[i];
    }
  return found;
}

static void says(wk_check_kind kind, const char *words) {
  const wk_finding *f = finding(kind);
  if (!f || !strstr(f->what, words))
    fail_msg("%s: \"%s\" is not in: %s", wk_check_kind_name(kind), words, f ? f->what : "nothing");
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
  assert_int_equal(check->finding_count, 0);
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
  assert_int_equal(check->count[WK_CHECK_UNREADABLE], 4);
  static const struct {
    const char *photo, *words;
  } broken[] = {{"cat/cut.png", ": its data end here)"},
                {"cat/empty.jpg", "empty"},
                {"cat/text.jpg", "(byte 0 of 10: nothing of a photo begins here)"},
                {"dog/gone.png", "No such file"}};
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(check->findings[i].kind, WK_CHECK_UNREADABLE);
    assert_string_equal(relative(check->findings[i].photo), broken[i].photo);
    assert_true(check->findings[i].exclude);
    assert_non_null(strstr(check->findings[i].what, broken[i].words));
  }
  says(WK_CHECK_ENDING, "dog/really.jpg: this is a PNG");
  says(WK_CHECK_TINY, "dog/small.png: only 50 x 20 pixels");
  says(WK_CHECK_IGNORED, "2 files are no photos");
  assert_int_equal(check->finding_count, 4 + 3);
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
  make("train/cat/within.png", 1008, 90, 60); /* same class and part */
  run(2);
  assert_int_equal(check->group_count, 6);
  static const struct {
    bool exact;
    const char *photo[2];
  } want[] = {{true, {"test/dog/leak.png", "train/dog/07.png"}},
              {true, {"train/cat/03.png", "train/cat/a-copy.png"}},
              {true, {"train/cat/05.png", "train/dog/other-label.png"}},
              {false, {"test/cat/look-alike.png", "train/cat/04.png"}},
              {false, {"train/cat/06.png", "train/dog/look-alike.png"}},
              {false, {"train/cat/08.png", "train/cat/within.png"}}};
  for (size_t i = 0; i < 6; i++) {
    assert_int_equal(check->groups[i].exact, want[i].exact);
    assert_int_equal(check->groups[i].photo_count, 2);
    for (size_t k = 0; k < 2; k++)
      assert_string_equal(relative(check->groups[i].photos[k]), want[i].photo[k]);
  }
  static const struct {
    wk_check_kind kind;
    const char *photo, *words;
  } told[] = {
      {WK_CHECK_LABELS, "train/cat/05.png", "see "},
      {WK_CHECK_LABELS, "train/dog/other-label.png", "are one photo, but one is in class \"cat\""},
      {WK_CHECK_LABELS, "train/cat/06.png", "see "},
      {WK_CHECK_LABELS, "train/dog/look-alike.png", "look almost the same, but one is in class \"cat\""},
      {WK_CHECK_LEAK, "train/dog/07.png", "are one photo, but one is in test, the other in train"},
      {WK_CHECK_LEAK, "train/cat/04.png", "look almost the same, but one is in test, the other in train"},
      {WK_CHECK_COPY, "train/cat/a-copy.png", "the same bytes as "},
      {WK_CHECK_TWIN, "train/cat/within.png", "nearly the same picture as "},
  };
  assert_int_equal(check->finding_count, 8);
  for (size_t i = 0; i < 8; i++) {
    assert_int_equal(check->findings[i].kind, told[i].kind);
    assert_string_equal(relative(check->findings[i].photo), told[i].photo);
    assert_non_null(strstr(check->findings[i].what, told[i].words));
    assert_true(check->findings[i].exclude);
  }

  wk_check_options o;
  wk_check_options_init(&o);
  o.look_alikes = false;
  wk_check_free(check);
  check = NULL;
  assert_ok(wk_check_run(&check, data, &o, NULL, &error), &error);
  assert_int_equal(check->group_count, 3);
}

/* Of many copies in other classes each is told of once. */
static void told_once(void **state) {
  (void)state;
  make_classes("", 0, 10);
  copy("dog/a.png", "cat/03.png");
  copy("dog/b.png", "cat/03.png");
  copy("dog/c.png", "cat/03.png");
  run(1);
  assert_int_equal(check->count[WK_CHECK_LABELS], 4);
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
  assert_int_equal(check->count[WK_CHECK_BLANK], 2);
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
  assert_int_equal(check->finding_count, 3);
  assert_string_equal(check->findings[0].what, "few photos in 1 of 4 classes: \"ant\" (1). 10 a class are a start");
  assert_string_equal(check->findings[1].what, "test: no photo of 2 of 4 classes: \"ant\" (0), \"rat\" (0)");
  assert_int_equal(check->findings[2].kind, WK_CHECK_IMBALANCE);
  assert_non_null(strstr(check->findings[2].what, "\"rat\" has 50 photos, \"ant\" only 1"));
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
  const size_t findings = check->finding_count;
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
      assert_int_equal(c->finding_count, findings);
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
  assert_int_equal(check->count[WK_CHECK_ENDING], 2);
  assert_non_null(strstr(check->findings[0].what, "Abyssinian_34.jpg: this is a GIF"));
  assert_non_null(strstr(check->findings[1].what, "Abyssinian_5.jpg: this is a PNG"));
  says(WK_CHECK_IGNORED, "3 files are no photos");
}

/* ---- pictures that were changed ----------------------------------------------------------------- */

/* Soft blobs, which no cut or mirror makes like another's. */
static void blobs(wk_image *image, uint64_t seed, int width, int height) {
  wk_rng rng;
  double blob[8][3];
  wk_rng_init(&rng, seed, 2);
  for (int i = 0; i < 8; i++)
    for (int k = 0; k < 3; k++)
      blob[i][k] = wk_rng_uniform(&rng);
  assert_ok(wk_image_alloc(image, width, height, &error), &error);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      double sum = 0, weights = 1e-9;
      for (int i = 0; i < 8; i++) {
        const double dx = (x + .5) / width - blob[i][0], dy = (y + .5) / height - blob[i][1],
                     w = exp(-40 * (dx * dx + dy * dy));
        sum += w * blob[i][2];
        weights += w;
      }
      for (int k = 0; k < 3; k++)
        image->pixels[(y * width + x) * 3 + k] = (uint8_t)(250 * sum / weights / (1 + 0.2 * k));
    }
}

static void save_jpeg(const char *name, const wk_image *image, int quality) {
  uint8_t *bytes = NULL;
  size_t size;
  char folder[4200];
  snprintf(folder, sizeof folder, "%s", in_dir(name));
  *strrchr(folder, '/') = 0;
  assert_ok(wk_mkdir_p(folder, &error), &error);
  assert_ok(wk_image_encode_jpeg(&bytes, &size, image, quality, &error), &error);
  write_bytes(name, bytes, size);
  wk_free(bytes);
}

/* Compressed anew, half the size, cut by 3% at every edge, cut on two sides only, mirrored: each is found, and nothing
 * else. */
static void changed_copies(void **state) {
  (void)state;
  enum { PHOTOS = 12, WAYS = 5 };
  for (uint64_t seed = 1; seed <= PHOTOS; seed++) {
    wk_image photo, changed;
    char name[64];
    blobs(&photo, seed, 200, 160);
    snprintf(name, sizeof name, "p/%02d-0.jpg", (int)seed);
    save_jpeg(name, &photo, 90);
    for (int way = 1; way <= WAYS; way++) {
      if (way == 2) {
        assert_ok(wk_image_resize(&changed, &photo, 100, 80, WK_FILTER_BILINEAR, NULL, &error), &error);
      } else if (way == 3) {
        assert_ok(wk_image_crop(&changed, &photo, 6, 5, 188, 150, &error), &error);
      } else if (way == 4) {
        assert_ok(wk_image_crop(&changed, &photo, 10, 0, 190, 152, &error), &error);
      } else {
        assert_ok(wk_image_crop(&changed, &photo, 0, 0, 200, 160, &error), &error);
        for (int y = 0; y < 160 && way == 5; y++)
          for (int x = 0; x < 200; x++)
            memcpy(changed.pixels + (y * 200 + x) * 3, photo.pixels + (y * 200 + 199 - x) * 3, 3);
      }
      snprintf(name, sizeof name, "p/%02d-%d.jpg", (int)seed, way);
      save_jpeg(name, &changed, way == 1 ? 50 : 85);
      wk_image_free(&changed);
    }
    wk_image_free(&photo);
  }
  wk_dataset_options o;
  wk_dataset_options_init(&o);
  o.allow_unlabelled = true;
  assert_ok(wk_dataset_open(&data, dir, &o, &error), &error);
  assert_ok(wk_check_run(&check, data, NULL, NULL, &error), &error);
  assert_int_equal(check->group_count, PHOTOS);
  for (size_t i = 0; i < PHOTOS; i++) {
    assert_int_equal(check->groups[i].photo_count, WAYS + 1);
    for (size_t k = 0; k <= WAYS; k++)
      assert_int_equal(check->groups[i].photos[k], i * (WAYS + 1) + k);
  }
}

/* What is there of a photo that breaks off is told, and at which byte a broken one breaks. */
static void damage(void **state) {
  (void)state;
  wk_image photo;
  wk_file_view v;
  make_classes("", 0, 10);
  blobs(&photo, 1, 320, 320);
  save_jpeg("cat/whole.jpg", &photo, 95);
  wk_image_free(&photo);
  assert_ok(wk_file_map(&v, in_dir("cat/whole.jpg"), &error), &error);
  write_bytes("cat/half.jpg", v.data, v.size / 2);
  wk_file_unmap(&v);
  assert_ok(wk_file_map(&v, in_dir("cat/01.png"), &error), &error);
  uint8_t *bytes = malloc(v.size);
  assert_non_null(bytes);
  memcpy(bytes, v.data, v.size);
  bytes[20] ^= 0x40; /* in the header, whose chunk begins at byte 8 */
  write_bytes("cat/header.png", bytes, v.size);
  free(bytes);
  wk_file_unmap(&v);
  run(2);
  const wk_finding *half = finding(WK_CHECK_TRUNCATED);
  assert_non_null(half);
  assert_string_equal(relative(half->photo), "cat/half.jpg");
  assert_true(half->score > 0.25 && half->score < 0.75);
  says(WK_CHECK_UNREADABLE, ": the chunk that begins here fails its checksum)");
  assert_non_null(strstr(finding(WK_CHECK_UNREADABLE)->what, "(byte 8 of "));
}

/* What was found is kept, and found again. */
static void kept(void **state) {
  (void)state;
  wk_check_options o;
  wk_check_options_init(&o);
  make_classes("photos/", 0, 10);
  copy("photos/dog/copy.png", "photos/cat/00.png");
  make("photos/dog/small.png", 6, 50, 20);
  o.cache_folder = in_dir("kept");
  char root[4200], *folder = strdup(o.cache_folder);
  snprintf(root, sizeof root, "%s", in_dir("photos"));
  o.cache_folder = folder;
  assert_ok(wk_dataset_open(&data, root, NULL, &error), &error);
  for (int time = 0; time < 2; time++) {
    wk_check_free(check);
    check = NULL;
    assert_ok(wk_check_run(&check, data, &o, NULL, &error), &error);
    assert_int_equal(check->finding_count, 3);
    says(WK_CHECK_TINY, "small.png: only 50 x 20 pixels");
    assert_int_equal(check->count[WK_CHECK_LABELS], 2);
  }
  free(folder);
}

static void outliers(void **state) {
  (void)state;
  enum { ROWS = 40, COLUMNS = 8 };
  float x[ROWS * COLUMNS];
  int y[ROWS];
  double score[ROWS];
  wk_rng rng;
  wk_rng_init(&rng, 1, 1);
  for (int r = 0; r < ROWS; r++) {
    y[r] = r == 39 ? -1 : r % 2;
    for (int j = 0; j < COLUMNS; j++)
      x[r * COLUMNS + j] = (float)((j == y[r] ? 5 : 0) + 0.3 * wk_rng_normal(&rng));
  }
  x[7 * COLUMNS + 1] = 0; /* of class 1, but unlike it */
  x[7 * COLUMNS + 5] = 5;
  const wk_features f = {.row = x, .rows = ROWS, .columns = COLUMNS};
  assert_ok(wk_outlier_scores(score, &f, y, 2, &error), &error);
  assert_true(isnan(score[39]));
  for (int r = 0; r < ROWS - 1; r++)
    assert_true(r == 7 ? score[r] > 8 : score[r] < 8);
}

/* ---- twins by what a network sees ---------------------------------------------------------------- */

enum { SEEN = 300, SEEN_COLUMNS = 40 };

/* Dots of a picture cut to a part, and features: those of photo `like`, a little changed. */
static void see(wk_examined *x, float *row, uint64_t picture, const wk_dots_box *part, uint64_t like, double change) {
  wk_image image, small = {0};
  uint8_t dot[WK_DOTS * WK_DOTS];
  wk_rng rng;
  blobs(&image, picture, 128, 128);
  assert_ok(wk_image_resize(&small, &image, WK_DOTS, WK_DOTS, WK_FILTER_BILINEAR, NULL, &error), &error);
  wk_look_grey(dot, small.pixels, WK_DOTS * WK_DOTS);
  wk_image_free(&image);
  wk_image_free(&small);
  *x = (wk_examined){.width = 128, .height = 128, .read = 1, .usable = 1};
  wk_dots_cut(x->dot, dot, part, false);
  wk_rng_init(&rng, like, 5);
  for (int j = 0; j < SEEN_COLUMNS; j++)
    row[j] = 3 + (float)wk_rng_normal(&rng);
  wk_rng_init(&rng, picture * 31 + (uint64_t)(part->x1 * 100), 6);
  for (int j = 0; j < SEEN_COLUMNS; j++)
    row[j] += (float)(change * wk_rng_normal(&rng));
}

/* A part of a picture joins it where a network sees them alike; not another picture that it sees alike, and not a part
 * of which it sees something else. What has joined the part before comes along. */
static void seen_twins(void **state) {
  (void)state;
  static const wk_dots_box whole = {0, 0, 1, 1}, middle = {0.1, 0.1, 0.9, 0.9}, corner = {0, 0.04, 0.85, 0.9};
  wk_examined *photo = calloc(SEEN + 1, sizeof *photo);
  float *row = calloc(SEEN * SEEN_COLUMNS, sizeof *row);
  size_t of[SEEN];
  uint32_t first[SEEN + 1];
  bool twin[SEEN + 1] = {false};
  assert_true(photo && row);
  for (size_t i = 0; i < SEEN; i++) {
    see(&photo[i], row + i * SEEN_COLUMNS, 100 + i, &whole, 100 + i, 0);
    of[i] = i;
  }
  for (uint32_t i = 0; i <= SEEN; i++)
    first[i] = i;
  see(&photo[40], row + 40 * SEEN_COLUMNS, 107, &middle, 107, 0.1);
  see(&photo[50], row + 50 * SEEN_COLUMNS, 108, &corner, 108, 0.2);
  see(&photo[60], row + 60 * SEEN_COLUMNS, 500, &whole, 109, 0.1);
  see(&photo[70], row + 70 * SEEN_COLUMNS, 110, &middle, 600, 0);
  photo[SEEN] = photo[40];
  first[SEEN] = 40; /* a copy, which has no features of its own */
  const wk_features f = {.row = row, .rows = SEEN, .columns = SEEN_COLUMNS};
  uint32_t found[SEEN + 1];
  wk_context ctx;
  wk_context_init(&ctx);
  for (long n = 0;; n++) {
    ctx.threads = n ? 1 : 2;
    memcpy(found, first, sizeof found);
    memset(twin, 0, sizeof twin);
    test_fail_allocation(n ? n - 1 : -1);
    const wk_status st = wk_twins_join(found, twin, photo, SEEN + 1, &f, of, &ctx, &error);
    const bool all = n && test_allocations() <= n - 1;
    test_fail_allocation(-1);
    assert_true(n ? st == WK_OK || st == WK_ERR_MEMORY : st == WK_OK);
    if (st == WK_OK)
      for (uint32_t i = 0; i <= SEEN; i++) {
        assert_int_equal(found[i], i == 40 || i == SEEN ? 7 : i == 50 ? 8 : i);
        assert_int_equal(twin[i], found[i] != i);
      }
    if (all)
      break;
  }
  free(photo);
  free(row);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(all_is_well), T(broken_and_odd), T(copies), T(told_once), T(blank_photos), T(class_sizes), T(failing),
      T(real_pets),   T(changed_copies), T(damage), T(kept),      T(outliers),     T(seen_twins),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
