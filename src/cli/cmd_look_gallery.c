/* cmd_look_gallery.c - `whisker look gallery`: a folder with a page of everything about one model. */
#include "look.h"

static void on_section(void *user, const char *name, const char *what, const char *left_out, double seconds) {
  if (left_out)
    cli_say(user, "%-9s left out: %s\n", name, left_out);
  else
    cli_say(user, "%-9s %s, %.1f s\n", name, what, seconds);
}

int cli_look_gallery(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  const char *folder = "gallery", *arch = NULL;
  int names = 0;
  wk_gallery_options o;
  wk_gallery_options_init(&o);
  const cli_flag flags[] = {
      {"output", 'o', CLI_STRING, &folder, "FOLDER", "folder to write; its index.html is the page", 0, 0, NULL},
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where to read the class of a photo", 0, 0, from},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  cli_add_options(c, &o, wk_gallery_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  o.model = argv[0];
  o.labels_from_name = names == 1;
  o.on_section = on_section;
  o.user = c;
  wk_error err = {0};
  wk_session *session = NULL;
  wk_model *model = NULL;
  wk_gallery_report *report = NULL;
  wk_status st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_open_as(&model, session, argv[0], arch, &err);
  if (st == WK_OK)
    st = wk_gallery_make(&report, session, model, argv[1], folder, &o, &err);
  int rc;
  if (st != WK_OK) {
    rc = cli_fail(c, &err);
  } else {
    cli_say(c, "\n%s: open it in a browser\n", report->out);
    rc = cli_print_report(c, wk_gallery_report_json(report));
  }
  wk_gallery_report_free(report);
  wk_model_free(model);
  return rc;
}
