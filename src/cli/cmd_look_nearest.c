/* cmd_look_nearest.c - `whisker look nearest`: the photos of a collection that a network finds most like one photo. */
#include <stdlib.h>
#include <string.h>

#include "look.h"

enum { MOST = 200, CELL = 224 };

/* The photo asked about may be in the collection itself, perhaps as a copy: features that are the same to the last bit.
 */
static bool is_itself(const float *query, const wk_features *f, size_t row) {
  return !memcmp(query, f->row + row * (size_t)f->columns, (size_t)f->columns * sizeof *query);
}

wk_status cli_look_cell(wk_image *out, const char *path, int side, wk_error *err) {
  wk_decode_options o;
  wk_decode_options_init(&o);
  o.min_width = o.min_height = side;
  wk_image photo;
  wk_status st = wk_photo_load(&photo, path, &o, err);
  if (st != WK_OK)
    return st;
  int least = photo.width < photo.height ? photo.width : photo.height;
  double x = (photo.width - least) / 2.0, y = (photo.height - least) / 2.0;
  st = wk_image_resize(out, &photo, side, side, WK_FILTER_BICUBIC, (const double[]){x, y, x + least, y + least}, err);
  wk_image_free(&photo);
  return st;
}

static const char *file_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

wk_status cli_look_nearest_draw(wk_image *out, const char *photo, const wk_feature_set *s, const size_t *row,
                                const float *cosine, int k, int columns, wk_error *err) {
  wk_image picture[MOST + 1] = {{0}};
  char text[MOST + 1][160];
  const char *label[MOST + 1];
  wk_status st = cli_look_cell(&picture[0], photo, CELL, err);
  snprintf(text[0], sizeof text[0], "the photo\n%.60s\n", file_of(photo));
  for (int i = 0; i < k && st == WK_OK; i++) {
    st = cli_look_cell(&picture[i + 1], s->paths[row[i]], CELL, err);
    snprintf(text[i + 1], sizeof text[0], "%.3f%s%.40s\n%.60s\n", (double)cosine[i], s->labels[row[i]] >= 0 ? "  " : "",
             s->labels[row[i]] >= 0 ? s->classes[s->labels[row[i]]] : "", file_of(s->paths[row[i]]));
  }
  for (int i = 0; i <= k; i++)
    label[i] = text[i];
  wk_sheet sheet;
  wk_sheet_init(&sheet);
  sheet.label_lines = 2;
  sheet.columns = columns;
  if (st == WK_OK)
    st = wk_sheet_draw(out, picture, label, k + 1, &sheet, err);
  if (st == WK_OK) /* which one is asked about */
    wk_draw_frame(out, sheet.gap, sheet.gap, CELL, CELL, 4, (const uint8_t[]){213, 94, 0});
  for (int i = 0; i <= k; i++)
    wk_image_free(&picture[i]);
  return st;
}

static json_t *tell(cli *c, const wk_feature_set *s, const size_t *row, const float *cosine, int k, const char *photo,
                    const char *out) {
  json_t *rows = json_array();
  cli_say(c, "%s is most like\n", photo);
  for (int i = 0; i < k; i++) {
    int label = s->labels[row[i]];
    cli_say(c, "  %.3f  %s%s%s\n", (double)cosine[i], label >= 0 ? s->classes[label] : "", label >= 0 ? "  " : "",
            s->names[row[i]]);
    json_array_append_new(rows, json_pack("{s:o,s:o,s:o,s:o}", "file", cli_json_text(s->paths[row[i]]), "label",
                                          label >= 0 ? cli_json_text(s->classes[label]) : json_null(), "cosine",
                                          cli_json_number((double)cosine[i]), "distance",
                                          cli_json_number(1 - (double)cosine[i])));
  }
  cli_say(c, "%s\n", out);
  return json_pack("{s:o,s:o,s:I,s:o}", "out", cli_json_text(out), "file", cli_json_text(photo), "photos",
                   (json_int_t)s->features->rows, "nearest", rows);
}

wk_status cli_look_nearest_find(size_t *row, float *cosine, int *k, const wk_feature_set *s, const float *query,
                                wk_error *err) {
  size_t found[MOST + 32];
  float c[MOST + 32];
  size_t rows = s->features->rows, wanted = (size_t)*k + 32 < rows ? (size_t)*k + 32 : rows;
  wk_status st = wk_nearest(found, c, (int)wanted, query, s->features->row, rows, s->features->columns, err);
  if (st != WK_OK)
    return st;
  int kept = 0;
  for (size_t i = 0; i < wanted && kept < *k; i++)
    if (!is_itself(query, s->features, found[i])) {
      row[kept] = found[i];
      cosine[kept++] = c[i];
    }
  *k = kept;
  return WK_OK;
}

int cli_look_nearest(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  const char *out = "nearest.png", *arch = NULL;
  int names = 0, k = 8;
  const cli_flag flags[] = {
      {"output", 'o', CLI_STRING, &out, "FILE.png", "contact sheet to write", 0, 0, NULL},
      {"top", 'k', CLI_INT, &k, "K", "number of photos", 1, MOST, NULL},
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where to read the class of a photo", 0, 0, from},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 3, 3, argc, argv)
  wk_error err = {0};
  cli_looking l;
  wk_feature_set s = {0};
  wk_features *one = NULL;
  wk_image picture = {0};
  size_t row[MOST];
  float cosine[MOST];
  json_t *more = NULL;
  wk_status st = cli_look_begin(&l, c, argv[0], arch, argv[1], out, &err);
  if (st == WK_OK)
    st = cli_look_set_open(&s, c, l.model, argv[2], names == 1, 0, &err);
  if (st == WK_OK) {
    wk_features_options o;
    wk_features_options_init(&o);
    o.cache_folder = c->features;
    const char *photo = argv[1];
    st = wk_features_compute(&one, l.model->backbone, &photo, 1, &o, &c->ctx, &err);
  }
  if (st == WK_OK && !one->rows)
    st = cli_error(&err, WK_ERR_FORMAT, "%s: cannot be read", argv[1]);
  if (st == WK_OK)
    st = cli_look_nearest_find(row, cosine, &k, &s, one->row, &err);
  if (st == WK_OK && !k)
    st = cli_error(&err, WK_ERR_NOT_FOUND, "%s: no photo in it but %s itself", argv[2], argv[1]);
  if (st == WK_OK)
    st = cli_look_nearest_draw(&picture, argv[1], &s, row, cosine, k, 0, &err);
  if (st == WK_OK)
    st = cli_look_save(&l, &picture, out, "the photo, and those most like it", &err);
  if (st == WK_OK)
    more = tell(c, &s, row, cosine, k, argv[1], out);
  wk_image_free(&picture);
  wk_features_free(one);
  wk_feature_set_free(&s);
  return cli_look_end(&l, st, &err, more);
}
