/* labels.c - names of classes become labels: indices into the classes of the data themselves, or of a model. What a
 * list's labels are (names, indices, numbers written differently) is decided for the list as a whole, and told. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/data.h"

static bool is_number(const char *s) {
  size_t len = strspn(s, "0123456789");
  return len && len < 10 && !s[len];
}

static bool is_imagenet(const wk_dataset_options *o) {
  return o->class_count == WK_IMAGENET_CLASSES && strcmp(o->classes[0], wk_imagenet_label(0)) == 0 &&
         strcmp(o->classes[WK_IMAGENET_CLASSES - 1], wk_imagenet_label(WK_IMAGENET_CLASSES - 1)) == 0;
}

int wk_known_class(const wk_dataset_options *o, const char *name, size_t len) {
  for (int i = 0; i < o->class_count; i++)
    if (strlen(o->classes[i]) == len && memcmp(o->classes[i], name, len) == 0)
      return i;
  char text[256];
  if (len == 0 || len >= sizeof text || !is_imagenet(o))
    return -1;
  memcpy(text, name, len);
  text[len] = 0;
  return is_number(text) ? -1 : wk_imagenet_find(text);
}

/* ---- names that a model cannot keep ----------------------------------------------------------- */

static wk_status decode_names(wk_builder *b, wk_error *err) {
  wk_encoding_votes votes = {0};
  for (size_t i = 0; i < b->names.count; i++)
    if (!wk_is_utf8(b->names.name[i], strlen(b->names.name[i])))
      wk_encoding_vote(&votes, b->names.name[i]);
  if (!votes.names)
    return WK_OK;
  if (wk_encoding_winner(&votes) == WK_ENCODING_CP437) /* of archives only; names on a disk are Latin-1 rather */
    votes.score[WK_ENCODING_CP437] = votes.score[WK_ENCODING_CP1252] - 1;
  wk_encoding e = wk_encoding_winner(&votes);
  const char *example = NULL;
  for (size_t i = 0; i < b->names.count; i++) {
    char *name = b->names.name[i], *decoded;
    if (wk_is_utf8(name, strlen(name)))
      continue;
    if (wk_encoding_decode(&decoded, e, name, err) != WK_OK)
      return wk_error_prefix(err, err ? err->code : WK_ERR_FORMAT, "%s: a class's name is not UTF-8; rename it",
                             b->d->root);
    wk_free(name);
    b->names.name[i] = decoded;
    example = example ? example : decoded;
  }
  return wk_builder_note(b, err, "%s: %zu class name%s not UTF-8: read as %s (\"%.200s\")", b->d->root, votes.names,
                         votes.names == 1 ? " is" : "s are", wk_encoding_name(e), example);
}

static wk_status clean_controls(wk_builder *b, wk_error *err) {
  for (size_t i = 0; i < b->names.count; i++) {
    char *name = b->names.name[i];
    bool odd = false;
    for (char *c = name; *c; c++)
      if ((unsigned char)*c < ' ' || *c == 0x7f) {
        *c = ' ';
        odd = true;
      }
    if (odd)
      WK_RETURN_IF_ERROR(wk_builder_note(
          b, err, "%s: a class's name holds a line break or another control character: the class is called \"%.200s\"",
          b->d->root, name));
  }
  return WK_OK;
}

typedef struct ranked {
  char *name;
  uint32_t number;
} ranked;

static int by_name(const void *a, const void *b) {
  return strcmp(((const ranked *)a)->name, ((const ranked *)b)->name);
}

static int by_folded_name(const void *a, const void *b) {
  int order = strcasecmp(((const ranked *)a)->name, ((const ranked *)b)->name);
  return order ? order : by_name(a, b);
}

static wk_status tell_alike(wk_builder *b, ranked *rank, size_t n, wk_error *err) {
  qsort(rank, n, sizeof *rank, by_folded_name);
  for (size_t i = 1; i < n; i++) {
    const char *one = rank[i - 1].name, *other = rank[i].name;
    if (strcmp(one, other) == 0)
      return WK_FAIL(err, WK_ERR_FORMAT,
                     "%s: two classes are both called \"%.200s\" once their names are made plain text; rename one",
                     b->d->root, one);
    if (strcasecmp(one, other) == 0)
      WK_RETURN_IF_ERROR(
          wk_builder_note(b, err,
                          "%s: the classes \"%.200s\" and \"%.200s\" differ in capital letters only; if they are one "
                          "class, give them one name",
                          b->d->root, one, other));
  }
  return WK_OK;
}

/* ---- classes of a model ----------------------------------------------------------------------- */

static wk_status unknown_class(const wk_builder *b, const char *name, wk_error *err) {
  const wk_dataset_options *o = b->o;
  int best = -1, distance = 0;
  for (int i = 0; i < o->class_count; i++) {
    int d = wk_edit_distance(name, o->classes[i]);
    if (best < 0 || d < distance)
      best = i, distance = d;
  }
  wk_text known = {0};
  for (int i = 0; i < o->class_count && i < 8; i++)
    wk_text_add(&known, "%s%s", i ? ", " : "", o->classes[i]);
  if (o->class_count > 8)
    wk_text_add(&known, " ...");
  char hint[300] = "";
  if (best >= 0 && distance <= 1 + (int)strlen(name) / 3)
    snprintf(hint, sizeof hint, " Did you mean \"%.200s\"?", o->classes[best]);
  wk_status st = WK_FAIL(err, WK_ERR_NOT_FOUND, "%s: \"%.200s\" is not a class of this model.%s It knows %d: %s",
                         b->d->root, name, hint, o->class_count, known.data && !known.failed ? known.data : "");
  wk_text_free(&known);
  return st;
}

static wk_status by_names(wk_builder *b, int *label_of, wk_error *err) {
  for (size_t i = 0; i < b->names.count; i++) {
    const char *name = b->names.name[i];
    label_of[i] = wk_known_class(b->o, name, strlen(name));
    if (label_of[i] < 0 && !b->o->allow_unlabelled)
      return unknown_class(b, name, err);
  }
  return WK_OK;
}

/* Labels 1, 2, 3 where the classes are called 01, 02, 03, or the other way round. */
static wk_status by_values(wk_builder *b, int *label_of, wk_error *err) {
  const wk_dataset_options *o = b->o;
  const char *example = NULL, *of = NULL;
  for (size_t i = 0; i < b->names.count; i++) {
    const char *name = b->names.name[i];
    long value = strtol(name, NULL, 10);
    label_of[i] = -1;
    for (int k = 0; k < o->class_count; k++)
      if (strtol(o->classes[k], NULL, 10) == value) {
        if (label_of[i] >= 0)
          return WK_FAIL(err, WK_ERR_FORMAT,
                         "%s: the label %s may be class \"%s\" or \"%s\"; write it as the class is called", b->d->root,
                         name, o->classes[label_of[i]], o->classes[k]);
        label_of[i] = k;
      }
    if (label_of[i] < 0 && !o->allow_unlabelled)
      return unknown_class(b, name, err);
    if (label_of[i] >= 0 && !example) {
      example = name;
      of = o->classes[label_of[i]];
    }
  }
  return example
             ? wk_builder_note(
                   b, err,
                   "%s: its labels are numbers written otherwise than the classes' names: %s is taken for class \"%s\"",
                   b->d->root, example, of)
             : WK_OK;
}

static wk_status by_indices(wk_builder *b, int *label_of, wk_error *err) {
  const wk_dataset_options *o = b->o;
  long least = 1000000000, most = -1;
  for (size_t i = 0; i < b->names.count; i++) {
    long value = strtol(b->names.name[i], NULL, 10);
    least = value < least ? value : least;
    most = value > most ? value : most;
  }
  for (size_t i = 0; i < b->names.count; i++) {
    long value = strtol(b->names.name[i], NULL, 10);
    if (value >= o->class_count) {
      if (most == o->class_count && least >= 1)
        return WK_FAIL(err, WK_ERR_NOT_FOUND,
                       "%s: \"%ld\" is not a class of this model: its %d classes have the indices 0 to %d, and the "
                       "labels seem to count from 1. "
                       "Subtract 1, or write the classes' names",
                       b->d->root, value, o->class_count, o->class_count - 1);
      if (!o->allow_unlabelled)
        return unknown_class(b, b->names.name[i], err);
    }
    label_of[i] = value < o->class_count ? (int)value : -1;
  }
  return wk_builder_note(b, err, "%s: its labels are numbers: taken for the classes' indices, from 0 (\"%.100s\")",
                         b->d->root, o->classes[0]);
}

static wk_status label_by_known(wk_builder *b, int *label_of, wk_error *err) {
  wk_dataset *d = b->d;
  const wk_dataset_options *o = b->o;
  bool numbers = b->names.count > 0, names = true, classes = o->class_count > 0;
  for (size_t i = 0; i < b->names.count; i++) {
    numbers = numbers && is_number(b->names.name[i]);
    names = names && wk_known_class(o, b->names.name[i], strlen(b->names.name[i])) >= 0;
  }
  for (int i = 0; i < o->class_count; i++)
    classes = classes && is_number(o->classes[i]);
  bool free_form = d->layout == WK_LAYOUT_LIST || d->layout == WK_LAYOUT_SHARDS || d->layout == WK_LAYOUT_PACKED;
  if (names || !numbers || !free_form)
    WK_RETURN_IF_ERROR(by_names(b, label_of, err));
  else
    WK_RETURN_IF_ERROR(classes ? by_values(b, label_of, err) : by_indices(b, label_of, err));
  d->classes = wk_calloc((size_t)o->class_count, sizeof *d->classes);
  if (!d->classes)
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for %d classes", d->root, o->class_count);
  for (; d->class_count < o->class_count; d->class_count++)
    if (!(d->classes[d->class_count] = wk_strdup(o->classes[d->class_count])))
      return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for %d classes", d->root, o->class_count);
  return WK_OK;
}

/* ---- classes of the data ---------------------------------------------------------------------- */

static wk_status only_one(const wk_builder *b, const char *name, wk_error *err) {
  const wk_dataset *d = b->d;
  return WK_FAIL(err, WK_ERR_FORMAT,
                 "%s: all %zu photos are of one class, \"%.200s\". A classifier needs at least two: %s", d->root,
                 d->photo_count, name,
                 d->layout == WK_LAYOUT_LIST     ? "add rows of other classes"
                 : d->layout == WK_LAYOUT_FLAT   ? "add photos whose names begin with other classes"
                 : d->layout == WK_LAYOUT_SHARDS ? "add samples of other classes"
                 : d->layout == WK_LAYOUT_PACKED ? "give all of its files"
                                                 : "put the photos of each other class into a folder beside it");
}

static wk_status label_by_data(wk_builder *b, int *label_of, wk_error *err) {
  wk_status st = WK_OK;
  wk_dataset *d = b->d;
  size_t n = 0;
  bool *used = wk_calloc(b->names.count, sizeof *used); /* photos may have been dropped since */
  ranked *rank = wk_alloc_array(b->names.count, sizeof *rank);
  WK_FAIL_IF(!used || !rank || b->names.count > INT32_MAX, err, WK_ERR_MEMORY, "%s: out of memory for %zu classes",
             d->root, b->names.count);
  for (size_t i = 0; i < d->photo_count; i++)
    if (d->photos[i].label >= 0)
      used[d->photos[i].label] = true;
  for (size_t i = 0; i < b->names.count; i++)
    if (used[i])
      rank[n++] = (ranked){b->names.name[i], (uint32_t)i};
  if (n == 0)
    goto done; /* photos without labels, which the readers have let pass */
  if (n == 1 && !b->o->allow_unlabelled && !b->o->allow_one_class)
    WK_TRY(only_one(b, rank[0].name, err));
  d->classes = wk_calloc(n, sizeof *d->classes);
  WK_FAIL_IF(!d->classes, err, WK_ERR_MEMORY, "%s: out of memory for %zu classes", d->root, n);
  WK_TRY(tell_alike(b, rank, n, err));
  qsort(rank, n, sizeof *rank, by_name);
  for (size_t i = 0; i < n; i++) {
    label_of[rank[i].number] = (int)i;
    d->classes[i] = rank[i].name;
    b->names.name[rank[i].number] = NULL; /* the collection owns it now */
  }
  d->class_count = (int)n;
done:
  wk_free(used);
  wk_free(rank);
  return st;
}

wk_status wk_builder_label(wk_builder *b, wk_error *err) {
  wk_status st = WK_OK;
  int *label_of = wk_alloc_array(b->names.count, sizeof *label_of);
  WK_FAIL_IF(!label_of, err, WK_ERR_MEMORY, "%s: out of memory for %zu classes", b->d->root, b->names.count);
  WK_TRY(decode_names(b, err));
  WK_TRY(clean_controls(b, err));
  WK_TRY(b->o->classes ? label_by_known(b, label_of, err) : label_by_data(b, label_of, err));
  for (size_t i = 0; i < b->d->photo_count; i++)
    if (b->d->photos[i].label >= 0)
      b->d->photos[i].label = label_of[b->d->photos[i].label];
done:
  wk_free(label_of);
  return st;
}
