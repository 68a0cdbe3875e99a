/* embedding_draw.c - the map as a picture: thumbnails at their places, framed in the colours of their classes, and a
 * legend. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "plot/page.h"
#include "whisker/embedding_map.h"

enum {
  SIZE = 1600, /* pixels; the others are units */
  DENSITY = 2,
  MARGIN = 16,
  LEGEND = 150,
  LEGEND_ROW = 20,
  LEGEND_LINES = 30,
  SMALLEST = 8,
  LARGEST = 64,
  MANY = 1000 /* photos: from here on not all are shown as photos */
};

/* ---- thumbnails --------------------------------------------------------------------------------- */

typedef struct thumbs {
  const char *const *path;
  uint8_t *out;
  int side;
  wk_buffer *file; /* [threads] */
  wk_progress progress;
  const wk_context *ctx;
} thumbs;

static wk_status shrink(uint8_t *to, const wk_image *photo, int side, wk_error *err) {
  int least = photo->width < photo->height ? photo->width : photo->height;
  double x = (photo->width - least) / 2.0, y = (photo->height - least) / 2.0;
  const double box[4] = {x, y, x + least, y + least};
  wk_image small;
  WK_RETURN_IF_ERROR(wk_image_resize(&small, photo, side, side, WK_FILTER_BILINEAR, box, err));
  memcpy(to, small.pixels, (size_t)side * (size_t)side * 3);
  wk_image_free(&small);
  return WK_OK;
}

static wk_status thumb_job(void *user, size_t i, int worker, wk_error *err) {
  thumbs *t = user;
  size_t bytes = (size_t)t->side * (size_t)t->side * 3;
  wk_photo_file file;
  wk_image photo = {0};
  wk_error why = {0};
  wk_decode_options o;
  wk_decode_options_init(&o);
  o.min_width = o.min_height = t->side;
  o.accept_truncated = true;
  wk_status st = wk_photo_open(&file, t->path[i], &why);
  if (st == WK_OK)
    st = wk_photo_read(&t->file[worker], &file, &why);
  if (st == WK_OK)
    st = wk_image_decode(&photo, t->file[worker].data, t->file[worker].size, &o, &why);
  if (st == WK_OK)
    st = shrink(t->out + i * bytes, &photo, t->side, &why);
  wk_image_free(&photo);
  if (st == WK_ERR_MEMORY)
    return WK_FAIL(err, st, "%s: %s", t->path[i], why.message);
  if (st != WK_OK)
    memset(t->out + i * bytes, 128, bytes);
  wk_progress_add(&t->progress, 1);
  return WK_OK;
}

wk_status wk_thumbnails(uint8_t **out, const char *const *path, size_t photos, int side, const wk_context *ctx,
                        wk_error *err) {
  if (side < 1 || side > 1024)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "thumbnails of %d pixels: expected 1 to 1024", side);
  wk_status st = WK_OK;
  int threads = wk_context_threads(ctx);
  thumbs t = {.path = path, .side = side, .ctx = ctx};
  t.out = wk_alloc_array(photos, (size_t)side * (size_t)side * 3);
  t.file = wk_calloc((size_t)threads, sizeof *t.file);
  WK_FAIL_IF(!t.out || !t.file, err, WK_ERR_MEMORY, "out of memory for %zu thumbnails of %d pixels", photos, side);
  WK_TRY(wk_progress_begin(&t.progress, ctx, "thumbnails", photos, err));
  WK_TRY(wk_parallel(ctx, threads, photos, thumb_job, &t, err));
  *out = t.out;
  t.out = NULL;
done:
  wk_progress_end(&t.progress);
  for (int i = 0; t.file && i < threads; i++)
    wk_buffer_free(&t.file[i]);
  wk_free(t.file);
  wk_free(t.out);
  return st;
}

/* ---- colours ------------------------------------------------------------------------------------ */

static uint8_t channel(double hue, double saturation, double value, double shift) {
  double k = fmod(shift + hue * 6, 6), part = fmax(0, fmin(1, fmin(k, 4 - k)));
  return (uint8_t)lround(255 * value * (1 - saturation * part));
}

void wk_class_colour(uint8_t rgb[3], int index, int count) {
  /* Okabe and Ito's, without the black, which would be lost on a dark ground. */
  static const uint8_t few[8][3] = {{0, 114, 178}, {213, 94, 0},   {0, 158, 115}, {204, 121, 167},
                                    {230, 159, 0}, {86, 180, 233}, {140, 86, 75}, {153, 153, 51}};
  if (index < 0) {
    memset(rgb, 136, 3);
    return;
  }
  if (count <= 8) {
    memcpy(rgb, few[index & 7], 3);
    return;
  }
  /* Hues a golden angle apart, in three strengths. */
  double hue = fmod(index * 0.6180339887498949 + 0.55, 1);
  double saturation = index % 3 == 1 ? 0.5 : 0.85, value = index % 3 == 2 ? 0.62 : 0.88;
  rgb[0] = channel(hue, saturation, value, 5);
  rgb[1] = channel(hue, saturation, value, 3);
  rgb[2] = channel(hue, saturation, value, 1);
}

/* ---- the picture -------------------------------------------------------------------------------- */

void wk_embedding_picture_init(wk_embedding_picture *p) { *p = (wk_embedding_picture){.size = SIZE}; }

static int label_of(const wk_embedding_picture *p, size_t row) { return p->labels ? p->labels[row] : -1; }

/* Where things go, in units of the page. */
typedef struct layout {
  wk_page *page;
  int left, top, width, height; /* of the map */
  int tile;                     /* side of a photo on it */
  float low[2], scale;          /* of the places: what is drawn at the left and top, units of 1 */
  bool sparse;                  /* only photos that do not lie on each other are shown, the others are points */
} layout;

static void place_of(const layout *l, const wk_embedding_map *a, size_t row, int *x, int *y) {
  *x = l->left + l->tile / 2 + (int)lroundf((a->xy[2 * row] - l->low[0]) * l->scale);
  *y = l->top + l->tile / 2 + (int)lroundf((a->xy[2 * row + 1] - l->low[1]) * l->scale);
}

static void put_dot(layout *l, int x, int y, const uint8_t rgb[3]) { wk_page_fill(l->page, x - 2, y - 2, 4, 4, rgb); }

/* One photo around (x, y), as large as tiles are. */
static void put_photo(layout *l, const wk_embedding_picture *p, size_t row, int x, int y, const uint8_t rgb[3]) {
  const int edge = l->tile >= 20 ? 2 : 1;
  wk_image thumb = {p->side, p->side,
                    (uint8_t *)(uintptr_t)p->thumbnails + row * (size_t)p->side * (size_t)p->side * 3};
  x -= l->tile / 2, y -= l->tile / 2;
  wk_page_fill(l->page, x - edge, y - edge, l->tile + 2 * edge, l->tile + 2 * edge, rgb);
  wk_page_picture(l->page, &thumb, x, y, l->tile, l->tile, false);
}

/* Photos that stand for what lies around them: in the order given, each that covers none before it. */
static wk_status choose(bool *chosen, const layout *l, const wk_embedding_map *a, const uint32_t *order,
                        wk_error *err) {
  const int room = l->tile + 5, columns = l->width / room + 2, rows = l->height / room + 2;
  uint32_t *taken = wk_calloc((size_t)columns * (size_t)rows, sizeof *taken); /* 1 + the photo in this square */
  if (!taken)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the picture of a map");
  for (size_t i = 0; i < a->rows; i++) {
    int x, y, other_x, other_y;
    place_of(l, a, order[i], &x, &y);
    const int column = (x - l->left) / room, row = (y - l->top) / room;
    bool free_here = true;
    for (int j = row - 1; j <= row + 1; j++)
      for (int k = column - 1; k <= column + 1; k++) {
        if (j < 0 || k < 0 || j >= rows || k >= columns || !taken[j * columns + k])
          continue;
        place_of(l, a, taken[j * columns + k] - 1, &other_x, &other_y);
        free_here = free_here && (abs(x - other_x) >= room || abs(y - other_y) >= room);
      }
    chosen[order[i]] = free_here;
    if (free_here)
      taken[row * columns + column] = order[i] + 1;
  }
  wk_free(taken);
  return WK_OK;
}

static wk_status put_photos(layout *l, const wk_embedding_map *a, const wk_embedding_picture *p, wk_error *err) {
  wk_status st = WK_OK;
  uint32_t *order = wk_alloc_array(a->rows, sizeof *order);
  bool *chosen = wk_calloc(a->rows, sizeof *chosen);
  WK_FAIL_IF(!order || !chosen, err, WK_ERR_MEMORY, "out of memory for the picture of a map");
  for (size_t i = 0; i < a->rows; i++)
    order[i] = (uint32_t)i;
  wk_rng rng; /* in no order, so that no class lies on top of the others */
  wk_rng_init(&rng, 1, a->rows);
  wk_rng_shuffle(&rng, order, a->rows);
  if (l->sparse)
    WK_TRY(choose(chosen, l, a, order, err));
  for (int photos = 0; photos < 2; photos++) /* points lie below */
    for (size_t i = 0; i < a->rows; i++) {
      const size_t row = order[i];
      const bool photo = p->thumbnails && (!l->sparse || chosen[row]);
      int x, y;
      uint8_t rgb[3];
      place_of(l, a, row, &x, &y);
      wk_class_colour(rgb, label_of(p, row), p->class_count);
      if (photo && photos)
        put_photo(l, p, row, x, y, rgb);
      else if (!photo && !photos)
        put_dot(l, x, y, rgb);
    }
done:
  wk_free(order);
  wk_free(chosen);
  return st;
}

/* A line of the legend: as much of the name as there is room for, and how many photos. */
static void legend_line(layout *l, int x, int y, const uint8_t rgb[3], const char *name, size_t photos) {
  char number[24];
  snprintf(number, sizeof number, "%zu", photos);
  const int room = LEGEND - 20 - wk_page_text_width(l->page, number, WK_PAGE_TEXT, false) - 8;
  wk_page_fill(l->page, x, y + 3, 12, 12, rgb);
  wk_page_label(l->page, x + 20, y, name, WK_INK, room);
  wk_page_label(l->page, x + LEGEND, y, number, WK_INK_FAINT, -LEGEND);
}

static wk_status put_legend(layout *l, const wk_embedding_map *a, const wk_embedding_picture *p, wk_error *err) {
  size_t *count = wk_calloc((size_t)p->class_count + 1, sizeof *count);
  if (!count)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the picture of a map");
  for (size_t i = 0; i < a->rows; i++) {
    int label = label_of(p, i);
    count[label < 0 || label >= p->class_count ? p->class_count : label]++;
  }
  int x = l->left + l->width + MARGIN, y = l->top, shown = 0, most = l->height / LEGEND_ROW - 1, used = 0;
  for (int k = 0; k <= p->class_count; k++)
    used += count[k] > 0;
  for (int k = 0; k <= p->class_count; k++) {
    if (!count[k])
      continue;
    if (shown++ >= most) {
      char more[64];
      snprintf(more, sizeof more, "and %d more classes", used - most);
      wk_page_label(l->page, x, y, more, WK_INK_FAINT, LEGEND);
      break;
    }
    uint8_t rgb[3];
    wk_class_colour(rgb, k < p->class_count ? k : -1, p->class_count);
    legend_line(l, x, y, rgb, k < p->class_count ? p->names[k] : "no class", count[k]);
    y += LEGEND_ROW;
  }
  wk_free(count);
  return WK_OK;
}

/* How large the map becomes: as wide and high as its photos reach, and high enough for the legend. */
static void measure(layout *l, const wk_embedding_map *a, const wk_embedding_picture *p, bool legend) {
  float high[2] = {0, 0};
  const int size = p->size / DENSITY;
  l->low[0] = l->low[1] = 1;
  for (size_t i = 0; i < 2 * a->rows; i++) {
    l->low[i & 1] = fminf(l->low[i & 1], a->xy[i]);
    high[i & 1] = fmaxf(high[i & 1], a->xy[i]);
  }
  float x = high[0] - l->low[0], y = high[1] - l->low[1];
  /* All tiles together cover a third of the map: they crowd where photos are alike. */
  double tile = (double)size * sqrt((double)fmaxf(x * y, 0.05f) / 3 / (double)a->rows);
  l->sparse = p->thumbnails && a->rows >= MANY;
  tile = l->sparse ? size / 26.0 : tile;
  l->tile = !p->thumbnails ? 4 : tile < SMALLEST ? SMALLEST : tile > LARGEST ? LARGEST : (int)tile;
  l->scale = (float)(size - l->tile);
  l->width = l->tile + (int)lroundf(x * l->scale);
  l->height = l->tile + (int)lroundf(y * l->scale);
  int lines = p->class_count + 1 < LEGEND_LINES ? p->class_count + 1 : LEGEND_LINES;
  if (legend && l->height < lines * LEGEND_ROW)
    l->height = lines * LEGEND_ROW;
}

wk_status wk_embedding_map_draw(wk_image *out, const wk_embedding_map *a, const wk_embedding_picture *p,
                                wk_error *err) {
  if (p->size < 200 || p->size > 16000 || (p->thumbnails && p->side < 1) || (p->class_count && !p->names))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a map of %d pixels: expected 200 to 16000", p->size);
  const bool legend = p->labels && p->class_count;
  wk_status st = WK_OK;
  layout l = {0};
  measure(&l, a, p, legend);
  const wk_frame frame = {.title = p->title,
                          .note = l.sparse ? "Photos that look alike to the network lie together. Each photo shown "
                                             "stands for the points around it; a "
                                             "point in the middle of another colour is worth a second look."
                                           : "Photos that look alike to the network lie together. A frame in the "
                                             "middle of another colour is worth a "
                                             "second look: a wrong label, or a hard photo.",
                          .density = DENSITY};
  WK_TRY(wk_page_create(&l.page, l.width + (legend ? MARGIN + LEGEND : 0), &frame, err));
  l.left = wk_page_left(l.page);
  l.top = wk_page_top(l.page);
  WK_TRY(put_photos(&l, a, p, err));
  if (legend)
    WK_TRY(put_legend(&l, a, p, err));
  WK_TRY(wk_page_finish(out, l.page, l.top + l.height, err));
done:
  wk_page_free(l.page);
  return st;
}
