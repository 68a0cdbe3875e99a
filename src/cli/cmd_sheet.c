/* cmd_sheet.c - `whisker sheet`: some photos of every class on one picture. */
#include "cli.h"

int cli_sheet(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  int names = 0;
  const char *out = "sheet.png";
  wk_contact_options o;
  wk_contact_options_init(&o);
  const cli_flag flags[] = {
      {"output", 'o', CLI_STRING, &out, "FILE.png", "picture to write", 0, 0, NULL},
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where to read the class of a photo", 0, 0, from},
      {0}};
  cli_add_options(c, &o, wk_contact_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 1, 1, argc, argv)
  o.labels_from_name = names == 1;
  wk_error err = {0};
  wk_session *session = NULL;
  wk_image picture = {0};
  wk_status st =
      wk_output_is_png(out)
          ? wk_output_check(out, false, &err)
          : cli_error(&err, WK_ERR_ARGUMENT, "%s: pictures are written as PNG; give a name that ends in .png", out);
  if (st == WK_OK)
    st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_contact_sheet(&picture, session, argv[0], &o, &err);
  if (st == WK_OK)
    st = wk_image_save_png(&picture, out, &err);
  int rc;
  if (st != WK_OK) {
    rc = cli_fail(c, &err);
  } else {
    cli_say(c, "%s: %d x %d pixels\n", out, picture.width, picture.height);
    rc = cli_print_json(c, json_pack("{s:o,s:i,s:i,s:O}", "out", cli_json_text(out), "width", picture.width, "height",
                                     picture.height, "warnings", c->warnings));
  }
  wk_image_free(&picture);
  return rc;
}
