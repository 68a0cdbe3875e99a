/* test_file.c - reading, and writing that leaves either the new file or the old one, never half of one. A full disk
 * is played by a limit on file sizes and by /dev/full. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"
#include "whisker/mapped.h"

static char *tmp;

static int set_up(void **state) {
  (void)state;
  tmp = test_tmp_dir();
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  test_tmp_remove(tmp);
  return 0;
}

static const char *in_tmp(const char *name) {
  static char path[4][4096];
  static int turn;
  char *p = path[turn++ & 3];
  snprintf(p, sizeof path[0], "%s/%s", tmp, name);
  return p;
}

static void put(const char *path, const char *text) {
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
}

static void expect_content(const char *path, const char *text) {
  uint8_t *bytes;
  size_t size;
  wk_error err;
  assert_ok(wk_file_read(&bytes, &size, path, 1 << 20, &err), &err);
  assert_int_equal(size, strlen(text));
  assert_string_equal((const char *)bytes, text);
  wk_free(bytes);
}

static int files_in_tmp(void) {
  int n = 0;
  DIR *dir = opendir(tmp);
  assert_non_null(dir);
  for (struct dirent *e; (e = readdir(dir));)
    n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
  closedir(dir);
  return n;
}

/* ---- reading ------------------------------------------------------------------------------------ */

static void test_map(void **state) {
  (void)state;
  wk_file_view view = {0};
  wk_error err;
  put(in_tmp("a"), "hello");
  assert_ok(wk_file_map(&view, in_tmp("a"), &err), &err);
  assert_int_equal(view.size, 5);
  assert_memory_equal(view.data, "hello", 5);
  wk_file_unmap(&view);
  wk_file_unmap(&view);
  wk_file_unmap(NULL);
  put(in_tmp("empty"), "");
  assert_ok(wk_file_map(&view, in_tmp("empty"), &err), &err);
  assert_int_equal(view.size, 0);
  assert_non_null(view.data);
  wk_file_unmap(&view);
}

static void test_read_refusals(void **state) {
  (void)state;
  uint8_t *bytes = (uint8_t *)1;
  size_t size = 77;
  wk_error err;
  assert_int_equal(wk_file_read(&bytes, &size, in_tmp("absent"), 10, &err), WK_ERR_NOT_FOUND);
  assert_non_null(strstr(err.message, "absent: no such file"));
  put(in_tmp("file"), "0123456789");
  assert_int_equal(wk_file_read(&bytes, &size, in_tmp("file/x"), 10, &err), WK_ERR_NOT_FOUND);
  assert_int_equal(wk_file_read(&bytes, &size, tmp, 10, &err), WK_ERR_IO);
  assert_non_null(strstr(err.message, "is a folder"));
  assert_int_equal(wk_file_read(&bytes, &size, in_tmp("file"), 9, &err), WK_ERR_FORMAT);
  assert_non_null(strstr(err.message, "10 bytes, at most 9"));
  /* A pipe without a writer would block an ordinary open for ever. */
  assert_int_equal(mkfifo(in_tmp("pipe"), 0600), 0);
  assert_int_equal(wk_file_read(&bytes, &size, in_tmp("pipe"), 10, &err), WK_ERR_IO);
  assert_non_null(strstr(err.message, "not an ordinary file"));
  wk_file_view view = {(uint8_t *)1, 3};
  assert_int_equal(wk_file_map(&view, "/dev/zero", &err), WK_ERR_IO);
  assert_int_equal(view.size, 3); /* untouched, like bytes and size */
  assert_ptr_equal(bytes, (uint8_t *)1);
  assert_int_equal(size, 77);
  test_fail_allocation(0);
  assert_int_equal(wk_file_read(&bytes, &size, in_tmp("file"), 10, &err), WK_ERR_MEMORY);
  wk_set_allocator(NULL);
  assert_ok(wk_file_read(&bytes, &size, in_tmp("file"), 10, &err), &err);
  wk_free(bytes);
}

static void test_sha256_file(void **state) {
  (void)state;
  uint8_t of_file[WK_SHA256_BYTES], of_bytes[WK_SHA256_BYTES];
  wk_error err;
  put(in_tmp("a"), "hello");
  assert_ok(wk_sha256_file(of_file, in_tmp("a"), &err), &err);
  wk_sha256(of_bytes, "hello", 5);
  assert_memory_equal(of_file, of_bytes, sizeof of_file);
  assert_int_equal(wk_sha256_file(of_file, in_tmp("absent"), &err), WK_ERR_NOT_FOUND);
}

/* ---- writing ------------------------------------------------------------------------------------ */

static void test_write(void **state) {
  (void)state;
  wk_error err;
  assert_ok(wk_file_write(in_tmp("new"), "one", 3, &err), &err);
  expect_content(in_tmp("new"), "one");
  assert_ok(wk_file_write(in_tmp("new"), "second", 6, &err), &err);
  expect_content(in_tmp("new"), "second");
  assert_ok(wk_file_write(in_tmp("none"), NULL, 0, &err), &err);
  expect_content(in_tmp("none"), "");
  assert_int_equal(files_in_tmp(), 2); /* no temporary file is left */
}

/* Pieces of every size around the buffer's arrive whole and in order. */
static void test_write_pieces(void **state) {
  (void)state;
  static const size_t piece[] = {1, 65535, 1, 65536, 65537, 0, 7, 200000, 3};
  static uint8_t source[500000];
  wk_error err;
  wk_writer *w;
  size_t total = 0, size;
  uint8_t *back;
  for (size_t i = 0; i < sizeof source; i++)
    source[i] = (uint8_t)(i * 2654435761u >> 13);
  assert_ok(wk_writer_open(&w, in_tmp("pieces"), &err), &err);
  for (size_t i = 0; i < sizeof piece / sizeof *piece; total += piece[i++])
    assert_ok(wk_writer_write(w, source + total, piece[i], &err), &err);
  assert_ok(wk_writer_commit(w, &err), &err);
  assert_ok(wk_file_read(&back, &size, in_tmp("pieces"), sizeof source, &err), &err);
  assert_int_equal(size, total);
  assert_memory_equal(back, source, total);
  wk_free(back);
}

static void test_write_modes_and_links(void **state) {
  (void)state;
  struct stat info;
  wk_error err;
  mode_t mask = umask(027);
  assert_ok(wk_file_write(in_tmp("fresh"), "x", 1, &err), &err);
  umask(mask);
  assert_int_equal(stat(in_tmp("fresh"), &info), 0);
  assert_int_equal(info.st_mode & 0777, 0640); /* as any new file */
  assert_int_equal(chmod(in_tmp("fresh"), 0600), 0);
  assert_ok(wk_file_write(in_tmp("fresh"), "y", 1, &err), &err);
  assert_int_equal(stat(in_tmp("fresh"), &info), 0);
  assert_int_equal(info.st_mode & 0777, 0600); /* private stays private */
  /* Writing to a link changes what it stands for and leaves the link a link. */
  assert_int_equal(symlink("fresh", in_tmp("link")), 0);
  assert_ok(wk_file_write(in_tmp("link"), "via link", 8, &err), &err);
  assert_int_equal(lstat(in_tmp("link"), &info), 0);
  assert_true(S_ISLNK(info.st_mode));
  expect_content(in_tmp("fresh"), "via link");
  /* The longest name a file system takes leaves no room to append to. */
  char name[256];
  memset(name, 'n', 255);
  name[255] = 0;
  assert_ok(wk_file_write(in_tmp(name), "z", 1, &err), &err);
  expect_content(in_tmp(name), "z");
}

static void test_abort_keeps_old(void **state) {
  (void)state;
  wk_error err;
  wk_writer *w;
  put(in_tmp("model"), "old");
  assert_ok(wk_writer_open(&w, in_tmp("model"), &err), &err);
  assert_ok(wk_writer_write(w, "new", 3, &err), &err);
  expect_content(in_tmp("model"), "old");
  wk_writer_abort(w);
  wk_writer_abort(NULL);
  expect_content(in_tmp("model"), "old");
  assert_int_equal(files_in_tmp(), 1);
}

/* A write that fails half-way, with either of the two calls being the one that notices. */
static void test_failed_write_keeps_old(void **state) {
  (void)state;
  static char big[300000];
  struct rlimit before, limit;
  wk_error err;
  put(in_tmp("model"), "old");
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  limit = before;
  limit.rlim_cur = 1000;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
  wk_status large = wk_file_write(in_tmp("model"), big, sizeof big, &err);
  wk_error noticed_by_write = err;
  wk_status small = wk_file_write(in_tmp("model"), big, 5000, &err);
  wk_error noticed_by_commit = err;
  wk_writer *w = NULL;
  wk_status opened = wk_writer_open(&w, in_tmp("model"), &err);
  wk_status first = wk_writer_write(w, big, sizeof big, &err);
  wk_status more = wk_writer_write(w, "x", 1, &err);
  wk_status commit = wk_writer_commit(w, &err);
  setrlimit(RLIMIT_FSIZE, &before);
  assert_int_equal(large, WK_ERR_IO);
  assert_non_null(strstr(noticed_by_write.message, "what was there before is untouched"));
  assert_non_null(strstr(noticed_by_write.message, "/model: "));
  assert_int_equal(small, WK_ERR_IO);
  assert_non_null(strstr(noticed_by_commit.message, "what was there before is untouched"));
  assert_int_equal(opened, WK_OK);
  assert_int_equal(first, WK_ERR_IO);
  assert_int_equal(more, WK_ERR_IO); /* a failure sticks: half a file is never committed */
  assert_int_equal(commit, WK_ERR_IO);
  expect_content(in_tmp("model"), "old");
  assert_int_equal(files_in_tmp(), 1);
}

static void test_full_disk_is_told(void **state) {
  (void)state;
  wk_error err;
  if (access("/dev/full", W_OK) != 0)
    skip();
  assert_int_equal(wk_file_write("/dev/full", "x", 1, &err), WK_ERR_IO);
  assert_non_null(strstr(err.message, "/dev/full: the disk is full"));
  /* A device is written to, never replaced. */
  assert_ok(wk_file_write("/dev/null", "x", 1, &err), &err);
  struct stat info;
  assert_int_equal(stat("/dev/null", &info), 0);
  assert_true(S_ISCHR(info.st_mode));
}

static void test_write_refusals(void **state) {
  (void)state;
  wk_error err;
  wk_writer *w = (wk_writer *)1;
  assert_int_equal(wk_writer_open(&w, tmp, &err), WK_ERR_IO);
  assert_non_null(strstr(err.message, "is a folder"));
  assert_int_equal(wk_writer_open(&w, in_tmp("no/such/file"), &err), WK_ERR_NOT_FOUND);
  assert_non_null(strstr(err.message, "its folder does not exist"));
  assert_int_equal(wk_writer_open(&w, "", &err), WK_ERR_IO);
  assert_int_equal(wk_writer_open(&w, in_tmp("slash/"), &err), WK_ERR_IO);
  assert_ptr_equal(w, (wk_writer *)1);
  assert_int_equal(files_in_tmp(), 0);
}

static void test_write_failing_allocations(void **state) {
  (void)state;
  wk_error err;
  put(in_tmp("model"), "old");
  for (long n = 0;; n++) {
    test_fail_allocation(n);
    wk_status st = wk_file_write(in_tmp("model"), "new", 3, &err);
    wk_set_allocator(NULL);
    if (st == WK_OK) {
      assert_true(n >= 3);
      break;
    }
    assert_int_equal(st, WK_ERR_MEMORY);
    expect_content(in_tmp("model"), "old");
    assert_int_equal(files_in_tmp(), 1);
  }
  expect_content(in_tmp("model"), "new");
}

/* ---- folders and paths --------------------------------------------------------------------------- */

static void test_mkdir_p(void **state) {
  (void)state;
  wk_error err;
  assert_ok(wk_mkdir_p(in_tmp("a//b/c/"), &err), &err);
  assert_true(wk_path_is_dir(in_tmp("a/b/c")));
  assert_ok(wk_mkdir_p(in_tmp("a/b/c"), &err), &err);
  assert_ok(wk_mkdir_p("/", &err), &err);
  assert_ok(wk_mkdir_p("", &err), &err);
  put(in_tmp("file"), "x");
  assert_int_equal(wk_mkdir_p(in_tmp("file/sub"), &err), WK_ERR_IO);
  assert_non_null(strstr(err.message, "/file: "));
  assert_non_null(strstr(err.message, "a file of that name is there"));
  assert_int_equal(wk_mkdir_p("/proc/whisker/x", &err), WK_ERR_IO);
  test_fail_allocation(0);
  assert_int_equal(wk_mkdir_p(in_tmp("q"), &err), WK_ERR_MEMORY);
  wk_set_allocator(NULL);
  assert_false(wk_path_is_dir(in_tmp("file")));
  assert_true(wk_path_exists(in_tmp("file")));
  assert_false(wk_path_exists(in_tmp("absent")));
}

static void expect_joined(const char *a, const char *b, const char *joined) {
  char *path = wk_path_join(a, b);
  assert_string_equal(path, joined);
  wk_free(path);
}

static void test_paths(void **state) {
  (void)state;
  expect_joined("a", "b", "a/b");
  expect_joined("a/", "b", "a/b");
  expect_joined("a", "/b", "/b");
  expect_joined("", "b", "b");
  expect_joined("/", "b", "/b");
  assert_string_equal(wk_path_base("a/b.c"), "b.c");
  assert_string_equal(wk_path_base("b"), "b");
  assert_string_equal(wk_path_base("b/"), "");
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const char *cut_path;

static void on_cut(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  const char *path = wk_mapped_file(info->si_addr);
  _exit(path && strcmp(path, cut_path) == 0 ? 7 : 8);
}

/* A file that is cut short while it is mapped: the signal's handler can name it. */
static void test_cut_while_mapped(void **state) {
  (void)state;
  wk_file_view view, other;
  wk_error err;
  char *text = test_calloc(1, 20001);
  memset(text, 'x', 20000);
  put(in_tmp("model"), text);
  put(in_tmp("other"), text);
  test_free(text);
  pid_t child = fork();
  assert_true(child >= 0);
  if (!child) {
    struct sigaction action = {.sa_sigaction = on_cut, .sa_flags = SA_SIGINFO};
    cut_path = in_tmp("model");
    sigaction(SIGBUS, &action, NULL);
    if (wk_file_map(&other, in_tmp("other"), &err) != WK_OK || wk_file_map(&view, cut_path, &err) != WK_OK ||
        truncate(cut_path, 10) != 0)
      _exit(9);
    volatile uint8_t byte = view.data[15000];
    _exit(byte == 'x' ? 10 : 11);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 7);
  assert_ok(wk_file_map(&view, in_tmp("other"), &err), &err);
  assert_string_equal(wk_mapped_file(view.data + 100), in_tmp("other"));
  const uint8_t *data = view.data;
  wk_file_unmap(&view);
  assert_null(wk_mapped_file(data + 100));
  unlink(in_tmp("model"));
  unlink(in_tmp("other"));
}

/* A link that leads nowhere yet is followed, not replaced; links in a circle are refused. */
static void test_dangling_link(void **state) {
  (void)state;
  wk_error err;
  struct stat info;
  assert_int_equal(mkdir(in_tmp("elsewhere"), 0777), 0);
  assert_int_equal(symlink("elsewhere/target", in_tmp("link")), 0);
  assert_ok(wk_file_write(in_tmp("link"), "x", 1, &err), &err);
  assert_int_equal(lstat(in_tmp("link"), &info), 0);
  assert_true(S_ISLNK(info.st_mode));
  expect_content(in_tmp("elsewhere/target"), "x");
  assert_int_equal(symlink("nowhere/target", in_tmp("lost")), 0);
  assert_int_equal(wk_file_write(in_tmp("lost"), "x", 1, &err), WK_ERR_NOT_FOUND);
  assert_int_equal(symlink("b", in_tmp("a")), 0);
  assert_int_equal(symlink("a", in_tmp("b")), 0);
  assert_int_equal(wk_file_write(in_tmp("a"), "x", 1, &err), WK_ERR_IO);
  assert_non_null(strstr(err.message, "circle"));
  unlink(in_tmp("elsewhere/target"));
  rmdir(in_tmp("elsewhere"));
  unlink(in_tmp("link"));
  unlink(in_tmp("lost"));
  unlink(in_tmp("a"));
  unlink(in_tmp("b"));
}

/* The mode stays, but for the rights to act as the file's owner: the content is another. */
static void test_setuid_goes(void **state) {
  (void)state;
  wk_error err;
  struct stat info;
  put(in_tmp("s"), "old");
  assert_int_equal(chmod(in_tmp("s"), 04751), 0);
  assert_ok(wk_file_write(in_tmp("s"), "new", 3, &err), &err);
  assert_int_equal(stat(in_tmp("s"), &info), 0);
  assert_int_equal(info.st_mode & 07777, 0751);
  unlink(in_tmp("s"));
}

static void age_temporary_files(void) {
  const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
  DIR *dir = opendir(tmp);
  for (const struct dirent *e; (e = readdir(dir));)
    if (strncmp(e->d_name, ".m.whisker.", 11) == 0)
      assert_int_equal(utimensat(dirfd(dir), e->d_name, old, 0), 0);
  closedir(dir);
}

/* What a killed writer left goes when the file is written again; what another one is writing stays. */
static void test_orphans_go(void **state) {
  (void)state;
  wk_error err;
  wk_writer *w;
  const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
  const pid_t writer = fork();
  if (!writer) {
    if (wk_writer_open(&w, in_tmp("m.whisker"), NULL) == WK_OK)
      raise(SIGKILL);
    _exit(1);
  }
  assert_int_equal(waitpid(writer, NULL, 0), writer);
  age_temporary_files();
  assert_int_equal(files_in_tmp(), 1);
  put(in_tmp(".m.whisker.12ab-34cd-0.tmp"), "half");
  put(in_tmp(".m.whisker.mine.tmp"), "the user's own");
  put(in_tmp(".m.whisker.99-1-0.tmp"), "just begun");
  assert_int_equal(utimensat(AT_FDCWD, in_tmp(".m.whisker.12ab-34cd-0.tmp"), old, 0), 0);
  assert_int_equal(utimensat(AT_FDCWD, in_tmp(".m.whisker.mine.tmp"), old, 0), 0);
  assert_ok(wk_writer_open(&w, in_tmp("m.whisker"), &err), &err);
  assert_int_equal(access(in_tmp(".m.whisker.12ab-34cd-0.tmp"), F_OK), -1);
  assert_int_equal(files_in_tmp(), 3); /* the user's, the young one, and this writer's */
  age_temporary_files();               /* this writer's is old, too, and stays: it is locked */
  assert_ok(wk_file_write(in_tmp("m.whisker"), "other", 5, &err), &err);
  expect_content(in_tmp("m.whisker"), "other");
  assert_ok(wk_writer_write(w, "mine", 4, &err), &err);
  assert_ok(wk_writer_commit(w, &err), &err);
  expect_content(in_tmp("m.whisker"), "mine");
  assert_int_equal(files_in_tmp(), 2); /* the user's, and the file */
  assert_ok(wk_writer_open(&w, in_tmp("m.whisker"), &err), &err);
  put(in_tmp(".m.whisker.99-1-0.tmp"), "just begun, and given up");
  wk_writer_sweep(in_tmp("m.whisker"), 0);
  assert_int_equal(access(in_tmp(".m.whisker.99-1-0.tmp"), F_OK), -1);
  assert_int_equal(files_in_tmp(), 3); /* the user's, the file, and what is being written */
  wk_writer_abort(w);
  unlink(in_tmp("m.whisker"));
  unlink(in_tmp(".m.whisker.mine.tmp"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FILE_TEST(test_cut_while_mapped),
      FILE_TEST(test_dangling_link),
      FILE_TEST(test_setuid_goes),
      FILE_TEST(test_orphans_go),
      FILE_TEST(test_map),
      FILE_TEST(test_read_refusals),
      FILE_TEST(test_sha256_file),
      FILE_TEST(test_write),
      FILE_TEST(test_write_pieces),
      FILE_TEST(test_write_modes_and_links),
      FILE_TEST(test_abort_keeps_old),
      FILE_TEST(test_failed_write_keeps_old),
      FILE_TEST(test_full_disk_is_told),
      FILE_TEST(test_write_refusals),
      FILE_TEST(test_write_failing_allocations),
      FILE_TEST(test_mkdir_p),
      FILE_TEST(test_paths),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
