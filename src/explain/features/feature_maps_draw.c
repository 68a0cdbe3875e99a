/* feature_maps_draw.c - channel maps as pictures: a grid, an overview of layers, and the flat heat map. All are laid
 * out on a page of one width, in tiles of one size; small maps keep their pixels, for a position is one answer of the
 * network. */
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "whisker/feature_maps.h"

enum {
  TILE = 96,
  GAP = 8,
  EDGE = 20,
  LINE = 16,
  GRID_COLUMNS = 12,
  GRID_CHANNELS = 60,
  LADDER_COLUMNS = 9,
  LADDER_TEXT = 248,
  PAGE = 2 * EDGE + GRID_COLUMNS * (TILE + GAP) - GAP,
  FLAT_HEIGHT = 245, /* at most, and a multiple of VGG's 49 positions */
  SEEN = 128         /* side of the small copy of the photo */
};

static const uint8_t paper[3] = {255, 255, 255}, ink[3] = {28, 28, 32}, faint[3] = {112, 112, 120},
                     rule[3] = {222, 222, 226};

void wk_feature_maps_style_init(wk_feature_maps_style *s) {
  *s = (wk_feature_maps_style){.colours = WK_COLORMAP_COUNT};
}

static wk_status new_page(wk_image *out, int height, wk_error *err) {
  WK_RETURN_IF_ERROR(wk_image_alloc(out, PAGE, height, err));
  wk_draw_fill(out, 0, 0, PAGE, height, paper);
  return WK_OK;
}

/* ---- colours ----------------------------------------------------------------------------------- */

/* The ends of a scale and its colours. Without many negative values zero is the dark end: "no answer". */
typedef struct scale {
  double low, high;
  wk_colormap colours;
} scale;

static bool is_signed(const wk_feature_maps *m) { return -m->low > 0.2 * m->high; }

static scale common_scale(const wk_feature_maps *m, const wk_feature_maps_style *s) {
  bool both = is_signed(m), free = s->colours >= WK_COLORMAP_COUNT;
  double high = m->bright > 0 ? m->bright : 1;
  return (scale){both ? -high : 0, high, !free ? s->colours : both ? WK_COLORMAP_COOLWARM : WK_COLORMAP_VIRIDIS};
}

/* ---- one map ----------------------------------------------------------------------------------- */

/* Channel `channel` in a square of TILE x TILE; taller or wider maps keep their shape. */
static wk_status draw_tile(wk_image *page, int x, int y, const wk_feature_maps *m, int channel,
                           const wk_feature_maps_style *s, wk_error *err) {
  const int height = m->shape.height, width = m->shape.width, longer = height > width ? height : width;
  const size_t n = (size_t)height * (size_t)width;
  float *one = wk_alloc_array(n, sizeof *one);
  if (!one)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer %s", m->name);
  for (size_t i = 0; i < n; i++)
    one[i] = m->value[i * (size_t)m->shape.channels + (size_t)channel];
  scale c = common_scale(m, s);
  if (s->own_scale) {
    wk_heatmap_range(&c.low, &c.high, one, n);
    if (c.colours == WK_COLORMAP_COOLWARM) { /* zero stays in the middle */
      c.high = c.high > -c.low ? c.high : -c.low;
      c.low = -c.high;
    }
  }
  wk_image small = {0}, tile = {0};
  wk_status st = WK_OK;
  const int w = width * TILE / longer > 0 ? width * TILE / longer : 1;
  const int h = height * TILE / longer > 0 ? height * TILE / longer : 1;
  /* A map without any difference is drawn at the low end of the scale, not in the middle of it. */
  WK_TRY(wk_heatmap_draw(&small, one, width, height, c.low, c.high > c.low ? c.high : c.low + 1, c.colours, err));
  WK_TRY(wk_image_resize(&tile, &small, w, h, longer > TILE ? WK_FILTER_BILINEAR : WK_FILTER_NEAREST, NULL, err));
  wk_draw_image(page, &tile, x + (TILE - w) / 2, y + (TILE - h) / 2);
done:
  wk_image_free(&small);
  wk_image_free(&tile);
  wk_free(one);
  return st;
}

static wk_status draw_channel(wk_image *page, int x, int y, const wk_feature_maps *m, int rank,
                              const wk_feature_maps_style *s, wk_error *err) {
  char label[48];
  const int channel = m->order[rank];
  WK_RETURN_IF_ERROR(draw_tile(page, x, y, m, channel, s, err));
  snprintf(label, sizeof label, "#%d", channel);
  wk_draw_text(page, x, y + TILE, label, 1, ink);
  snprintf(label, sizeof label, "%.3g", (double)m->strength[channel]);
  wk_draw_text(page, x + TILE - wk_text_width(label, 1), y + TILE, label, 1, faint);
  return WK_OK;
}

/* ---- words ------------------------------------------------------------------------------------- */

static void say_shape(char *out, size_t room, const wk_feature_maps *m) {
  snprintf(out, room, "%d x %d positions, %d channels", m->shape.height, m->shape.width, m->shape.channels);
}

static void say_field(char *out, size_t room, const wk_feature_maps *m, const wk_explain_input *view) {
  const wk_receptive_field *f = &m->field;
  if (f->whole || (f->height >= view->seen.height && f->width >= view->seen.width))
    snprintf(out, room, "each sees the whole picture");
  else
    snprintf(out, room, "each sees %d x %d pixels of %d x %d", f->height, f->width, view->seen.height,
             view->seen.width);
}

static void say_numbers(char *out, size_t room, const wk_feature_maps *m) {
  snprintf(out, room, "mean %.3g, from %.3g to %.3g", m->mean, m->low, m->high);
}

static void say_zeros(char *out, size_t room, const wk_feature_maps *m) {
  snprintf(out, room, "%.0f%% zeros, %d of %d channels silent", 100 * m->zeros, m->dead, m->shape.channels);
}

static wk_status draw_seen(wk_image *page, const wk_explain_input *view, wk_error *err) {
  wk_image small;
  const int w = view->seen.width, h = view->seen.height, longer = w > h ? w : h;
  WK_RETURN_IF_ERROR(wk_image_resize(&small, &view->seen, w * SEEN / longer > 0 ? w * SEEN / longer : 1,
                                     h * SEEN / longer > 0 ? h * SEEN / longer : 1, WK_FILTER_BILINEAR, NULL, err));
  wk_draw_image(page, &small, PAGE - EDGE - small.width, EDGE);
  wk_image_free(&small);
  return WK_OK;
}

static void draw_scale(wk_image *page, int x, int y, const wk_feature_maps *m, const wk_feature_maps_style *s) {
  enum { BAR = 200 };
  char text[48];
  if (s->own_scale) {
    wk_draw_text(page, x, y, "every map has colours of its own, from its lowest value to its highest", 1, faint);
    return;
  }
  const scale c = common_scale(m, s);
  snprintf(text, sizeof text, "%.3g", c.low);
  wk_draw_text(page, x, y, text, 1, faint);
  x += wk_text_width(text, 1) + GAP;
  wk_draw_colorbar(page, x, y + 2, BAR, LINE - 4, c.colours);
  snprintf(text, sizeof text, "%.3g", c.high);
  wk_draw_text(page, x + BAR + GAP, y, text, 1, faint);
}

/* ---- the flat heat map ------------------------------------------------------------------------- */

/* [rows, columns] to fewer rows or columns by means of equal parts; sizes that are as large stay. */
static wk_status shrink(float **out, const float *in, int rows, int columns, int to_rows, int to_columns,
                        wk_error *err) {
  float *small = wk_alloc_array((size_t)to_rows * (size_t)to_columns, sizeof *small);
  if (!small)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a heat map");
  for (int i = 0; i < to_rows; i++)
    for (int j = 0; j < to_columns; j++) {
      int r0 = (int)((int64_t)i * rows / to_rows), r1 = (int)((int64_t)(i + 1) * rows / to_rows);
      int c0 = (int)((int64_t)j * columns / to_columns), c1 = (int)((int64_t)(j + 1) * columns / to_columns);
      double sum = 0;
      for (int r = r0; r < r1; r++)
        for (int c = c0; c < c1; c++)
          sum += (double)in[(size_t)r * (size_t)columns + (size_t)c];
      small[(size_t)i * (size_t)to_columns + (size_t)j] = (float)(sum / ((double)(r1 - r0) * (c1 - c0)));
    }
  *out = small;
  return WK_OK;
}

/* As large as it suits within width x FLAT_HEIGHT. */
static wk_status flat_picture(wk_image *out, const wk_feature_maps *m, int width, const wk_feature_maps_style *s,
                              wk_error *err) {
  const int rows = m->shape.height * m->shape.width, columns = m->shape.channels;
  const int to_rows = rows < FLAT_HEIGHT ? rows : FLAT_HEIGHT, to_columns = columns < width ? columns : width;
  float *small = NULL;
  wk_image exact = {0};
  wk_status st = WK_OK;
  const scale c = common_scale(m, s);
  WK_TRY(shrink(&small, m->value, rows, columns, to_rows, to_columns, err));
  WK_TRY(wk_heatmap_draw(&exact, small, to_columns, to_rows, c.low, c.high, c.colours, err));
  int tall = FLAT_HEIGHT / to_rows * to_rows;
  tall = to_rows == 1 ? 4 * LINE : tall;
  WK_TRY(wk_image_resize(out, &exact, width / to_columns * to_columns, tall, WK_FILTER_NEAREST, NULL, err));
done:
  wk_image_free(&exact);
  wk_free(small);
  return st;
}

static void flat_caption(char *out, size_t room, const wk_feature_maps *m) {
  snprintf(out, room, "the same flat: %d rows, one a position (line by line); %d columns, one a channel (#0 to #%d)",
           m->shape.height * m->shape.width, m->shape.channels, m->shape.channels - 1);
}

wk_status wk_feature_maps_draw_flat(wk_image *out, const wk_feature_maps *m, const wk_feature_maps_style *s,
                                    wk_error *err) {
  wk_image flat;
  char text[160];
  WK_RETURN_IF_ERROR(flat_picture(&flat, m, PAGE - 2 * EDGE, s, err));
  wk_status st = new_page(out, 2 * EDGE + LINE + GAP + flat.height, err);
  if (st == WK_OK) {
    snprintf(text, sizeof text, "%s flat: %d rows, one a position (line by line); %d columns, one a channel", m->name,
             m->shape.height * m->shape.width, m->shape.channels);
    wk_draw_text(out, EDGE, EDGE, text, 1, ink);
    wk_draw_image(out, &flat, EDGE, EDGE + LINE + GAP);
  }
  wk_image_free(&flat);
  return st;
}

/* ---- a layer ----------------------------------------------------------------------------------- */

wk_status wk_feature_maps_draw(wk_image *out, const wk_feature_maps *m, const wk_explain_input *view,
                               const wk_feature_maps_style *s, wk_error *err) {
  wk_image flat = {0}, page = {0};
  wk_status st = WK_OK;
  char text[4][160];
  int shown = s->channels ? s->channels : GRID_CHANNELS;
  shown = shown < m->shape.channels ? shown : m->shape.channels;
  const bool positions = m->shape.height * m->shape.width > 1; /* else a tile would be one colour */
  const int rows = positions ? (shown + GRID_COLUMNS - 1) / GRID_COLUMNS : 0, grid_top = EDGE + SEEN + 2 * GAP;
  const int grid_bottom = grid_top + rows * (TILE + LINE + GAP);
  WK_TRY(flat_picture(&flat, m, PAGE - 2 * EDGE, s, err));
  WK_TRY(new_page(&page, grid_bottom + GAP + LINE + GAP + flat.height + EDGE, err));
  WK_TRY(draw_seen(&page, view, err));
  wk_draw_text(&page, EDGE, EDGE, m->name, 2, ink);
  say_shape(text[0], sizeof text[0], m);
  say_field(text[1], sizeof text[1], m, view);
  say_numbers(text[2], sizeof text[2], m);
  say_zeros(text[3], sizeof text[3], m);
  for (int i = 0; i < 4; i++)
    wk_draw_text(&page, EDGE + (i & 1) * 400, EDGE + 2 * LINE + GAP / 2 + i / 2 * LINE, text[i], 1, ink);
  if (positions) {
    snprintf(text[0], sizeof text[0], "the %d strongest channels, with their strengths (root mean square)", shown);
    wk_draw_text(&page, EDGE, EDGE + 5 * LINE,
                 shown < m->shape.channels ? text[0] : "all channels, strongest first (root mean square)", 1, faint);
    draw_scale(&page, EDGE, EDGE + 6 * LINE + GAP / 2, m, s);
  }
  for (int i = 0; i < shown && positions; i++)
    WK_TRY(draw_channel(&page, EDGE + i % GRID_COLUMNS * (TILE + GAP),
                        grid_top + i / GRID_COLUMNS * (TILE + LINE + GAP), m, i, s, err));
  flat_caption(text[0], sizeof text[0], m);
  wk_draw_text(&page, EDGE, grid_bottom + GAP, text[0], 1, faint);
  wk_draw_image(&page, &flat, EDGE, grid_bottom + 2 * GAP + LINE);
  *out = page;
  page = (wk_image){0};
done:
  wk_image_free(&page);
  wk_image_free(&flat);
  return st;
}

/* ---- the overview ------------------------------------------------------------------------------ */

wk_status wk_feature_maps_draw_overview(wk_image *out, const wk_feature_maps *maps, int layers,
                                        const wk_explain_input *view, const wk_feature_maps_style *s, wk_error *err) {
  enum { ROW = TILE + LINE + 2 * GAP };
  wk_image page = {0};
  wk_status st = WK_OK;
  char text[160];
  const int most = LADDER_COLUMNS, top = EDGE + SEEN + 2 * GAP;
  WK_TRY(new_page(&page, top + layers * ROW + EDGE - GAP, err));
  WK_TRY(draw_seen(&page, view, err));
  wk_draw_text(&page, EDGE, EDGE, "What the layers see", 2, ink);
  static const char *const words[] = {"One row a layer, from the photo to the classes: its strongest channels, by the "
                                      "root mean square of their values.",
                                      "Bright: what the channel looks for is here. Dark: it is not.",
                                      "Where values have a sign: red for, blue against."};
  for (int i = 0; i < 3; i++)
    wk_draw_text(&page, EDGE, EDGE + (3 + i) * LINE, words[i], 1, ink);
  wk_draw_text(&page, EDGE, EDGE + 7 * LINE,
               s->own_scale ? "Every map has colours of its own." : "The maps of one row share one scale.", 1, faint);
  for (int k = 0; k < layers; k++) {
    const wk_feature_maps *m = &maps[k];
    const int y = top + k * ROW;
    wk_draw_fill(&page, EDGE, y - GAP, PAGE - 2 * EDGE, 1, rule);
    snprintf(text, sizeof text, "%s%s%s", m->stage ? m->stage : m->name, m->stage ? " \xc2\xb7 " : "",
             m->stage ? m->name : "");
    wk_draw_text(&page, EDGE, y, text, 1, ink);
    say_shape(text, sizeof text, m);
    wk_draw_text(&page, EDGE, y + LINE + 4, text, 1, ink);
    say_field(text, sizeof text, m, view);
    wk_draw_text(&page, EDGE, y + 2 * LINE + 4, text, 1, faint);
    say_numbers(text, sizeof text, m);
    wk_draw_text(&page, EDGE, y + 3 * LINE + 8, text, 1, faint);
    say_zeros(text, sizeof text, m);
    wk_draw_text(&page, EDGE, y + 4 * LINE + 8, text, 1, faint);
    int shown = s->channels && s->channels < most ? s->channels : most;
    shown = shown < m->shape.channels ? shown : m->shape.channels;
    for (int i = 0; i < shown; i++)
      WK_TRY(draw_channel(&page, PAGE - EDGE - TILE - (most - 1 - i) * (TILE + GAP), y, m, i, s, err));
  }
  *out = page;
  page = (wk_image){0};
done:
  wk_image_free(&page);
  return st;
}
