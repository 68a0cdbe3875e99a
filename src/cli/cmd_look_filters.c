/* cmd_look_filters.c - `whisker look filters`: what channels look for. */
#include <stdlib.h>
#include <string.h>

#include "look.h"

enum { MOST_CHANNELS = 64, PATCHES = 6, DEFAULT_CHANNELS = 6, TILE = 160 };

typedef struct filters_job {
  cli_looking l;
  wk_node layer;
  wk_node_info info;
  wk_receptive_field field;
  int channel[MOST_CHANNELS], channels;
  wk_photo_list photos;
  wk_dataset *data;
  wk_top_patch *place; /* [all channels, PATCHES] */
  int found;
  wk_image ideal[MOST_CHANNELS], patch[MOST_CHANNELS][PATCHES];
  float value[MOST_CHANNELS][PATCHES];
  double rise[MOST_CHANNELS];
  bool no_ideal;
  wk_activation_max_options excite;
} filters_job;

/* ---- the first layer --------------------------------------------------------------------------- */

static int first_layer(filters_job *j, wk_status st, const char *out, wk_error *err) {
  wk_image picture = {0};
  wk_filters what;
  json_t *more = NULL;
  if (st == WK_OK)
    st = wk_filters_draw(&picture, &what, j->l.model->backbone, err);
  if (st == WK_OK)
    st = cli_look_save(&j->l, &picture, out, what.name, err);
  if (st == WK_OK) {
    cli_say(j->l.cli, "%s: %d filters of %d x %d pixels in %s\n", what.name, what.count, what.height, what.width, out);
    more = json_pack("{s:s,s:i,s:[i,i]}", "layer", what.name, "filters", what.count, "size", what.height, what.width);
  }
  wk_image_free(&picture);
  return cli_look_end(&j->l, st, err, more);
}

/* ---- channels ---------------------------------------------------------------------------------- */

static wk_status parse_channels(filters_job *j, const char *text, wk_error *err) {
  for (const char *at = text; *at;) {
    char *end;
    const long n = strtol(at, &end, 10);
    if (end == at || (*end && *end != ',') || n < 0 || n >= j->info.shape.channels)
      return cli_error(err, WK_ERR_ARGUMENT, "--channel %s: %s has channels 0 to %d; give some, as in 3 or 3,17", text,
                       j->info.name, j->info.shape.channels - 1);
    if (j->channels == MOST_CHANNELS)
      return cli_error(err, WK_ERR_ARGUMENT, "--channel takes at most %d channels at once", MOST_CHANNELS);
    j->channel[j->channels++] = (int)n;
    at = *end ? end + 1 : end;
  }
  return j->channels ? WK_OK : cli_error(err, WK_ERR_ARGUMENT, "--channel is empty; give some, as in 3 or 3,17");
}

/* Photos evenly from all of them. */
static wk_status gather(filters_job *j, const char *path, int most, wk_error *err) {
  wk_dataset_options o;
  cli_dataset_options(&o, j->l.cli);
  o.allow_unlabelled = true;
  wk_status st = wk_dataset_open(&j->data, path, &o, err);
  if (st != WK_OK)
    return st;
  if ((st = wk_photos_of(&j->photos, j->data, WK_SPLIT_ALL, err)) != WK_OK)
    return st;
  if (most && j->photos.count > (size_t)most) {
    for (size_t i = 0; i < (size_t)most; i++) {
      j->photos.paths[i] = j->photos.paths[i * j->photos.count / (size_t)most];
      j->photos.names[i] = j->photos.names[i * j->photos.count / (size_t)most];
    }
    j->photos.count = (size_t)most;
  }
  return WK_OK;
}

/* Without --channel: with photos those that several photos excite most, without the first ones. */
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
      const int last = c * PATCHES + j->found - 1;
      if (best < 0 || j->place[last].value > j->place[best * PATCHES + j->found - 1].value)
        best = c;
    }
    j->channel[j->channels++] = best;
  }
}

static wk_status cut_patches(filters_job *j, wk_error *err) {
  for (int k = 0; k < j->channels; k++)
    for (int i = 0; i < j->found; i++) {
      const wk_top_patch *p = &j->place[j->channel[k] * PATCHES + i];
      wk_status st =
          wk_top_patch_crop(&j->patch[k][i], p, j->photos.paths[p->photo], j->l.model->backbone, j->layer, TILE, err);
      if (st != WK_OK)
        return st;
      j->value[k][i] = p->value;
    }
  return WK_OK;
}

static wk_status draw(filters_job *j, const char *out, wk_error *err) {
  wk_channel_row row[MOST_CHANNELS];
  for (int k = 0; k < j->channels; k++)
    row[k] = (wk_channel_row){j->channel[k], j->no_ideal ? NULL : &j->ideal[k], j->patch[k], j->value[k],
                              j->place ? j->found : 0};
  wk_image page = {0};
  wk_status st = wk_channels_draw(&page, j->info.name, &j->field, row, j->channels, err);
  if (st == WK_OK)
    st = cli_look_save(&j->l, &page, out, j->info.name, err);
  wk_image_free(&page);
  return st;
}

static json_t *tell(filters_job *j, const char *out) {
  json_t *rows = json_array();
  for (int k = 0; k < j->channels; k++) {
    json_t *places = json_array(), *row = json_pack("{s:i}", "channel", j->channel[k]);
    for (int i = 0; j->place && i < j->found; i++) {
      const wk_top_patch *p = &j->place[j->channel[k] * PATCHES + i];
      json_array_append_new(places,
                            json_pack("{s:o,s:o,s:i,s:i}", "file", cli_json_text(j->photos.names[p->photo]), "value",
                                      cli_json_number((double)p->value), "row", p->row, "column", p->column));
    }
    json_object_set_new(row, "places", places);
    if (!j->no_ideal)
      json_object_set_new(row, "rise", cli_json_number(j->rise[k]));
    json_array_append_new(rows, row);
  }
  cli_say(j->l.cli, "%s: %d of %d channels, %s%s%s in %s\n", j->info.name, j->channels, j->info.shape.channels,
          j->no_ideal ? "" : "what excites each most", j->place && !j->no_ideal ? " and " : "",
          j->place ? "where photos do" : "", out);
  return json_pack("{s:s,s:o}", "layer", j->info.name, "channels", rows);
}

static wk_status look(filters_job *j, const char *data, const char *channels, int photos, const char *out,
                      wk_error *err) {
  const wk_backbone *b = j->l.model->backbone;
  const wk_context *ctx = &j->l.cli->ctx;
  wk_status st = wk_graph_node(&j->info, b->graph, j->layer, 0, 0, err);
  if (st == WK_OK)
    st = wk_layer_receptive_field(&j->field, b->graph, j->layer, 0, 0, err);
  if (st == WK_OK && channels)
    st = parse_channels(j, channels, err);
  if (st == WK_OK && data)
    st = gather(j, data, photos, err);
  if (st == WK_OK && data)
    st = wk_top_patches_find(&j->place, &j->found, b, j->layer, PATCHES, j->photos.paths, j->photos.count, ctx, err);
  if (st == WK_OK && !channels)
    choose_channels(j);
  if (st == WK_OK && data)
    st = cut_patches(j, err);
  if (st == WK_OK && !j->no_ideal)
    st = wk_activation_max_make(j->ideal, j->rise, b, j->layer, j->channel, j->channels, &j->excite, ctx, err);
  return st == WK_OK ? draw(j, out, err) : st;
}

/* ---- the command ------------------------------------------------------------------------------- */

int cli_look_filters(cli *c, const cli_command *self, int argc, char **argv) {
  const char *layer = NULL, *channels = NULL, *out = "filters.png", *arch = NULL;
  int photos = 400;
  wk_activation_max_options excite;
  wk_activation_max_options_init(&excite);
  bool no_ideal = false;
  const cli_flag flags[] = {
      {"output", 'o', CLI_STRING, &out, "FILE.png", "picture to write", 0, 0, NULL},
      {"layer", 0, CLI_STRING, &layer, "NAME", "layer or stage; default: the filters of the first layer", 0, 0, NULL},
      {"channel", 0, CLI_STRING, &channels, "N,N",
       "comma-separated channels; default: 6, with DATA those with the highest activations", 0, 0, NULL},
      {"photos", 0, CLI_INT, &photos, "N", "search this many of DATA's photos, evenly spaced; 0: all", 0, INFINITY,
       NULL},
      {"no-ideal", 0, CLI_BOOL, &no_ideal, NULL, "only patches of photos, no synthesised pictures", 0, 0, NULL},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  cli_add_options(c, &excite, wk_activation_max_options_table(), "steps lr size");
  CLI_PARSE(n, c, self, flags, 1, 2, argc, argv)
  if ((n > 1 || channels) && !layer)
    return cli_usage_error(self, "say of which layer with --layer");
  if (no_ideal && n < 2)
    return cli_usage_error(self, "--no-ideal leaves nothing to show without DATA");
  wk_error err = {0};
  filters_job *j = calloc(1, sizeof *j);
  if (!j) {
    cli_no_memory(&err);
    return cli_fail(c, &err);
  }
  j->no_ideal = no_ideal;
  j->excite = excite;
  j->excite.seed = c->ctx.seed;
  wk_status st = cli_look_begin(&j->l, c, argv[0], arch, NULL, out, &err);
  int rc;
  if (!layer) {
    rc = first_layer(j, st, out, &err);
  } else {
    if (st == WK_OK)
      st = wk_layer_find(&j->layer, j->l.model->backbone->graph, layer, &err);
    if (st == WK_OK)
      st = look(j, n > 1 ? argv[1] : NULL, channels, photos, out, &err);
    rc = cli_look_end(&j->l, st, &err, st == WK_OK ? tell(j, out) : NULL);
  }
  for (int k = 0; k < MOST_CHANNELS; k++) {
    wk_image_free(&j->ideal[k]);
    for (int i = 0; i < PATCHES; i++)
      wk_image_free(&j->patch[k][i]);
  }
  wk_free(j->place);
  wk_photo_list_free(&j->photos);
  wk_dataset_free(j->data);
  free(j);
  return rc;
}
