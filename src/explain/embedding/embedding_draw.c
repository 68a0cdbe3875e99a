/* embedding_draw.c - the map as a picture: thumbnails at their places, framed in the colours of their classes, and a
 * legend. */
#include <math.h>
#include <string.h>

#include "data/data.h"
#include "whisker/draw.h"
#include "whisker/embedding_map.h"

enum { SIZE = 1600, MARGIN = 24, LEGEND = 220, LEGEND_ROW = 22, LEGEND_LINES = 45, SMALLEST = 12, LARGEST = 96 };

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

typedef struct canvas {
  wk_image image;
  int top, width, height; /* where the map begins, its size */
  int tile;               /* side of a photo on it */
  float low[2], scale;    /* of the places: what is drawn at the left and top, pixels of 1 */
} canvas;

static void put_dot(canvas *c, int x, int y, const uint8_t rgb[3]) { wk_draw_fill(&c->image, x - 3, y - 3, 7, 7, rgb); }

/* One photo around (x, y), as large as tiles are. */
static wk_status put_photo(canvas *c, const wk_embedding_picture *p, size_t row, int x, int y, const uint8_t rgb[3],
                           wk_error *err) {
  int edge = c->tile >= 40 ? 3 : c->tile >= 20 ? 2 : 1, inside = c->tile;
  wk_image thumb = {p->side, p->side,
                    (uint8_t *)(uintptr_t)p->thumbnails + row * (size_t)p->side * (size_t)p->side * 3};
  wk_image sized = {0};
  WK_RETURN_IF_ERROR(wk_image_resize(&sized, &thumb, inside, inside, WK_FILTER_BILINEAR, NULL, err));
  x -= inside / 2, y -= inside / 2;
  wk_draw_fill(&c->image, x - edge, y - edge, inside + 2 * edge, inside + 2 * edge, rgb);
  wk_draw_image(&c->image, &sized, x, y);
  wk_image_free(&sized);
  return WK_OK;
}

static wk_status put_photos(canvas *c, const wk_embedding_map *a, const wk_embedding_picture *p, wk_error *err) {
  wk_status st = WK_OK;
  uint32_t *order = wk_alloc_array(a->rows, sizeof *order);
  if (!order)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the picture of a map");
  for (size_t i = 0; i < a->rows; i++)
    order[i] = (uint32_t)i;
  wk_rng rng; /* in no order, so that no class lies on top of the others */
  wk_rng_init(&rng, 1, a->rows);
  wk_rng_shuffle(&rng, order, a->rows);
  for (size_t i = 0; i < a->rows && st == WK_OK; i++) {
    size_t row = order[i];
    int x = MARGIN + c->tile / 2 + (int)lroundf((a->xy[2 * row] - c->low[0]) * c->scale);
    int y = c->top + c->tile / 2 + (int)lroundf((a->xy[2 * row + 1] - c->low[1]) * c->scale);
    uint8_t rgb[3];
    wk_class_colour(rgb, label_of(p, row), p->class_count);
    if (p->thumbnails)
      st = put_photo(c, p, row, x, y, rgb, err);
    else
      put_dot(c, x, y, rgb);
  }
  wk_free(order);
  return st;
}

/* A line of the legend: as much of the name as there is room for, and how many photos. */
static void legend_line(canvas *c, int x, int y, const uint8_t rgb[3], const char *name, size_t photos) {
  static const uint8_t ink[3] = {32, 32, 32};
  char text[160], number[24];
  snprintf(number, sizeof number, "%zu", photos);
  int room = LEGEND - 30 - wk_text_width(number, 1) - 8;
  size_t n = strlen(name) < 100 ? strlen(name) : 100;
  memcpy(text, name, n);
  text[n] = 0;
  while (n && wk_text_width(text, 1) > room) {
    do
      n--;
    while (n && ((uint8_t)text[n] & 0xc0) == 0x80);
    memcpy(text + n, "...", 4);
  }
  wk_draw_fill(&c->image, x, y + 2, 14, 14, rgb);
  wk_draw_text(&c->image, x + 22, y, text, 1, ink);
  wk_draw_text(&c->image, x + LEGEND - wk_text_width(number, 1), y, number, 1, ink);
}

static wk_status put_legend(canvas *c, const wk_embedding_map *a, const wk_embedding_picture *p, wk_error *err) {
  size_t *count = wk_calloc((size_t)p->class_count + 1, sizeof *count);
  if (!count)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the picture of a map");
  for (size_t i = 0; i < a->rows; i++) {
    int label = label_of(p, i);
    count[label < 0 || label >= p->class_count ? p->class_count : label]++;
  }
  int x = MARGIN + c->width + MARGIN, y = c->top, shown = 0, most = c->height / LEGEND_ROW - 1, used = 0;
  for (int k = 0; k <= p->class_count; k++)
    used += count[k] > 0;
  for (int k = 0; k <= p->class_count; k++) {
    if (!count[k])
      continue;
    if (shown++ >= most) {
      static const uint8_t ink[3] = {96, 96, 96};
      char more[64];
      snprintf(more, sizeof more, "and %d more classes", used - most);
      wk_draw_text(&c->image, x, y, more, 1, ink);
      break;
    }
    uint8_t rgb[3];
    wk_class_colour(rgb, k < p->class_count ? k : -1, p->class_count);
    legend_line(c, x, y, rgb, k < p->class_count ? p->names[k] : "no class", count[k]);
    y += LEGEND_ROW;
  }
  wk_free(count);
  return WK_OK;
}

/* How large the map becomes: as wide and high as its photos reach, and high enough for the legend. */
static void measure(canvas *c, const wk_embedding_map *a, const wk_embedding_picture *p, bool legend) {
  float high[2] = {0, 0};
  c->low[0] = c->low[1] = 1;
  for (size_t i = 0; i < 2 * a->rows; i++) {
    c->low[i & 1] = fminf(c->low[i & 1], a->xy[i]);
    high[i & 1] = fmaxf(high[i & 1], a->xy[i]);
  }
  float x = high[0] - c->low[0], y = high[1] - c->low[1];
  /* All tiles together cover a third of the map: they crowd where photos are alike. */
  double tile = (double)p->size * sqrt((double)fmaxf(x * y, 0.05f) / 3 / (double)a->rows);
  c->tile = !p->thumbnails ? 7 : tile < SMALLEST ? SMALLEST : tile > LARGEST ? LARGEST : (int)tile;
  c->scale = (float)(p->size - c->tile);
  c->width = c->tile + (int)lroundf(x * c->scale);
  c->height = c->tile + (int)lroundf(y * c->scale);
  int lines = p->class_count + 1 < LEGEND_LINES ? p->class_count + 1 : LEGEND_LINES;
  if (legend && c->height < lines * LEGEND_ROW)
    c->height = lines * LEGEND_ROW;
}

wk_status wk_embedding_map_draw(wk_image *out, const wk_embedding_map *a, const wk_embedding_picture *p,
                                wk_error *err) {
  if (p->size < 200 || p->size > 16000 || (p->thumbnails && p->side < 1) || (p->class_count && !p->names))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a map of %d pixels: expected 200 to 16000", p->size);
  static const uint8_t ground[3] = {250, 250, 248}, ink[3] = {32, 32, 32};
  bool legend = p->labels && p->class_count;
  canvas c = {.top = MARGIN + (p->title ? 40 : 0)};
  measure(&c, a, p, legend);
  int width = c.width + (legend ? 3 * MARGIN + LEGEND : 2 * MARGIN);
  WK_RETURN_IF_ERROR(wk_image_alloc(&c.image, width, c.top + c.height + MARGIN, err));
  wk_draw_fill(&c.image, 0, 0, c.image.width, c.image.height, ground);
  if (p->title)
    wk_draw_text(&c.image, MARGIN, MARGIN / 2, p->title, 2, ink);
  wk_status st = put_photos(&c, a, p, err);
  if (st == WK_OK && legend)
    st = put_legend(&c, a, p, err);
  if (st == WK_OK)
    *out = c.image;
  else
    wk_image_free(&c.image);
  return st;
}
