/* export_model.c - wk_export writes a model for another framework, and believes nothing: what was written is opened as
 * anybody's file is, and its logits of a picture are compared with the model's. */
#include "whisker/export_model.h"

#include <dirent.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "whisker/clock.h"
#include "whisker/output.h"
#include "workflow/workflow.h"

static const double most_difference = 1e-3; /* of the largest logit; what rounding does is some 1e-6 */

/* ---- what stands there -------------------------------------------------------------------------------- */

static bool is_empty_folder(const char *path) {
  DIR *d = opendir(path);
  bool empty = d != NULL;
  for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
    empty &= !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
  if (d)
    closedir(d);
  return empty;
}

/* What is opened to read the export back: the path, or a file in the folder. wk_free it. */
static char *main_file(const char *path, const wk_export_format *f) {
  return f->folder && f->main ? wk_path_join(path, f->main) : wk_strdup(path);
}

static wk_status check_output(const char *path, const wk_export_format *f, wk_error *err) {
  if (!f->folder)
    return wk_output_check_own(path, "whisker", err);
  if (!wk_path_exists(path) || is_empty_folder(path))
    return WK_OK;
  char *inside = main_file(path, f);
  if (!inside)
    return wk_no_memory(err);
  wk_status st =
      !wk_path_is_dir(path) || !wk_path_exists(inside)
          ? WK_FAIL(err, WK_ERR_IO,
                    "%s: is there already and no folder that whisker exported; give another name with -o", path)
          : wk_output_check_own(inside, "whisker", err);
  wk_free(inside);
  return st;
}

/* Files beside the export are whisker's own, or not there; the picture has no words in it, so the JSON answers for it.
 */
static wk_status check_beside(const char *path, const wk_export_format *f, wk_error *err) {
  static const char *const name[] = {"preprocess.py", "preprocess.js", "selftest.json", "selftest.png"};
  wk_status st = WK_OK;
  bool known = false;
  for (size_t i = 0; i < sizeof name / sizeof *name && st == WK_OK; i++) {
    char *file = wk_export_beside_path(path, f, name[i]);
    if (!file)
      return wk_no_memory(err);
    if (i < 3)
      st = wk_output_check_own(file, "whisker", err);
    else if (!known && wk_path_exists(file))
      st = WK_FAIL(err, WK_ERR_IO, "%s: is there already and not whisker's own; give another name with -o", file);
    known = i == 2 && wk_path_exists(file);
    wk_free(file);
  }
  return st;
}

static wk_status check_companion(const char *path, const wk_export_format *f, wk_error *err) {
  if (!f->companion)
    return WK_OK;
  char *file = wk_path_beside(path, f->companion);
  wk_status st = file ? wk_output_check_own(file, "\"writer\":\"whisker\"", err) : wk_no_memory(err);
  wk_free(file);
  return st;
}

/* Of a file, or of the files in a folder. */
static uint64_t size_of(const char *path) {
  struct stat info;
  uint64_t sum = 0;
  DIR *d = opendir(path);
  if (!d)
    return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
  for (struct dirent *e = readdir(d); e; e = readdir(d)) {
    char *file = e->d_name[0] == '.' ? NULL : wk_path_join(path, e->d_name);
    sum += file ? size_of(file) : 0;
    wk_free(file);
  }
  closedir(d);
  return sum;
}

/* ---- reading back ---------------------------------------------------------------------------------------- */

static void compare(wk_export_report *r, const float *want, const float *have, int n) {
  double largest = 0;
  for (int i = 0; i < n; i++) {
    const double diff = fabs((double)want[i] - (double)have[i]);
    largest = fmax(largest, fabs((double)want[i]));
    r->max_abs_diff = diff > r->max_abs_diff || isnan(diff) ? diff : r->max_abs_diff;
  }
  r->max_rel_diff = largest > 0 ? r->max_abs_diff / largest : r->max_abs_diff;
}

static bool same_labels(const wk_model *a, const wk_model *b) {
  bool same = a->label_count == b->label_count;
  for (int i = 0; same && i < a->label_count; i++)
    same = strcmp(a->labels[i], b->labels[i]) == 0;
  return same;
}

/* How a file of weights alone wants its pixels: as the model does, but always red first. */
static void pixels_of(wk_pixels *out, const wk_preprocess *p) {
  *out = (wk_pixels){.bgr = false};
  for (int c = 0; c < 3; c++) {
    out->mean[c] = p->mean[p->bgr ? 2 - c : c];
    out->std[c] = p->std[p->bgr ? 2 - c : c];
  }
}

/* The pixels that the model sees of the test picture, and its logits. */
typedef struct trial {
  wk_image seen;
  float *logits; /* [2 label_count]: the model's, then those of what was read back */
} trial;

static wk_status trial_open(trial *t, const wk_model *m, wk_error *err) {
  const wk_preprocess *p = &m->backbone->preprocess;
  wk_status st = WK_OK;
  wk_image picture = {0};
  t->logits = wk_alloc_array((size_t)m->label_count, 2 * sizeof *t->logits);
  WK_FAIL_IF(!t->logits, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_export_test_picture(&picture, err));
  WK_TRY(wk_preprocess_pixels(&t->seen, &picture, p, err));
  WK_TRY(wk_model_logits(t->logits, m, t->seen.pixels, p->height, p->width, NULL, err));
done:
  wk_image_free(&picture);
  return st;
}

static void trial_free(trial *t) {
  wk_image_free(&t->seen);
  wk_free(t->logits);
}

/* The logits of the file, opened as anybody's. */
static wk_status read_back(wk_export_report *r, wk_call *call, const wk_model *m, const char *path, const trial *t,
                           wk_error *err) {
  wk_status st = WK_OK;
  wk_model *back = NULL;
  wk_pixels pixels;
  char *file = main_file(path, r->format);
  WK_FAIL_IF(!file, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_call_open_model(&back, call, file, r->format->whole ? NULL : m->backbone->arch->name, err));
  WK_FAIL_IF(back->label_count != m->label_count, err, WK_ERR_NUMERIC, "reads back with %d classes instead of %d",
             back->label_count, m->label_count);
  pixels_of(&pixels, &m->backbone->preprocess);
  WK_TRY(wk_model_logits(t->logits + m->label_count, back, t->seen.pixels, t->seen.height, t->seen.width,
                         r->format->whole ? NULL : &pixels, err));
  r->labels_same = r->format->whole && same_labels(m, back);
done:
  wk_free(file);
  wk_model_free(back);
  return st;
}

/* By what was written, the logits of the picture again. */
static wk_status prove(wk_export_report *r, wk_call *call, const wk_model *m, const char *path,
                       const wk_export_options *o, const trial *t, wk_error *err) {
  wk_status st = WK_OK;
  float *back = t->logits + m->label_count;
  WK_TRY(r->format->runs ? wk_export_run(back, m, path, o, t->seen.pixels, err) : read_back(r, call, m, path, t, err));
  r->labels_same |= r->format->runs; /* there they are text that is written, and never read */
  compare(r, t->logits, back, m->label_count);
  r->compared = true;
  WK_FAIL_IF(r->precision == WK_EXPORT_FLOAT32 && !(r->max_rel_diff <= most_difference), err, WK_ERR_NUMERIC,
             "reads back with logits that differ by %.3g (%.2g of the largest); do not use it", r->max_abs_diff,
             r->max_rel_diff);
done:
  return st == WK_OK ? st : wk_error_prefix(err, st, "%s", path);
}

/* ---- photos to calibrate on ---------------------------------------------------------------------------- */

enum { MOST_PHOTOS = 100 };

/* Photos from the beginning to the end of the list, so that every class has some. */
static void choose(const char **out, size_t *count, const wk_named_photos *photos) {
  const size_t n = photos->count < MOST_PHOTOS ? photos->count : MOST_PHOTOS;
  for (size_t i = 0; i < n; i++)
    out[i] = photos->paths[photos->count * i / n];
  *count = n;
}

/* ---- the call ------------------------------------------------------------------------------------------ */

wk_status wk_export(wk_export_report **out, wk_session *s, const wk_model *m, const char *path,
                    const wk_export_options *options, wk_error *err) {
  WK_NEED(err, s, m, path);
  wk_status st = WK_OK;
  wk_call call;
  wk_export_options o;
  wk_named_photos photos = {0};
  const char *chosen[MOST_PHOTOS];
  trial t = {0};
  wk_export_report *r = NULL;
  wk_export_options_init(&o);
  if (options)
    o = *options;
  wk_call_begin(&call, s);
  r = wk_calloc(1, sizeof *r);
  WK_FAIL_IF(!r, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_export_format_for(&r->format, path, &o, err));
  WK_TRY(check_output(path, r->format, err));
  WK_TRY(check_beside(path, r->format, err));
  WK_TRY(check_companion(path, r->format, err));
  r->out = wk_strdup(path);
  WK_FAIL_IF(!r->out, err, WK_ERR_MEMORY, "out of memory");
  r->class_count = m->label_count;
  if (o.precision == WK_EXPORT_INT8 && o.calibrate) {
    WK_TRY(wk_call_name_photos(&photos, &call, &o.calibrate, 1, NULL, err));
    choose(chosen, &o.photo_count, &photos);
    o.photos = chosen;
  }
  r->precision = o.precision;
  r->calibrated_count = o.precision == WK_EXPORT_INT8 ? o.photo_count : 0;
  const double began = wk_clock_seconds();
  WK_TRY(wk_export_write(m, path, &o, &call.ctx, err));
  r->seconds = wk_clock_seconds() - began;
  r->bytes = size_of(path);
  WK_TRY(trial_open(&t, m, err));
  WK_TRY(wk_export_beside(m, path, &o, t.logits, err));
  if (r->format->reads_back || r->format->runs)
    WK_TRY(prove(r, &call, m, path, &o, &t, err));
  WK_TRY(wk_call_take_warnings(&r->warnings, &call, err));
  if (out) {
    *out = r;
    r = NULL;
  }
done:
  trial_free(&t);
  wk_named_photos_free(&photos);
  wk_export_report_free(r);
  wk_call_end(&call);
  return st;
}

void wk_export_report_free(wk_export_report *r) {
  if (!r)
    return;
  wk_free(r->out);
  wk_lines_free(&r->warnings);
  wk_free(r);
}

char *wk_export_report_json(const wk_export_report *r) {
  return wk_report_print(
      json_pack("{s:o,s:s,s:s,s:I,s:I,s:i,s:b,s:o,s:o,s:b,s:o,s:o}", "out", wk_report_text(r->out), "format",
                r->format->name, "precision", r->precision == WK_EXPORT_INT8 ? "int8" : "float32", "calibrated_on",
                (json_int_t)r->calibrated_count, "bytes", (json_int_t)r->bytes, "classes", r->class_count, "compared",
                r->compared, "max_abs_diff", wk_report_number(r->compared ? r->max_abs_diff : (double)NAN),
                "max_rel_diff", wk_report_number(r->compared ? r->max_rel_diff : (double)NAN), "labels_same",
                r->labels_same, "seconds", wk_report_number(r->seconds), "warnings", wk_report_lines(&r->warnings)));
}
