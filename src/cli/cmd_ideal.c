/* cmd_ideal.c - `whisker ideal`: a picture of what the network takes for the purest example of a class. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "whisker/clock.h"

typedef struct ideal_job {
  cli *cli;
  wk_model *model;
  wk_diff_classifier *classifier;
  wk_visualize_options options;
  const char *out, *film;
  int *target; /* classes */
  int count;
  bool several; /* classes: each file gets the class in its name */
  json_t *rows;
} ideal_job;

/* "x.png" is "x-284.png" where there are several classes; an `ending` such as "-steps" goes before the dot. */
static char *name_file(const ideal_job *j, const char *name, int class, const char *ending) {
  char number[16] = "", all[32];
  if (j->several)
    snprintf(number, sizeof number, "-%d", class);
  snprintf(all, sizeof all, "%s%s", number, ending);
  return wk_output_beside(name, all);
}

/* Names that the user did not give may not be those of the user's own files. */
static wk_status check_names(const ideal_job *j, wk_error *err) {
  wk_status st = WK_OK;
  for (int i = 0; i < j->count && st == WK_OK; i++)
    for (int steps = !j->several; steps < 2 && st == WK_OK; steps++) {
      char *path = name_file(j, j->out, j->target[i], steps ? "-steps" : "");
      st = path ? wk_output_check_own(path, "whisker", err) : cli_no_memory(err);
      wk_free(path);
    }
  return st;
}

/* Up to eight of the pictures on the way, and the result last, with their steps. */
static wk_status save_steps(const ideal_job *j, const wk_visualization *i, int class, const char *path, wk_error *err) {
  enum { MOST = 8 };
  wk_image picture[MOST + 1], sheet;
  char text[MOST + 1][64];
  const char *label[MOST + 1];
  int kept = i->snapshot_count; /* the last may be the result itself */
  kept -= kept && i->snapshot_step[kept - 1] == i->step;
  int n = kept < MOST ? kept : MOST;
  for (int k = 0; k <= n; k++) {
    int from = n > 1 ? k * (kept - 1) / (n - 1) : 0;
    picture[k] = k < n ? i->snapshots[from] : i->image;
    if (k < n)
      snprintf(text[k], sizeof text[k], "step %d, p %.2f", i->snapshot_step[from], i->snapshot_p[from]);
    else
      snprintf(text[k], sizeof text[k], "%s: step %d, p %.3f", i->step < i->steps ? "the best" : "result", i->step,
               i->p);
    label[k] = text[k];
  }
  char title[700], subtitle[300];
  snprintf(title, sizeof title, "The network's ideal picture of %.600s, step by step", j->model->labels[class]);
  snprintf(
      subtitle, sizeof subtitle, "%s, %s method, %d steps: the last picture is this class to it with probability %.3f",
      j->model->backbone->arch->name, j->options.method == WK_VISUALIZE_PLAIN ? "plain" : "robust", i->steps, i->p);
  wk_sheet s;
  wk_sheet_init(&s);
  s.frame = (wk_frame){
      .title = title,
      .subtitle = subtitle,
      .note =
          "From noise, every step changes the pixels a little so that the network is surer of the class. What grows "
          "is what it looks for."};
  s.cell_width = s.cell_height = 200;
  wk_status st = wk_sheet_draw(&sheet, picture, label, n + 1, &s, err);
  if (st != WK_OK)
    return st;
  st = wk_image_save_png(&sheet, path, err);
  wk_image_free(&sheet);
  return st;
}

static void report(ideal_job *j, const wk_visualization *ideal, int class, const char *path, const char *steps,
                   const char *film, double seconds) {
  char best[48] = "";
  if (ideal->step < ideal->steps)
    snprintf(best, sizeof best, " (the best, of step %d)", ideal->step);
  cli_say(j->cli, "%s: p %.3f%s after %d steps, %.1f s. %s \u00b7 steps in %s%s%s\n", j->model->labels[class], ideal->p,
          best, ideal->steps, seconds, path, steps, film ? " \u00b7 film in " : "", film ? film : "");
  json_t *losses = json_array();
  for (int i = 0; i < ideal->steps; i++)
    json_array_append_new(losses, cli_json_number(ideal->losses[i]));
  json_array_append_new(j->rows, json_pack("{s:o,s:i,s:o,s:f,s:i,s:i,s:o,s:o,s:o,s:f}", "class",
                                           cli_json_text(j->model->labels[class]), "index", class, "out",
                                           cli_json_text(path), "p", ideal->p, "step", ideal->step, "steps",
                                           ideal->steps, "losses", losses, "contact_sheet", cli_json_text(steps),
                                           "film", film ? cli_json_text(film) : json_null(), "seconds", seconds));
}

static wk_status save(ideal_job *j, const wk_visualization *ideal, int class, double seconds, wk_error *err) {
  char *path = name_file(j, j->out, class, ""), *steps = name_file(j, j->out, class, "-steps"),
       *film = j->film ? name_file(j, j->film, class, "") : NULL;
  wk_status st = path && steps && (film || !j->film) ? WK_OK : cli_no_memory(err);
  if (st == WK_OK)
    st = wk_image_save_png(&ideal->image, path, err);
  if (st == WK_OK)
    st = save_steps(j, ideal, class, steps, err);
  if (st == WK_OK && film)
    st = wk_image_save_film(ideal->snapshots, ideal->snapshot_count, 80, film, err);
  if (st == WK_OK)
    report(j, ideal, class, path, steps, film, seconds);
  wk_free(path);
  wk_free(steps);
  wk_free(film);
  return st;
}

/* Several classes go side by side, a few at a time: what is finished is on disk when something stops the run. */
static wk_status make_all(ideal_job *j, wk_error *err) {
  enum { AT_ONCE = 16 };
  const wk_preprocess *p = &j->model->backbone->preprocess;
  wk_status st = WK_OK;
  for (int first = 0; first < j->count && st == WK_OK; first += AT_ONCE) {
    wk_visualization *ideal[AT_ONCE] = {NULL};
    int n = j->count - first < AT_ONCE ? j->count - first : AT_ONCE;
    double start = wk_clock_seconds();
    if (j->several) {
      st = wk_visualize_classes(ideal, j->classifier, p, &j->options, j->target + first, n, &j->cli->ctx, err);
    } else {
      j->options.target = j->target[0];
      st = wk_visualize_class(ideal, j->classifier, p, &j->options, &j->cli->ctx, err);
    }
    for (int i = 0; i < n; i++) {
      if (st == WK_OK)
        st = save(j, ideal[i], j->target[first + i], (wk_clock_seconds() - start) / n, err);
      wk_visualization_free(ideal[i]);
    }
  }
  return st;
}

static wk_status open_classifier(ideal_job *j, const char *photo, uint8_t **from, wk_error *err) {
  cli *c = j->cli;
  wk_status st = WK_OK;
  wk_diff_classifier_options lo;
  wk_diff_classifier_options_init(&lo);
  /* Threads take windows or classes; only the lesson's single picture has nothing but layers to share. */
  lo.threads = j->options.method == WK_VISUALIZE_PLAIN && !j->several ? wk_context_threads(&c->ctx) : 1;
  if (photo) {
    wk_image image, seen;
    if ((st = wk_photo_load(&image, photo, NULL, err)) != WK_OK)
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
  return wk_diff_classifier_create(&j->classifier, j->model, &lo, err);
}

/* "cat,dog", "284" or "all" into j->target. */
static wk_status find_classes(ideal_job *j, const char *classes, wk_error *err) {
  int labels = j->model->label_count, one;
  if (!labels)
    return wk_model_class(&one, j->model, classes, err); /* says that there are none */
  size_t most = (size_t)labels;
  for (const char *p = classes; *p; p++)
    most += *p == ',';
  if (!(j->target = malloc((most + 1) * sizeof *j->target)))
    return cli_no_memory(err);
  if (!strcmp(classes, "all")) {
    for (; j->count < labels; j->count++)
      j->target[j->count] = j->count;
    j->several = labels > 1;
    return WK_OK;
  }
  /* A label may hold a comma itself. */
  if (wk_model_class(&one, j->model, classes, err) == WK_OK) {
    j->target[j->count++] = one;
    return WK_OK;
  }
  char *list = strdup(classes), *rest = list;
  if (!list)
    return cli_no_memory(err);
  wk_status st = WK_OK;
  for (char *name; st == WK_OK && (name = strsep(&rest, ","));)
    if (*name && (st = wk_model_class(&one, j->model, name, err)) == WK_OK)
      j->target[j->count++] = one;
  free(list);
  j->several = j->count > 1;
  return st == WK_OK && !j->count ? cli_error(err, WK_ERR_ARGUMENT, "--class names no class") : st;
}

int cli_ideal(cli *c, const cli_command *self, int argc, char **argv) {
  const char *classes = NULL, *photo = NULL;
  ideal_job j = {.cli = c, .out = "ideal.png"};
  wk_visualize_options_init(&j.options);
  const cli_flag flags[] = {
      {"class", 0, CLI_STRING, &classes, "C,C,...",
       "comma-separated classes: labels, indices or WordNet ids; all: every class", 0, 0, NULL},
      {"output", 'o', CLI_STRING, &j.out, "FILE.png", "picture to write; the steps go beside it", 0, 0, NULL},
      {"animate", 0, CLI_STRING, &j.film, "FILE.webp", "also write the steps as an animation", 0, 0, NULL},
      {"from", 0, CLI_STRING, &photo, "PHOTO", "robust: start from a photo instead of noise", 0, 0, NULL},
      {0}};
  cli_add_options(c, &j.options, wk_visualize_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 1, 1, argc, argv)
  if (!classes)
    return cli_usage_error(self, "say which class with --class");
  if (photo && j.options.method == WK_VISUALIZE_PLAIN)
    return cli_usage_error(self, "--method plain starts from noise: --from goes with --method robust");
  if (photo && !cli_was_given(c, "octaves"))
    j.options.octaves = 1; /* the photo is in the finest */
  if (photo && j.options.rate == 0)
    j.options.rate = 0.002; /* at the rate for noise nothing of it would be left */
  const char *dot = j.film ? strrchr(j.film, '.') : NULL;
  if (j.film && (!dot || strcmp(dot, ".webp") != 0))
    return cli_usage_error(self, "the film is an animated WebP: call it something.webp");
  if (j.film) {
    j.options.snapshots = 48;
    j.options.even_snapshots = true;
  }
  j.options.seed = c->ctx.seed;
  j.rows = json_array();
  wk_error err = {0};
  uint8_t *from = NULL;
  wk_status st = wk_output_check(j.out, false, &err);
  if (st == WK_OK && j.film)
    st = wk_output_check(j.film, false, &err);
  if (st == WK_OK)
    st = wk_model_open(&j.model, argv[0], NULL, &c->pull, &c->ctx, &err);
  if (st == WK_OK)
    st = find_classes(&j, classes, &err);
  if (st == WK_OK)
    st = check_names(&j, &err);
  if (st == WK_OK)
    st = open_classifier(&j, photo, &from, &err);
  if (st == WK_OK)
    st = make_all(&j, &err);
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
  free(j.target);
  free(from);
  wk_diff_classifier_free(j.classifier);
  wk_model_free(j.model);
  return rc;
}
