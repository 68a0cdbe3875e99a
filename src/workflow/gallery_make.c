/* gallery_make.c - wk_gallery_make: a folder with a page of everything about one model. Sections are made one after the
 * other and the page is written after each, so what is finished stays when the rest is stopped. */
#include <math.h>
#include <string.h>

#include "whisker/clock.h"
#include "workflow/gallery_parts.h"

typedef struct part {
  const char *name, *what;
  wk_status (*make)(wk_gallery_making *g, wk_error *err);
  bool labels;    /* only where the photos are sorted into the model's classes */
  bool gradients; /* only where the head has them */
} part;

static const part parts[] = {
    {"right", "how often it is right", wk_section_right, true, false},
    {"mistakes", "its mistakes", wk_section_mistakes, true, false},
    {"map", "the map", wk_section_map, false, false},
    {"nearest", "what is alike", wk_section_nearest, false, false},
    {"features", "features layer by layer", wk_section_features, false, false},
    {"filters", "the first layer's filters", wk_section_filters, false, false},
    {"cam", "what speaks for its answers", wk_section_cam, true, true},
    {"ideal", "ideal pictures", wk_section_ideal, false, true},
    {"attack", "attacks", wk_section_attack, true, true},
    {"robust", "how much it withstands", wk_section_robust, true, true},
};
_Static_assert(sizeof parts / sizeof *parts == WK_GALLERY_SECTIONS, "a name for each section");

#define LEFT_OUT(index, section, words)                                                                                \
  { .name = "no-" section, WK_ROW_BOOL(wk_gallery_options, left_out[index]), .help = "leave out " words }
static const wk_option option_rows[] = {{.name = "model",
                                         WK_ROW_TEXT(wk_gallery_options, model),
                                         .flags = WK_OPTION_NO_FLAG,
                                         .help = "what the model is called in the title"},
                                        {.name = "labels-from-name",
                                         WK_ROW_BOOL(wk_gallery_options, labels_from_name),
                                         .flags = WK_OPTION_NO_FLAG,
                                         .help = "a photo's class is in its name"},
                                        {.name = "photos",
                                         WK_ROW_INT(wk_gallery_options, photos),
                                         .value = 250,
                                         .min = 0,
                                         .max = INFINITY,
                                         .placeholder = "N",
                                         .help = "use at most the first N photos of every class; 0: all"},
                                        {.name = "classes",
                                         WK_ROW_INT(wk_gallery_options, classes),
                                         .value = 4,
                                         .min = 1,
                                         .max = 100,
                                         .placeholder = "N",
                                         .help = "number of classes that get pictures of their own"},
                                        {.name = "map-steps",
                                         WK_ROW_INT(wk_gallery_options, map_steps),
                                         .value = 1000,
                                         .min = 1,
                                         .max = 100000,
                                         .placeholder = "N",
                                         .help = "optimisation steps of the map"},
                                        {.name = "ideal-steps",
                                         WK_ROW_INT(wk_gallery_options, ideal_steps),
                                         .value = 256,
                                         .min = 1,
                                         .max = 100000,
                                         .placeholder = "N",
                                         .help = "optimisation steps of each class visualization"},
                                        {.name = "attacked",
                                         WK_ROW_INT(wk_gallery_options, attacked),
                                         .value = 20,
                                         .min = 1,
                                         .max = 100000,
                                         .placeholder = "N",
                                         .help = "number of photos that robustness is measured on"},
                                        {.name = "eps",
                                         WK_ROW_DOUBLE(wk_gallery_options, eps_255),
                                         .value = 2,
                                         .min = 0.25,
                                         .max = 255,
                                         .placeholder = "E",
                                         .help = "largest change of a pixel value by an attack, in units of 1/255"},
                                        LEFT_OUT(0, "right", "the accuracy"),
                                        LEFT_OUT(1, "mistakes", "its mistakes"),
                                        LEFT_OUT(2, "map", "the map"),
                                        LEFT_OUT(3, "nearest", "the most similar photos"),
                                        LEFT_OUT(4, "features", "the feature maps"),
                                        LEFT_OUT(5, "filters", "the first layer's filters"),
                                        LEFT_OUT(6, "cam", "the attribution maps"),
                                        LEFT_OUT(7, "ideal", "class visualizations"),
                                        LEFT_OUT(8, "attack", "the attacks"),
                                        LEFT_OUT(9, "robust", "robustness"),
                                        {0}};
static const wk_option_table option_table = {"gallery_options", sizeof(wk_gallery_options), option_rows, NULL};
const wk_option_table *wk_gallery_options_table(void) { return &option_table; }

void wk_gallery_options_init(wk_gallery_options *o) { wk_options_init(o, &option_table); }

wk_status wk_gallery_options_validate(const wk_gallery_options *o, wk_error *err) {
  return wk_options_validate(o, &option_table, err);
}

/* ---- what all sections stand on ------------------------------------------------------------------ */

/* What the model says of the photos to judge it by. */
static wk_status judge(wk_gallery_making *g, wk_error *err) {
  const wk_model *m = g->model;
  if (!g->all.of_model)
    return WK_OK;
  wk_status st = wk_photos_to_test(&g->test, NULL, g->all.data, 0, err);
  if (st != WK_OK)
    return st;
  st = wk_leave_out_learned(&g->left_out, &g->test, g->call, m, false, err);
  if (st == WK_OK && g->photos)
    st = wk_photos_thin_out(&g->test, g->all.data->class_count, g->photos, err);
  if (st != WK_OK || !g->test.count)
    return st;
  wk_features_options o;
  wk_session_features_options(&o, g->call->session);
  o.name = g->test.names;
  st = wk_model_predict(&g->p, &g->judged, m, g->test.paths, g->test.count, &o, &g->call->ctx, err);
  if (st != WK_OK || !g->judged->rows)
    return st;
  size_t rows = g->judged->rows, labels = (size_t)m->label_count;
  g->truth = wk_alloc(rows * sizeof *g->truth);
  g->seen = wk_alloc(rows * sizeof *g->seen);
  if (!g->truth || !g->seen)
    return wk_no_memory(err);
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
static wk_status choose_classes(wk_gallery_making *g, wk_error *err) {
  int labels = g->model->label_count;
  if (!(g->shown = wk_alloc(((size_t)labels + 1) * sizeof *g->shown)))
    return wk_no_memory(err);
  for (int k = 0; k < labels && g->shown_count < g->classes; k++)
    if (!g->metrics || g->metrics->support[k])
      g->shown[g->shown_count++] = k;
  return WK_OK;
}

/* Without gradients (nearest neighbours, no classes) some sections are left out. */
static wk_status open_classifier(wk_gallery_making *g, wk_error *err) {
  if (!g->model->label_count)
    return WK_OK;
  wk_diff_classifier_options o;
  wk_diff_classifier_options_init(&o);
  o.threads = wk_context_threads(&g->call->ctx);
  wk_status st = wk_diff_classifier_create(&g->classifier, g->model, &o, err);
  return st == WK_ERR_UNSUPPORTED ? WK_OK : st;
}

static wk_status open_page(wk_gallery_making *g, const char *model, const char *data, wk_error *err) {
  char title[300], lead[600];
  const wk_backbone *b = g->model->backbone;
  const char *base = wk_path_base(model);
  snprintf(title, sizeof title, "What %.200s sees", *base ? base : model);
  snprintf(lead, sizeof lead, "%s%s, looked at with the %s photos of %.200s.", b->arch->title,
           g->model->head ? " with a classifier of its own" : "", wk_figure_count(g->all.features->rows).text, data);
  return wk_gallery_open(&g->page, g->folder, title, lead, err);
}

/* ---- one section after the other ----------------------------------------------------------------- */

static wk_status prepare(wk_gallery_making *g, const wk_gallery_options *o, const char *data, wk_error *err) {
  const char *model = o->model ? o->model : g->model->backbone->arch->name;
  WK_RETURN_IF_ERROR(wk_call_feature_set(&g->all, g->call, g->model, data, o->labels_from_name, g->photos, err));
  WK_RETURN_IF_ERROR(open_page(g, model, data, err));
  WK_RETURN_IF_ERROR(judge(g, err));
  WK_RETURN_IF_ERROR(choose_classes(g, err));
  return open_classifier(g, err);
}

/* Why a section cannot be made; NULL: it can. */
static const char *impossible(const wk_gallery_making *g, const part *p) {
  if (p->labels && !g->metrics)
    return g->left_out ? "the model learned from all of these photos"
                       : "the photos are not sorted into the model's classes";
  return p->gradients && !g->classifier ? "this model has no classifier with gradients" : NULL;
}

static wk_status make_sections(wk_gallery_making *g, wk_gallery_report *r, const wk_gallery_options *o, wk_error *err) {
  for (int i = 0; i < WK_GALLERY_SECTIONS; i++) {
    if (o->left_out[i])
      continue;
    const char *why = impossible(g, &parts[i]);
    double start = wk_clock_seconds();
    if (!why) {
      WK_RETURN_IF_ERROR(parts[i].make(g, err));
      r->sections[r->section_count++] = parts[i].name;
    }
    if (o->on_section)
      o->on_section(o->user, parts[i].name, parts[i].what, why, wk_clock_seconds() - start);
    if (!why)
      WK_RETURN_IF_ERROR(
          wk_gallery_save(g->page, "Sections are still being added to this page. Load it again in a while.", err));
  }
  return WK_OK;
}

/* The page as it will stay: whole, or with a word on why it ends where it does. */
static wk_status finish_page(wk_gallery_making *g, wk_status st, wk_error *err) {
  wk_error last = {0};
  if (!g->page)
    return st;
  wk_status saved = wk_gallery_save(g->page,
                                    st == WK_OK ? NULL
                                    : st == WK_ERR_CANCELLED
                                        ? "Stopped before everything was drawn; what is here is whole."
                                        : "An error ended this before everything was drawn; what is here is whole.",
                                    &last);
  if (st != WK_OK || saved == WK_OK)
    return st;
  if (err)
    *err = last;
  return saved;
}

static void free_making(wk_gallery_making *g) {
  wk_gallery_free(g->page);
  wk_diff_classifier_free(g->classifier);
  wk_metrics_free(g->metrics);
  wk_free(g->truth);
  wk_free(g->seen);
  wk_free(g->shown);
  wk_free(g->p);
  wk_features_free(g->judged);
  wk_photo_list_free(&g->test);
  wk_feature_set_free(&g->all);
}

wk_status wk_gallery_make(wk_gallery_report **out, wk_session *s, const wk_model *m, const char *data,
                          const char *folder, const wk_gallery_options *options, wk_error *err) {
  WK_NEED(err, out, s, m, data, folder);
  wk_status st = WK_OK;
  wk_call call;
  wk_gallery_options o;
  wk_gallery_options_init(&o);
  if (options)
    o = *options;
  wk_gallery_making g = {.call = &call,
                         .model = m,
                         .folder = folder,
                         .photos = o.photos,
                         .classes = o.classes,
                         .map_steps = o.map_steps,
                         .ideal_steps = o.ideal_steps,
                         .attacked = o.attacked,
                         .eps = o.eps_255};
  wk_call_begin(&call, s);
  wk_gallery_report *r = wk_calloc(1, sizeof *r);
  WK_FAIL_IF(!r || !(r->out = wk_path_join(folder, "index.html")), err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_gallery_options_validate(&o, err));
  st = prepare(&g, &o, data, err);
  if (st == WK_OK)
    st = make_sections(&g, r, &o, err);
  WK_TRY(finish_page(&g, st, err));
  r->photo_count = g.all.features->rows;
  r->left_out_learned = g.left_out;
  r->learned_known = m->learned != NULL;
  r->top1 = g.metrics ? g.metrics->top1.value : NAN;
  r->seconds = wk_call_seconds(&call);
  WK_TRY(wk_call_take_warnings(&r->warnings, &call, err));
  *out = r;
  r = NULL;
done:
  wk_gallery_report_free(r);
  free_making(&g);
  wk_call_end(&call);
  return st;
}

void wk_gallery_report_free(wk_gallery_report *r) {
  if (!r)
    return;
  wk_free(r->out);
  wk_lines_free(&r->warnings);
  wk_free(r);
}

char *wk_gallery_report_json(const wk_gallery_report *r) {
  json_t *sections = json_array();
  for (int i = 0; i < r->section_count; i++)
    json_array_append_new(sections, json_string(r->sections[i]));
  return wk_report_print(json_pack("{s:o,s:o,s:I,s:o,s:f,s:o,s:o}", "out", wk_report_text(r->out), "sections", sections,
                                   "photos", (json_int_t)r->photo_count, "top1", wk_report_number(r->top1), "seconds",
                                   r->seconds, "warnings", wk_report_lines(&r->warnings), "left_out_learned",
                                   r->learned_known ? json_integer((json_int_t)r->left_out_learned) : json_null()));
}
