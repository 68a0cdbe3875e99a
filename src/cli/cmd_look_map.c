/* cmd_look_map.c - `whisker look map`: all photos of a collection laid out by what a network sees in them, as a picture
 * and as a page. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "look.h"

enum { ODD_SHOWN = 10 };
/* Cosine of features above which two photos are almost certainly one picture: saved again, resized, or a burst. */
#define TWIN 0.985f

static json_t *odd_json(cli *c, const wk_feature_set *s, const wk_embedding_map *a, const wk_label_error *odd,
                        size_t count) {
  json_t *rows = json_array();
  for (size_t i = 0; i < count; i++) {
    const char *is = s->classes[s->labels[odd[i].row]], *like = s->classes[odd[i].looks_like];
    if (i == 0)
      cli_say(c, "\nLook like another class than theirs (a wrong label, or a hard photo):\n");
    if (i < ODD_SHOWN)
      cli_say(c, "  %s: %s, looks like %s (%d of the %d most alike)\n", s->names[odd[i].row], is, like, odd[i].votes,
              a->neighbours);
    json_array_append_new(rows, json_pack("{s:o,s:o,s:o,s:i}", "file", cli_json_text(s->paths[odd[i].row]), "label",
                                          cli_json_text(is), "looks_like", cli_json_text(like), "votes", odd[i].votes));
  }
  if (count > ODD_SHOWN)
    cli_say(c, "  ... and %zu more\n", count - ODD_SHOWN);
  return rows;
}

static json_t *twins_json(cli *c, const wk_feature_set *s, const wk_embedding_map *a) {
  json_t *rows = json_array();
  for (size_t i = 0; i < a->rows && a->neighbours; i++) {
    size_t j = a->near[i * (size_t)a->neighbours];
    float cosine = a->cosine[i * (size_t)a->neighbours];
    bool mutual = a->near[j * (size_t)a->neighbours] == i;
    if (cosine < TWIN || (mutual && j < i))
      continue;
    if (!json_array_size(rows))
      cli_say(c, "\nNearly the same picture twice:\n");
    if (json_array_size(rows) < ODD_SHOWN)
      cli_say(c, "  %s  %s  (%.3f)\n", s->names[i], s->names[j], (double)cosine);
    json_array_append_new(rows, json_pack("{s:o,s:o,s:o}", "file", cli_json_text(s->paths[i]), "twin",
                                          cli_json_text(s->paths[j]), "cosine", cli_json_number((double)cosine)));
  }
  if (json_array_size(rows) > ODD_SHOWN)
    cli_say(c, "  ... and %zu more\n", json_array_size(rows) - ODD_SHOWN);
  return rows;
}

static json_t *points_json(const wk_feature_set *s, const wk_embedding_map *a) {
  json_t *rows = json_array();
  for (size_t i = 0; i < a->rows; i++)
    json_array_append_new(rows, json_pack("{s:o,s:o,s:f,s:f}", "file", cli_json_text(s->paths[i]), "label",
                                          s->labels[i] >= 0 ? cli_json_text(s->classes[s->labels[i]]) : json_null(),
                                          "x", (double)a->xy[2 * i], "y", (double)a->xy[2 * i + 1]));
  return rows;
}

static int classes_used(const wk_feature_set *s) {
  int used = 0;
  for (int k = 0; k < s->class_count; k++)
    for (size_t i = 0; i < s->features->rows; i++)
      if (s->labels[i] == k) {
        used++;
        break;
      }
  return used;
}

static json_t *tell(cli *c, const wk_feature_set *s, const wk_embedding_map *a, const wk_label_error *odd, size_t odds,
                    double agree, const char *out, const char *html) {
  int used = classes_used(s);
  cli_say(c, "%s", cli_photos(a->rows));
  if (used)
    cli_say(c, ", %d classes", used);
  if (isfinite(agree))
    cli_say(c, "; the photo most alike is of the same class for %s", cli_percent(agree));
  cli_say(c, "\n");
  json_t *strange = odd_json(c, s, a, odd, odds), *twins = twins_json(c, s, a);
  cli_say(c, "\n%s%s%s%s\n", out, html ? " \u00b7 " : "", html ? html : "",
          html ? ": open it in a browser to pan, zoom and search" : "");
  return json_pack("{s:o,s:o,s:I,s:I,s:i,s:o,s:o,s:o,s:o,s:o,s:o}", "out", cli_json_text(out), "html",
                   html ? cli_json_text(html) : json_null(), "photos", (json_int_t)a->rows, "broken",
                   (json_int_t)s->features->broken, "classes", used, "same_class_nearest", cli_json_number(agree),
                   "variance", cli_json_number(a->variance), "divergence", cli_json_number(a->kl), "odd", strange,
                   "twins", twins, "points", points_json(s, a));
}

int cli_look_map(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  const char *out = "map.png", *html = NULL, *arch = NULL;
  int names = 0, most = 0, size = 1600;
  wk_embedding_map_options o;
  wk_embedding_map_options_init(&o);
  const cli_flag flags[] = {
      {"output", 'o', CLI_STRING, &out, "FILE.png", "picture to write", 0, 0, NULL},
      {"html", 0, CLI_STRING, &html, "FILE.html",
       "also write a page to pan, zoom and search: one file that opens offline", 0, 0, NULL},
      {"photos", 0, CLI_INT, &most, "N", "use only the first N photos of every class; 0: all", 0, INFINITY, NULL},
      {"size", 0, CLI_INT, &size, "PIXELS", "side of the picture", 200, 16000, NULL},
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where to read the class of a photo", 0, 0, from},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  cli_add_options(c, &o, wk_embedding_map_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  wk_error err = {0};
  cli_looking l;
  wk_feature_set s = {0};
  wk_embedding_map *a = NULL;
  wk_label_error *odd = NULL;
  size_t odds = 0;
  double agree = NAN;
  json_t *more = NULL;
  wk_image picture = {0};
  wk_status st = cli_look_begin(&l, c, argv[0], arch, NULL, out, &err);
  if (st == WK_OK && html)
    st = wk_output_check(html, false, &err);
  if (st == WK_OK)
    st = cli_look_set_open(&s, c, l.model, argv[1], names == 1, most, &err);
  if (st == WK_OK)
    st = wk_embedding_map_make(&a, s.features->row, s.features->rows, s.features->columns, &o, &c->ctx, &err);
  if (st == WK_OK)
    st = wk_label_errors_find(&odd, &odds, &agree, a, s.labels, s.class_count, &err);
  if (st == WK_OK)
    st = wk_feature_set_draw_map(&picture, &s, l.model, a, html, size, &c->ctx, &err);
  if (st == WK_OK)
    st = cli_look_save(&l, &picture, out, "all photos, those that are alike together", &err);
  wk_image_free(&picture);
  if (st == WK_OK)
    more = tell(c, &s, a, odd, odds, agree, out, html);
  wk_free(odd);
  wk_embedding_map_free(a);
  wk_feature_set_free(&s);
  return cli_look_end(&l, st, &err, more);
}
