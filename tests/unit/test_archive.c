/* test_archive.c - collections inside archives: every layout and format, names that try to get out, bombs, damage, and
 * unpacking only once. */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

static char *dir;
static char unpack[4200], file[4200];
static wk_dataset_options options;
static wk_error error;
static wk_dataset *data;

static int setup(void **state) {
  (void)state;
  dir = test_tmp_dir();
  snprintf(unpack, sizeof unpack, "%s/kept/unpacked", dir);
  snprintf(file, sizeof file, "%s/photos.archive", dir);
  wk_dataset_options_init(&options);
  options.unpack_folder = unpack;
  data = NULL;
  return 0;
}

static int teardown(void **state) {
  (void)state;
  wk_dataset_free(data);
  test_tmp_remove(dir);
  return 0;
}

/* ---- making archives -------------------------------------------------------------------------- */

static struct archive *begin(const char *format) {
  struct archive *a = archive_write_new();
  assert_non_null(a);
  if (strcmp(format, "zip") == 0)
    archive_write_set_format_zip(a);
  else if (strcmp(format, "7z") == 0)
    archive_write_set_format_7zip(a);
  else
    archive_write_set_format_pax_restricted(a);
  if (strcmp(format, "tar.gz") == 0)
    archive_write_add_filter_gzip(a);
  else if (strcmp(format, "tar.xz") == 0)
    archive_write_add_filter_xz(a);
  assert_int_equal(archive_write_open_filename(a, file), ARCHIVE_OK);
  return a;
}

static void add(struct archive *a, const char *name, const char *bytes, size_t n) {
  struct archive_entry *e = archive_entry_new();
  archive_entry_set_pathname(e, name);
  archive_entry_set_filetype(e, AE_IFREG);
  archive_entry_set_perm(e, 0644);
  archive_entry_set_size(e, (la_int64_t)n);
  assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
  assert_int_equal(archive_write_data(a, bytes, n), n);
  archive_entry_free(e);
}

static void add_link(struct archive *a, const char *name, const char *to) {
  struct archive_entry *e = archive_entry_new();
  archive_entry_set_pathname(e, name);
  archive_entry_set_filetype(e, AE_IFLNK);
  archive_entry_set_symlink(e, to);
  assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
  archive_entry_free(e);
}

static void add_folder(struct archive *a, const char *name) {
  struct archive_entry *e = archive_entry_new();
  archive_entry_set_pathname(e, name);
  archive_entry_set_filetype(e, AE_IFDIR);
  archive_entry_set_perm(e, 0); /* must not stop us */
  assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
  archive_entry_free(e);
}

static void end(struct archive *a) {
  assert_int_equal(archive_write_close(a), ARCHIVE_OK);
  archive_write_free(a);
}

static void make_pair(const char *format, const char *one, const char *other) {
  struct archive *a = begin(format);
  add(a, one, "x", 1);
  add(a, other, "y", 1);
  end(a);
}

/* ---- opening them ----------------------------------------------------------------------------- */

static wk_status open_it(void) {
  wk_dataset_free(data);
  data = NULL;
  memset(&error, 0, sizeof error);
  return wk_dataset_open(&data, file, &options, &error);
}

static void fails(wk_status expected, const char *words) {
  wk_status st = open_it();
  assert_int_equal(st, expected);
  assert_null(data);
  if (strncmp(error.message, file, strlen(file)) != 0 || !strstr(error.message, words))
    fail_msg("\"%s\" is not in: %s", words, error.message);
}

static int entries(const char *folder) {
  DIR *d = opendir(folder);
  int n = 0;
  if (!d)
    return 0;
  for (struct dirent *e; (e = readdir(d));)
    n += e->d_name[0] != '.' && !strstr(e->d_name, ".lock");
  closedir(d);
  return n;
}

static void formats(void **state) {
  (void)state;
  static const char *const format[] = {"zip", "tar", "tar.gz", "tar.xz", "7z"};
  for (size_t i = 0; i < sizeof format / sizeof *format; i++) {
    struct archive *a = begin(format[i]);
    add_folder(a, "pets/");
    add_folder(a, "pets/cat");
    add(a, "pets/cat/1.jpg", "one", 3);
    add(a, "./pets/cat/2.jpg", "two", 3);
    add(a, "pets/dog/1.jpg", format[i], strlen(format[i]));
    add(a, "__MACOSX/pets/cat/._1.jpg", "x", 1);
    add(a, "pets/.DS_Store", "x", 1);
    add(a, "pets/readme.txt", "", 0);
    end(a);
    assert_ok(open_it(), &error);
    assert_int_equal(data->layout, WK_LAYOUT_CLASS_FOLDERS);
    assert_int_equal(data->photo_count, 3);
    assert_int_equal(data->class_count, 2);
    assert_string_equal(data->classes[1], "dog");
    assert_int_equal(data->ignored, 1);
    assert_string_equal(data->root, file);
    uint8_t *bytes;
    size_t size;
    assert_ok(wk_file_read(&bytes, &size, data->photos[1].path, 100, &error), &error);
    assert_string_equal((char *)bytes, "two");
    wk_free(bytes);
    assert_int_equal(entries(unpack), i + 1);
  }
}

static void layouts(void **state) {
  (void)state;
  make_pair("zip", "w/train/cat/1.jpg", "w/train/dog/1.jpg");
  assert_ok(open_it(), &error);
  assert_int_equal(data->layout, WK_LAYOUT_SPLIT_FOLDERS);

  struct archive *a = begin("tar.gz");
  add(a, "set/images/1.jpg", "x", 1);
  add(a, "set/images/2.jpg", "x", 1);
  const char list[] = "file,label\n1.jpg,cat\n2.jpg,dog\n";
  add(a, "set/labels.csv", list, sizeof list - 1);
  add(a, "set/budget.csv", "year,money\n1,2\n", 15);
  end(a);
  assert_ok(open_it(), &error);
  assert_int_equal(data->layout, WK_LAYOUT_LIST);
  assert_int_equal(data->photo_count, 2);
  assert_true(access(data->photos[1].path, R_OK) == 0);

  options.labels_from_name = true;
  make_pair("zip", "images/Abyssinian_1.jpg", "images/pug_1.jpg");
  assert_ok(open_it(), &error);
  assert_int_equal(data->layout, WK_LAYOUT_FLAT);
  assert_int_equal(data->class_count, 2);
}

static void names(void **state) {
  (void)state;
  static const char *const format[] = {"zip", "tar"};
  for (size_t i = 0; i < 2; i++) {
    make_pair(format[i], "caf\xe9/1.jpg", "\xe7\x8c\xab/1.jpg"); /* Latin-1, UTF-8 */
    assert_ok(open_it(), &error);
    assert_int_equal(data->class_count, 2);
    assert_string_equal(data->classes[1], "\xe7\x8c\xab");
  }
  make_pair("tar", "/abs/cat/1.jpg", "/abs/dog/1.jpg"); /* as tar itself: below the folder */
  assert_ok(open_it(), &error);
  assert_int_equal(strncmp(data->photos[0].path, unpack, strlen(unpack)), 0);
}

static void once(void **state) {
  (void)state;
  make_pair("zip", "cat/1.jpg", "dog/1.jpg");
  assert_ok(open_it(), &error);
  struct stat before, after;
  assert_int_equal(stat(data->photos[0].path, &before), 0);
  assert_ok(open_it(), &error);
  assert_int_equal(stat(data->photos[0].path, &after), 0);
  assert_int_equal(before.st_ino, after.st_ino);
  assert_int_equal(entries(unpack), 1);
}

static void getting_out(void **state) {
  (void)state;
  static const char *const name[] = {"../evil.jpg", "cat/../../evil.jpg", "a/..", "..", "..\\evil.jpg"};
  for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
    struct archive *a = begin("tar");
    add(a, "cat/1.jpg", "x", 1);
    add(a, name[i], "x", 1);
    end(a);
    fails(WK_ERR_FORMAT, "outside its own folder");
    assert_int_equal(entries(unpack), 0);
  }
  /* A link out, and a file through it: no link is made, so the file stays inside. */
  struct archive *a = begin("tar");
  add_link(a, "cat", "/tmp");
  add(a, "cat/whisker-evil.jpg", "x", 1);
  add(a, "dog/1.jpg", "x", 1);
  add_link(a, "dog/2.jpg", "/etc/passwd");
  end(a);
  assert_ok(open_it(), &error);
  assert_int_equal(data->photo_count, 2);
  assert_int_equal(access("/tmp/whisker-evil.jpg", F_OK), -1);
}

static void bomb(void **state) {
  (void)state;
  static char zeros[1 << 20];
  struct archive *a = begin("tar.gz");
  for (int i = 0; i < 300; i++) {
    char name[32];
    snprintf(name, sizeof name, "cat/%d.jpg", i);
    add(a, name, zeros, sizeof zeros);
  }
  end(a);
  fails(WK_ERR_FORMAT, "unpacks to more than");
  assert_int_equal(entries(unpack), 0);
}

static void damaged(void **state) {
  (void)state;
  static const char *const format[] = {"zip", "tar", "tar.gz", "7z"};
  static char noise[50000];
  wk_rng rng;
  wk_rng_init(&rng, 1, 2);
  for (size_t i = 0; i < sizeof noise; i++)
    noise[i] = (char)wk_rng_u32(&rng);
  for (size_t i = 0; i < sizeof format / sizeof *format; i++) {
    struct archive *a = begin(format[i]);
    add(a, "cat/1.jpg", noise, sizeof noise);
    add(a, "dog/1.jpg", noise, sizeof noise);
    end(a);
    struct stat s;
    assert_int_equal(stat(file, &s), 0);
    for (off_t size = s.st_size * 3 / 4; size > 300; size /= 4) {
      assert_int_equal(truncate(file, size), 0);
      fails(WK_ERR_FORMAT, "cannot be unpacked");
      assert_int_equal(entries(unpack), 0);
    }
  }
}

/* Whatever the bytes, the outcome is a collection or an error, and nothing lies outside the folder. */
static void mutated(void **state) {
  (void)state;
  static const char *const format[] = {"zip", "tar", "7z"};
  wk_rng rng;
  wk_rng_init(&rng, 6, 6);
  for (size_t i = 0; i < sizeof format / sizeof *format; i++) {
    make_pair(format[i], "cat/1.jpg", "dog/1.jpg");
    uint8_t *bytes;
    size_t size;
    assert_ok(wk_file_read(&bytes, &size, file, 1 << 20, &error), &error);
    for (int round = 0; round < 150; round++) {
      uint8_t *copy = malloc(size);
      memcpy(copy, bytes, size);
      for (int k = 0; k < 3; k++)
        copy[wk_rng_below(&rng, (uint32_t)size)] = (uint8_t)wk_rng_u32(&rng);
      assert_ok(wk_file_write(file, copy, size, &error), &error);
      free(copy);
      (void)open_it();
    }
    wk_free(bytes);
  }
  assert_int_equal(entries(dir), 2); /* the archive, and the folder of all that was unpacked */
}

static void wrong(void **state) {
  (void)state;
  make_pair("zip", "cat/1.jpg", "dog/1.jpg");
  options.unpack_folder = NULL;
  fails(WK_ERR_UNSUPPORTED, "no folder to unpack it into");
  char blocked[4300];
  snprintf(blocked, sizeof blocked, "%s/below", file);
  options.unpack_folder = blocked;
  assert_int_equal(open_it(), WK_ERR_IO);
  options.unpack_folder = unpack;
  make_pair("zip", "a.txt", "b.txt");
  fails(WK_ERR_FORMAT, "no photos here");
  end(begin("zip"));
  fails(WK_ERR_FORMAT, "no photos here");
}

static void on_full_disk(void) {
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = {20000, RLIM_INFINITY};
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || open_it() != WK_ERR_IO || !strstr(error.message, file))
    _exit(1);
  _exit(0);
}

static void full_disk(void **state) {
  (void)state;
  static char bytes[30000];
  struct archive *a = begin("tar");
  add(a, "cat/1.jpg", bytes, sizeof bytes);
  add(a, "dog/1.jpg", bytes, sizeof bytes);
  end(a);
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0)
    on_full_disk();
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  assert_int_equal(entries(unpack), 0);
  assert_ok(open_it(), &error);
}

static bool always(void *user) {
  (void)user;
  return true;
}

static void cancelled(void **state) {
  (void)state;
  make_pair("tar", "cat/1.jpg", "dog/1.jpg");
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.cancelled = always;
  options.ctx = &ctx;
  assert_int_equal(open_it(), WK_ERR_CANCELLED);
  assert_int_equal(entries(unpack), 0);
}

static void two_processes(void **state) {
  (void)state;
  make_pair("zip", "cat/1.jpg", "dog/1.jpg");
  fflush(NULL);
  pid_t pid[4];
  for (int i = 0; i < 4; i++)
    if ((pid[i] = fork()) == 0)
      _exit(open_it() == WK_OK && data->photo_count == 2 ? 0 : 1);
  for (int i = 0; i < 4; i++) {
    int status;
    assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
    assert_int_equal(status, 0);
  }
  assert_int_equal(entries(unpack), 1);
}

static void no_memory(void **state) {
  (void)state;
  make_pair("zip", "cat/1.jpg", "dog/1.jpg");
  for (long n = 0;; n++) {
    test_fail_allocation(n);
    wk_status st = open_it();
    bool all = test_allocations() <= n;
    test_fail_allocation(-1);
    if (all) {
      assert_ok(st, &error);
      break;
    }
    assert_int_equal(st, WK_ERR_MEMORY);
    test_fail_allocation(-1);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(formats), T(layouts), T(names),     T(once),      T(getting_out),   T(bomb),      T(damaged),
      T(mutated), T(wrong),   T(full_disk), T(cancelled), T(two_processes), T(no_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
