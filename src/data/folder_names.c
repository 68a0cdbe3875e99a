/* folder_names.c - classes in the names of the files: "cat_12.jpg", "cat.12.jpg". Which way of reading the names is
 * right is decided for all of them together: one class a photo is no labelling. */
#include <ctype.h>
#include <string.h>

#include "data/folders.h"

static size_t stem_len(const char *file) {
  size_t len = strlen(file);
  return wk_photo_ending(file) ? (size_t)(strrchr(file, '.') - file) : len;
}

static size_t digits_at_end(const char *s, size_t len) {
  size_t n = 0;
  while (n < len && s[len - 1 - n] >= '0' && s[len - 1 - n] <= '9')
    n++;
  return n;
}

static size_t last_of(const char *s, size_t len, char c) {
  while (len > 0 && s[len - 1] != c)
    len--;
  return len ? len - 1 : 0; /* a separator at 0 has no class before it */
}

size_t wk_class_in_name(const char *file, bool *numbered) {
  size_t len = stem_len(file), digits = digits_at_end(file, len), stem = len - digits;
  *numbered = digits && stem >= 2 && (file[stem - 1] == '_' || file[stem - 1] == '.');
  return *numbered ? stem - 1 : last_of(file, len, '_');
}

size_t wk_class_before_number(const char *file) {
  size_t len = stem_len(file), at = 0;
  while (at < len && !isdigit((unsigned char)file[at]))
    at++;
  if (at == len)
    return 0;
  while (at > 0 && strchr("_.- (#", file[at - 1]))
    at--;
  return at;
}

/* ---- which way -------------------------------------------------------------------------------- */

typedef struct reading {
  size_t named, classes, known; /* photos with a class; classes; photos of a class that is known */
  size_t first_unnamed;         /* SIZE_MAX: none */
} reading;

static const char *file_name(const wk_folder_reader *r, size_t i) { return wk_path_base(r->tree.photo.file[i].rel); }

static size_t class_len(bool before_number, const char *file) {
  bool numbered;
  return before_number ? wk_class_before_number(file) : wk_class_in_name(file, &numbered);
}

static wk_status try_reading(reading *out, const wk_folder_reader *r, const wk_view *v, bool before_number,
                             wk_error *err) {
  wk_names seen = {0};
  uint32_t number;
  *out = (reading){.first_unnamed = SIZE_MAX};
  for (size_t i = v->photo; i < v->photo_end; i++) {
    if (r->split[i] == WK_LEFT_OUT)
      continue;
    const char *file = file_name(r, i);
    size_t len = class_len(before_number, file);
    if (!len) {
      out->first_unnamed = out->first_unnamed == SIZE_MAX ? i : out->first_unnamed;
      continue;
    }
    out->named++;
    out->known += r->b->o->classes && wk_known_class(r->b->o, file, len) >= 0;
    wk_status st = wk_names_add(&number, &seen, file, len, err);
    if (st != WK_OK) {
      wk_names_free(&seen);
      return st;
    }
  }
  out->classes = seen.count;
  wk_names_free(&seen);
  return WK_OK;
}

/* Nearly every photo of another class. */
static bool scattered(const reading *r) { return r->named >= 4 && r->classes * 10 >= r->named * 9; }

static wk_status choose_reading(bool *before_number, wk_folder_reader *r, const wk_view *v, wk_error *err) {
  reading usual, other;
  const wk_dataset_options *o = r->b->o;
  WK_RETURN_IF_ERROR(try_reading(&usual, r, v, false, err));
  *before_number = false;
  bool doubtful = o->classes ? usual.known < usual.named : scattered(&usual) || usual.first_unnamed != SIZE_MAX;
  if (!doubtful)
    return WK_OK;
  WK_RETURN_IF_ERROR(try_reading(&other, r, v, true, err));
  *before_number = o->classes
                       ? other.known > usual.known
                       : other.first_unnamed == SIZE_MAX && other.classes >= 2 && other.classes * 2 <= other.named;
  if (!*before_number && usual.first_unnamed != SIZE_MAX && !o->allow_unlabelled)
    return WK_FAIL(
        err, WK_ERR_FORMAT,
        "%s/%s: no class in this file name. Expected names such as cat_12.jpg or cat.12.jpg: rename or remove it",
        r->root, r->tree.photo.file[usual.first_unnamed].rel);
  if (!*before_number && !o->classes && scattered(&usual))
    return WK_FAIL(err, WK_ERR_FORMAT,
                   WK_PLACE_FMT ": by their names (such as %.200s) nearly every one of the %zu photos is of a class of "
                                "its own. Expected names such as "
                                "cat_12.jpg or cat.12.jpg: rename them, or put each class's photos into a folder",
                   WK_PLACE(r, v), file_name(r, v->photo), usual.named);
  if (!*before_number)
    return WK_OK;
  const char *example = file_name(r, v->photo);
  return wk_builder_note(
      r->b, err, WK_PLACE_FMT ": the classes are what stands before the first number in the names: \"%.*s\" of %.200s",
      WK_PLACE(r, v), (int)wk_class_before_number(example), example, example);
}

/* ---- taking ----------------------------------------------------------------------------------- */

/* test1/test1/7.jpg: photos to test on, without labels. */
static wk_status leave_unnamed(wk_folder_reader *r, wk_child *list, size_t count, wk_error *err) {
  bool train = false;
  for (size_t i = 0; i < count; i++)
    train = train || (list[i].split == WK_SPLIT_TRAIN && list[i].photos);
  for (size_t i = 0; i < count; i++) {
    wk_child *c = &list[i];
    for (size_t k = c->in.photo; k < c->in.photo_end; k++)
      r->split[k] = (uint8_t)c->split;
    if (!train || (c->split != WK_SPLIT_TEST && c->split != WK_SPLIT_VAL))
      continue;
    bool named = false;
    for (size_t k = c->in.photo; k < c->in.photo_end; k++)
      named = named || class_len(false, file_name(r, k));
    if (named || !c->photos)
      continue;
    wk_view_leave_out(r, &c->in);
    WK_RETURN_IF_ERROR(wk_builder_note(r->b, err, "%s/%s: %zu photo%s without a class in %s: %s", r->root, c->path,
                                       c->photos, WK_S(c->photos), c->photos == 1 ? "its name" : "their names",
                                       wk_left_out_words(r)));
  }
  return WK_OK;
}

wk_status wk_names_take(wk_folder_reader *r, const wk_view *v, wk_child *list, size_t count, wk_error *err) {
  bool before_number;
  r->b->d->layout = WK_LAYOUT_FLAT;
  WK_RETURN_IF_ERROR(leave_unnamed(r, list, count, err));
  WK_RETURN_IF_ERROR(choose_reading(&before_number, r, v, err));
  for (size_t i = v->photo; i < v->photo_end; i++) {
    const char *name = file_name(r, i);
    size_t len = r->split[i] == WK_LEFT_OUT ? 0 : class_len(before_number, name);
    if (len)
      WK_RETURN_IF_ERROR(wk_builder_class(&r->number[i], r->b, name, len, err));
  }
  return WK_OK;
}

wk_status wk_names_explain(wk_folder_reader *r, const wk_view *v, const wk_child *split, wk_error *err) {
  wk_names seen = {0};
  size_t numbered = 0, photos = v->photo_end - v->photo;
  const char *example = NULL;
  for (size_t i = v->photo; i < v->photo_end; i++) {
    bool with_number;
    uint32_t number;
    const char *name = file_name(r, i);
    size_t len = wk_class_in_name(name, &with_number);
    if (!len || !with_number)
      continue;
    wk_status st = wk_names_add(&number, &seen, name, len, err);
    if (st != WK_OK) {
      wk_names_free(&seen);
      return st;
    }
    numbered++;
    example = example ? example : name;
  }
  size_t found = seen.count;
  wk_names_free(&seen);
  /* IMG_0001.jpg is one class by this reading, and so none. Photos to test on may have no class. */
  if (found >= 2 && numbered * 2 >= photos && found * 2 <= numbered)
    return WK_FAIL(err, WK_ERR_FORMAT,
                   WK_PLACE_FMT
                   ": no class folders here, only %zu photo%s, but their names look like CLASS_number (%zu classes, "
                   "such as %s): add --labels-from name to take the classes from the names",
                   WK_PLACE(r, v), photos, WK_S(photos), found, example);
  if (split)
    return WK_FAIL(err, WK_ERR_FORMAT,
                   "%s/%s: no class folders here, only %zu photo%s. Expected one sub-folder a class, with that class's "
                   "photos in it, such as %s/cat and "
                   "%s/dog",
                   r->root, split->path, split->photos, WK_S(split->photos), split->name, split->name);
  return WK_FAIL(err, WK_ERR_FORMAT,
                 WK_PLACE_FMT
                 ": no class folders here, only %zu photo%s. Put each class's photos into a folder of its own, or "
                 "give a list in place of the folder: a CSV with the columns file,label",
                 WK_PLACE(r, v), photos, WK_S(photos));
}
