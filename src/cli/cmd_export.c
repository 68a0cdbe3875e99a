/* cmd_export.c - `whisker export`: a model as a file of another framework. */
#include "cli.h"

static void say(cli *c, const wk_export_report *r) {
  cli_say(c, "%s: %s%s, %d classes, %s\n", r->out, r->format->title, r->precision == WK_EXPORT_INT8 ? ", int8" : "",
          r->class_count, cli_bytes(r->bytes));
  if (r->calibrated_count)
    cli_say(c, "ranges found on %s\n", cli_photos(r->calibrated_count));
  if (r->compared)
    cli_say(c, "read back: the largest difference of the logits is %.2g (%.1g of the largest)\n", r->max_abs_diff,
            r->max_rel_diff);
  if (r->compared && r->format->whole && !r->labels_same)
    cli_say(c, "read back: the labels are not the same\n");
}

int cli_export(cli *c, const cli_command *self, int argc, char **argv) {
  const char *out = NULL, *arch = NULL;
  wk_export_options o;
  wk_export_options_init(&o);
  const cli_flag flags[] = {
      {"output", 'o', CLI_STRING, &out, "FILE|FOLDER", "what to write; its ending says the format", 0, 0, NULL},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  cli_add_options(c, &o, wk_export_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 1, 1, argc, argv)
  if (!out)
    return cli_usage_error(self, "say where the network goes with -o, such as -o mine.onnx");
  wk_error err = {0};
  wk_session *session = NULL;
  wk_model *m = NULL;
  wk_export_report *r = NULL;
  const wk_export_format *format;
  wk_status st = wk_export_format_for(&format, out, &o, &err);
  if (st == WK_OK)
    st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_open_as(&m, session, argv[0], arch, &err);
  if (st == WK_OK)
    st = wk_export(&r, session, m, out, &o, &err);
  int rc;
  if (st != WK_OK) {
    rc = cli_fail(c, &err);
  } else {
    say(c, r);
    rc = cli_print_report(c, wk_export_report_json(r));
  }
  wk_export_report_free(r);
  wk_model_free(m);
  return rc;
}
