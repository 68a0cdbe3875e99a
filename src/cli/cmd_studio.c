/* cmd_studio.c - `whisker studio`: the local page. */
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

int cli_studio(cli *c, const cli_command *self, int argc, char **argv) {
  bool no_open = false;
  wk_studio_options o;
  wk_studio_options_init(&o);
  const cli_flag flags[] = {{"no-open", 0, CLI_BOOL, &no_open, NULL, "do not open a browser", 0, 0, NULL}, {0}};
  cli_add_options(c, &o, wk_studio_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 0, 1, argc, argv)
  o.folder = n ? argv[0] : NULL;
  wk_error err = {0};
  wk_session *session = NULL;
  wk_studio *studio = NULL;
  wk_status st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_studio_open(&studio, session, &o, &err);
  if (st != WK_OK)
    return cli_fail(c, &err);
  cli_say(c, "The studio is open at\n  %s\nThe project lies in %s. Nothing leaves this computer. Ctrl-C ends it.\n", wk_studio_url(studio),
          wk_studio_project(studio));
  if (!no_open)
    open_browser(wk_studio_url(studio));
  wk_studio_serve(studio);
  wk_studio_close(studio);
  return CLI_DONE;
}
