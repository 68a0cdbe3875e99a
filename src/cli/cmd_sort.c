/* cmd_sort.c - `whisker sort`: photos put into folders by what a model says they are. */
#include "cli.h"

static void on_photo(void *user, const char *photo, const char *folder, double p) {
  cli *c = user;
  cli_say(c, "%s: %s %s\n", photo, folder, cli_percent(p));
  if (!c->json)
    fflush(stdout);
}

static int undo(cli *c, const char *folder) {
  wk_error err = {0};
  wk_session *session = NULL;
  size_t removed = 0, kept = 0;
  wk_status st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_sort_undo(&removed, &kept, session, folder, &err);
  if (st != WK_OK)
    return cli_fail(c, &err);
  cli_say(c, "%s: %s taken away%s\n", folder, cli_photos(removed), kept ? "; what has changed since stays" : "");
  return cli_print_json(
      c, json_pack("{s:I,s:I,s:O}", "removed", (json_int_t)removed, "kept", (json_int_t)kept, "warnings", c->warnings));
}

int cli_sort(cli *c, const cli_command *self, int argc, char **argv) {
  wk_sort_options o;
  const char *arch = NULL, *folder = NULL;
  wk_sort_options_init(&o);
  const cli_flag flags[] = {
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {"undo", 0, CLI_STRING, &folder, "FOLDER", "take away what was put into this folder, by its list", 0, 0, NULL},
      {0}};
  cli_add_options(c, &o, wk_sort_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 0, 2, argc, argv)
  if (folder && n)
    return cli_usage_error(self, "--undo FOLDER takes neither photos nor a model");
  if (folder)
    return undo(c, folder);
  if (n != 2)
    return cli_usage_error(self, "say which photos and which model: whisker sort PHOTOS MODEL --into FOLDER");
  if (!o.into)
    return cli_usage_error(self, "say where the photos are to be put: --into FOLDER");
  wk_error err = {0};
  wk_session *session = NULL;
  wk_model *m = NULL;
  wk_sort_report *r = NULL;
  o.user = c;
  if (c->verbose || o.watch)
    o.on_photo = on_photo;
  wk_status st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_open_as(&m, session, argv[1], arch, &err);
  if (st == WK_OK)
    st = wk_sort_photos(&r, session, m, argv[0], &o, &err);
  int rc;
  if (st != WK_OK) {
    rc = cli_fail(c, &err);
  } else {
    cli_say(c, "%s: %s %s%s", o.into, cli_photos(r->filed_count), o.copy ? "copied" : "linked to",
            r->before_count ? ", beside " : "");
    if (r->before_count)
      cli_say(c, "%s from before", cli_count(r->before_count));
    if (r->unsure_count)
      cli_say(c, "; %s unsure", cli_count(r->unsure_count));
    cli_say(c, ". whisker sort --undo %s takes them away.\n", o.into);
    if (r->broken_count)
      cli_say(c, "  ! %s could not be read: not sorted\n", cli_photos(r->broken_count));
    rc = cli_print_report(c, wk_sort_report_json(r));
  }
  wk_sort_report_free(r);
  wk_model_free(m);
  return rc;
}
