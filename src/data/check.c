/* check.c - the data doctor's first half: what the files of a collection show by themselves. */
#include <string.h>

#include "data/check.h"
#include "data/data.h"
#include "whisker/clock.h"

#define GREY_SHARE 0.2 /* grey photos are told of where fewer than this share of all are grey */

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
    {.name = "long-side",
     WK_ROW_DOUBLE(wk_check_options, long_side),
     .value = 4,
     .min = 1,
     .max = INFINITY,
     .placeholder = "X",
     .help = "warn of photos whose longer side is this many times the shorter"},
    {.name = "look-alikes",
     WK_ROW_BOOL(wk_check_options, look_alikes),
     .value = 1,
     .help = "do not search for photos that look the same"},
    {0}};
static const wk_option_table option_table = {"check_options", sizeof(wk_check_options), option_rows, NULL};
const wk_option_table *wk_check_options_table(void) { return &option_table; }

void wk_check_options_init(wk_check_options *o) { wk_options_init(o, &option_table); }

static void tell(wk_checking *t, wk_check_kind kind, size_t photo, double score, bool exclude, char *what) {
  wk_check_add(t->c, (wk_finding){.kind = kind,
                                  .photo = photo,
                                  .other = WK_NO_PHOTO,
                                  .suggested = -1,
                                  .score = score,
                                  .exclude = exclude,
                                  .what = what});
}

/* ---- photos ------------------------------------------------------------------------------------ */

static void tell_broken(wk_checking *t, size_t i) {
  const wk_examined *x = &t->photo[i];
  const char *name = t->d->photos[i].name;
  if (!x->partial)
    tell(t, WK_CHECK_UNREADABLE, i, 1, true, wk_asprintf("%s cannot be read: %s", name, t->why[i]));
  else if (x->missing > 0)
    tell(
        t, WK_CHECK_TRUNCATED, i, x->missing, true,
        wk_asprintf("%s: breaks off, %.0f%% of the picture is missing: %s", name, 100 * (double)x->missing, t->why[i]));
  else
    tell(t, WK_CHECK_TRUNCATED, i, 0, true,
         wk_asprintf("%s: breaks off, and some of its detail is missing: %s", name, t->why[i]));
}

/* Endings that say nothing are right. */
static bool ending_fits(const char *path, wk_image_format format) {
  const wk_image_format said = wk_image_format_of_name(wk_path_base(path));
  return said == WK_IMAGE_UNKNOWN || said == format;
}

static void tell_photo(wk_checking *t, size_t i, bool tell_grey) {
  static const char *const turned[] = {[2] = "mirrored",
                                       [3] = "upside down",
                                       [4] = "upside down and mirrored",
                                       [5] = "on its side and mirrored",
                                       [6] = "on its left side",
                                       [7] = "on its side and mirrored",
                                       [8] = "on its right side"};
  const wk_examined *x = &t->photo[i];
  const char *name = t->d->photos[i].name;
  const int shorter = x->width < x->height ? x->width : x->height, longer = x->width + x->height - shorter;
  if (x->one_colour)
    tell(t, WK_CHECK_BLANK, i, 1, true, wk_asprintf("%s: nothing but one colour", name));
  if (shorter < t->o->tiny)
    tell(t, WK_CHECK_TINY, i, 1 - (double)shorter / t->o->tiny, false,
         wk_asprintf("%s: only %d x %d pixels", name, x->width, x->height));
  if (!ending_fits(name, (wk_image_format)x->format))
    tell(t, WK_CHECK_ENDING, i, 1, false,
         wk_asprintf("%s: this is a %s, whatever its name says; it is read as what it is", name,
                     wk_image_format_name((wk_image_format)x->format)));
  if (x->orientation >= 2 && x->orientation <= 8)
    tell(t, WK_CHECK_SIDEWAYS, i, x->orientation >= 5, false,
         wk_asprintf("%s: its pixels lie %s, and its EXIF says so (orientation %d); it is turned when it is read", name,
                     turned[x->orientation], x->orientation));
  if (tell_grey && x->grey && !x->one_colour)
    tell(t, WK_CHECK_GREY, i, 1, false, wk_asprintf("%s: without colours, unlike most here", name));
  if ((double)longer >= t->o->long_side * (double)shorter)
    tell(t, WK_CHECK_SHAPE, i, 1 - (double)shorter / (double)longer, false,
         wk_asprintf("%s: %d x %d pixels, %.1f times as long as wide: a network sees its middle only", name, x->width,
                     x->height, (double)longer / (double)shorter));
}

static void tell_photos(wk_checking *t) {
  size_t grey = 0;
  for (size_t i = 0; i < t->d->photo_count; i++)
    grey += t->photo[i].usable && t->photo[i].grey;
  const bool tell_grey = (double)grey < GREY_SHARE * (double)t->c->usable;
  for (size_t i = 0; i < t->d->photo_count; i++)
    if (t->why[i])
      tell_broken(t, i);
    else
      tell_photo(t, i, tell_grey);
}

/* ---- copies ------------------------------------------------------------------------------------ */

static const char *split_name(wk_split split) {
  static const char *const name[] = {"all", "train", "val", "test"};
  return name[split];
}

/* What a later photo of a set is to the first one of it. Of photos in two classes nobody knows which label is right:
 * both are left out. Of those in two splits the one in train/ is, so that the test stays what it was. */
static void tell_copy(wk_checking *t, size_t i) {
  const size_t first = t->c->first[i];
  const wk_photo *a = &t->d->photos[first], *b = &t->d->photos[i];
  const char *same = t->twin[i] ? "look almost the same" : "are one photo";
  wk_finding f = {.photo = i, .other = first, .suggested = -1, .score = t->twin[i] ? 0.5 : 1, .exclude = true};
  if (a->label >= 0 && b->label >= 0 && a->label != b->label) {
    f.kind = WK_CHECK_LABELS;
    f.what = wk_asprintf("%s and %s %s, but one is in class \"%s\", the other in \"%s\": a label is wrong", a->name,
                         b->name, same, t->d->classes[a->label], t->d->classes[b->label]);
    wk_check_add(t->c, f);
    f.photo = first, f.other = i;
    f.what = t->told[first] ? NULL : wk_asprintf("%s: see %s", a->name, b->name);
    if (!t->told[first])
      wk_check_add(t->c, f);
    t->told[first] = true;
  } else if (a->split != b->split) {
    f.kind = WK_CHECK_LEAK;
    if (a->split == WK_SPLIT_TRAIN)
      f.photo = first, f.other = i;
    f.what =
        wk_asprintf("%s and %s %s, but one is in %s, the other in %s: what is learnt from one is no test on the other",
                    a->name, b->name, same, split_name(a->split), split_name(b->split));
    wk_check_add(t->c, f);
  } else {
    f.kind = t->twin[i] ? WK_CHECK_TWIN : WK_CHECK_COPY;
    f.what =
        wk_asprintf(t->twin[i] ? "%s: nearly the same picture as %s" : "%s: the same bytes as %s", b->name, a->name);
    wk_check_add(t->c, f);
  }
}

/* The sets of photos that are copies (exact), or among whose members are twins. */
static wk_status add_groups(wk_checking *t, bool exact, wk_error *err) {
  wk_status st = WK_OK;
  wk_check *c = t->c;
  const size_t n = t->d->photo_count;
  size_t sets = 0;
  uint32_t *size = wk_calloc(n + 1, sizeof *size), *place = wk_calloc(n + 1, sizeof *place); /* of its group, + 1 */
  bool *wanted = wk_calloc(n + 1, sizeof *wanted);
  wk_check_group *group = NULL;
  WK_FAIL_IF(!size || !place || !wanted, err, WK_ERR_MEMORY, "out of memory for the copies among %zu photos", n);
  for (size_t i = 0; i < n; i++) {
    size[c->first[i]]++;
    wanted[c->first[i]] = wanted[c->first[i]] || t->twin[i];
  }
  for (size_t i = 0; i < n; i++)
    sets += size[i] > 1 && wanted[i] != exact;
  if (!sets)
    goto done;
  group = wk_grow(c->groups, c->group_count * sizeof *group, (c->group_count + sets) * sizeof *group);
  WK_FAIL_IF(!group, err, WK_ERR_MEMORY, "out of memory for the copies among %zu photos", n);
  c->groups = group;
  for (size_t i = 0; i < n; i++) {
    const size_t first = c->first[i];
    if (size[first] < 2 || wanted[first] == exact)
      continue;
    if (!place[first]) {
      size_t *photo = wk_alloc_array(size[first], sizeof *photo);
      WK_FAIL_IF(!photo, err, WK_ERR_MEMORY, "out of memory for the copies among %zu photos", n);
      c->groups[c->group_count] = (wk_check_group){.photos = photo, .exact = exact};
      place[first] = (uint32_t)++c->group_count;
    }
    wk_check_group *g = &c->groups[place[first] - 1];
    g->photos[g->photo_count++] = i;
  }
done:
  wk_free(size);
  wk_free(place);
  wk_free(wanted);
  return st;
}

/* ---- classes ----------------------------------------------------------------------------------- */

/* One line for all classes with fewer than `few` photos, which names some of them. */
static void tell_few(wk_checking *t, const size_t *photos, const char *split, size_t few, double score) {
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
    tell(t, WK_CHECK_FEW, WK_NO_PHOTO, score, false, line);
  }
  wk_text_free(&names);
}

static wk_status tell_classes(wk_checking *t, wk_error *err) {
  const wk_dataset *d = t->d;
  size_t classes = (size_t)d->class_count, splits[WK_SPLIT_TEST + 1] = {0};
  size_t(*in_split)[WK_SPLIT_TEST + 1] = wk_calloc(classes + 1, sizeof *in_split);
  size_t *here = wk_alloc_array(classes + 1, sizeof *here);
  if (!in_split || !here) {
    wk_free(in_split);
    wk_free(here);
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for %zu classes", d->root, classes);
  }
  for (size_t i = 0; i < d->photo_count; i++) {
    const wk_photo *p = &d->photos[i];
    if (!t->photo[i].usable || p->label < 0)
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
  tell_few(t, t->c->class_photos, NULL, (size_t)t->o->few, 1);
  for (int split = WK_SPLIT_TRAIN; split <= WK_SPLIT_TEST; split++)
    if (splits[split]) {
      for (size_t k = 0; k < classes; k++)
        here[k] = in_split[k][split];
      tell_few(t, here, split_name((wk_split)split), 1, 0.5 - 0.1 * split);
    }
  if (classes) {
    size_t high = t->c->class_photos[most], low = t->c->class_photos[least];
    if (low && (double)high >= t->o->imbalance * (double)low)
      tell(t, WK_CHECK_IMBALANCE, WK_NO_PHOTO, 1, false,
           wk_asprintf("class \"%s\" has %zu photos, \"%s\" only %zu: add photos of the smaller, or weigh the classes "
                       "(train --balance)",
                       d->classes[most], high, d->classes[least], low));
  }
  wk_free(in_split);
  wk_free(here);
  return WK_OK;
}

/* ---- the whole --------------------------------------------------------------------------------- */

wk_status wk_check_tell(wk_checking *t, wk_error *err) {
  const wk_dataset *d = t->d;
  tell_photos(t);
  WK_RETURN_IF_ERROR(add_groups(t, true, err));
  WK_RETURN_IF_ERROR(add_groups(t, false, err));
  for (size_t i = 0; i < d->photo_count; i++)
    if (t->c->first[i] != i && t->photo[i].usable)
      tell_copy(t, i);
  WK_RETURN_IF_ERROR(tell_classes(t, err));
  if (d->ignored)
    tell(t, WK_CHECK_IGNORED, WK_NO_PHOTO, 1, false,
         wk_asprintf("%zu file%s no photo%s and left out", d->ignored, d->ignored == 1 ? " is" : "s are",
                     d->ignored == 1 ? "" : "s"));
  if (t->c->failed)
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for what there is to say", d->root);
  wk_check_sort(t->c);
  return WK_OK;
}

void wk_check_end(wk_checking *t) {
  for (size_t i = 0; t->why && i < t->d->photo_count; i++)
    wk_free(t->why[i]);
  wk_free(t->why);
  wk_free(t->twin);
  wk_free(t->told);
  wk_free(t->photo);
  *t = (wk_checking){0};
}

wk_status wk_check_look(wk_checking *t, wk_check *c, const wk_dataset *d, const wk_check_options *o,
                        const wk_context *ctx, wk_error *err) {
  const size_t n = d->photo_count;
  *t = (wk_checking){.c = c, .d = d, .o = o};
  t->photo = wk_calloc(n + 1, sizeof *t->photo);
  t->why = wk_calloc(n + 1, sizeof *t->why);
  t->twin = wk_calloc(n + 1, sizeof *t->twin);
  t->told = wk_calloc(n + 1, sizeof *t->told);
  c->class_photos = wk_calloc((size_t)d->class_count + 1, sizeof *c->class_photos);
  c->sha256 = wk_calloc(n + 1, sizeof *c->sha256);
  c->first = wk_calloc(n + 1, sizeof *c->first);
  if (!t->photo || !t->why || !t->twin || !t->told || !c->class_photos || !c->sha256 || !c->first)
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for %zu photos", d->root, n);
  c->files = n + d->ignored;
  WK_RETURN_IF_ERROR(wk_examine(t->photo, t->why, d, o->cache_folder, ctx, err));
  for (size_t i = 0; i < n; i++) {
    memcpy(c->sha256[i], t->photo[i].hash, sizeof *c->sha256);
    c->usable += t->photo[i].usable;
  }
  return wk_twins_find(c->first, t->twin, t->photo, n, o->look_alikes, ctx, err);
}

wk_status wk_check_run(wk_check **out, const wk_dataset *d, const wk_check_options *o, const wk_context *ctx,
                       wk_error *err) {
  wk_status st = WK_OK;
  wk_check_options defaults;
  wk_checking t = {0};
  wk_check_options_init(&defaults);
  const double start = wk_clock_seconds();
  wk_check *c = wk_calloc(1, sizeof *c);
  WK_FAIL_IF(!c, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_check_look(&t, c, d, o ? o : &defaults, ctx, err));
  WK_TRY(wk_check_tell(&t, err));
  c->seconds = wk_clock_seconds() - start;
  *out = c;
  c = NULL;
done:
  wk_check_end(&t);
  wk_check_free(c);
  return st;
}
