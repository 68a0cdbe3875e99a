/* explain_features.c - wk_explain_features: what a photo does to the layers of a network. */
#include "workflow/explaining.h"

static const char *const colour_names[] = {"viridis", "magma", "turbo", "coolwarm", "grey", "auto", NULL};
static const wk_option option_rows[] = {
    {.name = "layer",
     WK_ROW_TEXT(wk_explain_features_options, layer),
     .placeholder = "NAME",
     .help = "layer of `whisker info`, or a stage (its last layer); default: the last layer of every stage"},
    {.name = "channels",
     WK_ROW_INT(wk_explain_features_options, style.channels),
     .min = 0,
     .max = 4096,
     .placeholder = "N",
     .help = "number of strongest channels to show; 0: 60, or 9 for each stage"},
    {.name = "own-scale",
     WK_ROW_BOOL(wk_explain_features_options, style.own_scale),
     .help = "scale each map by its own minimum and maximum"},
    {.name = "colors",
     WK_ROW_CHOICE(wk_explain_features_options, style.colours, colour_names),
     .value = WK_COLORMAP_COUNT,
     .placeholder = "MAP",
     .help = "colour map"},
    {.name = "raw",
     WK_ROW_TEXT(wk_explain_features_options, raw),
     .placeholder = "FILE.npy",
     .help = "also write the (last) layer's values: float32 [height, width, channels]"},
    {0}};
static const wk_option_table option_table = {"explain_features_options", sizeof(wk_explain_features_options),
                                             option_rows, NULL};
const wk_option_table *wk_explain_features_options_table(void) { return &option_table; }

void wk_explain_features_options_init(wk_explain_features_options *o) { wk_options_init(o, &option_table); }

wk_status wk_explain_features_options_validate(const wk_explain_features_options *o, wk_error *err) {
  return wk_options_validate(o, &option_table, err);
}

static wk_status draw_layer(wk_features_report *r, const wk_explaining *e, const wk_explain_features_options *o,
                            const char *path, wk_error *err) {
  wk_image picture = {0};
  wk_status st = wk_feature_maps_draw(&picture, r->maps, &e->view, &o->style, err);
  if (st == WK_OK)
    st = wk_explaining_save(&r->pictures, &picture, path, r->maps->name, err);
  wk_image_free(&picture);
  return st;
}

static wk_status draw_overview(wk_features_report *r, const wk_explaining *e, const wk_explain_features_options *o,
                               const char *path, wk_error *err) {
  wk_status st = WK_OK;
  wk_image ladder = {0}, last = {0};
  char *flat = wk_output_beside(path, "-flat");
  WK_FAIL_IF(!flat, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_feature_maps_draw_overview(&ladder, r->maps, r->layer_count, &e->view, &o->style, err));
  WK_TRY(wk_explaining_save(&r->pictures, &ladder, path, "the strongest channels of every stage", err));
  WK_TRY(wk_feature_maps_draw_flat(&last, &r->maps[r->layer_count - 1], &o->style, err));
  WK_TRY(wk_explaining_save(&r->pictures, &last, flat, "the last layer as one heat map: positions x channels", err));
done:
  wk_image_free(&ladder);
  wk_image_free(&last);
  wk_free(flat);
  return st;
}

static wk_status write_values(const wk_feature_maps *m, const char *path, wk_error *err) {
  return wk_npy_write(path, m->value, 3, (const int64_t[]){m->shape.height, m->shape.width, m->shape.channels}, err);
}

wk_status wk_explain_features(wk_features_report **out, wk_session *s, const wk_model *m, const char *photo,
                              const char *path, const wk_explain_features_options *options, wk_error *err) {
  WK_NEED(err, out, s, m, photo, path);
  wk_status st = WK_OK;
  wk_explain_features_options o;
  wk_explain_features_options_init(&o);
  if (options)
    o = *options;
  const wk_graph *g = m->backbone->graph;
  wk_explaining e = {0};
  wk_features_report *r = NULL;
  wk_node one, *rungs = NULL;
  int layers = 1;
  WK_RETURN_IF_ERROR(wk_explain_features_options_validate(&o, err));
  WK_TRY(wk_explaining_begin(&e, s, m, photo, path, err));
  WK_TRY(wk_output_check_beside(path, "-flat", err));
  if (o.raw)
    WK_TRY(wk_output_check(o.raw, false, err));
  if (o.layer)
    WK_TRY(wk_layer_find(&one, g, o.layer, err));
  else
    WK_TRY(wk_layer_overview(&rungs, &layers, g, err));
  r = wk_calloc(1, sizeof *r);
  WK_FAIL_IF(!r, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_feature_maps_make(&r->maps, m->backbone, e.view.input, o.layer ? &one : rungs, layers, &e.call.ctx, err));
  r->layer_count = layers;
  WK_TRY((o.layer ? draw_layer : draw_overview)(r, &e, &o, path, err));
  if (o.raw)
    WK_TRY(write_values(&r->maps[layers - 1], o.raw, err));
  r->seconds = wk_call_seconds(&e.call);
  WK_TRY(wk_call_take_warnings(&r->warnings, &e.call, err));
  *out = r;
  r = NULL;
done:
  wk_free(rungs);
  wk_features_report_free(r);
  wk_explaining_end(&e);
  return st;
}

void wk_features_report_free(wk_features_report *r) {
  if (!r)
    return;
  wk_feature_maps_free(r->maps, r->layer_count);
  wk_drawings_free(&r->pictures);
  wk_lines_free(&r->warnings);
  wk_free(r);
}

static json_t *layer_json(const wk_feature_maps *m) {
  json_t *strongest = json_array();
  for (int i = 0; i < m->shape.channels && i < 10; i++)
    json_array_append_new(strongest, json_integer(m->order[i]));
  json_t *sees = m->field.whole ? json_null() : json_pack("[i,i]", m->field.height, m->field.width);
  return json_pack("{s:s,s:s?,s:[i,i,i],s:f,s:f,s:f,s:f,s:i,s:o,s:o}", "layer", m->name, "stage", m->stage, "shape",
                   m->shape.height, m->shape.width, m->shape.channels, "mean", m->mean, "low", m->low, "high", m->high,
                   "zeros", m->zeros, "dead", m->dead, "strongest", strongest, "sees", sees);
}

char *wk_features_report_json(const wk_features_report *r) {
  json_t *layers = json_array();
  for (int i = 0; i < r->layer_count; i++)
    json_array_append_new(layers, layer_json(&r->maps[i]));
  return wk_report_print(json_pack("{s:o,s:o,s:o,s:o}", "layers", layers, "images", wk_drawings_json(&r->pictures),
                                   "seconds", wk_report_number(r->seconds), "warnings", wk_report_lines(&r->warnings)));
}
