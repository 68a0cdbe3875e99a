/* explain_filters.c - wk_explain_filters: what channels look for. */
#include <stdlib.h>

#include "explain/option_tables.h"
#include "workflow/explaining.h"

enum { DEFAULT_CHANNELS = 6, TILE = 160 };

static const wk_option option_rows[] = {
    {.name = "layer",
     WK_ROW_TEXT(wk_explain_filters_options, layer),
     .placeholder = "NAME",
     .help = "layer or stage; default: the filters of the first layer"},
    {.name = "channel",
     WK_ROW_TEXT(wk_explain_filters_options, channels),
     .placeholder = "N,N",
     .help = "comma-separated channels; default: 6, with DATA those with the highest activations"},
    {.name = "photos",
     WK_ROW_INT(wk_explain_filters_options, photos),
     .value = 400,
     .min = 0,
     .max = INFINITY,
     .placeholder = "N",
     .help = "search this many of DATA's photos, evenly spaced; 0: all"},
    {.name = "ideal",
     WK_ROW_BOOL(wk_explain_filters_options, ideal),
     .value = 1,
     .help = "only patches of photos, no synthesised pictures"},
    {WK_ROW_PART(wk_explain_filters_options, excite, &wk_activation_max_table)},
    {0}};
static const wk_option_table option_table = {"explain_filters_options", sizeof(wk_explain_filters_options), option_rows,
                                             NULL};
const wk_option_table *wk_explain_filters_options_table(void) { return &option_table; }

void wk_explain_filters_options_init(wk_explain_filters_options *o) { wk_options_init(o, &option_table); }

wk_status wk_explain_filters_options_validate(const wk_explain_filters_options *o, wk_error *err) {
  if (o->channels && !o->layer)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "channels need a layer");
  return wk_options_validate(o, &option_table, err);
}

typedef struct filters_job {
  wk_explaining e;
  const wk_explain_filters_options *o;
  wk_node layer;
  wk_node_info info;
  wk_receptive_field field;
  int channel[WK_EXPLAIN_CHANNELS], channels;
  wk_photo_list photos;
  wk_dataset *data;
  wk_top_patch *place; /* [all channels, WK_EXPLAIN_PLACES] */
  int found;
  wk_image ideal[WK_EXPLAIN_CHANNELS], patch[WK_EXPLAIN_CHANNELS][WK_EXPLAIN_PLACES];
  float value[WK_EXPLAIN_CHANNELS][WK_EXPLAIN_PLACES];
  double rise[WK_EXPLAIN_CHANNELS];
  wk_filters_report *report;
} filters_job;

/* ---- the first layer --------------------------------------------------------------------------- */

static wk_status first_layer(filters_job *j, const char *path, wk_error *err) {
  wk_filters_report *r = j->report;
  wk_image picture = {0};
  wk_filters what = {0};
  wk_status st = wk_filters_draw(&picture, &what, j->e.model->backbone, err);
  if (st == WK_OK)
    st = wk_explaining_save(&r->pictures, &picture, path, what.name, err);
  if (st == WK_OK && !(r->layer = wk_strdup(what.name)))
    st = wk_no_memory(err);
  r->filters = what.count;
  r->height = what.height;
  r->width = what.width;
  wk_image_free(&picture);
  return st;
}

/* ---- channels ---------------------------------------------------------------------------------- */

static wk_status parse_channels(filters_job *j, const char *text, wk_error *err) {
  for (const char *at = text; *at;) {
    char *end;
    const long n = strtol(at, &end, 10);
    if (end == at || (*end && *end != ',') || n < 0 || n >= j->info.shape.channels)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "channel %s: %s has channels 0 to %d; give some, as in 3 or 3,17", text,
                     j->info.name, j->info.shape.channels - 1);
    if (j->channels == WK_EXPLAIN_CHANNELS)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "at most %d channels can be drawn at once", WK_EXPLAIN_CHANNELS);
    j->channel[j->channels++] = (int)n;
    at = *end ? end + 1 : end;
  }
  return j->channels ? WK_OK : WK_FAIL(err, WK_ERR_ARGUMENT, "channel is empty; give some, as in 3 or 3,17");
}

/* Photos evenly from all of them. */
static wk_status gather(filters_job *j, const char *path, wk_error *err) {
  const size_t most = (size_t)j->o->photos;
  wk_dataset_options o;
  wk_session_dataset_options(&o, j->e.call.session);
  o.ctx = &j->e.call.ctx;
  o.allow_unlabelled = true;
  WK_RETURN_IF_ERROR(wk_dataset_open(&j->data, path, &o, err));
  WK_RETURN_IF_ERROR(wk_photos_of(&j->photos, j->data, WK_SPLIT_ALL, err));
  if (most && j->photos.count > most) {
    for (size_t i = 0; i < most; i++) {
      j->photos.paths[i] = j->photos.paths[i * j->photos.count / most];
      j->photos.names[i] = j->photos.names[i * j->photos.count / most];
    }
    j->photos.count = most;
  }
  return WK_OK;
}

/* Where none are named: with photos those that several photos excite most, without the first ones. */
static void choose_channels(filters_job *j) {
  const int all = j->info.shape.channels, want = DEFAULT_CHANNELS < all ? DEFAULT_CHANNELS : all;
  for (int k = 0; k < want; k++) {
    int best = -1;
    for (int c = 0; c < all; c++) {
      bool taken = false;
      for (int i = 0; i < j->channels; i++)
        taken = taken || j->channel[i] == c;
      if (taken)
        continue;
      if (!j->place) {
        best = c;
        break;
      }
      const int last = c * WK_EXPLAIN_PLACES + j->found - 1;
      if (best < 0 || j->place[last].value > j->place[best * WK_EXPLAIN_PLACES + j->found - 1].value)
        best = c;
    }
    j->channel[j->channels++] = best;
  }
}

static wk_status cut_patches(filters_job *j, wk_error *err) {
  for (int k = 0; k < j->channels; k++)
    for (int i = 0; i < j->found; i++) {
      const wk_top_patch *p = &j->place[j->channel[k] * WK_EXPLAIN_PLACES + i];
      WK_RETURN_IF_ERROR(
          wk_top_patch_crop(&j->patch[k][i], p, j->photos.paths[p->photo], j->e.model->backbone, j->layer, TILE, err));
      j->value[k][i] = p->value;
    }
  return WK_OK;
}

static wk_status draw(filters_job *j, const char *path, wk_error *err) {
  wk_channel_row row[WK_EXPLAIN_CHANNELS];
  for (int k = 0; k < j->channels; k++)
    row[k] = (wk_channel_row){j->channel[k], j->o->ideal ? &j->ideal[k] : NULL, j->patch[k], j->value[k],
                              j->place ? j->found : 0};
  wk_image page = {0};
  wk_status st = wk_channels_draw(&page, j->info.name, &j->field, row, j->channels, err);
  if (st == WK_OK)
    st = wk_explaining_save(&j->report->pictures, &page, path, j->info.name, err);
  wk_image_free(&page);
  return st;
}

static wk_status note_channels(filters_job *j, wk_error *err) {
  wk_filters_report *r = j->report;
  r->layer_channels = j->info.shape.channels;
  r->searched = j->place != NULL;
  r->ideal = j->o->ideal;
  r->place_count = j->place ? j->found : 0;
  r->channel_count = j->channels;
  for (int k = 0; k < j->channels; k++) {
    r->channels[k].channel = j->channel[k];
    r->channels[k].rise = j->rise[k];
    for (int i = 0; i < r->place_count; i++) {
      const wk_top_patch *p = &j->place[j->channel[k] * WK_EXPLAIN_PLACES + i];
      r->channels[k].places[i] =
          (wk_excited_place){wk_strdup(j->photos.names[p->photo]), (double)p->value, p->row, p->column};
      if (!r->channels[k].places[i].file)
        return wk_no_memory(err);
    }
  }
  return (r->layer = wk_strdup(j->info.name)) ? WK_OK : wk_no_memory(err);
}

static wk_status channels(filters_job *j, const char *data, const char *path, wk_error *err) {
  const wk_backbone *b = j->e.model->backbone;
  const wk_context *ctx = &j->e.call.ctx;
  WK_RETURN_IF_ERROR(wk_layer_find(&j->layer, b->graph, j->o->layer, err));
  WK_RETURN_IF_ERROR(wk_graph_node(&j->info, b->graph, j->layer, 0, 0, err));
  WK_RETURN_IF_ERROR(wk_layer_receptive_field(&j->field, b->graph, j->layer, 0, 0, err));
  if (j->o->channels)
    WK_RETURN_IF_ERROR(parse_channels(j, j->o->channels, err));
  if (data) {
    WK_RETURN_IF_ERROR(gather(j, data, err));
    WK_RETURN_IF_ERROR(wk_top_patches_find(&j->place, &j->found, b, j->layer, WK_EXPLAIN_PLACES, j->photos.paths,
                                           j->photos.count, ctx, err));
  }
  if (!j->o->channels)
    choose_channels(j);
  if (data)
    WK_RETURN_IF_ERROR(cut_patches(j, err));
  if (j->o->ideal) {
    wk_activation_max_options excite = j->o->excite;
    excite.seed = ctx->seed;
    WK_RETURN_IF_ERROR(
        wk_activation_max_make(j->ideal, j->rise, b, j->layer, j->channel, j->channels, &excite, ctx, err));
  }
  WK_RETURN_IF_ERROR(draw(j, path, err));
  return note_channels(j, err);
}

static void job_free(filters_job *j) {
  if (!j)
    return;
  for (int k = 0; k < WK_EXPLAIN_CHANNELS; k++) {
    wk_image_free(&j->ideal[k]);
    for (int i = 0; i < WK_EXPLAIN_PLACES; i++)
      wk_image_free(&j->patch[k][i]);
  }
  wk_free(j->place);
  wk_photo_list_free(&j->photos);
  wk_dataset_free(j->data);
  wk_filters_report_free(j->report);
  wk_explaining_end(&j->e);
  wk_free(j);
}

wk_status wk_explain_filters(wk_filters_report **out, wk_session *s, const wk_model *m, const char *data,
                             const char *path, const wk_explain_filters_options *options, wk_error *err) {
  WK_NEED(err, out, s, m, path);
  wk_status st = WK_OK;
  wk_explain_filters_options o;
  wk_explain_filters_options_init(&o);
  if (options)
    o = *options;
  filters_job *j = NULL;
  WK_RETURN_IF_ERROR(wk_explain_filters_options_validate(&o, err));
  WK_FAIL_IF(data && !o.layer, err, WK_ERR_ARGUMENT, "photos to search need a layer");
  WK_FAIL_IF(!data && !o.ideal, err, WK_ERR_ARGUMENT, "without photos and ideal pictures there is nothing to show");
  WK_FAIL_IF(!(j = wk_calloc(1, sizeof *j)), err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_explaining_begin(&j->e, s, m, NULL, path, err));
  j->o = &o;
  WK_FAIL_IF(!(j->report = wk_calloc(1, sizeof *j->report)), err, WK_ERR_MEMORY, "out of memory");
  if (o.layer)
    WK_TRY(channels(j, data, path, err));
  else
    WK_TRY(first_layer(j, path, err));
  j->report->seconds = wk_call_seconds(&j->e.call);
  WK_TRY(wk_call_take_warnings(&j->report->warnings, &j->e.call, err));
  *out = j->report;
  j->report = NULL;
done:
  job_free(j);
  return st;
}

void wk_filters_report_free(wk_filters_report *r) {
  if (!r)
    return;
  for (int k = 0; k < r->channel_count; k++)
    for (int i = 0; i < r->place_count; i++)
      wk_free(r->channels[k].places[i].file);
  wk_free(r->layer);
  wk_drawings_free(&r->pictures);
  wk_lines_free(&r->warnings);
  wk_free(r);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static json_t *channel_json(const wk_filters_report *r, int k) {
  json_t *places = json_array(), *row = json_pack("{s:i}", "channel", r->channels[k].channel);
  for (int i = 0; i < r->place_count; i++) {
    const wk_excited_place *p = &r->channels[k].places[i];
    json_array_append_new(places, json_pack("{s:o,s:o,s:i,s:i}", "file", wk_report_text(p->file), "value",
                                            wk_report_number(p->value), "row", p->row, "column", p->column));
  }
  json_object_set_new(row, "places", places);
  if (r->ideal)
    json_object_set_new(row, "rise", wk_report_number(r->channels[k].rise));
  return row;
}

char *wk_filters_report_json(const wk_filters_report *r) {
  json_t *all;
  if (r->filters) {
    all = json_pack("{s:o,s:i,s:[i,i]}", "layer", wk_report_text(r->layer), "filters", r->filters, "size", r->height,
                    r->width);
  } else {
    json_t *rows = json_array();
    for (int k = 0; k < r->channel_count; k++)
      json_array_append_new(rows, channel_json(r, k));
    all = json_pack("{s:o,s:o}", "layer", wk_report_text(r->layer), "channels", rows);
  }
  json_object_set_new(all, "images", wk_drawings_json(&r->pictures));
  json_object_set_new(all, "seconds", wk_report_number(r->seconds));
  json_object_set_new(all, "warnings", wk_report_lines(&r->warnings));
  return wk_report_print(all);
}
