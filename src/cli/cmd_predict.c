/* cmd_predict.c - `whisker predict` names what is in photos; `whisker embed` writes their features. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static void say_photo(cli *c, const wk_prediction *p) {
  cli_say(c, "%s\n", p->file);
  for (int i = 0; i < p->count; i++)
    cli_say(c, "  %6s  %s\n", cli_percent(p->top[i].p), p->top[i].label);
}

/* The names that were given, with patterns that no shell has expanded (in quotes, or from a program) expanded. */
typedef struct names {
  const char **name;
  size_t count;
  glob_t *found; /* [argc]; what `name` points into */
  int patterns;
} names;

static void names_free(names *n) {
  for (int i = 0; i < n->patterns; i++)
    globfree(&n->found[i]);
  free(n->found);
  free(n->name);
}

/* What is there by that name, and what matches nothing, stays as it is. */
static wk_status names_open(names *n, char **given, int count, wk_error *err) {
  *n = (names){.found = calloc((size_t)count, sizeof *n->found)};
  for (int i = 0; i < count && n->found; i++) {
    glob_t *g = &n->found[n->patterns];
    const bool pattern = strpbrk(given[i], "*?[") && access(given[i], F_OK) != 0 && !glob(given[i], 0, NULL, g);
    const size_t more = pattern ? g->gl_pathc : 1;
    n->patterns += pattern;
    const char **grown = realloc(n->name, (n->count + more) * sizeof *grown);
    if (!grown)
      return cli_no_memory(err);
    n->name = grown;
    for (size_t k = 0; k < more; k++)
      n->name[n->count++] = pattern ? g->gl_pathv[k] : given[i];
  }
  return n->found ? WK_OK : cli_no_memory(err);
}

/* One line a photo: its name, then label and probability of each guess. */
static void say_csv(cli *c, const wk_predictions *found) {
  const int most = found->photo_count ? found->photos[0].count : 0;
  cli_say(c, "file");
  for (int i = 1; i <= most; i++)
    cli_say(c, ",label_%d,p_%d", i, i);
  cli_say(c, "\n");
  for (size_t i = 0; i < found->photo_count; i++) {
    const wk_prediction *p = &found->photos[i];
    cli_say_cell(c, p->file);
    for (int k = 0; k < p->count; k++) {
      cli_say(c, ",");
      cli_say_cell(c, p->top[k].label);
      cli_say(c, ",%.6f", p->top[k].p);
    }
    cli_say(c, "\n");
  }
}

int cli_predict(cli *c, const cli_command *self, int argc, char **argv) {
  bool csv = false, srgb = false;
  const char *arch = NULL;
  wk_predict_options o;
  wk_predict_options_init(&o);
  o.names.fetch = true;
  const cli_flag flags[] = {
      {"csv", 0, CLI_BOOL, &csv, NULL, "print one line a photo: its name, then label and probability of each guess", 0,
       0, NULL},
      {"srgb", 0, CLI_BOOL, &srgb, NULL, CLI_SRGB_HELP, 0, 0, NULL},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  cli_add_options(c, &o, wk_predict_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 2, 1 << 30, argc, argv)
  if (csv && c->json)
    return cli_usage_error(self, "the answer is printed with --csv or with --json, not both");
  wk_error err = {0};
  wk_session *session = NULL;
  wk_model *m = NULL;
  wk_predictions *found = NULL;
  names photos = {0};
  int rc;
  wk_status st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_open_as(&m, session, argv[0], arch, &err);
  if (st == WK_OK && srgb)
    m->backbone->preprocess.srgb = true;
  if (st == WK_OK)
    st = names_open(&photos, argv + 1, n - 1, &err);
  if (st == WK_OK)
    st = wk_predict(&found, session, m, photos.name, photos.count, &o, &err);
  if (st != WK_OK) {
    rc = cli_fail(c, &err);
  } else {
    if (csv)
      say_csv(c, found);
    for (size_t i = 0; i < found->photo_count && !csv; i++)
      say_photo(c, &found->photos[i]);
    rc = cli_print_report(c, wk_predictions_json(found));
    if (rc == CLI_DONE && found->broken.count) {
      cli_error(&err, WK_ERR_FORMAT, "%zu of %s could not be read", found->broken.count,
                cli_photos(found->asked_count));
      rc = cli_fail(c, &err);
    }
  }
  names_free(&photos);
  wk_predictions_free(found);
  wk_model_free(m);
  return rc;
}

int cli_embed(cli *c, const cli_command *self, int argc, char **argv) {
  const char *arch = NULL;
  bool srgb = false;
  wk_embed_options o;
  wk_embed_options_init(&o);
  o.names.fetch = true;
  const cli_flag flags[] = {
      {"srgb", 0, CLI_BOOL, &srgb, NULL, CLI_SRGB_HELP, 0, 0, NULL},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  cli_add_options(c, &o, wk_embed_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 2, 1 << 30, argc, argv)
  if (!o.out)
    return cli_usage_error(self, "say where the features go with -o FILE.npy");
  wk_error err = {0};
  wk_session *session = NULL;
  wk_model *m = NULL;
  wk_embedding *e = NULL;
  names photos = {0};
  int rc;
  wk_status st = wk_output_check(o.out, false, &err);
  if (st == WK_OK)
    st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_open_as(&m, session, argv[0], arch, &err);
  if (st == WK_OK && srgb)
    m->backbone->preprocess.srgb = true;
  if (st == WK_OK)
    st = names_open(&photos, argv + 1, n - 1, &err);
  if (st == WK_OK)
    st = wk_embed(&e, session, m, photos.name, photos.count, &o, &err);
  if (st != WK_OK) {
    rc = cli_fail(c, &err);
  } else {
    const size_t rows = e->features->rows;
    cli_say(c, "%s: %s rows of %s features\n", o.out, cli_count(rows), cli_count((uint64_t)e->features->columns));
    rc = cli_print_report(c, wk_embedding_json(e));
    if (rc == CLI_DONE && rows < e->asked_count) {
      cli_error(&err, WK_ERR_FORMAT, "%zu of %s could not be read and have no row", e->asked_count - rows,
                cli_photos(e->asked_count));
      rc = cli_fail(c, &err);
    }
  }
  names_free(&photos);
  wk_embedding_free(e);
  wk_model_free(m);
  return rc;
}
