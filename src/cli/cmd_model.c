/* cmd_model.c - `whisker model WAY ...`: classes of a model that are renamed, merged or removed. */
#include <string.h>

#include "cli.h"

static int rename_class(cli *c, const cli_command *self, int argc, char **argv);
static int merge_classes(cli *c, const cli_command *self, int argc, char **argv);
static int remove_class(cli *c, const cli_command *self, int argc, char **argv);

const cli_command cli_model_ways[] = {
    {"model rename",
     "MODEL CLASS NAME [-o MODEL]",
     "give a class another name",
     {"whisker model rename pets.whisker tabby \"tabby cat\"",
      "whisker model rename pets.whisker 7 seven -o new.whisker"},
     rename_class,
     NULL},
    {"model merge",
     "MODEL CLASS CLASS... [--as NAME] [-o MODEL]",
     "make one class of several, from kept features",
     {"whisker model merge pets.whisker tabby siamese --as cat",
      "whisker model merge pets.whisker pug boxer -o new.whisker"},
     merge_classes,
     NULL},
    {"model remove",
     "MODEL CLASS [-o MODEL]",
     "take a class out: the others answer as if it had never been asked for",
     {"whisker model remove pets.whisker pug", "whisker model remove pets.whisker pug -o without.whisker --json"},
     remove_class,
     NULL},
    {0}};

static void print_help(const cli_command *self, FILE *f) {
  fprintf(f, "usage: whisker %s %s\n\n%s\n\n", self->name, self->usage, self->summary);
  cli_list_ways(self, f);
  fputs("\n`whisker model WAY --help` shows its flags and examples. More photos, or a new class: whisker train DATA "
        "--add "
        "MODEL\n",
        f);
}

int cli_model(cli *c, const cli_command *self, int argc, char **argv) {
  return cli_run_way(c, self, print_help, "nothing that can be done to a model", argc, argv);
}

#define OUT_FLAG                                                                                                       \
  { "output", 'o', CLI_STRING, &out, "MODEL", "model file to write; default: in place of MODEL", 0, 0, NULL }

/* What was done, in words and as JSON. */
static int finish(cli *c, wk_status st, const wk_error *err, const char *model, const char *out, const char *what) {
  if (st != WK_OK)
    return cli_fail(c, err);
  cli_say(c, "%s: %s.%s%s\n", model, what, out ? " Saved " : "", out ? out : "");
  return cli_print_json(c, json_pack("{s:o,s:o,s:O}", "model", cli_json_text(out ? out : model), "changed",
                                     cli_json_text(what), "warnings", c->warnings));
}

static int rename_class(cli *c, const cli_command *self, int argc, char **argv) {
  const char *out = NULL;
  const cli_flag flags[] = {OUT_FLAG, {0}};
  CLI_PARSE(n, c, self, flags, 3, 3, argc, argv)
  char what[256];
  wk_error err = {0};
  wk_session *session = NULL;
  wk_status st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_model_rename_class(session, argv[0], argv[1], argv[2], out, &err);
  snprintf(what, sizeof what, "\"%.100s\" is now called \"%.100s\"", argv[1], argv[2]);
  return finish(c, st, &err, argv[0], out, what);
}

static int remove_class(cli *c, const cli_command *self, int argc, char **argv) {
  const char *out = NULL;
  const cli_flag flags[] = {OUT_FLAG, {0}};
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  char what[256];
  wk_error err = {0};
  wk_session *session = NULL;
  wk_status st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_model_remove_class(session, argv[0], argv[1], out, &err);
  snprintf(what, sizeof what, "\"%.100s\" is gone; its photos are taken for one of the others", argv[1]);
  return finish(c, st, &err, argv[0], out, what);
}

static int merge_classes(cli *c, const cli_command *self, int argc, char **argv) {
  const char *out = NULL, *name = NULL;
  const cli_flag flags[] = {
      OUT_FLAG, {"as", 0, CLI_STRING, &name, "NAME", "what it is called; default: as the first", 0, 0, NULL}, {0}};
  CLI_PARSE(n, c, self, flags, 3, 1 << 20, argc, argv)
  char what[256], top1[64] = "";
  wk_error err = {0};
  wk_session *session = NULL;
  wk_train_report *report = NULL;
  wk_status st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_model_merge_classes(&report, session, argv[0], (const char *const *)argv + 1, n - 1, name, out, &err);
  if (st == WK_OK && report->val_count)
    snprintf(top1, sizeof top1, "; %s right on %s", cli_percent(report->val_top1.value), cli_photos(report->val_count));
  snprintf(what, sizeof what, "%d classes are now \"%.100s\"%s", n - 1, name ? name : argv[1], top1);
  const int rc = finish(c, st, &err, argv[0], out, what);
  wk_train_report_free(report);
  return rc;
}
