/* cmd_check.c - `whisker check`: what is wrong with a collection of photos, before anyone trains on it. */
#include "cli.h"

enum { SHOWN = 20, ON_THE_PAGE = 200 };

static void say_table(cli *c, const wk_check_report *r) {
  const wk_check *k = r->check;
  for (int kind = 0; kind < WK_CHECK_KINDS; kind++)
    if (k->count[kind])
      cli_say(c, "  %6s  %-26s %s\n", cli_count(k->count[kind]),
              wk_check_kind_words((wk_check_kind)kind, k->count[kind]), wk_check_kind_advice((wk_check_kind)kind));
}

static void say(cli *c, const wk_check_report *r, bool wanted) {
  const wk_check *k = r->check;
  for (int i = 0; i < 3; i++)
    cli_say(c, "%s\n", r->verdict[i]);
  if (k->finding_count)
    cli_say(c, "\n");
  say_table(c, r);
  if (k->finding_count)
    cli_say(c, "\n");
  const size_t shown = c->verbose || k->finding_count <= SHOWN ? k->finding_count : SHOWN;
  for (size_t i = 0; i < shown; i++)
    cli_say(c, "  ! %s\n", k->findings[i].what);
  if (shown < k->finding_count)
    cli_say(c, "  ! and %s more; -v shows them all, --list and --html write them to a file\n",
            cli_count(k->finding_count - shown));
  if (r->unjudged && wanted && r->data->class_count > 1)
    cli_say(c, "Labels were not looked at: %s.\n", r->unjudged);
}

int cli_check(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  int names = 0;
  const char *list = NULL, *page = NULL, *folder = NULL;
  bool links = false;
  size_t written = 0;
  wk_check_data_options o;
  wk_check_data_options_init(&o);
  const cli_flag flags[] = {
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where to read the class of a photo", 0, 0, from},
      {"list", 0, CLI_STRING, &list, "FILE.csv",
       "write the findings to a file, worst first; its exclude column is what train --exclude goes by", 0, 0, NULL},
      {"apply", 0, CLI_STRING, &folder, "FOLDER", "write a copy of the photos without those on the list, by class", 0,
       0, NULL},
      {"links", 0, CLI_BOOL, &links, NULL, "let --apply make links instead of copies", 0, 0, NULL},
      {"html", 0, CLI_STRING, &page, "FILE.html", "write a page with thumbnails, worst first", 0, 0, NULL},
      {0}};
  cli_add_options(c, &o, wk_check_data_options_table(), NULL);
  cli_add_options(c, &o.check, wk_check_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 1, 1, argc, argv)
  if (links && !folder)
    return cli_usage_error(self, "--links goes with --apply FOLDER");
  o.labels_from_name = names == 1;
  wk_error err = {0};
  wk_session *session = NULL;
  wk_check_report *r = NULL;
  wk_status st = list ? wk_output_check(list, false, &err) : WK_OK;
  if (st == WK_OK && page)
    st = wk_output_check(page, false, &err);
  if (st == WK_OK)
    st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_check_data(&r, session, argv[0], &o, &err);
  if (st == WK_OK && list)
    st = wk_check_write_list(r, list, &err);
  if (st == WK_OK && page)
    st = wk_check_write_page(r, session, page, ON_THE_PAGE, &err);
  if (st == WK_OK && folder)
    st = wk_check_apply(&written, r, session, folder, links, &err);
  int rc;
  if (st == WK_OK) {
    say(c, r, o.labels);
    if (folder)
      cli_say(c, "%s: %s %s. whisker sort --undo %s takes them away.\n", folder, cli_photos(written),
              links ? "linked to" : "copied", folder);
    rc = cli_print_report(c, wk_check_report_json(r));
  } else {
    rc = cli_fail(c, &err);
  }
  wk_check_report_free(r);
  return rc;
}
