/* gallery_see.c - sections of the gallery: what the network sees in all photos, and in one. */
#include <math.h>
#include <string.h>

#include "whisker/feature_maps.h"
#include "whisker/filters.h"
#include "workflow/gallery_parts.h"

enum { MOST_ODD = 12, CELL = 200, ALIKE = 7 };

/* ---- the map ------------------------------------------------------------------------------------- */

static wk_status draw_odd(wk_image *out, const wk_gallery_making *g, const wk_label_error *odd, int n, wk_error *err) {
  wk_image picture[MOST_ODD] = {{0}};
  char text[MOST_ODD][240];
  const char *label[MOST_ODD];
  wk_status st = WK_OK;
  for (int i = 0; i < n && st == WK_OK; i++) {
    const char *path = g->all.paths[odd[i].row], *slash = strrchr(path, '/');
    st = wk_photo_square(&picture[i], path, CELL, err);
    snprintf(text[i], sizeof text[i], "is %.70s\nlooks like %.70s\n%.70s", g->all.classes[g->all.labels[odd[i].row]],
             g->all.classes[odd[i].looks_like], slash ? slash + 1 : path);
    label[i] = text[i];
  }
  wk_sheet sheet;
  wk_sheet_init(&sheet);
  sheet.columns = 4;
  if (st == WK_OK)
    st = wk_sheet_draw(out, picture, label, n, &sheet, err);
  for (int i = 0; i < n; i++)
    wk_image_free(&picture[i]);
  return st;
}

static wk_status show_odd(wk_gallery_making *g, const wk_embedding_map *a, wk_error *err) {
  wk_label_error *odd = NULL;
  size_t count = 0;
  double agree;
  wk_image picture = {0};
  char line[200];
  wk_status st = wk_label_errors_find(&odd, &count, &agree, a, g->all.labels, g->all.class_count, err);
  if (st == WK_OK && isfinite(agree)) {
    snprintf(line, sizeof line, "For %s of the photos the one most alike is of the same class.",
             wk_figure_percent(agree).text);
    st = wk_gallery_note(g->page, line, err);
  }
  if (st == WK_OK && count) {
    st = draw_odd(&picture, g, odd, count < MOST_ODD ? (int)count : MOST_ODD, err);
    if (st == WK_OK)
      st =
          wk_gallery_picture(g->page, &picture, "odd.png",
                             "Photos that look like another class than theirs: nearly all that are alike belong there. "
                             "Perhaps their labels are wrong.",
                             err);
  }
  wk_image_free(&picture);
  wk_free(odd);
  return st;
}

wk_status wk_section_map(wk_gallery_making *g, wk_error *err) {
  wk_embedding_map *a = NULL;
  wk_embedding_map_options o;
  wk_embedding_map_options_init(&o);
  o.tsne.steps = g->map_steps;
  char *html = wk_path_join(g->folder, "map.html");
  wk_image picture = {0};
  const wk_features *f = g->all.features;
  wk_status st = html ? WK_OK : wk_no_memory(err);
  if (st == WK_OK)
    st = wk_embedding_map_make(&a, f->row, f->rows, f->columns, &o, &g->call->ctx, err);
  if (st == WK_OK)
    st = wk_feature_set_draw_map(&picture, &g->all, g->model, a, html, 1600, &g->call->ctx, err);
  if (st == WK_OK)
    st = wk_gallery_section(g->page, "map", "All photos on one map",
                            "Each photo lies where the network's features put it (t-SNE): what it finds alike lies "
                            "together, whatever its label. Frames have the colours of the classes.",
                            err);
  if (st == WK_OK)
    st = wk_gallery_picture(g->page, &picture, "map.png", "The photos by what the network sees in them.", err);
  if (st == WK_OK)
    st = wk_gallery_link(g->page, "map.html", "Open the map to pan, zoom and search", err);
  if (st == WK_OK)
    st = show_odd(g, a, err);
  wk_image_free(&picture);
  wk_free(html);
  wk_embedding_map_free(a);
  return st;
}

/* ---- what is alike ------------------------------------------------------------------------------- */

/* The first photo of a class among all, or of none. */
static ptrdiff_t first_of(const wk_feature_set *s, int class) {
  for (size_t i = 0; i < s->features->rows; i++)
    if (class < 0 || s->labels[i] == class)
      return (ptrdiff_t)i;
  return -1;
}

static wk_status show_nearest(wk_gallery_making *g, size_t row, int number, wk_error *err) {
  size_t near[ALIKE];
  float cosine[ALIKE];
  int k = g->all.features->rows - 1 < ALIKE ? (int)(g->all.features->rows - 1) : ALIKE;
  if (!k)
    return WK_OK;
  wk_image picture = {0};
  char file[40], caption[200];
  const wk_features *f = g->all.features;
  int label = g->all.labels[row];
  snprintf(file, sizeof file, "nearest-%d.png", number);
  snprintf(caption, sizeof caption,
           "First the photo%s%.100s, then those most like it, with the cosine of their features.",
           label >= 0 ? ": " : "", label >= 0 ? g->all.classes[label] : "");
  wk_status st = wk_feature_set_nearest(near, cosine, &k, &g->all, f->row + row * (size_t)f->columns, err);
  if (st == WK_OK && k)
    st = wk_feature_set_draw_nearest(&picture, g->all.paths[row], &g->all, near, cosine, k, 4, err);
  if (st == WK_OK && k)
    st = wk_gallery_picture(g->page, &picture, file, caption, err);
  wk_image_free(&picture);
  return st;
}

wk_status wk_section_nearest(wk_gallery_making *g, wk_error *err) {
  wk_status st =
      wk_gallery_section(g->page, "nearest", "What is alike",
                         "A photo and those whose features point most in the same direction. This is all that a "
                         "classifier on top of the network has to go by.",
                         err);
  int shown = 0;
  for (int k = 0; k < g->all.class_count && shown < g->classes && st == WK_OK; k++) {
    ptrdiff_t row = first_of(&g->all, k);
    if (row >= 0)
      st = show_nearest(g, (size_t)row, shown++, err);
  }
  if (!shown && st == WK_OK)
    st = show_nearest(g, (size_t)first_of(&g->all, -1), 0, err);
  return st;
}

/* ---- features ------------------------------------------------------------------------------------ */

wk_status wk_section_features(wk_gallery_making *g, wk_error *err) {
  ptrdiff_t judged = g->shown_count ? wk_section_example(g, g->shown[0], true) : -1;
  const char *photo = judged >= 0 ? wk_section_path(g, (size_t)judged) : g->all.paths[0];
  wk_explain_input view;
  wk_feature_maps *maps = NULL;
  wk_node *rung = NULL;
  int rungs = 0;
  wk_image picture = {0};
  wk_feature_maps_style style;
  wk_feature_maps_style_init(&style);
  const wk_backbone *b = g->model->backbone;
  wk_status st = wk_explain_input_open(&view, photo, &b->preprocess, err);
  if (st == WK_OK)
    st = wk_layer_overview(&rung, &rungs, b->graph, err);
  if (st == WK_OK)
    st = wk_feature_maps_make(&maps, b, view.input, rung, rungs, &g->call->ctx, err);
  if (st == WK_OK)
    st = wk_feature_maps_draw_overview(&picture, maps, rungs, &view, &style, err);
  if (st == WK_OK)
    st = wk_gallery_section(
        g->page, "features", "One photo, layer by layer",
        "The strongest channels of every stage. Early ones answer to edges and colours wherever they "
        "are, late ones to parts of things, at a few places.",
        err);
  if (st == WK_OK)
    st = wk_gallery_picture(
        g->page, &picture, "features.png",
        "From the first stage at the top to the last at the bottom. The bar beside each row says which colour is "
        "a strong answer; in rows of red and blue, white is none and blue is an answer below zero.",
        err);
  wk_image_free(&picture);
  wk_feature_maps_free(maps, rungs);
  wk_free(rung);
  wk_explain_input_free(&view);
  return st;
}

/* ---- filters ------------------------------------------------------------------------------------- */

wk_status wk_section_filters(wk_gallery_making *g, wk_error *err) {
  wk_image picture = {0};
  wk_filters what;
  char caption[160];
  wk_status st = wk_filters_draw(&picture, &what, g->model->backbone, err);
  if (st == WK_OK)
    st = wk_gallery_section(
        g->page, "filters", "What the first layer looks for",
        what.height >= 5
            ? "The weights of the first layer as small pictures. Stripes answer to edges that run their way, "
              "two colours side by side to a change from one to the other. Nobody drew these; they were learned."
            : "The weights of the first layer as small pictures. So small a filter shows no edge to the eye: what "
              "differs from side to side answers to edges, one colour to places of that colour. Nobody drew "
              "these; they were learned.",
        err);
  if (st == WK_OK) {
    snprintf(caption, sizeof caption, "%d filters of %d x %d pixels.", what.count, what.width, what.height);
    st = wk_gallery_picture(g->page, &picture, "filters.png", caption, err);
  }
  wk_image_free(&picture);
  return st;
}
