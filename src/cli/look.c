/* look.c - what the ways of looking share: opening, writing pictures, ending. */
#include <stdlib.h>
#include <string.h>

#include "look.h"
#include "whisker/clock.h"

wk_status cli_look_begin(cli_looking *l, cli *c, const char *model, const char *arch, const char *photo,
                         const char *out, wk_error *err) {
  *l = (cli_looking){.cli = c, .began = wk_clock_seconds()};
  l->images = json_array();
  if (!wk_output_is_png(out))
    return cli_error(err, WK_ERR_ARGUMENT, "%s: pictures are written as PNG; give a name that ends in .png with -o",
                     out);
  wk_status st = wk_output_check(out, false, err);
  if (st == WK_OK)
    st = wk_model_open(&l->model, model, arch, &c->pull, &c->ctx, err);
  if (st == WK_OK && photo)
    st = wk_explain_input_open(&l->view, photo, &l->model->backbone->preprocess, err);
  return st;
}

wk_status cli_look_save(cli_looking *l, const wk_image *picture, const char *path, const char *shows, wk_error *err) {
  wk_status st = wk_image_save_png(picture, path, err);
  if (st == WK_OK)
    json_array_append_new(l->images,
                          json_pack("{s:o,s:o,s:i,s:i}", "out", cli_json_text(path), "shows", cli_json_text(shows),
                                    "width", picture->width, "height", picture->height));
  return st;
}

int cli_look_end(cli_looking *l, wk_status st, const wk_error *err, json_t *more) {
  int rc;
  if (st == WK_OK) {
    json_t *all = more ? json_incref(more) : json_object();
    json_object_set(all, "images", l->images);
    json_object_set_new(all, "seconds", cli_json_number(wk_clock_seconds() - l->began));
    json_object_set(all, "warnings", l->cli->warnings);
    rc = cli_print_json(l->cli, all);
  } else {
    rc = cli_fail(l->cli, err);
  }
  json_decref(more);
  json_decref(l->images);
  wk_explain_input_free(&l->view);
  wk_model_free(l->model);
  return rc;
}

/* A label may hold a comma itself, so all of it is tried as one name first. */
static wk_status classes_named(int *class, int *count, int most, const wk_model *m, const char *names, wk_error *err) {
  *count = 0;
  if (wk_model_class(class, m, names, err) == WK_OK) {
    *count = 1;
    return WK_OK;
  }
  char *list = strdup(names), *rest = list;
  if (!list)
    return cli_no_memory(err);
  wk_status st = WK_OK;
  for (char *name; st == WK_OK && (name = strsep(&rest, ","));) {
    if (*count == most)
      st = cli_error(err, WK_ERR_ARGUMENT, "--class takes at most %d classes at once", most);
    else
      st = wk_model_class(&class[(*count)++], m, name, err);
  }
  free(list);
  return st;
}

wk_status cli_look_classes(int *class, int *count, int most, const cli_looking *l, const char *names, wk_error *err) {
  const wk_model *m = l->model;
  if (m->label_count < 1)
    return cli_error(err, WK_ERR_UNSUPPORTED, "this network has no classes of its own: train a head on it first");
  if (names)
    return classes_named(class, count, most, m, names, err);
  float *p = calloc((size_t)m->label_count, sizeof *p);
  if (!p)
    return cli_no_memory(err);
  wk_status st = wk_explain_input_predict(p, &l->view, m, &l->cli->ctx, err);
  *class = 0;
  *count = 1;
  for (int i = 1; i < m->label_count; i++)
    *class = p[i] > p[*class] ? i : *class;
  free(p);
  return st;
}

const char *cli_look_where(const wk_attribution_region *e) {
  static char text[128];
  if (e->share > 0)
    snprintf(text, sizeof text, "%.0f%% of the evidence in one region, %s (%s%.0f%% of the photo)", 100 * e->share,
             e->place, e->area < 0.01 ? "less than " : "", e->area < 0.01 ? 1.0 : 100 * e->area);
  else
    snprintf(text, sizeof text, "no evidence for it here");
  return text;
}

json_t *cli_look_evidence_json(const wk_attribution_region *e) {
  return json_pack("{s:f,s:f,s:s}", "share", e->share, "area", e->area, "place", e->place);
}

const char *cli_look_file(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

const char *cli_look_model(char *out, size_t room, const wk_model *m, const char *name) {
  if (m->head)
    snprintf(out, room, "%s (%s)", cli_look_file(name), m->backbone->arch->name);
  else
    snprintf(out, room, "%s", m->backbone->arch->name);
  return out;
}

wk_status cli_look_sheet(wk_image *out, const wk_image *picture, const char *const *label, int count,
                         const wk_frame *frame, wk_error *err) {
  enum { LEAST = 240, ALONE = 440, MOST = 480, ALL = 1000 }; /* units */
  const int w = picture->width, h = picture->height, longer = w > h ? w : h;
  wk_sheet s;
  wk_sheet_init(&s);
  s.frame = *frame;
  s.columns = count <= 4 ? count : (count + 1) / 2;
  const int least = count == 1 ? ALONE : LEAST;
  int side = longer / 2 < least ? least : longer / 2 < MOST ? longer / 2 : MOST;
  side = s.columns * side > ALL ? ALL / s.columns : side;
  s.cell_width = (int)((double)w * side / longer + 0.5);
  s.cell_height = (int)((double)h * side / longer + 0.5);
  s.cell_width = s.cell_width < LEAST / 2 ? LEAST / 2 : s.cell_width;
  return wk_sheet_draw(out, picture, label, count, &s, err);
}

wk_status cli_look_set_open(wk_feature_set *s, cli *c, const wk_model *m, const char *data, bool labels_from_name,
                            int most, wk_error *err) {
  wk_session *session = NULL;
  wk_status st = cli_session(&session, c, err);
  return st == WK_OK ? wk_feature_set_open(s, session, m, data, labels_from_name, most, err) : st;
}
