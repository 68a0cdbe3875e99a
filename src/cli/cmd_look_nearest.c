/* cmd_look_nearest.c - `whisker look nearest`: the photos of a collection that a network finds most like one photo. */
#include <stdlib.h>
#include <string.h>

#include "look.h"

enum { MOST = WK_MOST_NEAREST };

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
    st = wk_feature_set_nearest(row, cosine, &k, &s, one->row, &err);
  if (st == WK_OK && !k)
    st = cli_error(&err, WK_ERR_NOT_FOUND, "%s: no photo in it but %s itself", argv[2], argv[1]);
  if (st == WK_OK)
    st = wk_feature_set_draw_nearest(&picture, argv[1], &s, row, cosine, k, 0, &err);
  if (st == WK_OK)
    st = cli_look_save(&l, &picture, out, "the photo, and those most like it", &err);
  if (st == WK_OK)
    more = tell(c, &s, row, cosine, k, argv[1], out);
  wk_image_free(&picture);
  wk_features_free(one);
  wk_feature_set_free(&s);
  return cli_look_end(&l, st, &err, more);
}
