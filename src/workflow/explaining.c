/* explaining.c - see explaining.h. */
#include "workflow/explaining.h"

#include <string.h>

wk_status wk_explaining_begin(wk_explaining *e, wk_session *s, const wk_model *m, const char *photo, const char *path,
                              wk_error *err) {
  *e = (wk_explaining){.model = m};
  wk_call_begin(&e->call, s);
  if (!wk_output_is_png(path))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%s: pictures are written as PNG; give a name that ends in .png", path);
  WK_RETURN_IF_ERROR(wk_output_check(path, false, err));
  return photo ? wk_explain_input_open(&e->view, photo, &m->backbone->preprocess, err) : WK_OK;
}

void wk_explaining_end(wk_explaining *e) {
  wk_explain_input_free(&e->view);
  wk_call_end(&e->call);
}

/* ---- pictures ---------------------------------------------------------------------------------- */

wk_status wk_explaining_save(wk_drawings *drawn, const wk_image *picture, const char *path, const char *shows,
                             wk_error *err) {
  WK_RETURN_IF_ERROR(wk_image_save_png(picture, path, err));
  const size_t n = (size_t)drawn->count;
  wk_drawing *grown = wk_grow(drawn->list, n * sizeof *grown, (n + 1) * sizeof *grown);
  if (!grown)
    return wk_no_memory(err);
  drawn->list = grown;
  grown[n] = (wk_drawing){wk_strdup(path), wk_strdup(shows), picture->width, picture->height};
  drawn->count++;
  return grown[n].out && grown[n].shows ? WK_OK : wk_no_memory(err);
}

void wk_drawings_free(wk_drawings *d) {
  for (int i = 0; i < d->count; i++) {
    wk_free(d->list[i].out);
    wk_free(d->list[i].shows);
  }
  wk_free(d->list);
  *d = (wk_drawings){0};
}

json_t *wk_drawings_json(const wk_drawings *d) {
  json_t *all = json_array();
  for (int i = 0; i < d->count; i++)
    json_array_append_new(all, json_pack("{s:o,s:o,s:i,s:i}", "out", wk_report_text(d->list[i].out), "shows",
                                         wk_report_text(d->list[i].shows), "width", d->list[i].width, "height",
                                         d->list[i].height));
  return all;
}

json_t *wk_evidence_json(const wk_attribution_region *e) {
  return json_pack("{s:f,s:f,s:s}", "share", e->share, "area", e->area, "place", e->place);
}

/* ---- classes ----------------------------------------------------------------------------------- */

/* A label may hold a comma itself, so all of it is tried as one name first. */
static wk_status classes_named(int *class, int *count, int most, const wk_model *m, const char *names, wk_error *err) {
  *count = 0;
  if (wk_model_class(class, m, names, err) == WK_OK) {
    *count = 1;
    return WK_OK;
  }
  char *list = wk_strdup(names), *rest = list;
  if (!list)
    return wk_no_memory(err);
  wk_status st = WK_OK;
  for (char *name; st == WK_OK && (name = strsep(&rest, ","));) {
    if (*count == most)
      st = WK_FAIL(err, WK_ERR_ARGUMENT, "at most %d classes can be explained at once", most);
    else
      st = wk_model_class(&class[(*count)++], m, name, err);
  }
  wk_free(list);
  return st;
}

wk_status wk_explaining_classes(int *class, int *count, int most, const wk_explaining *e, const char *names,
                                wk_error *err) {
  const wk_model *m = e->model;
  wk_status st = WK_OK;
  int kind = 0, *of_kind = wk_calloc((size_t)m->label_count + 1, sizeof *of_kind);
  float *p = wk_calloc((size_t)m->label_count + 1, sizeof *p);
  WK_FAIL_IF(!of_kind || !p, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_model_check_classes(m, err));
  if (names)
    WK_TRY(wk_model_kind(of_kind, &kind, m, names, err));
  if (names && !kind) {
    st = classes_named(class, count, most, m, names, err);
    goto done;
  }
  /* Of all classes, or of those that "any cat" means, the one that the photo is taken for most. */
  WK_TRY(wk_explain_input_predict(p, &e->view, m, &e->call.ctx, err));
  *class = kind ? of_kind[0] : 0;
  *count = 1;
  for (int i = 1; i < (kind ? kind : m->label_count); i++) {
    const int other = kind ? of_kind[i] : i;
    *class = p[other] > p[*class] ? other : *class;
  }
done:
  wk_free(of_kind);
  wk_free(p);
  return st;
}

/* ---- captions ---------------------------------------------------------------------------------- */

const char *wk_file_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

const char *wk_caption_model(char *out, size_t room, const wk_model *m, const char *name) {
  const char *network = m->backbone->arch->name;
  if (m->head && name)
    snprintf(out, room, "%s (%s)", wk_file_name(name), network);
  else
    snprintf(out, room, "%s", network);
  return out;
}

wk_status wk_explaining_sheet(wk_image *out, const wk_image *picture, const char *const *label, int count,
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
