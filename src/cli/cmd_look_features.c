/* cmd_look_features.c - `whisker look features`: what a photo does to the layers of a network. */
#include <stdlib.h>
#include <string.h>

#include "look.h"

static const char *const colour_names[] = {"viridis", "magma", "turbo", "coolwarm", "grey", "auto", NULL};

static json_t *numbers_of(const wk_feature_maps *m) {
  json_t *strongest = json_array();
  for (int i = 0; i < m->shape.channels && i < 10; i++)
    json_array_append_new(strongest, json_integer(m->order[i]));
  json_t *sees = m->field.whole ? json_null() : json_pack("[i,i]", m->field.height, m->field.width);
  return json_pack("{s:s,s:s?,s:[i,i,i],s:f,s:f,s:f,s:f,s:i,s:o,s:o}", "layer", m->name, "stage", m->stage, "shape",
                   m->shape.height, m->shape.width, m->shape.channels, "mean", m->mean, "low", m->low, "high", m->high,
                   "zeros", m->zeros, "dead", m->dead, "strongest", strongest, "sees", sees);
}

static json_t *tell(cli *c, const wk_feature_maps *maps, int layers) {
  json_t *rows = json_array();
  cli_say(c, "%-28s %-16s %-12s %9s %9s %7s  %s\n", "layer", "positions, ch.", "each sees", "mean", "largest", "zeros",
          "silent channels");
  for (int i = 0; i < layers; i++) {
    const wk_feature_maps *m = &maps[i];
    char shape[48], sees[48] = "everything";
    snprintf(shape, sizeof shape, "%d x %d x %d", m->shape.height, m->shape.width, m->shape.channels);
    if (!m->field.whole)
      snprintf(sees, sizeof sees, "%d x %d px", m->field.height, m->field.width);
    cli_say(c, "%-28s %-16s %-12s %9.3g %9.3g %7s  %d\n", m->name, shape, sees, m->mean, m->high, cli_percent(m->zeros),
            m->dead);
    json_array_append_new(rows, numbers_of(m));
  }
  return rows;
}

static wk_status draw(cli_looking *l, const wk_feature_maps *maps, int layers, const wk_feature_maps_style *style,
                      bool ladder, const char *out, wk_error *err) {
  wk_image picture = {0};
  wk_status st;
  if (!ladder) {
    st = wk_feature_maps_draw(&picture, maps, &l->view, style, err);
    if (st == WK_OK)
      st = cli_look_save(l, &picture, out, maps->name, err);
    wk_image_free(&picture);
    return st;
  }
  st = wk_feature_maps_draw_overview(&picture, maps, layers, &l->view, style, err);
  if (st == WK_OK)
    st = cli_look_save(l, &picture, out, "the strongest channels of every stage", err);
  wk_image_free(&picture);
  char *flat = wk_output_beside(out, "-flat");
  if (st == WK_OK && !flat)
    st = cli_no_memory(err);
  if (st == WK_OK)
    st = wk_feature_maps_draw_flat(&picture, &maps[layers - 1], style, err);
  if (st == WK_OK)
    st = cli_look_save(l, &picture, flat, "the last layer as one heat map: positions x channels", err);
  wk_image_free(&picture);
  wk_free(flat);
  return st;
}

int cli_look_features(cli *c, const cli_command *self, int argc, char **argv) {
  const char *layer = NULL, *out = "features.png", *raw = NULL, *arch = NULL;
  wk_feature_maps_style style;
  wk_feature_maps_style_init(&style);
  int colours = style.colours;
  const cli_flag flags[] = {
      {"output", 'o', CLI_STRING, &out, "FILE.png", "picture to write", 0, 0, NULL},
      {"layer", 0, CLI_STRING, &layer, "NAME",
       "layer of `whisker info`, or a stage (its last layer); default: the last layer of every stage", 0, 0, NULL},
      {"channels", 0, CLI_INT, &style.channels, "N", "number of strongest channels to show; 0: 60, or 9 for each stage",
       0, 4096, NULL},
      {"own-scale", 0, CLI_BOOL, &style.own_scale, NULL, "scale each map by its own minimum and maximum", 0, 0, NULL},
      {"colors", 0, CLI_CHOICE, &colours, "MAP", "colour map", 0, 0, colour_names},
      {"raw", 0, CLI_STRING, &raw, "FILE.npy",
       "also write the (last) layer's values: float32 [height, width, channels]", 0, 0, NULL},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  style.colours = (wk_colormap)colours;
  wk_error err = {0};
  cli_looking l;
  wk_feature_maps *maps = NULL;
  wk_node one, *rungs = NULL;
  int layers = 0;
  json_t *rows = NULL;
  wk_status st = cli_look_begin(&l, c, argv[0], arch, argv[1], out, &err);
  if (st == WK_OK)
    st = wk_output_check_beside(out, "-flat", &err);
  if (st == WK_OK && raw)
    st = wk_output_check(raw, false, &err);
  if (st == WK_OK && layer && (st = wk_layer_find(&one, l.model->backbone->graph, layer, &err)) == WK_OK)
    layers = 1;
  if (st == WK_OK && !layer)
    st = wk_layer_overview(&rungs, &layers, l.model->backbone->graph, &err);
  if (st == WK_OK)
    st = wk_feature_maps_make(&maps, l.model->backbone, l.view.input, layer ? &one : rungs, layers, &c->ctx, &err);
  if (st == WK_OK)
    st = draw(&l, maps, layers, &style, !layer, out, &err);
  if (st == WK_OK && raw) {
    const wk_feature_maps *last = &maps[layers - 1];
    st = wk_npy_write(raw, last->value, 3,
                      (const int64_t[]){last->shape.height, last->shape.width, last->shape.channels}, &err);
  }
  if (st == WK_OK) {
    rows = tell(c, maps, layers);
    cli_say(c, "%s%s%s%s%s\n", out, layer ? "" : " \u00b7 flat heat map beside it", raw ? " \u00b7 values of " : "",
            raw ? maps[layers - 1].name : "", raw ? " in the .npy" : "");
  }
  wk_feature_maps_free(maps, layers);
  wk_free(rungs);
  return cli_look_end(&l, st, &err, rows ? json_pack("{s:o}", "layers", rows) : NULL);
}
