/* cmd_studio.c - `whisker studio`: the local page. */
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"

extern char **environ;

/* Whatever opens addresses on this desktop; that it cannot be done is no error: the address is printed. */
static void open_browser(const char *url) {
  if (!getenv("DISPLAY") && !getenv("WAYLAND_DISPLAY"))
    return;
  char program[] = "xdg-open", *address = (char *)(uintptr_t)url, *argv[] = {program, address, NULL};
  posix_spawn_file_actions_t files;
  pid_t child;
  if (posix_spawn_file_actions_init(&files))
    return;
  if (!posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", 1, 0) &&
      !posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", 1, 0))
    posix_spawnp(&child, program, &files, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&files);
}

/* ---- a job's process --------------------------------------------------------------------------- */

/* Where nobody listens any more, the studio was killed: its job ends as Ctrl-C would end it. */
static void send_line(void) {
  if (fflush(stdout)) {
    clearerr(stdout);
    raise(SIGINT);
  }
}

static void print_line(void *user, const char *line) {
  (void)user;
  puts(line);
  send_line();
}

static void print_object(json_t *object) {
  if (object && !json_dumpf(object, stdout, JSON_COMPACT))
    putchar('\n');
  send_line();
  json_decref(object);
}

static void on_progress(void *user, const char *stage, uint64_t done, uint64_t total) {
  (void)user;
  print_object(json_pack("{s:s,s:o,s:I,s:I}", "event", "progress", "stage", cli_json_text(stage), "done",
                         (json_int_t)done, "total", (json_int_t)total));
}

static void on_warning(void *user, const char *message) {
  (void)user;
  print_object(json_pack("{s:s,s:o}", "event", "warning", "text", cli_json_text(message)));
}

/* Lines of JSON on standard output are all that it says: the studio reads them. */
static int run_job(cli *c, const char *folder) {
  wk_error err = {0};
  wk_session *session = NULL;
  c->quiet = true;
  c->ctx.progress = on_progress;
  c->ctx.warn = on_warning;
  wk_status st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_studio_job(session, folder, print_line, NULL, &err);
  if (st == WK_OK)
    return CLI_DONE;
  print_object(json_pack("{s:s,s:{s:s,s:s,s:o,s:n,s:n}}", "event", "error", "error", "code", wk_status_name(st), "key",
                         st == WK_ERR_CANCELLED ? "cancelled" : "job_failed", "text", cli_json_text(err.message),
                         "file", "fix"));
  return st == WK_ERR_CANCELLED ? CLI_INTERRUPTED : CLI_FAILED;
}

/* ---- the studio -------------------------------------------------------------------------------- */

/* This program's own file: the jobs are run by the version that serves the page, wherever PATH leads. */
static const char *program_path(char *path, size_t size) {
  const ssize_t n = readlink("/proc/self/exe", path, size - 1);
  path[n > 0 ? n : 0] = 0;
  return n > 0 ? path : NULL;
}

int cli_studio(cli *c, const cli_command *self, int argc, char **argv) {
  bool no_open = false;
  const char *job = NULL;
  char path[4096];
  wk_studio_options o;
  wk_studio_options_init(&o);
  const cli_flag flags[] = {{"no-open", 0, CLI_BOOL, &no_open, NULL, "do not open a browser", 0, 0, NULL},
                            {"job", 0, CLI_STRING, &job, "FOLDER",
                             "carry out the job that FOLDER/job.json describes, and tell of it on standard output in "
                             "lines of JSON; the studio "
                             "runs its long jobs so",
                             0, 0, NULL},
                            {0}};
  cli_add_options(c, &o, wk_studio_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 0, 1, argc, argv)
  if (job)
    return run_job(c, job);
  o.folder = n ? argv[0] : NULL;
  o.program = program_path(path, sizeof path);
  o.environment = environ;
  wk_error err = {0};
  wk_session *session = NULL;
  wk_studio *studio = NULL;
  wk_status st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_studio_open(&studio, session, &o, &err);
  if (st != WK_OK)
    return cli_fail(c, &err);
  cli_say(c, "The studio is open at\n  %s\nThe project lies in %s. Nothing leaves this computer. Ctrl-C ends it.\n",
          wk_studio_url(studio), wk_studio_project(studio));
  if (!no_open)
    open_browser(wk_studio_url(studio));
  wk_studio_serve(studio);
  wk_studio_close(studio);
  return CLI_DONE;
}
