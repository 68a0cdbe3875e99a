/* check.c - the data doctor: reads every photo of a collection, and says what is wrong with it. */
#include <string.h>
#include <time.h>

#include "data/check.h"
#include "data/data.h"
#include "whisker/clock.h"

const char *wk_check_kind_name(wk_check_kind kind) {
  static const char *const name[] = {"ending", "tiny", "few", "imbalance", "labels", "leak", "ignored"};
  return (unsigned)kind < sizeof name / sizeof *name ? name[kind] : "unknown";
}

static const wk_option option_rows[] = {
    {.name = "tiny",
     WK_ROW_INT(wk_check_options, tiny),
     .value = 32,
     .min = 0,
     .max = 65535,
     .placeholder = "PIXELS",
     .help = "warn of photos whose shorter side is below this"},
    {.name = "few",
     WK_ROW_INT(wk_check_options, few),
     .value = 10,
     .min = 0,
     .max = INFINITY,
     .placeholder = "N",
     .help = "warn of classes with fewer photos than this"},
    {.name = "imbalance",
     WK_ROW_DOUBLE(wk_check_options, imbalance),
     .value = 5,
     .min = 1,
     .max = INFINITY,
     .placeholder = "X",
     .help = "warn if the largest class has this many times the photos of the smallest"},
    {.name = "look-alikes",
     WK_ROW_BOOL(wk_check_options, look_alikes),
     .value = 1,
     .help = "do not search for photos that look the same"},
    {0}};
static const wk_option_table option_table = {"check_options", sizeof(wk_check_options), option_rows, NULL};
const wk_option_table *wk_check_options_table(void) { return &option_table; }

void wk_check_options_init(wk_check_options *o) { wk_options_init(o, &option_table); }

void wk_check_free(wk_check *c) {
  if (!c)
    return;
  for (size_t i = 0; i < c->broken_count; i++)
    wk_free(c->broken[i].why);
  for (size_t i = 0; i < c->warning_count; i++)
    wk_free(c->warnings[i].message);
  for (size_t i = 0; i < c->group_count; i++)
    wk_free(c->groups[i].photos);
  wk_free(c->broken);
  wk_free(c->warnings);
  wk_free(c->groups);
  wk_free(c->class_photos);
  wk_free(c);
}

/* ---- looking at each photo -------------------------------------------------------------------- */

typedef struct job {
  const wk_dataset *d;
  wk_looked *looked; /* [photos] */
  char **why;        /* [photos]: NULL for the usable ones */
  wk_buffer *buffer; /* [threads] */
  wk_progress progress;
} job;

static wk_status look_at(job *j, wk_looked *l, const char *path, wk_buffer *bytes, wk_error *err) {
  wk_photo_file file;
  wk_image_format format;
  wk_look look;
  WK_RETURN_IF_ERROR(wk_photo_open(&file, path, err));
  WK_RETURN_IF_ERROR(wk_photo_read(bytes, &file, err));
  wk_sha256(l->hash, bytes->data, bytes->size);
  WK_RETURN_IF_ERROR(wk_image_probe(&l->width, &l->height, &format, bytes->data, bytes->size, err));
  l->format = (uint8_t)format;
  WK_RETURN_IF_ERROR(wk_look_at(&look, bytes->data, bytes->size, err));
  wk_describe_thumb(l, look.thumb);
  l->usable = true;
  wk_progress_add(&j->progress, 1);
  return WK_OK;
}

static wk_status look_at_one(void *user, size_t i, int worker, wk_error *err) {
  job *j = user;
  wk_error why = {0};
  const char *path = j->d->photos[i].path;
  wk_status st = look_at(j, &j->looked[i], path, &j->buffer[worker], &why);
  if (st == WK_OK)
    return st;
  if (st != WK_ERR_MEMORY) {
    wk_progress_add(&j->progress, 1);
    j->why[i] = wk_strdup(why.message);
  }
  return j->why[i] ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory to look at it", path);
}

/* ---- saying what was found -------------------------------------------------------------------- */

typedef struct teller {
  wk_check *c;
  const wk_dataset *d;
  const wk_check_options *o;
  size_t cap;
  bool failed; /* out of memory; sticks */
} teller;

static void warn(teller *t, wk_check_kind kind, char *message) {
  wk_check *c = t->c;
  if (message && c->warning_count == t->cap) {
    size_t cap = t->cap ? t->cap * 2 : 16;
    wk_check_warning *grown = wk_grow(c->warnings, c->warning_count * sizeof *grown, cap * sizeof *grown);
    if (grown) {
      c->warnings = grown;
      t->cap = cap;
    }
  }
  if (!message || c->warning_count == t->cap) {
    t->failed = true;
    wk_free(message);
    return;
  }
  wk_one_line(message);
  c->warnings[c->warning_count++] = (wk_check_warning){kind, message};
}

/* Whether a file of this ending holds this format; endings that say nothing are right. */
static bool ending_fits(const char *path, wk_image_format format) {
  wk_image_format said = wk_image_format_of_name(wk_path_base(path));
  return said == WK_IMAGE_UNKNOWN || said == format;
}

static void tell_photos(teller *t, const wk_looked *looked) {
  for (size_t i = 0; i < t->d->photo_count; i++) {
    const wk_looked *l = &looked[i];
    const char *path = t->d->photos[i].name;
    if (!l->usable)
      continue;
    if (!ending_fits(path, (wk_image_format)l->format))
      warn(t, WK_CHECK_ENDING,
           wk_asprintf("%s: this is a %s, whatever its name says; it is read as what it is", path,
                       wk_image_format_name((wk_image_format)l->format)));
    if (l->width < t->o->tiny || l->height < t->o->tiny)
      warn(t, WK_CHECK_TINY, wk_asprintf("%s: only %d x %d pixels", path, l->width, l->height));
  }
}

static const char *split_name(wk_split split) {
  static const char *const name[] = {"all", "train", "val", "test"};
  return name[split];
}

/* One line for a group that spans classes, and one if it spans splits: its first photo and the first that differs. */
static void tell_group(teller *t, const wk_check_group *g) {
  const wk_photo *photo = t->d->photos, *first = &photo[g->photos[0]];
  const wk_photo *other_class = NULL, *other_split = NULL;
  for (size_t i = 1; i < g->photo_count; i++) {
    const wk_photo *p = &photo[g->photos[i]];
    if (!other_class && p->label != first->label && p->label >= 0 && first->label >= 0)
      other_class = p;
    if (!other_split && p->split != first->split)
      other_split = p;
  }
  const char *same = g->exact ? "are one photo" : "look almost the same";
  if (other_class)
    warn(t, WK_CHECK_LABELS,
         wk_asprintf("%s and %s %s, but one is in class \"%s\", the other in \"%s\": a label may be wrong", first->path,
                     other_class->path, same, t->d->classes[first->label], t->d->classes[other_class->label]));
  if (other_split)
    warn(t, WK_CHECK_LEAK,
         wk_asprintf("%s and %s %s, but one is in %s, the other in %s: what is learnt from one is no test on the other",
                     first->name, other_split->name, same, split_name(first->split), split_name(other_split->split)));
}

/* One line for all classes with fewer than `few` photos, which names some of them. */
static void tell_few(teller *t, const size_t *photos, const char *split, size_t few) {
  enum { NAMED = 5 };
  size_t n = 0, classes = (size_t)t->d->class_count;
  wk_text names = {0};
  for (size_t k = 0; k < classes; k++) {
    if (photos[k] >= few)
      continue;
    if (n < NAMED)
      wk_text_add(&names, "%s\"%s\" (%zu)", n ? ", " : "", t->d->classes[k], photos[k]);
    n++;
  }
  if (n) {
    wk_text_add(&names, "%s", n > NAMED ? " ..." : "");
    char *line = NULL;
    if (!names.failed)
      line = split ? wk_asprintf("%s: no photo of %zu of %zu classes: %s", split, n, classes, names.data)
                   : wk_asprintf("few photos in %zu of %zu classes: %s. %zu a class are a start", n, classes,
                                 names.data, few);
    warn(t, WK_CHECK_FEW, line);
  }
  wk_text_free(&names);
}

static wk_status tell_classes(teller *t, const wk_looked *looked, wk_error *err) {
  const wk_dataset *d = t->d;
  size_t classes = (size_t)d->class_count, splits[WK_SPLIT_TEST + 1] = {0};
  size_t(*in_split)[WK_SPLIT_TEST + 1] = wk_calloc(classes, sizeof *in_split);
  size_t *here = wk_alloc_array(classes, sizeof *here);
  if (!in_split || !here) {
    wk_free(in_split);
    wk_free(here);
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for %zu classes", d->root, classes);
  }
  for (size_t i = 0; i < d->photo_count; i++) {
    const wk_photo *p = &d->photos[i];
    if (!looked[i].usable || p->label < 0)
      continue;
    t->c->class_photos[p->label]++;
    in_split[p->label][p->split]++;
    splits[p->split]++;
  }
  size_t most = 0, least = 0;
  for (size_t k = 0; k < classes; k++) {
    size_t n = t->c->class_photos[k];
    most = n > t->c->class_photos[most] ? k : most;
    least = n < t->c->class_photos[least] ? k : least;
  }
  tell_few(t, t->c->class_photos, NULL, (size_t)t->o->few);
  for (int split = WK_SPLIT_TRAIN; split <= WK_SPLIT_TEST; split++)
    if (splits[split]) {
      for (size_t k = 0; k < classes; k++)
        here[k] = in_split[k][split];
      tell_few(t, here, split_name((wk_split)split), 1);
    }
  if (classes) {
    size_t high = t->c->class_photos[most], low = t->c->class_photos[least];
    if (low && (double)high >= t->o->imbalance * (double)low)
      warn(t, WK_CHECK_IMBALANCE,
           wk_asprintf("class \"%s\" has %zu photos, \"%s\" only %zu: add photos of the smaller, or weigh the classes",
                       d->classes[most], high, d->classes[least], low));
  }
  wk_free(in_split);
  wk_free(here);
  return WK_OK;
}

/* ---- the whole -------------------------------------------------------------------------------- */

static wk_status take_broken(wk_check *c, job *j, wk_error *err) {
  size_t n = 0;
  for (size_t i = 0; i < j->d->photo_count; i++)
    n += j->why[i] != NULL;
  c->broken = wk_alloc_array(n, sizeof *c->broken);
  if (!c->broken)
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for %zu photos", j->d->root, j->d->photo_count);
  for (size_t i = 0; i < j->d->photo_count; i++) {
    if (!j->why[i])
      continue;
    c->broken[c->broken_count++] = (wk_check_broken){i, j->why[i]};
    j->why[i] = NULL;
  }
  c->usable = j->d->photo_count - n;
  return WK_OK;
}

wk_status wk_check_run(wk_check **out, const wk_dataset *d, const wk_check_options *o, const wk_context *ctx,
                       wk_error *err) {
  wk_status st = WK_OK;
  wk_check_options defaults;
  wk_check_options_init(&defaults);
  double start = wk_clock_seconds();
  int threads = wk_context_threads(ctx);
  job j = {.d = d};
  teller t = {.d = d, .o = o ? o : &defaults};
  wk_check *c = t.c = wk_calloc(1, sizeof *c);
  j.looked = wk_calloc(d->photo_count, sizeof *j.looked);
  j.why = wk_calloc(d->photo_count, sizeof *j.why);
  j.buffer = wk_calloc((size_t)threads, sizeof *j.buffer);
  WK_FAIL_IF(!c || !j.looked || !j.why || !j.buffer, err, WK_ERR_MEMORY, "%s: out of memory for %zu photos", d->root,
             d->photo_count);
  c->class_photos = wk_calloc((size_t)d->class_count, sizeof *c->class_photos);
  WK_FAIL_IF(!c->class_photos, err, WK_ERR_MEMORY, "%s: out of memory for %d classes", d->root, d->class_count);
  c->files = d->photo_count + d->ignored;

  WK_TRY(wk_progress_begin(&j.progress, ctx, "check", d->photo_count, err));
  WK_TRY(wk_parallel(ctx, threads, d->photo_count, look_at_one, &j, err));
  WK_TRY(take_broken(c, &j, err));
  WK_TRY(wk_find_duplicates(c, d, j.looked, t.o->look_alikes, ctx, err));
  tell_photos(&t, j.looked);
  for (size_t i = 0; i < c->group_count; i++)
    tell_group(&t, &c->groups[i]);
  WK_TRY(tell_classes(&t, j.looked, err));
  if (d->ignored)
    warn(&t, WK_CHECK_IGNORED,
         wk_asprintf("%zu file%s no photo%s and left out", d->ignored, d->ignored == 1 ? " is" : "s are",
                     d->ignored == 1 ? "" : "s"));
  WK_FAIL_IF(t.failed, err, WK_ERR_MEMORY, "%s: out of memory for what there is to say", d->root);
  c->seconds = wk_clock_seconds() - start;
  *out = c;
  c = NULL;
done:
  wk_progress_end(&j.progress);
  for (int i = 0; j.buffer && i < threads; i++)
    wk_buffer_free(&j.buffer[i]);
  for (size_t i = 0; j.why && i < d->photo_count; i++)
    wk_free(j.why[i]);
  wk_free(j.buffer);
  wk_free(j.why);
  wk_free(j.looked);
  wk_check_free(c);
  return st;
}
