/* check_page.c - wk_check_write_page: the findings with thumbnails. Only what is shown is decoded, by all threads. */
#include <string.h>

#include "report/findings_page.h"
#include "whisker/output.h"
#include "workflow/doctor.h"

enum { SIDE = 160 };

/* One finding that is shown, and its pictures. */
typedef struct shown {
  const wk_finding *finding;
  wk_image photo, other;
} shown;

typedef struct drawing {
  const wk_dataset *d;
  shown *list;
  wk_progress progress;
} drawing;

/* What cannot be decoded has no picture, which is no failure. */
static wk_status thumbnail(wk_image *out, const char *path, wk_error *err) {
  wk_image photo = {0};
  wk_error why = {0};
  wk_decode_options o;
  wk_decode_options_init(&o);
  o.min_width = o.min_height = SIDE;
  o.accept_truncated = true;
  wk_status st = wk_photo_load(&photo, path, &o, &why);
  if (st == WK_OK) {
    const int longer = photo.width > photo.height ? photo.width : photo.height;
    const int width = longer > SIDE ? photo.width * SIDE / longer : photo.width;
    const int height = longer > SIDE ? photo.height * SIDE / longer : photo.height;
    st = wk_image_resize(out, &photo, width > 1 ? width : 1, height > 1 ? height : 1, WK_FILTER_BILINEAR, NULL, &why);
  }
  wk_image_free(&photo);
  return st == WK_ERR_MEMORY ? WK_FAIL(err, st, "%s: out of memory for its picture", path) : WK_OK;
}

static wk_status draw_one(void *user, size_t i, int worker, wk_error *err) {
  (void)worker;
  drawing *g = user;
  shown *s = &g->list[i];
  if (s->finding->photo != WK_NO_PHOTO)
    WK_RETURN_IF_ERROR(thumbnail(&s->photo, g->d->photos[s->finding->photo].path, err));
  if (s->finding->other != WK_NO_PHOTO)
    WK_RETURN_IF_ERROR(thumbnail(&s->other, g->d->photos[s->finding->other].path, err));
  wk_progress_add(&g->progress, 1);
  return WK_OK;
}

/* Without the file's name in front, which the card has already. */
static const char *without_name(const char *what, const char *name) {
  const size_t n = strlen(name);
  return strncmp(what, name, n) != 0 ? what : what[n] == ':' ? what + n + 2 : what[n] == ' ' ? what + n + 1 : what;
}

static wk_status add_finding(wk_findings_page *page, const wk_check_report *r, const shown *s, wk_error *err) {
  const wk_finding *f = s->finding;
  if (f->photo == WK_NO_PHOTO) {
    wk_findings_page_line(page, f->what);
    return WK_OK;
  }
  const wk_finding_card card = {.photo = &s->photo,
                                .other = f->other == WK_NO_PHOTO ? NULL : &s->other,
                                .name = wk_photo_below(r->data, f->photo),
                                .what = without_name(f->what, r->data->photos[f->photo].name),
                                .left_out = f->exclude};
  return wk_findings_page_card(page, &card, err);
}

static wk_status add_kinds(wk_findings_page *page, const wk_check_report *r, const shown *list, size_t count, int most,
                           wk_error *err) {
  const wk_check *c = r->check;
  for (size_t i = 0; i < count; i++) {
    const wk_check_kind kind = list[i].finding->kind;
    if (!i || list[i - 1].finding->kind != kind)
      wk_findings_page_section(page, wk_check_kind_name(kind), wk_figure_count(c->count[kind]).text,
                               wk_check_kind_words(kind, c->count[kind]), wk_check_kind_advice(kind));
    WK_RETURN_IF_ERROR(add_finding(page, r, &list[i], err));
    if ((i + 1 == count || list[i + 1].finding->kind != kind) && c->count[kind] > (size_t)most) {
      char line[80];
      snprintf(line, sizeof line, "and %s more, which the list names",
               wk_figure_count(c->count[kind] - (size_t)most).text);
      wk_findings_page_line(page, line);
    }
  }
  return WK_OK;
}

wk_status wk_check_write_page(const wk_check_report *r, wk_session *s, const char *path, int most, wk_error *err) {
  WK_NEED(err, r, s, path);
  wk_status st = WK_OK;
  wk_call call;
  wk_findings_page page = {0};
  drawing g = {.d = r->data};
  size_t count = 0, of_kind = 0;
  char *title = wk_asprintf("What is wrong with %s", r->data->root);
  wk_call_begin(&call, s);
  g.list = wk_calloc(r->check->finding_count + 1, sizeof *g.list);
  WK_FAIL_IF(!g.list || !title, err, WK_ERR_MEMORY, "out of memory for the page");
  WK_TRY(wk_output_check_own(path, WK_FINDINGS_PAGE_MARK, err));
  for (size_t i = 0; i < r->check->finding_count; i++) {
    const wk_finding *f = &r->check->findings[i];
    of_kind = i && f[-1].kind == f->kind ? of_kind + 1 : 0;
    if (of_kind < (size_t)most)
      g.list[count++].finding = f;
  }
  WK_TRY(wk_progress_begin(&g.progress, &call.ctx, "page", count, err));
  WK_TRY(wk_parallel(&call.ctx, 0, count, draw_one, &g, err));
  WK_TRY(add_kinds(&page, r, g.list, count, most, err));
  WK_TRY(wk_findings_page_save(&page, path, title, r->verdict, err));
done:
  wk_progress_end(&g.progress);
  for (size_t i = 0; g.list && i < count; i++) {
    wk_image_free(&g.list[i].photo);
    wk_image_free(&g.list[i].other);
  }
  wk_free(g.list);
  wk_free(title);
  wk_findings_page_free(&page);
  wk_call_end(&call);
  return st;
}
