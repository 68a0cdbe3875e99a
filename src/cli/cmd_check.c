/* cmd_check.c - `whisker check`: what is wrong with a collection of photos, before anyone trains on it. */
#include "cli.h"

static void say(cli *c, const wk_check *k, const wk_dataset *d) {
  enum { SHOWN = 20 };
  cli_say(c, "%s file%s, %s that can be read, %d class%s\n", cli_count(k->files), k->files == 1 ? "" : "s",
          cli_photos(k->usable), d->class_count, d->class_count == 1 ? "" : "es");
  for (size_t i = 0; i < k->broken_count; i++)
    cli_say(c, "  %s cannot be read: %s\n", d->photos[k->broken[i].photo].name, k->broken[i].why);
  size_t shown = c->verbose || k->warning_count <= SHOWN ? k->warning_count : SHOWN;
  for (size_t i = 0; i < shown; i++)
    cli_say(c, "  ! %s\n", k->warnings[i].message);
  if (shown < k->warning_count)
    cli_say(c, "  ! and %zu more; -v shows them all\n", k->warning_count - shown);
  size_t twins = 0, extra = 0;
  for (size_t i = 0; i < k->group_count; i++)
    if (k->groups[i].exact) {
      twins++;
      extra += k->groups[i].photo_count - 1;
    }
  if (twins)
    cli_say(c, "  %s %s there more than once (%zu file%s too many); --json lists them\n", cli_photos(twins),
            twins == 1 ? "is" : "are", extra, extra == 1 ? "" : "s");
  if (!k->broken_count && !k->warning_count && !twins)
    cli_say(c, "Nothing to complain about.\n");
}

int cli_check(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  int names = 0;
  wk_check_data_options o;
  wk_check_data_options_init(&o);
  const cli_flag flags[] = {
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where to read the class of a photo", 0, 0, from}, {0}};
  cli_add_options(c, &o.check, wk_check_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 1, 1, argc, argv)
  o.labels_from_name = names == 1;
  wk_error err = {0};
  wk_session *session = NULL;
  wk_check_report *r = NULL;
  wk_status st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_check_data(&r, session, argv[0], &o, &err);
  int rc;
  if (st == WK_OK) {
    say(c, r->check, r->data);
    rc = cli_print_report(c, wk_check_report_json(r));
  } else {
    rc = cli_fail(c, &err);
  }
  wk_check_report_free(r);
  return rc;
}
