/* explain_class.c - wk_explain: which parts of a photo speak for a class, and whether that depends on what was
 * learned. */
#include <math.h>
#include <string.h>

#include "explain/option_tables.h"
#include "workflow/explaining.h"

static const wk_option option_rows[] = {
    {.name = "class",
     WK_ROW_TEXT(wk_explain_options, classes),
     .placeholder = "C,C",
     .help = "up to 4 comma-separated classes: labels, indices or WordNet ids, or \"any KIND\" (any cat); default: the "
             "predicted class"},
    {.name = "layer",
     WK_ROW_TEXT(wk_explain_options, layer),
     .placeholder = "NAME",
     .help = "layer or stage; default: the last one before the pooling"},
    {.name = "sanity",
     WK_ROW_BOOL(wk_explain_options, sanity),
     .help = "also write the map of randomised weights (-sanity.png)"},
    {WK_ROW_PART(wk_explain_options, attribution, &wk_attribution_table)},
    {.name = "model", WK_ROW_TEXT(wk_explain_options, model), .flags = WK_OPTION_NO_FLAG, .help = "name in captions"},
    {0}};

static wk_status check_layer(const void *options, wk_error *err) {
  const wk_explain_options *o = options;
  if (o->layer && wk_attribution_of_pixels(o->attribution.method))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "layer is for maps of a layer; %s works on pixels",
                   wk_attribution_method_name(o->attribution.method));
  return WK_OK;
}

static const wk_option_table option_table = {"explain_options", sizeof(wk_explain_options), option_rows, check_layer};
const wk_option_table *wk_explain_options_table(void) { return &option_table; }

void wk_explain_options_init(wk_explain_options *o) {
  wk_options_init(o, &option_table);
  wk_attribution_options_init(&o->attribution);
}

wk_status wk_explain_options_validate(const wk_explain_options *o, wk_error *err) {
  return wk_options_validate(o, &option_table, err);
}

/* As the option has it. */
static const char *method_name(wk_attribution_method method) {
  wk_option row;
  return wk_options_find(&row, &wk_attribution_table, "method") ? row.choices[method] : "unknown";
}

typedef struct explain_job {
  wk_explaining e;
  const wk_explain_options *o;
  wk_attribution_options attribution;
  const char *photo, *path;
  int class[WK_EXPLAIN_CLASSES], count;
  wk_attribution *cam[WK_EXPLAIN_CLASSES];
  wk_image overlay[WK_EXPLAIN_CLASSES];
  wk_explain_report *report;
} explain_job;

static const char *label_of(const explain_job *j, int k) { return j->e.model->labels[j->class[k]]; }

static wk_status overlay(wk_image *out, const explain_job *j, const wk_attribution *cam,
                         wk_attribution_region *evidence, wk_error *err) {
  const wk_explain_input *v = &j->e.view;
  float *map = NULL;
  wk_status st = wk_attribution_upsample(&map, cam, v->seen.height, v->seen.width, err);
  if (st == WK_OK)
    st = wk_attribution_draw(out, map, v, 0, err);
  if (st == WK_OK && evidence)
    st = wk_attribution_region_find(evidence, map, v, err);
  wk_free(map);
  return st;
}

static wk_status note_class(explain_job *j, int k, const wk_attribution_region *evidence, wk_error *err) {
  const wk_attribution *cam = j->cam[k];
  wk_explained_class *c = &j->report->classes[k];
  *c = (wk_explained_class){.label = wk_strdup(label_of(j, k)),
                            .index = j->class[k],
                            .p = cam->p,
                            .score = cam->score,
                            .evidence = *evidence,
                            .steps = cam->steps};
  if (j->attribution.method == WK_ATTRIBUTION_IG) {
    c->sums_up = true;
    c->total = cam->total;
    c->expected = cam->expected;
    c->missing = fabs(cam->total - cam->expected) / fmax(fabs(cam->expected), 1e-12);
    c->reached = c->missing <= j->attribution.tolerance;
  }
  j->report->class_count = k + 1;
  return c->label ? WK_OK : wk_no_memory(err);
}

static wk_status each_class(explain_job *j, wk_error *err) {
  for (int k = 0; k < j->count; k++) {
    wk_attribution_region evidence;
    j->attribution.target = j->class[k];
    WK_RETURN_IF_ERROR(
        wk_attribution_make(&j->cam[k], j->e.model, j->e.view.input, &j->attribution, &j->e.call.ctx, err));
    WK_RETURN_IF_ERROR(overlay(&j->overlay[k], j, j->cam[k], &evidence, err));
    WK_RETURN_IF_ERROR(note_class(j, k, &evidence, err));
  }
  return WK_OK;
}

static bool shows_nothing(const wk_attribution *cam) {
  for (int i = 0; i < cam->height * cam->width; i++)
    if (cam->map[i] > 0)
      return false;
  return true;
}

/* What the colours mean: which pixels or places, and from what to what. */
static wk_legend legend_of(const explain_job *j) {
  const wk_attribution_method m = j->attribution.method;
  if (m == WK_ATTRIBUTION_GRADINPUT || m == WK_ATTRIBUTION_IG)
    return (wk_legend){WK_COLORMAP_ATTRIBUTION, "against", "for",
                       "the class, the strongest place at the end of the colours"};
  return (wk_legend){WK_COLORMAP_ATTRIBUTION_FOR, "nothing", "strongest", "what speaks for the class"};
}

static wk_status save_classes(explain_job *j, wk_error *err) {
  char text[WK_EXPLAIN_CLASSES][400], all[512] = "", title[700], subtitle[700], from[300];
  const char *label[WK_EXPLAIN_CLASSES];
  for (int k = 0; k < j->count; k++) {
    snprintf(text[k], sizeof text[k], "%.300s %s%s", label_of(j, k), wk_figure_percent(j->cam[k]->p).text,
             shows_nothing(j->cam[k]) ? ", nothing speaks for it" : "");
    label[k] = text[k];
    snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", k ? " | " : "", label_of(j, k));
  }
  snprintf(title, sizeof title, "Why the network sees %.600s", j->count == 1 ? label_of(j, 0) : "these classes");
  snprintf(subtitle, sizeof subtitle, "%s%s%s on %s, %s", j->count == 1 ? text[0] : "", j->count == 1 ? ". " : "",
           wk_attribution_method_name(j->attribution.method), wk_file_name(j->photo),
           wk_caption_model(from, sizeof from, j->e.model, j->o->model));
  const wk_legend legend = legend_of(j);
  const wk_frame frame = {
      .title = title,
      .subtitle = subtitle,
      .legends = &legend,
      .legend_count = 1,
      .note =
          "Is the thing itself coloured, or its surroundings? A network that looks at the lawn instead of the dog has "
          "learned lawns. Grey parts the network does not see."};
  wk_image sheet = {0};
  wk_status st = wk_explaining_sheet(&sheet, j->overlay, j->count == 1 ? NULL : label, j->count, &frame, err);
  if (st == WK_OK)
    st = wk_explaining_save(&j->report->pictures, &sheet, j->path, all, err);
  wk_image_free(&sheet);
  return st;
}

/* ---- the sanity check -------------------------------------------------------------------------- */

/* Overlays of the shuffled networks behind that of the trained one, each with its label; *drawn counts all. */
static wk_status draw_steps(wk_image *picture, char (*text)[96], int *drawn, explain_job *j, const wk_sanity_step *step,
                            int steps, wk_error *err) {
  picture[0] = j->overlay[0];
  snprintf(text[0], sizeof text[0], "as trained");
  *drawn = 1;
  for (int i = 0; i < steps && i < WK_EXPLAIN_SANITY; i++) {
    WK_RETURN_IF_ERROR(overlay(&picture[*drawn], j, step[i].cam, NULL, err));
    if (isfinite(step[i].correlation))
      snprintf(text[*drawn], sizeof text[*drawn], "shuffled: %s (%.2f)", step[i].name, step[i].correlation);
    else
      snprintf(text[*drawn], sizeof text[*drawn], "shuffled: %s (nothing left)", step[i].name);
    ++*drawn;
  }
  return WK_OK;
}

static void note_steps(wk_explain_report *r, const wk_sanity_step *step, int steps) {
  r->sanity_count = steps < WK_EXPLAIN_SANITY ? steps : WK_EXPLAIN_SANITY;
  for (int i = 0; i < r->sanity_count; i++) {
    snprintf(r->sanity[i].shuffled, sizeof r->sanity[i].shuffled, "%s", step[i].name);
    r->sanity[i].correlation = step[i].correlation;
  }
}

static wk_status check_sanity(explain_job *j, wk_error *err) {
  wk_status st = WK_OK;
  wk_image picture[WK_EXPLAIN_SANITY + 1] = {{0}}, sheet = {0};
  char text[WK_EXPLAIN_SANITY + 1][96], title[700], subtitle[200];
  const char *label[WK_EXPLAIN_SANITY + 1];
  wk_sanity_step *step = NULL;
  int steps = 0, drawn = 1;
  char *beside = wk_output_beside(j->path, "-sanity");
  j->attribution.target = j->class[0];
  WK_FAIL_IF(!beside, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_sanity_check(&step, &steps, j->cam[0], j->e.model, j->e.view.input, &j->attribution, &j->e.call.ctx, err));
  WK_TRY(draw_steps(picture, text, &drawn, j, step, steps, err));
  for (int i = 0; i <= WK_EXPLAIN_SANITY; i++)
    label[i] = text[i];
  snprintf(title, sizeof title, "Does the explanation of %.600s depend on what was learned?", label_of(j, 0));
  snprintf(subtitle, sizeof subtitle,
           "%s again, with the weights shuffled from the classes towards the photo; in brackets the rank correlation "
           "with the first map",
           wk_attribution_method_name(j->attribution.method));
  const wk_legend legend = legend_of(j);
  const wk_frame frame = {.title = title,
                          .subtitle = subtitle,
                          .legends = &legend,
                          .legend_count = 1,
                          .note = "The more is shuffled, the less should be left of the first map. A map that stays "
                                  "the same shows the photo's edges, "
                                  "not what the network knows."};
  WK_TRY(wk_explaining_sheet(&sheet, picture, label, drawn, &frame, err));
  WK_TRY(wk_explaining_save(&j->report->pictures, &sheet, beside, "the same map with shuffled weights", err));
  note_steps(j->report, step, steps);
done:
  wk_free(beside);
  wk_image_free(&sheet);
  for (int i = 1; i <= WK_EXPLAIN_SANITY; i++)
    wk_image_free(&picture[i]);
  wk_sanity_free(step, steps);
  return st;
}

/* ---- the call ---------------------------------------------------------------------------------- */

static wk_status sum_up(explain_job *j, wk_error *err) {
  wk_explain_report *r = j->report;
  const wk_node layer = j->cam[0]->layer;
  r->method = method_name(j->attribution.method);
  r->title = wk_attribution_method_name(j->attribution.method);
  if (layer >= 0) {
    wk_node_info info;
    WK_RETURN_IF_ERROR(wk_graph_node(&info, j->e.model->backbone->graph, layer, 0, 0, err));
    if (!(r->layer = wk_strdup(info.name)))
      return wk_no_memory(err);
  }
  r->seconds = wk_call_seconds(&j->e.call);
  return wk_call_take_warnings(&r->warnings, &j->e.call, err);
}

wk_status wk_explain(wk_explain_report **out, wk_session *s, const wk_model *m, const char *photo, const char *path,
                     const wk_explain_options *options, wk_error *err) {
  WK_NEED(err, out, s, m, photo, path);
  wk_status st = WK_OK;
  wk_explain_options o;
  wk_explain_options_init(&o);
  if (options)
    o = *options;
  explain_job j = {.o = &o, .attribution = o.attribution, .photo = photo, .path = path};
  WK_RETURN_IF_ERROR(wk_explain_options_validate(&o, err));
  WK_TRY(wk_explaining_begin(&j.e, s, m, photo, path, err));
  j.attribution.seed = j.e.call.ctx.seed;
  if (o.sanity)
    WK_TRY(wk_output_check_beside(path, "-sanity", err));
  if (o.layer)
    WK_TRY(wk_layer_find(&j.attribution.layer, m->backbone->graph, o.layer, err));
  j.report = wk_calloc(1, sizeof *j.report);
  WK_FAIL_IF(!j.report, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_explaining_classes(j.class, &j.count, WK_EXPLAIN_CLASSES, &j.e, o.classes, err));
  WK_TRY(each_class(&j, err));
  WK_TRY(save_classes(&j, err));
  if (o.sanity)
    WK_TRY(check_sanity(&j, err));
  WK_TRY(sum_up(&j, err));
  *out = j.report;
  j.report = NULL;
done:
  for (int k = 0; k < WK_EXPLAIN_CLASSES; k++) {
    wk_attribution_free(j.cam[k]);
    wk_image_free(&j.overlay[k]);
  }
  wk_explain_report_free(j.report);
  wk_explaining_end(&j.e);
  return st;
}

void wk_explain_report_free(wk_explain_report *r) {
  if (!r)
    return;
  for (int k = 0; k < r->class_count; k++)
    wk_free(r->classes[k].label);
  wk_free(r->layer);
  wk_drawings_free(&r->pictures);
  wk_lines_free(&r->warnings);
  wk_free(r);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static json_t *class_json(const wk_explained_class *c) {
  json_t *row = json_pack("{s:o,s:i,s:o,s:o,s:o,s:i}", "class", wk_report_text(c->label), "index", c->index, "p",
                          wk_report_number(c->p), "score", wk_report_number(c->score), "evidence",
                          wk_evidence_json(&c->evidence), "steps", c->steps);
  if (c->sums_up)
    json_object_set_new(row, "completeness",
                        json_pack("{s:o,s:o,s:o,s:b}", "total", wk_report_number(c->total), "expected",
                                  wk_report_number(c->expected), "error", wk_report_number(c->missing), "reached",
                                  c->reached));
  return row;
}

char *wk_explain_report_json(const wk_explain_report *r) {
  json_t *classes = json_array(), *sanity = json_array();
  for (int k = 0; k < r->class_count; k++)
    json_array_append_new(classes, class_json(&r->classes[k]));
  for (int i = 0; i < r->sanity_count; i++)
    json_array_append_new(sanity, json_pack("{s:s,s:o}", "shuffled", r->sanity[i].shuffled, "rank_correlation",
                                            wk_report_number(r->sanity[i].correlation)));
  json_t *all = json_pack("{s:s,s:o,s:o}", "method", r->method, "layer", wk_report_text(r->layer), "classes", classes);
  if (r->sanity_count)
    json_object_set(all, "sanity", sanity);
  json_decref(sanity);
  json_object_set_new(all, "images", wk_drawings_json(&r->pictures));
  json_object_set_new(all, "seconds", wk_report_number(r->seconds));
  json_object_set_new(all, "warnings", wk_report_lines(&r->warnings));
  return wk_report_print(all);
}
