/* cmd_ideal.c - `whisker ideal`: a picture of what the network takes for the purest example of a class. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const char *const methods[] = {"best", "lesson", NULL};

typedef struct ideal_job {
  cli *cli;
  wk_model *model;
  wk_lens *lens;
  wk_ideal_options options;
  const char *out;
  bool several; /* classes: each file gets the class in its name */
  json_t *rows;
} ideal_job;

static char *name_file(const ideal_job *j, int class, const char *ending) {
  size_t n = strlen(j->out);
  if (n > 4 && !strcmp(j->out + n - 4, ".png"))
    n -= 4;
  char *path = malloc(n + 32 + strlen(ending));
  if (path && j->several)
    sprintf(path, "%.*s-%d%s", (int)n, j->out, class, ending);
  else if (path)
    sprintf(path, "%.*s%s", (int)n, j->out, ending);
  return path;
}

/* The pictures on the way, and the result last, with their steps. */
static wk_status save_steps(const wk_ideal *i, const char *path, wk_error *err) {
  enum { MOST = 32 };
  wk_image picture[MOST + 1], sheet;
  char text[MOST + 1][32];
  const char *label[MOST + 1];
  int n = i->moment_count < MOST ? i->moment_count : MOST;
  for (int k = 0; k <= n; k++) {
    picture[k] = k < n ? i->moments[k] : i->image;
    snprintf(text[k], sizeof text[k], k < n ? "step %d" : "%d steps", k < n ? i->moment_step[k] : i->steps);
    label[k] = text[k];
  }
  wk_sheet s;
  wk_sheet_init(&s);
  wk_status st = wk_sheet_draw(&sheet, picture, label, n + 1, &s, err);
  if (st != WK_OK)
    return st;
  st = wk_image_save_png(&sheet, path, err);
  wk_image_free(&sheet);
  return st;
}

static wk_status one_class(ideal_job *j, int class, wk_error *err) {
  wk_ideal_options o = j->options;
  o.target = class;
  wk_ideal *ideal = NULL;
  double start = cli_seconds();
  wk_status st = wk_ideal_make(&ideal, j->lens, &j->model->backbone->preprocess, &o, &j->cli->ctx, err);
  char *path = name_file(j, class, ".png"), *steps = name_file(j, class, "-steps.png");
  if (st == WK_OK && (!path || !steps))
    st = cli_no_memory(err);
  if (st == WK_OK)
    st = wk_image_save_png(&ideal->image, path, err);
  if (st == WK_OK)
    st = save_steps(ideal, steps, err);
  if (st == WK_OK) {
    double seconds = cli_seconds() - start;
    cli_say(j->cli, "%s: p %.3f after %d steps, %.1f s. %s \u00b7 steps in %s\n", j->model->labels[class], ideal->p,
            ideal->steps, seconds, path, steps);
    json_t *losses = json_array();
    for (int i = 0; i < ideal->steps; i++)
      json_array_append_new(losses, cli_json_number(ideal->losses[i]));
    json_array_append_new(j->rows, json_pack("{s:o,s:i,s:o,s:f,s:i,s:o,s:o,s:f}", "class",
                                             cli_json_text(j->model->labels[class]), "index", class, "out",
                                             cli_json_text(path), "p", ideal->p, "steps", ideal->steps, "losses",
                                             losses, "contact_sheet", cli_json_text(steps), "seconds", seconds));
  }
  wk_ideal_free(ideal);
  free(path);
  free(steps);
  return st;
}

static wk_status open_lens(ideal_job *j, const char *model, const char *photo, uint8_t **from, wk_error *err) {
  cli *c = j->cli;
  wk_status st = wk_model_open(&j->model, model, NULL, &c->pull, &c->ctx, err);
  if (st != WK_OK)
    return st;
  wk_lens_options lo;
  wk_lens_options_init(&lo);
  lo.threads = wk_context_threads(&c->ctx);
  if (photo) {
    wk_image image, seen;
    if ((st = wk_image_load(&image, photo, NULL, err)) != WK_OK)
      return st;
    st = wk_preprocess_pixels(&seen, &image, &j->model->backbone->preprocess, err);
    wk_image_free(&image);
    if (st != WK_OK)
      return st;
    size_t bytes = (size_t)seen.width * (size_t)seen.height * 3;
    if ((*from = malloc(bytes)))
      memcpy(*from, seen.pixels, bytes);
    wk_image_free(&seen);
    if (!*from)
      return cli_no_memory(err);
    j->options.from = *from;
  }
  return wk_lens_create(&j->lens, j->model, &lo, err);
}

/* "cat,dog", "284" or "all". */
static wk_status each_class(ideal_job *j, const char *classes, wk_error *err) {
  if (!strcmp(classes, "all")) {
    j->several = j->model->label_count > 1;
    wk_status st = WK_OK;
    for (int i = 0; i < j->model->label_count && st == WK_OK; i++)
      st = one_class(j, i, err);
    return st;
  }
  int one;
  /* A label may hold a comma itself. */
  if (wk_model_class(&one, j->model, classes, err) == WK_OK)
    return one_class(j, one, err);
  char *list = strdup(classes), *rest = list;
  if (!list)
    return cli_no_memory(err);
  j->several = strchr(classes, ',') != NULL;
  wk_status st = WK_OK;
  for (char *name; st == WK_OK && (name = strsep(&rest, ","));)
    if (*name && (st = wk_model_class(&one, j->model, name, err)) == WK_OK)
      st = one_class(j, one, err);
  free(list);
  return st;
}

int cli_ideal(cli *c, const cli_command *self, int argc, char **argv) {
  int method = 0;
  const char *classes = NULL, *photo = NULL;
  ideal_job j = {.cli = c, .out = "ideal.png"};
  wk_ideal_options_init(&j.options);
  double tv = -1;
  const cli_flag flags[] = {
      {"class", 0, CLI_STRING, &classes, "C,C,...", "labels, indices or WordNet ids; all: every class", 0, 0, NULL},
      {"output", 'o', CLI_STRING, &j.out, "FILE.png", "the picture; the steps go beside it", 0, 0, NULL},
      {"method", 0, CLI_CHOICE, &method, "METHOD", "what people recognise, or the lesson's plain recipe", 0, 0,
       methods},
      {"steps", 0, CLI_INT, &j.options.steps, "N", "0: 512 (best), 1000 (lesson)", 0, 10000000, NULL},
      {"lr", 0, CLI_DOUBLE, &j.options.rate, "RATE", "step size; 0: 0.03 (best), 1 (lesson)", 0, 1e6, NULL},
      {"tv", 0, CLI_DOUBLE, &tv, "W", "weight of the total variation; below 0: the method's own", -1, 1e6, NULL},
      {"enough", 0, CLI_DOUBLE, &j.options.enough, "P", "lesson: stop at this probability; above 1: never", 0, 2, NULL},
      {"from", 0, CLI_STRING, &photo, "PHOTO", "start from a photo instead of noise (best)", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 1, 1, argc, argv)
  if (!classes)
    return cli_usage_error(self, "say which class with --class");
  if (photo && method == WK_IDEAL_LESSON)
    return cli_usage_error(self, "the lesson starts from noise: --from goes with --method best");
  j.options.method = (wk_ideal_method)method;
  j.options.tv = tv;
  j.options.seed = c->ctx.seed;
  j.rows = json_array();
  wk_error err = {0};
  uint8_t *from = NULL;
  wk_status st = cli_check_output(j.out, false, &err);
  if (st == WK_OK)
    st = open_lens(&j, argv[0], photo, &from, &err);
  if (st == WK_OK)
    st = each_class(&j, classes, &err);
  int rc;
  if (st == WK_OK) {
    json_t *first = json_array_get(j.rows, 0);
    json_t *all = first ? json_copy(first) : json_object();
    json_object_set(all, "images", j.rows);
    rc = cli_print_json(c, all);
  } else {
    rc = cli_fail(c, &err);
  }
  json_decref(j.rows);
  free(from);
  wk_lens_free(j.lens);
  wk_model_free(j.model);
  return rc;
}
