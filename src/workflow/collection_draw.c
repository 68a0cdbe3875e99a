/* collection_draw.c - pictures of a collection as one model sees it: the map, what is most alike, and how many photos
 * stay right under attack. For the page of everything and for the commands that show one of them. */
#include <string.h>

#include "whisker/draw.h"
#include "whisker/embedding_page.h"
#include "whisker/insight.h"
#include "workflow/workflow.h"

/* ---- the map ----------------------------------------------------------------------------------- */

/* Thumbnails as large as makes sense for so many photos. */
static int thumb_side(size_t photos) { return photos <= 2500 ? 96 : photos <= 10000 ? 64 : 32; }

/* "pets, as ResNet-18 sees it" */
static void title_of(char *out, size_t size, const wk_feature_set *s, const wk_model *m) {
  const char *root = s->data->root;
  size_t n = strlen(root);
  while (n > 1 && root[n - 1] == '/')
    n--;
  size_t base = n;
  while (base > 0 && root[base - 1] != '/')
    base--;
  snprintf(out, size, "%.*s, as %s sees it", n - base < 200 ? (int)(n - base) : 200, root + base,
           m->backbone->arch->title);
}

wk_status wk_feature_set_draw_map(wk_image *out, const wk_feature_set *s, const wk_model *m,
                                  const wk_embedding_map *map, const char *html, int size, const wk_context *ctx,
                                  wk_error *err) {
  wk_status st = WK_OK;
  const int side = thumb_side(map->rows);
  uint8_t *thumbnails = NULL;
  wk_image picture = {0};
  char title[300], note[200];
  wk_embedding_picture p;
  title_of(title, sizeof title, s, m);
  snprintf(note, sizeof note, "%s photos by %d features each. What is alike to the network lies together.",
           wk_figure_count(map->rows).text, s->features->columns);
  WK_TRY(wk_thumbnails(&thumbnails, s->paths, map->rows, side, ctx, err));
  wk_embedding_picture_init(&p);
  p.thumbnails = thumbnails;
  p.side = side;
  p.labels = s->labels;
  p.names = (const char *const *)s->classes;
  p.class_count = s->class_count;
  p.title = title;
  p.size = size;
  WK_TRY(wk_embedding_map_draw(&picture, map, &p, err));
  if (html) {
    const wk_embedding_page page = {.map = map,
                                    .title = title,
                                    .note = note,
                                    .files = s->names,
                                    .labels = s->labels,
                                    .names = p.names,
                                    .class_count = p.class_count,
                                    .thumbnails = thumbnails,
                                    .side = side};
    WK_TRY(wk_embedding_page_write(html, &page, err));
  }
  *out = picture;
  picture = (wk_image){0};
done:
  wk_image_free(&picture);
  wk_free(thumbnails);
  return st;
}

/* ---- what is alike ----------------------------------------------------------------------------- */

enum { MOST = WK_MOST_NEAREST, CELL = 224, SPARE = 32 };

wk_status wk_photo_square(wk_image *out, const char *path, int side, wk_error *err) {
  wk_decode_options o;
  wk_image photo;
  wk_decode_options_init(&o);
  o.min_width = o.min_height = side;
  WK_RETURN_IF_ERROR(wk_photo_load(&photo, path, &o, err));
  int least = photo.width < photo.height ? photo.width : photo.height;
  double x = (photo.width - least) / 2.0, y = (photo.height - least) / 2.0;
  wk_status st =
      wk_image_resize(out, &photo, side, side, WK_FILTER_BICUBIC, (const double[]){x, y, x + least, y + least}, err);
  wk_image_free(&photo);
  return st;
}

/* The photo asked about may be in the collection itself, perhaps as a copy: features that are the same to the last bit.
 */
static bool is_itself(const float *query, const wk_features *f, size_t row) {
  return !memcmp(query, f->row + row * (size_t)f->columns, (size_t)f->columns * sizeof *query);
}

wk_status wk_feature_set_nearest(size_t *row, float *cosine, int *k, const wk_feature_set *s, const float *query,
                                 wk_error *err) {
  size_t found[MOST + SPARE];
  float c[MOST + SPARE];
  if (*k < 1 || *k > MOST)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "k must be from 1 to %d photos (got %d)", MOST, *k);
  size_t rows = s->features->rows, wanted = (size_t)*k + SPARE < rows ? (size_t)*k + SPARE : rows;
  WK_RETURN_IF_ERROR(wk_nearest(found, c, (int)wanted, query, s->features->row, rows, s->features->columns, err));
  int kept = 0;
  for (size_t i = 0; i < wanted && kept < *k; i++)
    if (!is_itself(query, s->features, found[i])) {
      row[kept] = found[i];
      cosine[kept++] = c[i];
    }
  *k = kept;
  return WK_OK;
}

wk_status wk_feature_set_draw_nearest(wk_image *out, const char *photo, const wk_feature_set *s, const size_t *row,
                                      const float *cosine, int k, int columns, wk_error *err) {
  wk_status st = WK_OK;
  wk_image picture[MOST + 1] = {{0}};
  char text[MOST + 1][600];
  const char *label[MOST + 1];
  wk_sheet sheet;
  WK_TRY(wk_photo_square(&picture[0], photo, CELL, err));
  snprintf(text[0], sizeof text[0], "the photo\n%.250s\n", wk_path_base(photo));
  for (int i = 0; i < k; i++) {
    const int class = s->labels[row[i]];
    WK_TRY(wk_photo_square(&picture[i + 1], s->paths[row[i]], CELL, err));
    snprintf(text[i + 1], sizeof text[0], "%.3f%s%.300s\n%.250s\n", (double)cosine[i], class >= 0 ? "  " : "",
             class >= 0 ? s->classes[class] : "", wk_path_base(s->paths[row[i]]));
  }
  for (int i = 0; i <= k; i++)
    label[i] = text[i];
  wk_sheet_init(&sheet);
  sheet.label_lines = 2;
  sheet.columns = columns;
  sheet.cell_width = sheet.cell_height = CELL / 2;
  sheet.marked = 1; /* which one is asked about */
  sheet.frame = (wk_frame){
      .title = "The photos that are most like this one",
      .subtitle = "The number is the cosine between their features: 1 is the same to the network.",
      .note =
          "What do they have in common: the animal, its pose, the background? That is what the network compares by."};
  WK_TRY(wk_sheet_draw(out, picture, label, k + 1, &sheet, err));
done:
  for (int i = 0; i <= k; i++)
    wk_image_free(&picture[i]);
  return st;
}

/* ---- accuracy against an attack's strength ------------------------------------------------------ */

void wk_robust_curve_fill(wk_robust_curve *c, const wk_robust *r, const double *eps_255, const char *y_label) {
  int n = r->count < WK_ROBUST_STRENGTHS ? r->count : WK_ROBUST_STRENGTHS;
  for (int i = 0; i < n; i++) {
    wk_interval w = wk_wilson(r->right[i], r->photo_count);
    c->y[i] = w.value;
    c->low[i] = w.low;
    c->high[i] = w.high;
  }
  c->series = (wk_series){.name = "right", .n = (size_t)n, .x = eps_255, .y = c->y, .low = c->low, .high = c->high};
  c->chart = (wk_chart){.title = "Right under attack",
                        .x_label = "largest change of a value, in 1/255",
                        .y_label = y_label,
                        .series = &c->series,
                        .count = 1,
                        .percent = true};
}
