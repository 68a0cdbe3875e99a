/* explain_occlusion.c - wk_explain_occlusion: what hiding each place of a photo costs. */
#include "explain/option_tables.h"
#include "workflow/explaining.h"

static const wk_option option_rows[] = {
    {.name = "class",
     WK_ROW_TEXT(wk_explain_occlusion_options, class_name),
     .placeholder = "C",
     .help = "class: a label, index or WordNet id, or \"any KIND\" (any cat); default: the predicted class"},
    {WK_ROW_PART(wk_explain_occlusion_options, occlusion, &wk_occlusion_table)},
    {.name = "model",
     WK_ROW_TEXT(wk_explain_occlusion_options, model),
     .flags = WK_OPTION_NO_FLAG,
     .help = "name in captions"},
    {0}};
static const wk_option_table option_table = {"explain_occlusion_options", sizeof(wk_explain_occlusion_options),
                                             option_rows, NULL};
const wk_option_table *wk_explain_occlusion_options_table(void) { return &option_table; }

void wk_explain_occlusion_options_init(wk_explain_occlusion_options *o) { wk_options_init(o, &option_table); }

wk_status wk_explain_occlusion_options_validate(const wk_explain_occlusion_options *o, wk_error *err) {
  return wk_options_validate(o, &option_table, err);
}

static float largest(const wk_occlusion *o) {
  float most = o->drop[0];
  for (int i = 1; i < o->rows * o->columns; i++)
    most = o->drop[i] > most ? o->drop[i] : most;
  return most;
}

static wk_status draw(wk_image *out, const wk_explaining *e, const wk_occlusion_report *r, const char *model,
                      const char *photo, wk_error *err) {
  char title[700], subtitle[900], most[32], from[300];
  const wk_occlusion *hidden = r->hidden;
  wk_image overlay;
  WK_RETURN_IF_ERROR(wk_attribution_draw(&overlay, hidden->map, &e->view, 0, err));
  snprintf(title, sizeof title, "What must not be hidden of %.600s", r->label);
  snprintf(subtitle, sizeof subtitle,
           "%.300s %s with nothing hidden. Places of %d x %d pixels hidden one after the other on %s, %s", r->label,
           wk_figure_percent(hidden->p).text, hidden->patch, hidden->patch, wk_file_name(photo),
           wk_caption_model(from, sizeof from, e->model, model));
  snprintf(most, sizeof most, "%.1f points", r->largest_drop > 0 ? 100 * r->largest_drop : 0.0);
  const wk_legend legend = {WK_COLORMAP_ATTRIBUTION_FOR, "0", most,
                            "of probability lost when this place is hidden (mean over the patches on it)"};
  const wk_frame frame = {
      .title = title,
      .subtitle = subtitle,
      .legends = &legend,
      .legend_count = 1,
      .note = "Strong colours: what the class stands or falls with. Blue: without this the network would be surer."};
  wk_status st = wk_explaining_sheet(out, &overlay, NULL, 1, &frame, err);
  wk_image_free(&overlay);
  return st;
}

wk_status wk_explain_occlusion(wk_occlusion_report **out, wk_session *s, const wk_model *m, const char *photo,
                               const char *path, const wk_explain_occlusion_options *options, wk_error *err) {
  WK_NEED(err, out, s, m, photo, path);
  wk_status st = WK_OK;
  wk_explain_occlusion_options o;
  wk_explain_occlusion_options_init(&o);
  if (options)
    o = *options;
  wk_explaining e = {0};
  wk_occlusion_report *r = NULL;
  wk_image picture = {0};
  int count;
  WK_RETURN_IF_ERROR(wk_explain_occlusion_options_validate(&o, err));
  WK_TRY(wk_explaining_begin(&e, s, m, photo, path, err));
  r = wk_calloc(1, sizeof *r);
  WK_FAIL_IF(!r, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_explaining_classes(&r->index, &count, 1, &e, o.class_name, err));
  r->label = wk_strdup(m->labels[r->index]);
  WK_FAIL_IF(!r->label, err, WK_ERR_MEMORY, "out of memory");
  o.occlusion.target = r->index;
  WK_TRY(wk_occlusion_make(&r->hidden, m, e.view.input, &o.occlusion, &e.call.ctx, err));
  r->largest_drop = (double)largest(r->hidden);
  WK_TRY(wk_attribution_region_find(&r->evidence, r->hidden->map, &e.view, err));
  WK_TRY(draw(&picture, &e, r, o.model, photo, err));
  WK_TRY(wk_explaining_save(&r->pictures, &picture, path, r->label, err));
  r->seconds = wk_call_seconds(&e.call);
  WK_TRY(wk_call_take_warnings(&r->warnings, &e.call, err));
  *out = r;
  r = NULL;
done:
  wk_image_free(&picture);
  wk_occlusion_report_free(r);
  wk_explaining_end(&e);
  return st;
}

void wk_occlusion_report_free(wk_occlusion_report *r) {
  if (!r)
    return;
  wk_free(r->label);
  wk_occlusion_free(r->hidden);
  wk_drawings_free(&r->pictures);
  wk_lines_free(&r->warnings);
  wk_free(r);
}

static json_t *drops_json(const wk_occlusion *o) {
  json_t *rows = json_array();
  for (int y = 0; y < o->rows; y++) {
    json_t *row = json_array();
    for (int x = 0; x < o->columns; x++)
      json_array_append_new(row, wk_report_number((double)o->drop[y * o->columns + x]));
    json_array_append_new(rows, row);
  }
  return rows;
}

char *wk_occlusion_report_json(const wk_occlusion_report *r) {
  const wk_occlusion *h = r->hidden;
  return wk_report_print(json_pack("{s:o,s:i,s:f,s:f,s:i,s:i,s:o,s:o,s:o,s:o,s:o}", "class", wk_report_text(r->label),
                                   "index", r->index, "p", h->p, "largest_drop", r->largest_drop, "patch", h->patch,
                                   "step", h->step, "drops", drops_json(h), "evidence", wk_evidence_json(&r->evidence),
                                   "images", wk_drawings_json(&r->pictures), "seconds", wk_report_number(r->seconds),
                                   "warnings", wk_report_lines(&r->warnings)));
}
