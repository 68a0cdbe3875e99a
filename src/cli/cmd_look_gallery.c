/* cmd_look_gallery.c - `whisker look gallery`: a folder with a page of everything about one model. Sections are made
 * one after the other and the page is written after each, so what is finished stays when the rest is stopped. */
#include <stdlib.h>
#include <string.h>

#include "gallery_parts.h"

typedef struct part {
  const char *name, *what;
  wk_status (*make)(gallery *g, wk_error *err);
  bool labels;    /* only where the photos are sorted into the model's classes */
  bool gradients; /* only where the head has them */
} part;

static const part parts[] = {
    {"right", "how often it is right", gallery_right, true, false},
    {"mistakes", "its mistakes", gallery_mistakes, true, false},
    {"map", "the map", gallery_map, false, false},
    {"nearest", "what is alike", gallery_nearest, false, false},
    {"features", "features layer by layer", gallery_features, false, false},
    {"filters", "the first layer's filters", gallery_filters, false, false},
    {"cam", "what speaks for its answers", gallery_cam, true, true},
    {"ideal", "ideal pictures", gallery_ideal, false, true},
    {"attack", "attacks", gallery_attack, true, true},
    {"robust", "how much it withstands", gallery_robust, true, true},
};
enum { PARTS = sizeof parts / sizeof *parts };

const char *gallery_path(const gallery *g, size_t judged) { return g->test.paths[g->judged->index[judged]]; }

double gallery_p(const gallery *g, size_t judged, int class) {
  return (double)g->p[judged * (size_t)g->l.model->label_count + (size_t) class];
}

ptrdiff_t gallery_example(const gallery *g, int class, bool right) {
  ptrdiff_t best = -1;
  for (size_t i = 0; g->metrics && i < g->judged->rows; i++)
    if (g->truth[i] == class && (g->seen[i] == class) == right &&
        (best < 0 || gallery_p(g, i, g->seen[i]) > gallery_p(g, (size_t)best, g->seen[best])))
      best = (ptrdiff_t)i;
  return best;
}

/* ---- what all sections stand on ------------------------------------------------------------------ */

/* What the model says of the photos to judge it by. */
static wk_status judge(gallery *g, wk_error *err) {
  cli *c = g->l.cli;
  const wk_model *m = g->l.model;
  if (!g->all.of_model)
    return WK_OK;
  wk_status st = wk_photos_to_test(&g->test, NULL, g->all.data, g->photos, err);
  if (st != WK_OK)
    return st;
  wk_features_options o;
  wk_features_options_init(&o);
  o.cache_folder = c->features;
  st = wk_model_predict(&g->p, &g->judged, m, g->test.paths, g->test.count, &o, &c->ctx, err);
  if (st != WK_OK || !g->judged->rows)
    return st;
  size_t rows = g->judged->rows, labels = (size_t)m->label_count;
  g->truth = malloc(rows * sizeof *g->truth);
  g->seen = malloc(rows * sizeof *g->seen);
  if (!g->truth || !g->seen)
    return cli_no_memory(err);
  for (size_t i = 0; i < rows; i++) {
    const float *p = g->p + i * labels;
    g->truth[i] = g->test.labels[g->judged->index[i]];
    g->seen[i] = 0;
    for (size_t k = 1; k < labels; k++)
      g->seen[i] = p[k] > p[g->seen[i]] ? (int)k : g->seen[i];
  }
  return wk_metrics_compute(&g->metrics, g->p, g->truth, rows, m->label_count, 0, err);
}

/* The first classes of which there are photos; else the first of all. */
static wk_status choose_classes(gallery *g, wk_error *err) {
  int labels = g->l.model->label_count;
  if (!(g->shown = malloc(((size_t)labels + 1) * sizeof *g->shown)))
    return cli_no_memory(err);
  for (int k = 0; k < labels && g->shown_count < g->classes; k++)
    if (!g->metrics || g->metrics->support[k])
      g->shown[g->shown_count++] = k;
  return WK_OK;
}

/* Without gradients (nearest neighbours, no classes) some sections are left out. */
static wk_status open_classifier(gallery *g, wk_error *err) {
  if (!g->l.model->label_count)
    return WK_OK;
  wk_diff_classifier_options o;
  wk_diff_classifier_options_init(&o);
  o.threads = wk_context_threads(&g->l.cli->ctx);
  wk_status st = wk_diff_classifier_create(&g->classifier, g->l.model, &o, err);
  return st == WK_ERR_UNSUPPORTED ? WK_OK : st;
}

static wk_status open_page(gallery *g, const char *model, const char *data, wk_error *err) {
  char title[300], lead[600];
  const wk_backbone *b = g->l.model->backbone;
  const char *slash = strrchr(model, '/');
  snprintf(title, sizeof title, "What %.200s sees", slash && slash[1] ? slash + 1 : model);
  snprintf(lead, sizeof lead, "%s%s, looked at with the %s photos of %.200s.", b->arch->title,
           g->l.model->head ? " with a classifier of its own" : "", cli_count(g->all.features->rows), data);
  return wk_gallery_open(&g->page, g->folder, title, lead, err);
}

static wk_status prepare(gallery *g, const char *model, const char *arch, const char *data, bool names, wk_error *err) {
  cli *c = g->l.cli;
  wk_status st = wk_model_open(&g->l.model, model, arch, &c->pull, &c->ctx, err);
  if (st == WK_OK)
    st = cli_look_set_open(&g->all, c, g->l.model, data, names, g->photos, err);
  if (st == WK_OK)
    st = open_page(g, model, data, err);
  if (st == WK_OK)
    st = judge(g, err);
  if (st == WK_OK)
    st = choose_classes(g, err);
  return st == WK_OK ? open_classifier(g, err) : st;
}

/* ---- one section after the other ----------------------------------------------------------------- */

static bool possible(const gallery *g, const part *p) {
  return (!p->labels || g->metrics) && (!p->gradients || g->classifier);
}

static wk_status make_parts(gallery *g, const bool *left_out, wk_error *err) {
  wk_status st = WK_OK;
  for (int i = 0; i < PARTS && st == WK_OK; i++) {
    if (left_out[i])
      continue;
    if (!possible(g, &parts[i])) {
      cli_say(g->l.cli, "%-9s left out: %s\n", parts[i].name,
              parts[i].labels && !g->metrics ? "the photos are not sorted into the model's classes"
                                             : "this model has no classifier with gradients");
      continue;
    }
    double start = cli_seconds();
    st = parts[i].make(g, err);
    if (st != WK_OK)
      break;
    json_array_append_new(g->sections, json_string(parts[i].name));
    cli_say(g->l.cli, "%-9s %s, %.1f s\n", parts[i].name, parts[i].what, cli_seconds() - start);
    st = wk_gallery_save(g->page, "Sections are still being added to this page. Load it again in a while.", err);
  }
  return st;
}

static void gallery_free(gallery *g) {
  wk_gallery_free(g->page);
  wk_diff_classifier_free(g->classifier);
  wk_metrics_free(g->metrics);
  free(g->truth);
  free(g->seen);
  free(g->shown);
  wk_free(g->p);
  wk_features_free(g->judged);
  wk_photo_list_free(&g->test);
  wk_feature_set_free(&g->all);
  wk_model_free(g->l.model);
}

static int end(gallery *g, wk_status st, wk_error *err) {
  cli *c = g->l.cli;
  wk_error last = {0};
  if (g->page) {
    wk_status saved = wk_gallery_save(g->page,
                                      st == WK_OK ? NULL
                                      : st == WK_ERR_CANCELLED
                                          ? "Stopped before everything was drawn; what is here is whole."
                                          : "An error ended this before everything was drawn; what is here is whole.",
                                      &last);
    if (st == WK_OK && saved != WK_OK) {
      st = saved;
      *err = last;
    }
  }
  char *index = cli_join(g->folder, "index.html");
  int rc;
  if (st == WK_OK && index) {
    cli_say(c, "\n%s: open it in a browser\n", index);
    rc = cli_print_json(c, json_pack("{s:o,s:O,s:I,s:o,s:f,s:O}", "out", cli_json_text(index), "sections", g->sections,
                                     "photos", (json_int_t)g->all.features->rows, "top1",
                                     g->metrics ? cli_json_number(g->metrics->top1.value) : json_null(), "seconds",
                                     cli_seconds() - g->l.began, "warnings", c->warnings));
  } else {
    if (st == WK_OK)
      cli_no_memory(err);
    rc = cli_fail(c, err);
  }
  free(index);
  json_decref(g->sections);
  gallery_free(g);
  return rc;
}

int cli_look_gallery(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  gallery g = {.l = {.cli = c, .began = cli_seconds()},
               .folder = "gallery",
               .photos = 250,
               .classes = 4,
               .map_steps = 1000,
               .ideal_steps = 256,
               .attacked = 20,
               .eps = 2};
  const char *arch = NULL;
  int names = 0;
  bool left_out[PARTS] = {false};
  const cli_flag flags[] = {
      {"output", 'o', CLI_STRING, &g.folder, "FOLDER", "folder to write; its index.html is the page", 0, 0, NULL},
      {"photos", 0, CLI_INT, &g.photos, "N", "use at most the first N photos of every class; 0: all", 0, INFINITY, NULL},
      {"classes", 0, CLI_INT, &g.classes, "N", "number of classes that get pictures of their own", 1, 100, NULL},
      {"map-steps", 0, CLI_INT, &g.map_steps, "N", "optimisation steps of the map", 1, 100000, NULL},
      {"ideal-steps", 0, CLI_INT, &g.ideal_steps, "N", "optimisation steps of each class visualization", 1, 100000,
       NULL},
      {"attacked", 0, CLI_INT, &g.attacked, "N", "number of photos that robustness is measured on", 1, 100000, NULL},
      {"eps", 0, CLI_DOUBLE, &g.eps, "E", "largest change of a pixel value by an attack, in units of 1/255", 0.25, 255,
       NULL},
      {"no-right", 0, CLI_BOOL, &left_out[0], NULL, "leave out the accuracy", 0, 0, NULL},
      {"no-mistakes", 0, CLI_BOOL, &left_out[1], NULL, "leave out its mistakes", 0, 0, NULL},
      {"no-map", 0, CLI_BOOL, &left_out[2], NULL, "leave out the map", 0, 0, NULL},
      {"no-nearest", 0, CLI_BOOL, &left_out[3], NULL, "leave out the most similar photos", 0, 0, NULL},
      {"no-features", 0, CLI_BOOL, &left_out[4], NULL, "leave out the feature maps", 0, 0, NULL},
      {"no-filters", 0, CLI_BOOL, &left_out[5], NULL, "leave out the first layer's filters", 0, 0, NULL},
      {"no-cam", 0, CLI_BOOL, &left_out[6], NULL, "leave out the attribution maps", 0, 0, NULL},
      {"no-ideal", 0, CLI_BOOL, &left_out[7], NULL, "leave out class visualizations", 0, 0, NULL},
      {"no-attack", 0, CLI_BOOL, &left_out[8], NULL, "leave out the attacks", 0, 0, NULL},
      {"no-robust", 0, CLI_BOOL, &left_out[9], NULL, "leave out robustness", 0, 0, NULL},
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where to read the class of a photo", 0, 0, from},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  wk_error err = {0};
  g.sections = json_array();
  wk_status st = prepare(&g, argv[0], arch, argv[1], names == 1, &err);
  if (st == WK_OK)
    st = make_parts(&g, left_out, &err);
  return end(&g, st, &err);
}
