/* contact_sheet.c - see whisker/contact_sheet.h. Photos are decoded by all threads, each straight to the size it is
 * shown in. */
#include "whisker/contact_sheet.h"

#include <stdlib.h>
#include <string.h>

#include "whisker/draw.h"
#include "workflow/workflow.h"

enum { GREY = 200 };

static const wk_option option_rows[] = {{.name = "each",
                                         WK_ROW_INT(wk_contact_options, each),
                                         .value = 8,
                                         .min = 1,
                                         .max = 64,
                                         .placeholder = "N",
                                         .help = "photos of every class, drawn by --seed"},
                                        {.name = "classes",
                                         WK_ROW_INT(wk_contact_options, classes),
                                         .value = 40,
                                         .min = 1,
                                         .max = 1000,
                                         .placeholder = "N",
                                         .help = "at most so many classes, the first ones"},
                                        {.name = "side",
                                         WK_ROW_INT(wk_contact_options, side),
                                         .value = 128,
                                         .min = 32,
                                         .max = 512,
                                         .placeholder = "PIXELS",
                                         .help = "side of a photo on the sheet"},
                                        {0}};
static const wk_option_table option_table = {"contact_options", sizeof(wk_contact_options), option_rows, NULL};
const wk_option_table *wk_contact_options_table(void) { return &option_table; }

void wk_contact_options_init(wk_contact_options *o) { wk_options_init(o, &option_table); }

/* Cells as they are filled. */
typedef struct sheet {
  const char **path; /* [count] NULL: an empty cell */
  char **label;      /* [count] */
  wk_image *picture; /* [count] */
  size_t count;
  int side;
  wk_progress progress;
} sheet;

static wk_status sheet_alloc(sheet *s, size_t count, wk_error *err) {
  s->path = wk_calloc(count + 1, sizeof *s->path);
  s->label = wk_calloc(count + 1, sizeof *s->label);
  s->picture = wk_calloc(count + 1, sizeof *s->picture);
  s->count = count;
  return s->path && s->label && s->picture ? WK_OK : wk_no_memory(err);
}

static void sheet_free(sheet *s) {
  for (size_t i = 0; i < s->count; i++) {
    if (s->label)
      wk_free(s->label[i]);
    if (s->picture)
      wk_image_free(&s->picture[i]);
  }
  wk_free(s->path);
  wk_free(s->label);
  wk_free(s->picture);
}

static wk_status load_one(void *user, size_t i, int worker, wk_error *err) {
  (void)worker;
  sheet *s = user;
  wk_image photo = {0};
  wk_error why = {0};
  wk_decode_options o;
  wk_decode_options_init(&o);
  o.min_width = o.min_height = s->side;
  o.accept_truncated = true;
  wk_status st = s->path[i] ? wk_photo_load(&photo, s->path[i], &o, &why) : WK_ERR_NOT_FOUND;
  if (st == WK_OK) {
    const int longer = photo.width > photo.height ? photo.width : photo.height;
    const int width = photo.width * s->side / longer, height = photo.height * s->side / longer;
    st = wk_image_resize(&s->picture[i], &photo, width > 1 ? width : 1, height > 1 ? height : 1, WK_FILTER_BILINEAR,
                         NULL, &why);
  }
  wk_image_free(&photo);
  if (st == WK_ERR_MEMORY)
    return WK_FAIL(err, st, "out of memory for a contact sheet");
  if (st != WK_OK) {
    WK_RETURN_IF_ERROR(wk_image_alloc(&s->picture[i], s->side, s->side, err));
    memset(s->picture[i].pixels, s->path[i] ? GREY : 255, 3 * (size_t)s->side * (size_t)s->side);
  }
  wk_progress_add(&s->progress, 1);
  return WK_OK;
}

static wk_status draw(wk_image *out, sheet *s, int columns, const char *title, const char *subtitle, int lines,
                      const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_sheet how;
  wk_sheet_init(&how);
  how.frame.title = title;
  how.frame.subtitle = subtitle;
  how.frame.density = 1;
  how.columns = columns;
  how.cell_width = how.cell_height = s->side;
  how.label_lines = lines;
  WK_TRY(wk_progress_begin(&s->progress, ctx, "photos", s->count, err));
  WK_TRY(wk_parallel(ctx, 0, s->count, load_one, s, err));
  WK_TRY(wk_sheet_draw(out, s->picture, (const char *const *)s->label, (int)s->count, &how, err));
done:
  wk_progress_end(&s->progress);
  return st;
}

/* ---- of a collection ------------------------------------------------------------------------------ */

/* Row `row` of the sheet: some photos of a class, in the collection's order. */
static wk_status fill_row(sheet *s, int row, const wk_dataset *d, int label, int each, uint64_t seed, wk_error *err) {
  size_t have = 0, taken = 0;
  wk_rng rng;
  wk_rng_init(&rng, seed, (uint64_t)label + 1);
  for (size_t i = 0; i < d->photo_count; i++)
    have += d->photos[i].label == label;
  size_t left = have, want = have < (size_t)each ? have : (size_t)each;
  for (size_t i = 0; i < d->photo_count && want; i++) { /* Knuth's selection sampling */
    if (d->photos[i].label != label || wk_rng_below(&rng, (uint32_t)left--) >= want)
      continue;
    want--;
    const size_t at = (size_t)row * (size_t)each + taken++;
    s->path[at] = d->photos[i].path;
    const char *name = wk_path_base(d->photos[i].name);
    s->label[at] = taken > 1
                       ? wk_strdup(name)
                       : wk_asprintf("%s (%s)", label < 0 ? "photos" : d->classes[label], wk_figure_count(have).text);
    if (!s->label[at])
      return wk_no_memory(err);
  }
  return WK_OK;
}

wk_status wk_contact_sheet(wk_image *out, wk_session *session, const char *data, const wk_contact_options *options,
                           wk_error *err) {
  WK_NEED(err, out, session, data);
  wk_status st = WK_OK;
  wk_contact_options o;
  wk_dataset_options how;
  wk_dataset *d = NULL;
  wk_call call;
  sheet s = {0};
  char subtitle[160];
  wk_contact_options_init(&o);
  if (options)
    o = *options;
  wk_call_begin(&call, session);
  WK_TRY(wk_options_validate(&o, &option_table, err));
  wk_session_dataset_options(&how, session);
  how.ctx = &call.ctx;
  how.labels_from_name = o.labels_from_name;
  how.allow_unlabelled = true;
  WK_TRY(wk_dataset_open(&d, data, &how, err));
  const int rows = !d->class_count ? 1 : d->class_count < o.classes ? d->class_count : o.classes;
  s.side = o.side;
  WK_TRY(sheet_alloc(&s, (size_t)rows * (size_t)o.each, err));
  for (int row = 0; row < rows; row++)
    WK_TRY(fill_row(&s, row, d, d->class_count ? row : -1, o.each, call.ctx.seed, err));
  snprintf(subtitle, sizeof subtitle, "%s photos, %d class%s%s", wk_figure_count(d->photo_count).text, d->class_count,
           d->class_count == 1 ? "" : "es", rows < d->class_count ? "; the first of them" : "");
  WK_TRY(draw(out, &s, o.each, data, subtitle, 1, &call.ctx, err));
done:
  sheet_free(&s);
  wk_dataset_free(d);
  wk_call_end(&call);
  return st;
}

/* ---- of mistakes ---------------------------------------------------------------------------------- */

static int surest_first(const void *a, const void *b) {
  const wk_mistake *const *x = a, *const *y = b;
  if ((*x)->p != (*y)->p)
    return (*x)->p > (*y)->p ? -1 : 1;
  return (*x > *y) - (*x < *y);
}

/* Of a mistake: what it was taken for; of a right answer: what it is. */
static wk_status fill_cell(sheet *s, size_t at, const wk_evaluation *e, const wk_mistake *m, bool right,
                           wk_error *err) {
  const char *name = wk_path_base(m->file), *truth = e->labels[m->truth];
  s->path[at] = m->file;
  s->label[at] =
      right ? wk_asprintf("right: %s %s\n%s", truth, wk_figure_percent(m->p_truth).text, name)
            : wk_asprintf("%s %s\nis %s: %s", e->labels[m->predicted], wk_figure_percent(m->p).text, truth, name);
  return s->label[at] ? WK_OK : wk_no_memory(err);
}

wk_status wk_mistakes_sheet(wk_image *out, wk_session *session, const wk_evaluation *e, int most, wk_error *err) {
  WK_NEED(err, out, session, e);
  enum { SIDE = 160, COLUMNS = 8 };
  wk_status st = WK_OK;
  wk_call call;
  sheet s = {.side = SIDE};
  char title[160];
  const wk_mistake **order = wk_alloc_array(e->mistake_count + 1, sizeof *order);
  wk_call_begin(&call, session);
  WK_FAIL_IF(!order, err, WK_ERR_MEMORY, "out of memory");
  WK_FAIL_IF(most < 1 || (!e->mistake_count && !e->surest_count), err, WK_ERR_NOT_FOUND, "there is no answer to show");
  for (size_t i = 0; i < e->mistake_count; i++)
    order[i] = &e->mistakes[i];
  if (e->mistake_count)
    qsort(order, e->mistake_count, sizeof *order, surest_first);
  const size_t wrong = e->mistake_count < (size_t)most ? e->mistake_count : (size_t)most;
  const size_t right = e->surest_count < (size_t)most ? e->surest_count : (size_t)most;
  const size_t below = (wrong + COLUMNS - 1) / COLUMNS * COLUMNS; /* right ones begin a row */
  WK_TRY(sheet_alloc(&s, below + right, err));
  for (size_t i = 0; i < wrong; i++)
    WK_TRY(fill_cell(&s, i, e, order[i], false, err));
  for (size_t i = 0; i < right; i++)
    WK_TRY(fill_cell(&s, below + i, e, &e->surest[i], true, err));
  snprintf(title, sizeof title, "%s of %s photos wrong: what the model was surest of",
           wk_figure_count(e->mistake_count).text, wk_figure_count(e->metrics->photo_count).text);
  WK_TRY(
      draw(out, &s, COLUMNS, title, right ? "below: what it was surest of and right about" : NULL, 2, &call.ctx, err));
done:
  wk_free(order);
  sheet_free(&s);
  wk_call_end(&call);
  return st;
}
