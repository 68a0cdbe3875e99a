/* folder_splits.c - train/ val/ test/ under the many names that they have, with what may lie beside them. A folder
 * called "train" may also be a class (the vehicle); where that is not clear, the user is asked. */
#include <string.h>
#include <strings.h>

#include "data/folders.h"

/* What each folder's name says. Names with other words ("seg_train") count where another split is called alike
 * ("seg_test"). */
static void find_splits(wk_child *list, size_t count) {
  char rest[64], other[64];
  for (size_t i = 0; i < count; i++)
    list[i].split = wk_split_find(list[i].name, list[i].name_len);
  for (size_t i = 0; i < count; i++) {
    wk_split split = wk_split_find_among(rest, sizeof rest, list[i].name, list[i].name_len);
    for (size_t k = 0; split != WK_SPLIT_ALL && list[i].split == WK_SPLIT_ALL && k < count; k++) {
      wk_split that = wk_split_find_among(other, sizeof other, list[k].name, list[k].name_len);
      if (that != WK_SPLIT_ALL && that != split && strcmp(rest, other) == 0)
        list[i].split = split;
    }
  }
}

wk_status wk_split_unwrap(wk_view *v, const wk_folder_reader *r, const wk_child *split, wk_error *err) {
  *v = split->in;
  for (;;) {
    char rest[64];
    wk_child *list = NULL;
    const wk_child *only = NULL;
    size_t count = 0, with_photos = 0;
    WK_RETURN_IF_ERROR(wk_view_children(&list, &count, r, v, err));
    for (size_t i = 0; i < count; i++)
      if (list[i].photos) {
        with_photos++;
        only = &list[i];
      }
    bool wraps = with_photos == 1 && wk_view_direct(r, v) == 0 &&
                 (wk_split_find_among(rest, sizeof rest, only->name, only->name_len) == split->split ||
                  wk_name_says_nothing(only->name, only->name_len) || strcasecmp(only->name, split->name) == 0);
    if (wraps)
      *v = only->in;
    wk_free(list);
    if (!wraps)
      return WK_OK;
  }
}

/* The class folders of a split, through its wrappers; `photos` of the view that holds them. */
typedef struct inside {
  wk_view view;
  wk_child *list;
  size_t count, classes; /* folders, and those with photos */
} inside;

static wk_status look_inside(inside *in, const wk_folder_reader *r, const wk_child *split, wk_error *err) {
  *in = (inside){0};
  WK_RETURN_IF_ERROR(wk_split_unwrap(&in->view, r, split, err));
  WK_RETURN_IF_ERROR(wk_view_children(&in->list, &in->count, r, &in->view, err));
  for (size_t i = 0; i < in->count; i++)
    in->classes += in->list[i].photos > 0;
  return WK_OK;
}

/* ---- judging ---------------------------------------------------------------------------------- */

typedef struct tally {
  size_t splits, with_classes, train, flat_train; /* folders */
  size_t others;                                  /* folders with photos that are no split */
  size_t split_photos, other_photos;
  unsigned kinds; /* a bit for each wk_split that is there with photos */
  const wk_child *first_split, *first_other;
  bool known; /* the model knows the splits' names as classes */
} tally;

static wk_status count(tally *t, const wk_folder_reader *r, const wk_child *list, size_t n, wk_error *err) {
  const wk_dataset_options *o = r->b->o;
  *t = (tally){.known = o->classes != NULL};
  for (size_t i = 0; i < n; i++) {
    const wk_child *c = &list[i];
    if (c->split == WK_SPLIT_ALL) {
      t->others += c->photos > 0;
      t->other_photos += c->photos;
      t->first_other = c->photos && !t->first_other ? c : t->first_other;
      continue;
    }
    t->splits++;
    t->first_split = t->first_split && t->first_split->photos ? t->first_split : c;
    if (!c->photos)
      continue;
    inside in;
    WK_RETURN_IF_ERROR(look_inside(&in, r, c, err));
    t->with_classes += in.classes > 0;
    t->flat_train += c->split == WK_SPLIT_TRAIN && in.classes == 0;
    wk_free(in.list);
    t->train += c->split == WK_SPLIT_TRAIN;
    t->split_photos += c->photos;
    t->kinds |= 1u << c->split;
    t->known = t->known && wk_known_class(o, c->name, c->name_len) >= 0;
  }
  return WK_OK;
}

static bool called(const wk_child *list, size_t n, const char *name) {
  for (size_t i = 0; i < n; i++)
    if (list[i].photos && strcasecmp(list[i].name, name) == 0)
      return true;
  return false;
}

/* Do names of classes inside the split turn up beside it, as a folder or in one? all: every one of them, as a folder.
 */
static wk_status shares_classes(bool *any, bool *all, const wk_folder_reader *r, const wk_child *list, size_t n,
                                const wk_child *split, wk_error *err) {
  inside in;
  wk_status st = WK_OK;
  WK_RETURN_IF_ERROR(look_inside(&in, r, split, err));
  *any = false;
  *all = true;
  for (size_t i = 0; i < in.count; i++)
    if (in.list[i].photos) {
      bool here = called(list, n, in.list[i].name);
      *any = *any || here;
      *all = *all && here;
    }
  for (size_t k = 0; k < n && !*any; k++) {
    wk_child *below = NULL;
    size_t count = 0;
    if (&list[k] == split || !list[k].photos)
      continue;
    WK_TRY(wk_view_children(&below, &count, r, &list[k].in, err));
    for (size_t i = 0; i < in.count; i++)
      *any = *any || (in.list[i].photos && called(below, count, in.list[i].name));
    wk_free(below);
  }
done:
  wk_free(in.list);
  return st;
}

static wk_status unclear(wk_splits_verdict *out, char **why, const wk_folder_reader *r, const tally *t, wk_error *err) {
  *out = WK_SPLITS_UNCLEAR;
  *why = wk_asprintf("%s: %s/ may be the photos %s, or a class of its own beside %s/. In the first case give %s/%s "
                     "itself, or move %s/ away; in the "
                     "second rename it, for instance to %s_class",
                     r->root, t->first_split->path, wk_split_purpose(t->first_split->split), t->first_other->path,
                     r->root, t->first_split->path, t->first_other->name, t->first_split->name);
  return *why ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", r->root);
}

/* Parts with class folders in them, and something beside them. */
static wk_status judge_mixed(wk_splits_verdict *out, char **why, wk_folder_reader *r, const tally *t,
                             const wk_child *list, size_t n, wk_error *err) {
  bool any = false, all = false;
  *out = WK_SPLITS_ALL;
  if (t->kinds & (t->kinds - 1)) /* two splits explain each other */
    return WK_OK;
  WK_RETURN_IF_ERROR(shares_classes(&any, &all, r, list, n, t->first_split, err));
  if (!t->train) {
    *out = WK_SPLITS_BESIDE;
    return all || r->b->o->classes ? WK_OK : unclear(out, why, r, t, err);
  }
  if (any || 3 * t->other_photos <= t->split_photos || r->b->o->classes)
    return WK_OK;
  if (t->others < 2 || t->split_photos > t->other_photos)
    return unclear(out, why, r, t, err);
  *out = WK_SPLITS_NONE;
  return wk_builder_note(
      r->b, err, "%s: %s/ is taken for a class, as %s/ beside it; if it holds the photos to learn from, give %s/%s",
      r->root, t->first_split->path, t->first_other->path, r->root, t->first_split->path);
}

wk_status wk_splits_judge(wk_splits_verdict *out, char **why, wk_folder_reader *r, const wk_view *v, wk_child *list,
                          size_t n, wk_error *err) {
  tally t;
  (void)v;
  *out = WK_SPLITS_NONE;
  find_splits(list, n);
  WK_RETURN_IF_ERROR(count(&t, r, list, n, err));
  if (!t.splits || (t.known && t.others))
    return WK_OK;
  if (t.with_classes)
    return t.others ? judge_mixed(out, why, r, &t, list, n, err) : (*out = WK_SPLITS_ALL, WK_OK);
  if (!t.others) {
    *out = t.split_photos ? WK_SPLITS_FLAT : WK_SPLITS_NONE;
    return WK_OK;
  }
  if (!t.split_photos)
    return WK_OK;
  if (!t.train) {
    *out = WK_SPLITS_BESIDE;
    return WK_OK;
  }
  if (t.kinds & (t.kinds - 1))
    return unclear(out, why, r, &t, err);
  return wk_builder_note(r->b, err, "%s: %s/ is taken for a class, as %s/ beside it", r->root, t.first_split->path,
                         t.first_other->path);
}

/* ---- taking ----------------------------------------------------------------------------------- */

/* A class that is only in val/ or test/ can never be right: a misspelt folder, most likely. */
static wk_status check_splits(wk_folder_reader *r, wk_error *err) {
  const wk_builder *b = r->b;
  wk_status st = WK_OK;
  bool *in_train = wk_calloc(b->names.count, sizeof *in_train);
  WK_FAIL_IF(!in_train, err, WK_ERR_MEMORY, "%s: out of memory for %zu classes", r->root, b->names.count);
  for (size_t i = 0; i < r->tree.photo.count; i++)
    if (r->number[i] != WK_NO_CLASS && r->split[i] == WK_SPLIT_TRAIN)
      in_train[r->number[i]] = true;
  for (size_t i = 0; i < r->tree.photo.count; i++)
    WK_FAIL_IF(
        r->number[i] != WK_NO_CLASS && r->split[i] != WK_LEFT_OUT && !in_train[r->number[i]], err, WK_ERR_FORMAT,
        "%s/%s: its class \"%s\" has no folder in train/, so it can never be learnt. Add it there, or rename this one",
        r->root, r->tree.photo.file[i].rel, b->names.name[r->number[i]]);
done:
  wk_free(in_train);
  return st;
}

static wk_status take_flat(wk_folder_reader *r, const wk_child *split, wk_error *err) {
  const wk_dataset_options *o = r->b->o;
  if (o->allow_unlabelled && !o->classes)
    return wk_view_take(r, &split->in, NULL, 0, split->split, err);
  if (split->split == WK_SPLIT_TRAIN)
    return WK_FAIL(err, WK_ERR_FORMAT,
                   "%s/%s: no class folders here, only %zu photo%s. Expected one sub-folder a class, with that class's "
                   "photos in it, such as %s/cat and "
                   "%s/dog",
                   r->root, split->path, split->photos, WK_S(split->photos), split->name, split->name);
  wk_view_leave_out(r, &split->in);
  return wk_builder_note(
      r->b, err, "%s/%s: %zu photo%s without class folders: taken for photos %s whose class is not known, not used",
      r->root, split->path, split->photos, WK_S(split->photos), wk_split_purpose(split->split));
}

static wk_status take_split(wk_folder_reader *r, const wk_child *split, bool *unusual, wk_error *err) {
  static const char *const usual[] = {"train", "val", "valid", "validation", "test", NULL};
  wk_status st = WK_OK;
  inside in;
  if (!split->photos)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s/%s: no photos here. Put one sub-folder a class there, or remove the folder",
                   r->root, split->path);
  WK_RETURN_IF_ERROR(look_inside(&in, r, split, err));
  bool named = false;
  for (const char *const *u = usual; *u; u++)
    named = named || strcasecmp(split->name, *u) == 0;
  *unusual = *unusual || !named || in.view.len != split->in.len;
  if (in.classes == 0)
    st = take_flat(r, split, err);
  else
    st = wk_view_take_classes(r, &in.view, in.list, in.count, split->split, err);
  wk_free(in.list);
  return st;
}

static wk_status tell_splits(wk_folder_reader *r, const wk_child *list, size_t n, wk_error *err) {
  wk_text text = {0};
  for (size_t i = 0; i < n; i++) {
    if (list[i].split == WK_SPLIT_ALL || !list[i].photos)
      continue;
    size_t used = 0;
    for (size_t k = list[i].in.photo; k < list[i].in.photo_end; k++)
      used += r->split[k] != WK_LEFT_OUT;
    if (used)
      wk_text_add(&text, "%s%s/ is taken for the %zu photo%s %s", text.len ? ", " : "", list[i].path, used, WK_S(used),
                  wk_split_purpose(list[i].split));
  }
  wk_status st = text.failed ? WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", r->root)
                 : text.len  ? wk_builder_note(r->b, err, "%s: %s", r->root, text.data)
                             : WK_OK;
  wk_text_free(&text);
  return st;
}

/* Photos in folders beside the splits, and directly in the root. */
static wk_status leave_others(wk_folder_reader *r, const wk_view *v, const wk_child *list, size_t n,
                              const wk_child *split, wk_error *err) {
  wk_text names = {0};
  size_t photos = 0, folders = 0;
  for (size_t i = 0; i < n; i++) {
    if (list[i].split != WK_SPLIT_ALL || !list[i].photos)
      continue;
    wk_view_leave_out(r, &list[i].in);
    if (folders++ < 5)
      wk_text_add(&names, "%s\"%s\"", names.len ? ", " : "", list[i].name);
    photos += list[i].photos;
  }
  for (size_t i = v->photo; i < v->photo_end; i++)
    if (!strchr(r->tree.photo.file[i].rel + v->len, '/')) {
      wk_view one = {.photo = i, .photo_end = i + 1};
      wk_view_leave_out(r, &one);
      if (photos++ == 0 || !names.len)
        wk_text_add(&names, "\"%s\"", r->tree.photo.file[i].rel + v->len);
    }
  wk_status st = WK_OK;
  if (names.failed)
    st = WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", r->root);
  else if (photos)
    st = wk_builder_note(r->b, err, "%s: %zu photo%s beside %s/ (%s%s) %s %s", r->root, photos, photos == 1 ? "" : "s",
                         split->path, names.data, folders > 5 ? " ..." : "", photos == 1 ? "is" : "are",
                         wk_left_out_words(r));
  wk_text_free(&names);
  return st;
}

/* Class folders, and beside them test/, which is taken already: they are what is learned from, if it has classes at
 * all. */
static wk_status take_beside(wk_folder_reader *r, const wk_view *v, const wk_child *list, size_t n, wk_error *err) {
  size_t count = 0;
  bool labelled = false;
  wk_child *classes = wk_alloc_array(n, sizeof *classes);
  if (!classes)
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for %zu folders", r->root, n);
  for (size_t i = v->photo; i < v->photo_end; i++)
    labelled = labelled || r->number[i] != WK_NO_CLASS;
  for (size_t i = 0; i < n; i++)
    if (list[i].split == WK_SPLIT_ALL)
      classes[count++] = list[i];
  r->b->d->layout = labelled ? WK_LAYOUT_SPLIT_FOLDERS : WK_LAYOUT_CLASS_FOLDERS;
  wk_status st = wk_view_take_classes(r, v, classes, count, labelled ? WK_SPLIT_TRAIN : WK_SPLIT_ALL, err);
  if (st == WK_OK && labelled)
    st = tell_splits(r, list, n, err);
  wk_free(classes);
  return st;
}

wk_status wk_splits_take(wk_folder_reader *r, const wk_view *v, wk_child *list, size_t n, wk_splits_verdict verdict,
                         wk_error *err) {
  bool train = false, unusual = verdict == WK_SPLITS_BESIDE;
  const wk_child *first = NULL;
  r->b->d->layout = WK_LAYOUT_SPLIT_FOLDERS;
  for (size_t i = 0; i < n; i++) {
    if (list[i].split == WK_SPLIT_ALL)
      continue;
    first = first ? first : &list[i];
    train = train || list[i].split == WK_SPLIT_TRAIN;
    WK_RETURN_IF_ERROR(take_split(r, &list[i], &unusual, err));
  }
  if (verdict == WK_SPLITS_BESIDE)
    return take_beside(r, v, list, n, err);
  WK_RETURN_IF_ERROR(leave_others(r, v, list, n, first, err));
  if (unusual)
    WK_RETURN_IF_ERROR(tell_splits(r, list, n, err));
  if (r->b->o->classes || r->b->o->allow_unlabelled)
    return WK_OK;
  if (!train)
    return WK_FAIL(err, WK_ERR_FORMAT,
                   WK_PLACE_FMT ": there is %s/ but no train/. Expected train/ with one sub-folder a class",
                   WK_PLACE(r, v), first->name);
  return check_splits(r, err);
}

/* ---- splits inside of classes ------------------------------------------------------------------ */

wk_status wk_splits_inside(bool *are, wk_folder_reader *r, const wk_child *list, size_t n, wk_error *err) {
  wk_status st = WK_OK;
  *are = false;
  /* Twice: judged first, then taken. */
  for (int pass = 0; pass < 2; pass++) {
    unsigned kinds = 0;
    for (size_t i = 0; i < n; i++) {
      wk_child *splits = NULL;
      size_t count = 0;
      if (!list[i].photos)
        continue;
      if (list[i].direct)
        return WK_OK;
      WK_TRY(wk_view_children(&splits, &count, r, &list[i].in, err));
      for (size_t k = 0; k < count; k++) {
        wk_split split = wk_split_find(splits[k].name, splits[k].name_len);
        kinds |= splits[k].photos ? 1u << split : 0;
        if (st == WK_OK && pass && splits[k].photos)
          st = wk_view_take(r, &splits[k].in, list[i].name, list[i].name_len, split, err);
      }
      wk_free(splits);
      WK_TRY(st);
    }
    if (pass == 0 && ((kinds & 1u << WK_SPLIT_ALL) || !(kinds & 1u << WK_SPLIT_TRAIN) || !(kinds & (kinds - 1))))
      return WK_OK;
  }
  *are = true;
  return wk_builder_note(r->b, err,
                         "%s: every class folder holds train/, test/ and the like: taken for photos to learn from, to "
                         "check on and to test on",
                         r->root);
done:
  return st;
}
