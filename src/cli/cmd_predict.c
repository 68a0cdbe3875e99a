/* cmd_predict.c - `whisker predict` names what is in photos; `whisker embed` writes their features. */
#include "cli.h"

static void say_photo(cli *c, const wk_prediction *p) {
  cli_say(c, "%s\n", p->file);
  for (int i = 0; i < p->count; i++)
    cli_say(c, "  %6s  %s\n", cli_percent(p->top[i].p), p->top[i].label);
}

int cli_predict(cli *c, const cli_command *self, int argc, char **argv) {
  int top = 5;
  const char *arch = NULL;
  const cli_flag flags[] = {
      {"top", 'k', CLI_INT, &top, "K", "number of labels for each photo", 1, 64, NULL},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 2, 1 << 30, argc, argv)
  wk_error err = {0};
  wk_session *session = NULL;
  wk_model *m = NULL;
  wk_predictions *found = NULL;
  wk_predict_options o;
  wk_predict_options_init(&o);
  o.top = top;
  int rc;
  wk_status st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_open_as(&m, session, argv[0], arch, &err);
  if (st == WK_OK)
    st = wk_predict(&found, session, m, (const char *const *)argv + 1, (size_t)n - 1, &o, &err);
  if (st != WK_OK) {
    rc = cli_fail(c, &err);
  } else {
    for (size_t i = 0; i < found->photo_count; i++)
      say_photo(c, &found->photos[i]);
    rc = cli_print_report(c, wk_predictions_json(found));
    if (rc == CLI_DONE && found->broken.count) {
      cli_error(&err, WK_ERR_FORMAT, "%zu of %s could not be read", found->broken.count,
                cli_photos(found->asked_count));
      rc = cli_fail(c, &err);
    }
  }
  wk_predictions_free(found);
  wk_model_free(m);
  return rc;
}

int cli_embed(cli *c, const cli_command *self, int argc, char **argv) {
  const char *out = NULL, *layer = NULL, *arch = NULL;
  const cli_flag flags[] = {
      {"output", 'o', CLI_STRING, &out, "FILE.npy", "NumPy file to write: float32, one row for each photo", 0, 0, NULL},
      {"layer", 0, CLI_STRING, &layer, "NAME",
       "layer of `whisker info`, flattened (h, w, c); default: the pooled features", 0, 0, NULL},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 2, 1 << 30, argc, argv)
  if (!out)
    return cli_usage_error(self, "say where the features go with -o FILE.npy");
  wk_error err = {0};
  wk_session *session = NULL;
  wk_model *m = NULL;
  wk_embedding *e = NULL;
  wk_embed_options o;
  wk_embed_options_init(&o);
  o.layer = layer;
  o.out = out;
  int rc;
  wk_status st = wk_output_check(out, false, &err);
  if (st == WK_OK)
    st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_open_as(&m, session, argv[0], arch, &err);
  if (st == WK_OK)
    st = wk_embed(&e, session, m, (const char *const *)argv + 1, (size_t)n - 1, &o, &err);
  if (st != WK_OK) {
    rc = cli_fail(c, &err);
  } else {
    const size_t rows = e->features->rows;
    cli_say(c, "%s: %s rows of %s features\n", out, cli_count(rows), cli_count((uint64_t)e->features->columns));
    rc = cli_print_report(c, wk_embedding_json(e));
    if (rc == CLI_DONE && rows < e->asked_count) {
      cli_error(&err, WK_ERR_FORMAT, "%zu of %s could not be read and have no row", e->asked_count - rows,
                cli_photos(e->asked_count));
      rc = cli_fail(c, &err);
    }
  }
  wk_embedding_free(e);
  wk_model_free(m);
  return rc;
}
