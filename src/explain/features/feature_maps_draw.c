/* feature_maps_draw.c - channel maps as pictures: a grid, an overview of layers, and the flat heat map. All are laid
 * out on a page of one width, in tiles of one size; small maps keep their pixels, for a position is one answer of the
 * network. */
#include <stdio.h>
#include <string.h>

#include "plot/page.h"
#include "whisker/feature_maps.h"

enum {
  TILE = 64,
  GAP = 6,
  GRID_COLUMNS = 12,
  GRID_CHANNELS = 60,
  OVERVIEW_COLUMNS = 9,
  BODY = GRID_COLUMNS * (TILE + GAP) - GAP,
  FLAT_WIDTH = 2 * BODY, /* pixels */
  FLAT_HEIGHT = 245,     /* at most, and a multiple of VGG's 49 positions */
  SEEN = 112             /* side of the small copy of the photo */
};

void wk_feature_maps_style_init(wk_feature_maps_style *s) {
  *s = (wk_feature_maps_style){.colours = WK_COLORMAP_COUNT};
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
static wk_status draw_tile(wk_page *page, int x, int y, const wk_feature_maps *m, int channel,
                           const wk_feature_maps_style *s, wk_error *err) {
  const int height = m->shape.height, width = m->shape.width;
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
  wk_image small = {0};
  /* A map without any difference is drawn at the low end of the scale, not in the middle of it. */
  wk_status st =
      wk_heatmap_draw(&small, one, width, height, c.low, c.high > c.low ? c.high : c.low + 1, c.colours, err);
  if (st == WK_OK)
    wk_page_picture(page, &small, x, y, TILE, TILE, true);
  wk_image_free(&small);
  wk_free(one);
  return st;
}

static wk_status draw_channel(wk_page *page, int x, int y, const wk_feature_maps *m, int rank,
                              const wk_feature_maps_style *s, wk_error *err) {
  char label[48];
  const int channel = m->order[rank];
  WK_RETURN_IF_ERROR(draw_tile(page, x, y, m, channel, s, err));
  snprintf(label, sizeof label, "#%d", channel);
  wk_page_small_label(page, x, y + TILE + 1, label, WK_INK, TILE);
  snprintf(label, sizeof label, m->strength[channel] < 99.5f ? "%.2g" : "%.0f", (double)m->strength[channel]);
  wk_page_small_label(page, x + TILE, y + TILE + 1, label, WK_INK_FAINT, -TILE / 2);
  return WK_OK;
}

/* ---- words ------------------------------------------------------------------------------------- */

static void say_shape(char *out, size_t room, const wk_feature_maps *m) {
  snprintf(out, room, "%d x %d positions, %d channels", m->shape.height, m->shape.width, m->shape.channels);
}

static void say_field(char *out, size_t room, const wk_feature_maps *m, const wk_explain_input *view) {
  const wk_receptive_field *f = &m->field;
  if (f->whole || (f->height >= view->seen.height && f->width >= view->seen.width))
    snprintf(out, room, "each position sees the whole picture");
  else
    snprintf(out, room, "each position sees %d x %d of the %d x %d pixels", f->width, f->height, view->seen.width,
             view->seen.height);
}

static void say_numbers(char *out, size_t room, const wk_feature_maps *m) {
  snprintf(out, room, "mean %.3g, from %.3g to %.3g", m->mean, m->low, m->high);
}

static void say_zeros(char *out, size_t room, const wk_feature_maps *m) {
  snprintf(out, room, "%.0f%% zeros, %d of %d channels silent", 100 * m->zeros, m->dead, m->shape.channels);
}

/* The colour bar of a layer. */
static wk_legend legend_of(char low[24], char high[24], const wk_feature_maps *m, const wk_feature_maps_style *s) {
  const scale c = common_scale(m, s);
  if (s->own_scale) {
    snprintf(low, 24, "lowest");
    snprintf(high, 24, "highest");
    return (wk_legend){c.colours, low, high, "activation, each map on a scale of its own"};
  }
  snprintf(low, 24, "%.3g", c.low);
  snprintf(high, 24, "%.3g", c.high);
  return (wk_legend){c.colours, low, high, is_signed(m) ? "activation (0 in the middle)" : "activation"};
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

static const char *const flat_note =
    "A bright column is a channel that answers everywhere, a bright row a position where many channels do.";

/* As large as it suits within width x FLAT_HEIGHT pixels. */
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
  tall = to_rows == 1 ? 64 : tall;
  WK_TRY(wk_image_resize(out, &exact, width / to_columns * to_columns, tall, WK_FILTER_NEAREST, NULL, err));
done:
  wk_image_free(&exact);
  wk_free(small);
  return st;
}

static void put_flat(wk_page *page, const wk_image *flat, int y) {
  wk_page_picture(page, flat, wk_page_left(page), y, flat->width / 2, flat->height / 2, true);
}

wk_status wk_feature_maps_draw_flat(wk_image *out, const wk_feature_maps *m, const wk_feature_maps_style *s,
                                    wk_error *err) {
  wk_image flat = {0};
  wk_page *page = NULL;
  wk_status st = WK_OK;
  char title[200], subtitle[200], low[24], high[24];
  wk_feature_maps_style common = *s;
  common.own_scale = false;
  const wk_legend legend = legend_of(low, high, m, &common);
  snprintf(title, sizeof title, "Every activation of layer %s for this photo", m->name);
  snprintf(subtitle, sizeof subtitle, "%d rows, one a position (line by line); %d columns, one a channel (#0 to #%d)",
           m->shape.height * m->shape.width, m->shape.channels, m->shape.channels - 1);
  const wk_frame frame = {
      .title = title, .subtitle = subtitle, .legends = &legend, .legend_count = 1, .note = flat_note};
  WK_TRY(flat_picture(&flat, m, FLAT_WIDTH, s, err));
  WK_TRY(wk_page_create(&page, BODY, &frame, err));
  put_flat(page, &flat, wk_page_top(page));
  WK_TRY(wk_page_finish(out, page, wk_page_top(page) + flat.height / 2, err));
done:
  wk_page_free(page);
  wk_image_free(&flat);
  return st;
}

/* ---- a layer ----------------------------------------------------------------------------------- */

/* The photo as the network sees it, and beside it what there is to say about the layer. */
static int draw_facts(wk_page *page, const wk_feature_maps *m, const wk_explain_input *view, int shown) {
  char text[5][160];
  const int left = wk_page_left(page), top = wk_page_top(page);
  wk_page_picture(page, &view->seen, left, top, SEEN, SEEN, false);
  say_shape(text[0], sizeof text[0], m);
  say_field(text[1], sizeof text[1], m, view);
  say_numbers(text[2], sizeof text[2], m);
  say_zeros(text[3], sizeof text[3], m);
  if (shown < m->shape.channels)
    snprintf(text[4], sizeof text[4], "shown: the %d strongest channels", shown);
  else
    snprintf(text[4], sizeof text[4], "shown: all channels, strongest first");
  for (int i = 0; i < 5; i++)
    wk_page_label(page, left + SEEN + 14, top + i * (WK_PAGE_LINE + 3), text[i], i < 4 ? WK_INK : WK_INK_FAINT,
                  BODY - SEEN - 14);
  return top + SEEN + 2 * GAP;
}

wk_status wk_feature_maps_draw(wk_image *out, const wk_feature_maps *m, const wk_explain_input *view,
                               const wk_feature_maps_style *s, wk_error *err) {
  enum { STEP = TILE + WK_PAGE_LINE + GAP };
  wk_image flat = {0};
  wk_page *page = NULL;
  wk_status st = WK_OK;
  char title[200], text[200], low[24], high[24];
  int shown = s->channels ? s->channels : GRID_CHANNELS;
  shown = shown < m->shape.channels ? shown : m->shape.channels;
  const bool positions = m->shape.height * m->shape.width > 1; /* else a tile would be one colour */
  const wk_legend legend = legend_of(low, high, m, s);
  snprintf(title, sizeof title, "What %s sees in this photo", m->name);
  const wk_frame frame = {.title = title,
                          .legends = &legend,
                          .legend_count = 1,
                          .note = "Where a map is at the high end of the colours, its channel has found there what it "
                                  "looks for. Under each: the channel's "
                                  "number, and in grey how strong it is altogether (root mean square)."};
  WK_TRY(flat_picture(&flat, m, FLAT_WIDTH, s, err));
  WK_TRY(wk_page_create(&page, BODY, &frame, err));
  int y = draw_facts(page, m, view, shown);
  for (int i = 0; i < shown && positions; i++)
    WK_TRY(draw_channel(page, wk_page_left(page) + i % GRID_COLUMNS * (TILE + GAP), y + i / GRID_COLUMNS * STEP, m, i,
                        s, err));
  y += positions ? (shown + GRID_COLUMNS - 1) / GRID_COLUMNS * STEP : 0;
  snprintf(text, sizeof text,
           "The same flat: %d rows, one a position (line by line); %d columns, one a channel (#0 to #%d)",
           m->shape.height * m->shape.width, m->shape.channels, m->shape.channels - 1);
  wk_page_label(page, wk_page_left(page), y + GAP, text, WK_INK_FAINT, BODY);
  y += 2 * GAP + WK_PAGE_LINE;
  put_flat(page, &flat, y);
  WK_TRY(wk_page_finish(out, page, y + flat.height / 2, err));
done:
  wk_page_free(page);
  wk_image_free(&flat);
  return st;
}

/* ---- the overview ------------------------------------------------------------------------------ */

enum { TEXT = BODY - OVERVIEW_COLUMNS * (TILE + GAP), ROW = 5 * WK_PAGE_LINE + 18 };

/* What a layer is, and the colours of its row. */
static void draw_row_text(wk_page *page, int y, const wk_feature_maps *m, const wk_explain_input *view,
                          const wk_feature_maps_style *s) {
  char text[160], low[24], high[24];
  const int x = wk_page_left(page), room = TEXT - 10;
  const wk_legend legend = legend_of(low, high, m, s);
  snprintf(text, sizeof text, "%s%s%s", m->stage ? m->stage : m->name, m->stage ? " \xc2\xb7 " : "",
           m->stage ? m->name : "");
  wk_page_text(page, x, y, text, WK_PAGE_TEXT, true, WK_INK, room, 1);
  snprintf(text, sizeof text, "%d x %d, %d channels", m->shape.width, m->shape.height, m->shape.channels);
  wk_page_label(page, x, y + WK_PAGE_LINE, text, WK_INK, room);
  const wk_receptive_field *f = &m->field;
  if (f->whole || (f->height >= view->seen.height && f->width >= view->seen.width))
    snprintf(text, sizeof text, "each sees the whole picture");
  else
    snprintf(text, sizeof text, "each sees %d x %d pixels", f->width, f->height);
  wk_page_label(page, x, y + 2 * WK_PAGE_LINE, text, WK_INK_FAINT, room);
  snprintf(text, sizeof text, "%.0f%% zeros, %d silent", 100 * m->zeros, m->dead);
  wk_page_label(page, x, y + 3 * WK_PAGE_LINE, text, WK_INK_FAINT, room);
  wk_page_legend(page, x, y + 4 * WK_PAGE_LINE, room, &legend);
}

wk_status wk_feature_maps_draw_overview(wk_image *out, const wk_feature_maps *maps, int layers,
                                        const wk_explain_input *view, const wk_feature_maps_style *s, wk_error *err) {
  wk_page *page;
  wk_status st = WK_OK;
  const wk_frame frame = {
      .title = "What the layers see in this photo",
      .subtitle =
          s->own_scale
              ? "One row a layer, from the photo to the classes: its strongest channels, each map on a scale of its "
                "own."
              : "One row a layer, from the photo to the classes: its strongest channels, all of a row on one scale.",
      .note = "Early layers find edges and colours wherever they are; later ones find parts, and then whole things, in "
              "a few places. At the "
              "high end of the colours: what the channel looks for is here. The grey number is the channel's strength "
              "(root mean square)."};
  WK_RETURN_IF_ERROR(wk_page_create(&page, BODY, &frame, err));
  const int left = wk_page_left(page);
  int y = wk_page_top(page);
  wk_page_picture(page, &view->seen, left, y, SEEN, SEEN, false);
  wk_page_label(page, left + SEEN + 14, y, "the photo as the network sees it", WK_INK_FAINT, 300);
  y += SEEN + 2 * GAP;
  for (int k = 0; k < layers; k++, y += ROW) {
    const wk_feature_maps *m = &maps[k];
    wk_page_rule(page, y - GAP);
    draw_row_text(page, y, m, view, s);
    int shown = s->channels && s->channels < OVERVIEW_COLUMNS ? s->channels : OVERVIEW_COLUMNS;
    shown = shown < m->shape.channels ? shown : m->shape.channels;
    for (int i = 0; i < shown; i++)
      WK_TRY(draw_channel(page, left + TEXT + GAP + i * (TILE + GAP), y, m, i, s, err));
  }
  WK_TRY(wk_page_finish(out, page, y - GAP, err));
done:
  wk_page_free(page);
  return st;
}
