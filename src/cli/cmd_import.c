/* cmd_import.c - `whisker import`: a network of any file that is read, with its own classifier, as one model. */
#include <sys/stat.h>

#include "cli.h"

int cli_import(cli *c, const cli_command *self, int argc, char **argv) {
  const char *out = NULL, *arch = NULL;
  const cli_flag flags[] = {
      {"output", 'o', CLI_STRING, &out, "MODEL", "model file to write", 0, 0, NULL},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 1, 1, argc, argv)
  if (!out)
    return cli_usage_error(self, "say where the model goes with -o MODEL");
  wk_error err = {0};
  wk_session *session = NULL;
  wk_model *m = NULL;
  struct stat info = {0};
  wk_status st = wk_output_check(out, true, &err);
  if (st == WK_OK)
    st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_open_as(&m, session, argv[0], arch, &err);
  if (st == WK_OK && !m->label_count)
    st = cli_error(&err, WK_ERR_ARGUMENT,
                   "%s: has no classifier, so there is no model yet: `whisker train DATA -b %s` makes one", argv[0],
                   argv[0]);
  if (st == WK_OK)
    st = wk_save(m, out, &err);
  int rc;
  if (st != WK_OK) {
    rc = cli_fail(c, &err);
  } else {
    const wk_backbone *b = m->backbone;
    const uint64_t bytes = stat(out, &info) == 0 ? (uint64_t)info.st_size : 0;
    cli_say(c, "%s: %s, %d classes, %s\n", out, b->format ? b->format : b->arch->title, m->label_count,
            cli_bytes(bytes));
    if (b->prepared)
      cli_say(c, "pixels: %s\n", b->prepared);
    rc = cli_print_json(c, json_pack("{s:o,s:s,s:s?,s:s?,s:b,s:i,s:I}", "model", cli_json_text(out), "arch",
                                     b->arch->name, "format", b->format, "prepared", b->prepared, "assumed", b->assumed,
                                     "classes", m->label_count, "bytes", (json_int_t)bytes));
  }
  wk_model_free(m);
  return rc;
}
