/* check_data.c - wk_check_data: what is wrong with a collection of photos, before anyone trains on it. What the files
 * show by themselves comes from the data room; here a classifier that has not seen them judges the photos. */
#include <math.h>
#include <string.h>

#include "base/softmax.h"
#include "data/check.h"
#include "whisker/answers.h"
#include "whisker/clock.h"
#include "whisker/probe.h"
#include "workflow/doctor.h"

/* A label is left out where another class is so much more likely; less may be no more than a hard photo. */
#define SURE_MARGIN -0.8
enum { FEWEST_ROWS = 10, MOST_CLASSES = 2000, CURVE = 4 };

static const wk_option option_rows[] = {
    {.name = "labels",
     WK_ROW_BOOL(wk_check_data_options, labels),
     .value = 1,
     .help = "do not look for wrong labels, outliers and classes that need more photos, which takes a network"},
    {.name = "backbone",
     .letter = 'b',
     WK_ROW_TEXT(wk_check_data_options, backbone),
     .text = "efficientnet_lite0",
     .placeholder = "NAME|FILE",
     .help = "pretrained network that labels are judged by, by name or a weight file"},
    {.name = "arch",
     WK_ROW_TEXT(wk_check_data_options, arch),
     .placeholder = "NAME",
     .help = "architecture of a weight file, if it cannot be recognised"},
    {.name = "folds",
     WK_ROW_INT(wk_check_data_options, folds),
     .value = 5,
     .min = 2,
     .max = 100,
     .placeholder = "K",
     .help = "folds of the photos: each is judged by a classifier fitted on the others"},
    {.name = "outlier",
     WK_ROW_DOUBLE(wk_check_data_options, outlier),
     .value = 8,
     .min = 1,
     .max = INFINITY,
     .placeholder = "X",
     .help = "robust standard deviations from its class, from which on a photo is an outlier"},
    {.name = "target",
     WK_ROW_DOUBLE(wk_check_data_options, target),
     .value = 0.95,
     .min = 0,
     .max = 1,
     .flags = WK_OPTION_ABOVE_MIN | WK_OPTION_BELOW_MAX,
     .placeholder = "SHARE",
     .help = "share of a class's photos that should be told right: how many more photos that takes is estimated"},
    {0}};
static const wk_option_table option_table = {"check_data_options", sizeof(wk_check_data_options), option_rows, NULL};
const wk_option_table *wk_check_data_options_table(void) { return &option_table; }

void wk_check_data_options_init(wk_check_data_options *o) {
  wk_options_init(o, &option_table);
  wk_check_options_init(&o->check);
}

/* ---- a classifier judges ------------------------------------------------------------------------ */

typedef struct doctor {
  wk_call call;
  const wk_check_data_options *o;
  wk_check_report *r;
  wk_checking looked;
  wk_features *f;
  size_t *photo;   /* [f->rows] */
  int *y;          /* [f->rows] -1: not judged */
  uint32_t *group; /* [f->rows] */
  int *fold;
  float *p;
  wk_out_of_sample used;
} doctor;

/* Features of what can be read. Without the network it is said why, and the rest of the report stands. */
static wk_status compute_features(doctor *k, wk_error *err) {
  wk_status st = WK_OK;
  wk_error why = {0};
  wk_backbone *b = NULL;
  const wk_dataset *d = k->r->data;
  const wk_check *c = k->r->check;
  wk_features_options o;
  const char **path = NULL, **name = NULL;
  uint8_t(*sha256)[WK_SHA256_BYTES] = NULL;
  size_t n = 0;
  bool *bad = wk_calloc(d->photo_count + 1, sizeof *bad);
  WK_FAIL_IF(!bad, err, WK_ERR_MEMORY, "out of memory");
  st = wk_backbone_open(&b, k->o->backbone, k->o->arch, wk_session_pull_options(k->call.session), &k->call.ctx, &why);
  if (st == WK_ERR_MEMORY || st == WK_ERR_CANCELLED || st == WK_ERR_ARGUMENT) {
    if (err)
      *err = why;
    goto done;
  }
  if (st != WK_OK) {
    k->r->unjudged = wk_strdup(why.message);
    st = k->r->unjudged ? WK_OK : wk_no_memory(err);
    goto done;
  }
  for (size_t i = 0; i < d->photo_count; i++) /* a copy says nothing that its first has not said */
    bad[i] = !k->looked.photo[i].usable || (c->first[i] != i && d->photos[i].label == d->photos[c->first[i]].label);
  path = wk_alloc_array(d->photo_count + 1, sizeof *path);
  name = wk_alloc_array(d->photo_count + 1, sizeof *name);
  sha256 = wk_alloc_array(d->photo_count + 1, sizeof *sha256);
  k->photo = wk_alloc_array(d->photo_count + 1, sizeof *k->photo);
  WK_FAIL_IF(!path || !name || !sha256 || !k->photo, err, WK_ERR_MEMORY, "out of memory");
  for (size_t i = 0; i < d->photo_count; i++)
    if (!bad[i]) {
      path[n] = d->photos[i].path;
      name[n] = d->photos[i].name;
      memcpy(sha256[n], c->sha256[i], WK_SHA256_BYTES);
      k->photo[n++] = i;
    }
  wk_session_features_options(&o, k->call.session);
  o.scratch_folder = wk_session_scratch_folder(k->call.session);
  o.name = name;
  o.sha256 = (const uint8_t(*)[WK_SHA256_BYTES])sha256;
  WK_TRY(wk_features_compute(&k->f, b, path, n, &o, &k->call.ctx, err));
  k->r->computed_count = k->f->computed;
  for (size_t r = 0; r < k->f->rows; r++)
    k->photo[r] = k->photo[k->f->index[r]];
done:
  wk_backbone_free(b);
  wk_free(bad);
  wk_free(path);
  wk_free(name);
  wk_free(sha256);
  return st;
}

/* Labels of the rows; classes with one photo cannot be judged. *judgeable: two classes or more can. */
static wk_status label_rows(doctor *k, int *judgeable, wk_error *err) {
  const wk_dataset *d = k->r->data;
  const size_t rows = k->f->rows;
  size_t *have = wk_calloc((size_t)d->class_count + 1, sizeof *have);
  uint32_t *row_of = wk_alloc_array(d->photo_count + 1, sizeof *row_of);
  k->y = wk_alloc_array(rows + 1, sizeof *k->y);
  k->group = wk_alloc_array(rows + 1, sizeof *k->group);
  k->fold = wk_alloc_array(rows + 1, sizeof *k->fold);
  wk_status st = have && row_of && k->y && k->group && k->fold ? WK_OK : wk_no_memory(err);
  *judgeable = 0;
  for (size_t i = 0; st == WK_OK && i < d->photo_count; i++)
    row_of[i] = UINT32_MAX;
  for (size_t r = 0; st == WK_OK && r < rows; r++) {
    uint32_t *first = &row_of[k->r->check->first[k->photo[r]]];
    if (*first == UINT32_MAX)
      *first = (uint32_t)r;
    k->group[r] = *first;
    k->y[r] = d->photos[k->photo[r]].label;
    if (k->y[r] >= 0)
      have[k->y[r]]++;
  }
  for (size_t r = 0; st == WK_OK && r < rows; r++)
    if (k->y[r] >= 0 && have[k->y[r]] < 2)
      k->y[r] = -1;
  for (int c = 0; st == WK_OK && c < d->class_count; c++)
    *judgeable += have[c] >= 2;
  wk_free(have);
  wk_free(row_of);
  return st;
}

/* Classes are numbered anew where some cannot be judged: of[0..judgeable-1] are their numbers in the collection. */
static wk_status number_classes(int **of, doctor *k, int judgeable, wk_error *err) {
  const int classes = k->r->data->class_count;
  int *number = wk_alloc_array((size_t)classes + 1, sizeof *number), n = 0;
  *of = wk_alloc_array((size_t)judgeable + 1, sizeof **of);
  if (!number || !*of) {
    wk_free(number);
    return wk_no_memory(err);
  }
  for (int c = 0; c < classes; c++)
    number[c] = -1;
  for (size_t r = 0; r < k->f->rows; r++)
    if (k->y[r] >= 0)
      number[k->y[r]] = 0;
  for (int c = 0; c < classes; c++)
    if (number[c] == 0) {
      (*of)[n] = c;
      number[c] = n++;
    }
  for (size_t r = 0; r < k->f->rows; r++)
    k->y[r] = k->y[r] < 0 ? -1 : number[k->y[r]];
  wk_free(number);
  return WK_OK;
}

/* judged[c] and wrong[c] of each class (may be NULL), and of all. */
static wk_curve_point count_errors(const doctor *k, int classes, size_t *judged, size_t *wrong) {
  wk_curve_point all = {0};
  for (size_t r = 0; r < k->f->rows; r++) {
    const float *p = k->p + r * (size_t)classes;
    if (k->y[r] < 0 || isnan(p[0]))
      continue;
    const bool error = wk_best_class(p, classes, -1) != k->y[r];
    all.judged++;
    all.errors += error;
    if (judged) {
      judged[k->y[r]]++;
      wrong[k->y[r]] += error;
    }
  }
  return all;
}

/* ---- what comes of it --------------------------------------------------------------------------- */

static wk_status tell_labels(doctor *k, const int *class, int classes, wk_error *err) {
  const wk_dataset *d = k->r->data;
  wk_label_issue *issue = NULL;
  size_t count;
  WK_RETURN_IF_ERROR(wk_label_issues_find(&issue, &count, k->p, k->y, k->f->rows, classes, err));
  for (size_t i = 0; i < count; i++) {
    const size_t photo = k->photo[issue[i].row];
    const int suggested = class[issue[i].suggested];
    const bool sure = issue[i].confident && issue[i].margin <= SURE_MARGIN;
    const double p = (double)k->p[issue[i].row * (size_t)classes + (size_t)issue[i].suggested];
    wk_check_add(k->r->check, (wk_finding){.kind = WK_CHECK_MISLABELLED,
                                           .photo = photo,
                                           .other = WK_NO_PHOTO,
                                           .suggested = suggested,
                                           .score = (1 - issue[i].margin) / 2,
                                           .exclude = sure,
                                           .what = wk_asprintf(
                                               "%s: labelled \"%s\", looks like \"%s\" (%s)%s", d->photos[photo].name,
                                               d->classes[d->photos[photo].label], d->classes[suggested],
                                               wk_figure_percent(p).text, sure ? "" : ", perhaps only a hard photo")});
  }
  wk_free(issue);
  return WK_OK;
}

static wk_status tell_outliers(doctor *k, int classes, wk_error *err) {
  const wk_dataset *d = k->r->data;
  const size_t rows = k->f->rows;
  double *score = wk_alloc_array(rows + 1, sizeof *score);
  if (!score)
    return wk_no_memory(err);
  wk_status st = wk_outlier_scores(score, k->f, k->y, classes, err);
  for (size_t r = 0; st == WK_OK && r < rows; r++)
    if (score[r] >= k->o->outlier)
      wk_check_add(k->r->check,
                   (wk_finding){.kind = WK_CHECK_OUTLIER,
                                .photo = k->photo[r],
                                .other = WK_NO_PHOTO,
                                .suggested = -1,
                                .score = 1 - k->o->outlier / (score[r] + k->o->outlier),
                                .what = wk_asprintf("%s: unlike the others of \"%s\" (%.1f deviations from them)",
                                                    d->photos[k->photo[r]].name,
                                                    d->classes[d->photos[k->photo[r]].label], score[r])});
  wk_free(score);
  return st;
}

static char *say_need(const char *class, size_t right, size_t judged, double target, wk_interval more) {
  char range[80];
  if (isinf(more.high) && isinf(more.value))
    return wk_asprintf("\"%s\": told right in %zu of %zu photos; more photos alone are not likely to make it %s", class,
                       right, judged, wk_figure_percent(target).text);
  if (isinf(more.high) || more.high > 1e6)
    snprintf(range, sizeof range, "at least %.0f", ceil(more.low));
  else
    snprintf(range, sizeof range, "%.0f to %.0f", ceil(more.low), ceil(more.high));
  return wk_asprintf("\"%s\": told right in %zu of %zu photos; for %s it needs about %s more (%s)", class, right,
                     judged, wk_figure_percent(target).text,
                     more.value > 1e6 ? "a million" : wk_figure_count((uint64_t)ceil(more.value)).text, range);
}

static void tell_needs(doctor *k, const wk_learning_curve *curve, const int *class, int classes, const size_t *judged,
                       const size_t *wrong) {
  for (int c = 0; c < classes; c++) {
    if (!judged[c] || (double)wrong[c] <= (1 - k->o->target) * (double)judged[c])
      continue;
    const wk_interval more = wk_learning_curve_needs(curve, (double)judged[c], wrong[c], judged[c], 1 - k->o->target,
                                                     k->call.ctx.seed + (uint64_t)c);
    wk_check_add(k->r->check, (wk_finding){.kind = WK_CHECK_NEEDS,
                                           .photo = WK_NO_PHOTO,
                                           .other = WK_NO_PHOTO,
                                           .suggested = class[c],
                                           .score = (double)wrong[c] / (double)judged[c],
                                           .what = say_need(k->r->data->classes[class[c]], judged[c] - wrong[c],
                                                            judged[c], k->o->target, more)});
  }
}

/* The errors with parts of the photos; the last point is that with all of them, which is known. */
static wk_status measure_curve(doctor *k, wk_curve_point *point, int *points, int classes, size_t labelled,
                               wk_error *err) {
  static const double share[CURVE] = {0.125, 0.25, 0.5, 1};
  const double learned = (double)labelled / classes * (k->o->folds - 1) / k->o->folds;
  const wk_curve_point all = point[0];
  wk_out_of_sample_options o;
  wk_out_of_sample_options_init(&o);
  o.folds = k->o->folds;
  o.l2 = k->used.l2;
  o.temperature = k->used.temperature;
  o.mapped = k->f->mapped > 0;
  *points = 0;
  for (int i = 0; i < CURVE; i++) {
    wk_curve_point *at = &point[*points];
    if (share[i] * learned < 2)
      continue;
    *at = all;
    o.share = share[i];
    if (share[i] < 1) {
      WK_RETURN_IF_ERROR(wk_probe_out_of_sample(k->p, NULL, k->f->row, k->y, k->fold, k->f->rows, k->f->columns,
                                                classes, &o, &k->call.ctx, err));
      *at = count_errors(k, classes, NULL, NULL);
    }
    at->photos = fmax(1, share[i] * learned);
    ++*points;
  }
  return WK_OK;
}

static wk_status judge(doctor *k, const int *class, int classes, wk_error *err) {
  wk_status st = WK_OK;
  const size_t rows = k->f->rows;
  wk_curve_point point[CURVE];
  wk_learning_curve curve;
  int points;
  size_t cells, labelled = 0;
  wk_out_of_sample_options o;
  wk_out_of_sample_options_init(&o);
  o.folds = k->o->folds;
  o.mapped = k->f->mapped > 0;
  size_t *judged = wk_calloc((size_t)classes, sizeof *judged), *wrong = wk_calloc((size_t)classes, sizeof *wrong);
  k->p = wk_mul_overflow(&cells, rows + 1, (size_t)classes) ? NULL : wk_alloc_array(cells, sizeof *k->p);
  WK_FAIL_IF(!judged || !wrong || !k->p, err, WK_ERR_MEMORY, "out of memory for judging %zu photos of %d classes", rows,
             classes);
  WK_TRY(wk_split_folds(k->fold, k->y, k->group, rows, classes, k->o->folds, k->call.ctx.seed, err));
  WK_TRY(wk_probe_out_of_sample(k->p, &k->used, k->f->row, k->y, k->fold, rows, k->f->columns, classes, &o,
                                &k->call.ctx, err));
  point[0] = count_errors(k, classes, judged, wrong);
  for (size_t r = 0; r < rows; r++)
    labelled += k->y[r] >= 0;
  k->r->judged = (size_t)point[0].judged;
  k->r->right = wk_wilson((size_t)(point[0].judged - point[0].errors), k->r->judged);
  WK_TRY(tell_labels(k, class, classes, err));
  WK_TRY(tell_outliers(k, classes, err));
  bool needed = false;
  for (int c = 0; c < classes; c++)
    needed = needed || (double)wrong[c] > (1 - k->o->target) * (double)judged[c];
  if (!needed)
    goto done;
  WK_TRY(measure_curve(k, point, &points, classes, labelled, err));
  if (points >= 2) {
    WK_TRY(wk_learning_curve_fit(&curve, point, points, k->call.ctx.seed, err));
    k->r->exponent = curve.exponent;
    tell_needs(k, &curve, class, classes, judged, wrong);
  }
done:
  wk_free(judged);
  wk_free(wrong);
  return st;
}

/* Features of the photos, or why they are not asked for. */
static wk_status see(doctor *k, wk_error *err) {
  if (!k->o->labels)
    k->r->unjudged = wk_strdup("not asked for");
  else if (k->r->data->class_count < 2)
    k->r->unjudged = wk_strdup(k->r->data->class_count ? "there is one class only" : "the photos have no labels");
  else if (k->r->check->usable < FEWEST_ROWS)
    k->r->unjudged = wk_asprintf("that takes %d photos at least", FEWEST_ROWS);
  else if (k->r->data->class_count > MOST_CLASSES)
    k->r->unjudged = wk_asprintf("there are more than %d classes", MOST_CLASSES);
  else
    return compute_features(k, err);
  return k->r->unjudged ? WK_OK : wk_no_memory(err);
}

static wk_status look_at_labels(doctor *k, wk_error *err) {
  int judgeable = 0, *class = NULL;
  WK_RETURN_IF_ERROR(label_rows(k, &judgeable, err));
  if (judgeable < 2) {
    k->r->unjudged = wk_strdup("fewer than two classes have two photos");
    return k->r->unjudged ? WK_OK : wk_no_memory(err);
  }
  wk_status st = number_classes(&class, k, judgeable, err);
  if (st == WK_OK)
    st = judge(k, class, judgeable, err);
  wk_free(class);
  return st;
}

/* What the files show, what a network sees in them, and what of that is wrong. */
static wk_status examine(doctor *k, wk_error *err) {
  wk_check_report *r = k->r;
  const wk_context *ctx = &k->call.ctx;
  const double start = wk_clock_seconds();
  r->check = wk_calloc(1, sizeof *r->check);
  if (!r->check)
    return wk_no_memory(err);
  WK_RETURN_IF_ERROR(wk_check_look(&k->looked, r->check, r->data, &k->o->check, ctx, err));
  WK_RETURN_IF_ERROR(see(k, err));
  if (k->f && k->o->check.look_alikes)
    WK_RETURN_IF_ERROR(wk_twins_join(r->check->first, k->looked.twin, k->looked.photo, r->data->photo_count, k->f,
                                     k->photo, ctx, err));
  WK_RETURN_IF_ERROR(wk_check_tell(&k->looked, err));
  wk_check_end(&k->looked);
  if (k->f)
    WK_RETURN_IF_ERROR(look_at_labels(k, err));
  r->check->seconds = wk_clock_seconds() - start;
  return WK_OK;
}

/* ---- the whole ---------------------------------------------------------------------------------- */

static wk_status count_excluded(wk_check_report *r, wk_error *err) {
  bool *out = wk_calloc(r->data->photo_count + 1, sizeof *out);
  if (!out)
    return wk_no_memory(err);
  for (size_t i = 0; i < r->check->finding_count; i++)
    if (r->check->findings[i].exclude)
      out[r->check->findings[i].photo] = true;
  for (size_t i = 0; i < r->data->photo_count; i++)
    r->exclude_count += out[i];
  wk_free(out);
  return WK_OK;
}

wk_status wk_check_data(wk_check_report **out, wk_session *s, const char *data, const wk_check_data_options *options,
                        wk_error *err) {
  WK_NEED(err, out, s, data);
  wk_status st = WK_OK;
  wk_check_data_options o;
  wk_dataset_options d;
  wk_features_options kept;
  wk_check_data_options_init(&o);
  if (options)
    o = *options;
  doctor k = {.o = &o};
  wk_call_begin(&k.call, s);
  wk_check_report *r = k.r = wk_calloc(1, sizeof *r);
  WK_FAIL_IF(!r, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_options_validate(&o, &option_table, err));
  WK_TRY(wk_options_validate(&o.check, wk_check_options_table(), err));
  r->right = wk_wilson(0, 0);
  r->exponent = NAN;
  wk_session_dataset_options(&d, s);
  wk_session_features_options(&kept, s);
  if (!o.check.cache_folder)
    o.check.cache_folder = kept.cache_folder;
  d.ctx = &k.call.ctx;
  d.labels_from_name = o.labels_from_name;
  d.allow_unlabelled = true;
  WK_TRY(wk_dataset_open(&r->data, data, &d, err));
  WK_TRY(examine(&k, err));
  WK_FAIL_IF(r->check->failed, err, WK_ERR_MEMORY, "out of memory");
  wk_check_sort(r->check);
  WK_TRY(count_excluded(r, err));
  WK_TRY(wk_check_verdict(r, data, err));
  r->seconds = wk_call_seconds(&k.call);
  WK_TRY(wk_call_take_warnings(&r->warnings, &k.call, err));
  *out = r;
  r = NULL;
done:
  wk_check_end(&k.looked);
  wk_features_free(k.f);
  wk_free(k.photo);
  wk_free(k.y);
  wk_free(k.group);
  wk_free(k.fold);
  wk_free(k.p);
  wk_check_report_free(r);
  wk_call_end(&k.call);
  return st;
}
