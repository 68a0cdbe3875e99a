/* list.c - a list of photos and labels. Which column is what is decided from the first line and a look at the rows,
 * once for the whole list, and told where it is not plain: "file,label" is, "Image,Id" is not. */
#include "data/list.h"
#include "zoo/fetch.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define SAMPLE_ROWS 100

/* ---- which column is what --------------------------------------------------------------------- */

typedef struct columns {
  bool header;                  /* the first line names the columns */
  int file, label, split;       /* -1: not there */
  bool one_hot;                 /* no label column, but one a class, with a 1 */
  bool from_name;               /* labels are numbers that the photos' names spell out */
  bool is_class[WK_FIELDS_MAX]; /* with one_hot */
  int width;
  char *name[WK_FIELDS_MAX]; /* of the columns */
} columns;

static void columns_free(columns *c) {
  for (int i = 0; c && i < c->width; i++)
    wk_free(c->name[i]);
  wk_free(c);
}

static const char *const file_names[] = {"file",      "filename",  "filepath",      "path",    "image",   "imagepath",
                                         "imagename", "imagefile", "imagefilename", "imageid", "img",     "imgpath",
                                         "imgname",   "imgfile",   "imgid",         "photo",   "photoid", "photopath",
                                         "picture",   "files",     "images",        "fname",   "idcode",  "url",
                                         "imageurl",  "id",        "name",          NULL};
static const char *const label_names[] = {
    "label",   "labels", "class",     "classname", "classlabel", "labelname", "category",   "categoryname", "target",
    "species", "breed",  "diagnosis", "y",         "classid",    "labelid",   "categoryid", "type",         NULL};
static const char *const split_names[] = {"split", "part", "subset", "set", "partition", NULL};

/* Equal but for capitals, '_', '-' and spaces. */
static bool called(const char *name, const char *plain) {
  for (;; name++) {
    if (*name == '_' || *name == '-' || *name == ' ')
      continue;
    if (tolower((unsigned char)*name) != *plain++)
      return false;
    if (!*name)
      return true;
  }
}

static int find_name(const columns *c, const char *const *names, int not_this) {
  for (; *names; names++)
    for (int i = 0; i < c->width; i++)
      if (i != not_this && called(c->name[i], *names))
        return i;
  return -1;
}

/* The rows that are looked at first: how many fields of each column look like what. */
typedef struct sample {
  size_t rows;
  size_t photos[WK_FIELDS_MAX], flags[WK_FIELDS_MAX];
} sample;

static bool is_flag(const char *s, bool *set) {
  *set = strcmp(s, "1") == 0 || strcmp(s, "1.0") == 0 || strcasecmp(s, "true") == 0;
  return *set || !*s || strcmp(s, "0") == 0 || strcmp(s, "0.0") == 0 || strcasecmp(s, "false") == 0;
}

static wk_status look_at_row(sample *s, const wk_rows *r, wk_finder *f, wk_error *err) {
  s->rows++;
  for (int i = 0; i < r->fields; i++) {
    bool set, there = wk_photo_ending(r->field[i]) || wk_is_web_address(r->field[i]);
    char *path = NULL;
    if (!there &&
        strspn(r->field[i], "0123456789.,-") < strlen(r->field[i])) /* a number is one, whatever photo 1.jpg there is */
      WK_RETURN_IF_ERROR(wk_finder_find(&path, &there, f, r->field[i], err));
    wk_free(path);
    s->photos[i] += there;
    s->flags[i] += is_flag(r->field[i], &set);
  }
  return WK_OK;
}

static int most_photos(const sample *s, int fields) {
  int best = -1;
  for (int i = 0; i < fields; i++)
    if (s->photos[i] * 2 > s->rows && (best < 0 || s->photos[i] > s->photos[best]))
      best = i;
  return best;
}

/* Columns that are neither file nor split and hold nothing but 0 and 1. */
static bool find_one_hot(columns *c, const sample *s) {
  int classes = 0;
  for (int i = 0; i < c->width; i++) {
    c->is_class[i] = i != c->file && i != c->split && s->rows && s->flags[i] == s->rows && *c->name[i];
    classes += c->is_class[i];
  }
  c->one_hot = classes >= 2;
  return c->one_hot;
}

/* No first line of names: the file is what looks like one, its class what stands behind it. */
static void without_header(columns *c, const wk_rows *r, const sample *s) {
  c->header = false;
  c->file = most_photos(s, r->fields);
  c->label = c->file >= 0 && r->fields >= 2 ? (r->fields == 2            ? 1 - c->file
                                               : c->file + 1 < r->fields ? c->file + 1
                                                                         : 0)
                                            : -1;
  c->split = -1;
}

static void with_header(columns *c) {
  c->header = true;
  c->file = find_name(c, file_names, -1);
  c->split = find_name(c, split_names, c->file);
  c->label = c->file < 0 ? -1 : find_name(c, label_names, c->file);
}

static wk_status keep_names(columns *c, const wk_rows *r, wk_error *err) {
  for (; c->width < r->fields; c->width++)
    if (!(c->name[c->width] = wk_strdup(r->field[c->width])))
      return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", r->show);
  while (c->width > 1 && !*c->name[c->width - 1])
    wk_free(c->name[--c->width]); /* a spreadsheet's empty columns */
  return WK_OK;
}

static wk_status not_named(const columns *c, const char *show, wk_error *err) {
  const char *two = c->width > 1 ? c->name[1] : "";
  return WK_FAIL(
      err, WK_ERR_FORMAT,
      "%s: the first line does not name a %s column (found \"%.80s%s%.80s\"). Begin the list with the line "
      "\"file,label\" (also understood: filename, path, image_id, img, id; class, category, target, breed, species)",
      show, c->file < 0 ? "file" : "label", c->name[0], *two ? "\", \"" : "", two);
}

/* Numbers in a file of Oxford Pets: "Abyssinian_100 1 1 1". */
static bool spelled_out(const wk_rows *r, const columns *c) {
  bool numbered;
  return !c->header && r->separator == ' ' && c->label >= 0 &&
         strspn(r->field[c->label], "0123456789") == strlen(r->field[c->label]) &&
         wk_class_in_name(wk_path_base(r->field[c->file]), &numbered) && numbered;
}

/* Reads the beginning of the list. *is false: not a list, and `err` says why. */
static wk_status find_columns(columns **out, const char *path, const char *show, bool unlabelled, wk_error *err) {
  wk_status st = WK_OK;
  wk_rows *r = NULL;
  wk_finder *f = NULL;
  sample *s = wk_calloc(2, sizeof *s); /* of the rows behind the first line, and of the first line */
  columns *c = wk_calloc(1, sizeof *c);
  WK_FAIL_IF(!s || !c, err, WK_ERR_MEMORY, "%s: out of memory", show);
  WK_TRY(wk_rows_open(&r, path, show, true, err));
  WK_TRY(wk_finder_open(&f, path, err));
  WK_TRY(wk_rows_next(r, err));
  WK_FAIL_IF(!r->fields, err, WK_ERR_FORMAT,
             "%s: the list is empty. Expected a first line \"file,label\" and one line a photo", show);
  WK_TRY(keep_names(c, r, err));
  WK_TRY(look_at_row(&s[1], r, f, err));
  with_header(c);
  bool headless = c->file < 0 && most_photos(&s[1], r->fields) >= 0;
  if (headless)
    without_header(c, r, &s[1]);
  c->from_name = headless && spelled_out(r, c);
  while (s->rows < SAMPLE_ROWS) {
    if (wk_rows_next(r, NULL) != WK_OK || !r->fields) /* told when the list is read */
      break;
    WK_TRY(look_at_row(s, r, f, err));
    c->from_name = c->from_name && r->fields == c->width && spelled_out(r, c);
  }
  if (!headless && c->file < 0 && (c->file = most_photos(s, c->width)) >= 0)
    c->label = find_name(c, label_names, c->file);
  if (!headless && c->file >= 0 && c->label < 0 && !find_one_hot(c, s) && c->width - (c->split >= 0) == 2)
    for (int i = 0; i < c->width; i++)
      c->label = i != c->file && i != c->split ? i : c->label;
  if (c->file < 0 || (c->label < 0 && !c->one_hot && !unlabelled))
    WK_TRY(not_named(c, show, err));
  *out = c;
  c = NULL;
done:
  columns_free(c);
  wk_finder_free(f);
  wk_rows_free(r);
  wk_free(s);
  return st;
}

wk_status wk_is_list(bool *is, const char *path, wk_error *err) {
  columns *c = NULL;
  wk_error why = {0};
  *is = false;
  if (strcasestr(wk_path_base(path), "submission")) /* Kaggle's: names of photos and made-up labels */
    return WK_OK;
  wk_status st = find_columns(&c, path, path, false, &why);
  *is = st == WK_OK;
  columns_free(c);
  return st == WK_ERR_MEMORY ? WK_FAIL(err, st, "%s", why.message) : WK_OK;
}

/* ---- rows ------------------------------------------------------------------------------------- */

typedef struct reader {
  wk_builder *b;
  wk_rows *rows;
  const columns *c;
  const char *path, *show;
  wk_split split;
  wk_finder *finder;
  wk_names seen;     /* paths */
  uint32_t *class;   /* [seen]: of each */
  size_t *line;      /* [seen] */
  bool *there;       /* [seen] */
  size_t cap, first; /* photos of the builder before this list */
  size_t missing, again;
  wk_names urls; /* of photos that have to be fetched */
} reader;

static wk_status width_is_wrong(const wk_rows *r, const columns *c, wk_error *err) {
  return WK_FAIL(
      err, WK_ERR_FORMAT,
      "%s: line %zu has %d field%s, but the first line names %d columns. Put quotes around a field that holds a '%c'",
      r->show, r->line, r->fields, r->fields == 1 ? "" : "s", c->width, r->separator);
}

static bool has_width(const wk_rows *r, const columns *c) {
  if (!c->header)
    return r->fields > c->file && r->fields > c->label;
  for (int i = c->width; i < r->fields; i++)
    if (*r->field[i])
      return false;
  return r->fields >= c->width;
}

/* The class that a row names; *name NULL: none. */
static wk_status label_of(const char **name, size_t *len, const reader *k, const char *file, wk_error *err) {
  const wk_rows *r = k->rows;
  const columns *c = k->c;
  *name = NULL;
  if (c->one_hot) {
    int first = -1;
    for (int i = 0; i < c->width; i++) {
      bool set = false;
      if (!c->is_class[i])
        continue;
      if (!is_flag(r->field[i], &set))
        return WK_FAIL(err, WK_ERR_FORMAT, "%s: line %zu: \"%.80s\" in column %s is neither 0 nor 1", r->show, r->line,
                       r->field[i], c->name[i]);
      if (set && first >= 0)
        return WK_FAIL(
            err, WK_ERR_UNSUPPORTED,
            "%s: line %zu: %s has more than one label (%s, %s). whisker learns one label a photo: leave one of them",
            r->show, r->line, file, c->name[first], c->name[i]);
      first = set ? i : first;
    }
    *name = first >= 0 ? c->name[first] : NULL;
  } else if (c->from_name) {
    bool numbered;
    *name = wk_path_base(file);
    *len = wk_class_in_name(*name, &numbered);
    return *len ? WK_OK
                : WK_FAIL(err, WK_ERR_FORMAT, "%s: line %zu: %s has no class in its name", r->show, r->line, file);
  } else if (c->label >= 0 && *r->field[c->label]) {
    *name = r->field[c->label];
  }
  *len = *name ? strlen(*name) : 0;
  if (!*name && !k->b->o->allow_unlabelled)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s: line %zu: %s has no label. Fill it in, or remove the line", r->show,
                   r->line, file);
  return WK_OK;
}

static wk_status split_of(wk_split *split, const reader *k, wk_error *err) {
  const wk_rows *r = k->rows;
  *split = k->split;
  if (k->c->split < 0 || !*r->field[k->c->split])
    return WK_OK;
  const char *name = r->field[k->c->split];
  *split = wk_split_find(name, strlen(name));
  if (*split == WK_SPLIT_ALL)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s: line %zu: \"%s\" is not a split. Expected train, val or test", r->show,
                   r->line, name);
  return WK_OK;
}

static bool grow(reader *k) {
  if (k->seen.count <= k->cap)
    return true;
  size_t cap = k->cap ? k->cap * 2 : 256;
  uint32_t *class = wk_grow(k->class, k->cap * sizeof *class, cap * sizeof *class);
  k->class = class ? class : k->class;
  size_t *line = class ? wk_grow(k->line, k->cap * sizeof *line, cap * sizeof *line) : NULL;
  k->line = line ? line : k->line;
  bool *there = line ? wk_grow(k->there, k->cap, cap) : NULL;
  k->there = there ? there : k->there;
  k->cap = there ? cap : k->cap;
  return there != NULL;
}

/* What people know a found photo by, where the list came out of an archive. */
static char *show_path(const reader *k, const char *path) {
  size_t folder = (size_t)(wk_path_base(k->path) - k->path), show = (size_t)(wk_path_base(k->show) - k->show);
  if (strncmp(path, k->path, folder) != 0)
    return wk_strdup(path);
  return wk_asprintf("%.*s%s", (int)show, k->show, path + folder);
}

/* A photo is listed once; again with the same label (one line an object in it) it does not count twice. */
static wk_status check_seen(bool *again, reader *k, const char *path, const char *file, uint32_t class, bool there,
                            wk_error *err) {
  uint32_t number;
  size_t before = k->seen.count;
  WK_RETURN_IF_ERROR(wk_names_add(&number, &k->seen, path, strlen(path), err));
  *again = k->seen.count == before;
  if (!grow(k))
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for a list of %zu photos", k->show, before);
  if (!*again) {
    k->class[number] = class;
    k->line[number] = k->rows->line;
    k->there[number] = there;
    return WK_OK;
  }
  k->again++;
  if (k->class[number] == class)
    return WK_OK;
  return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                 "%s: lines %zu and %zu give %s more than one label (%s, %s). whisker learns one label a photo: remove "
                 "one of the lines",
                 k->show, k->line[number], k->rows->line, file,
                 k->class[number] == WK_NO_CLASS ? "none" : k->b->names.name[k->class[number]],
                 class == WK_NO_CLASS ? "none" : k->b->names.name[class]);
}

/* Where a photo of the web is kept. What is not there yet is fetched when all are known. */
static wk_status find_web(char **path, bool *there, reader *k, const char *url, wk_error *err) {
  uint32_t number;
  if (!(*path = wk_web_photo_path(k->b->o->unpack_folder, url)))
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", k->show);
  *there = wk_path_exists(*path);
  return *there ? WK_OK : wk_names_add(&number, &k->urls, url, strlen(url), err);
}

static wk_status add_row(reader *k, wk_error *err) {
  wk_status st = WK_OK;
  wk_rows *r = k->rows;
  const char *file, *name;
  char *path = NULL, *show = NULL;
  uint32_t class = WK_NO_CLASS;
  size_t len;
  wk_split split;
  bool there, again;
  file = r->field[k->c->file];
  WK_FAIL_IF(!*file, err, WK_ERR_FORMAT, "%s: line %zu: the file's name is missing", r->show, r->line);
  const bool web = wk_is_web_address(file);
  const char *folder = k->b->o->unpack_folder;
  WK_FAIL_IF(
      web && !folder, err, WK_ERR_UNSUPPORTED,
      "%s: line %zu: %.200s is a web address, and no folder was given for what is fetched. Fetch the photos first, and "
      "list the files",
      r->show, r->line, file);
  WK_TRY(label_of(&name, &len, k, file, err));
  WK_TRY(split_of(&split, k, err));
  if (name)
    WK_TRY(wk_builder_class(&class, k->b, name, len, err));
  if (web)
    WK_TRY(find_web(&path, &there, k, file, err));
  else if ((st = wk_finder_find(&path, &there, k->finder, file, err)) != WK_OK)
    return wk_error_prefix(err, st, "%s: line %zu", r->show, r->line);
  WK_TRY(check_seen(&again, k, path, file, class, there, err));
  if (again)
    goto done;
  k->missing += !there;
  if (web || k->show != k->path)
    WK_FAIL_IF(!(show = web ? wk_strdup(file) : show_path(k, path)), err, WK_ERR_MEMORY, "%s: out of memory", k->show);
  st = wk_builder_add(k->b, path, show, class, split, err);
  path = NULL;
done:
  wk_free(path);
  return st;
}

/* ---- the whole -------------------------------------------------------------------------------- */

/* Classes of which no photo is there cannot be learned: their lines are left out, and told. */
static wk_status drop_lost_classes(reader *k, wk_error *err) {
  wk_dataset *d = k->b->d;
  wk_status st = WK_OK;
  bool *has = wk_calloc(k->b->names.count, sizeof *has);
  size_t kept = k->first;
  WK_FAIL_IF(!has, err, WK_ERR_MEMORY, "%s: out of memory", k->show);
  for (size_t i = 0; i < k->seen.count; i++)
    if (k->there[i] && k->class[i] != WK_NO_CLASS)
      has[k->class[i]] = true;
  for (size_t i = k->first; i < d->photo_count; i++) {
    wk_photo *p = &d->photos[i];
    if (p->label < 0 || has[p->label]) {
      d->photos[kept++] = *p;
      continue;
    }
    st = st == WK_OK
             ? wk_builder_note(k->b, err,
                               "%s: no photo of the class \"%.100s\" is there (%.200s ...): its lines are left out",
                               k->show, k->b->names.name[p->label], p->name)
             : st;
    if (p->name != p->path)
      wk_free(p->name);
    wk_free(p->path);
  }
  d->photo_count = kept;
done:
  wk_free(has);
  return st;
}

/* Takes a photo that could not be fetched out of the collection; photos stand in the order of k->seen. */
static void drop_unfetched(reader *k) {
  wk_dataset *d = k->b->d;
  size_t kept = k->first;
  for (size_t i = k->first; i < d->photo_count; i++) {
    wk_photo *p = &d->photos[i];
    if (k->there[i - k->first] || !wk_is_web_address(p->name)) {
      d->photos[kept++] = *p;
      continue;
    }
    wk_free(p->name);
    wk_free(p->path);
    k->missing--;
  }
  d->photo_count = kept;
}

static wk_status fetch_photos(reader *k, wk_error *err) {
  wk_status st = WK_OK;
  char **why = NULL;
  size_t failed = 0, first = 0;
  WK_TRY(wk_web_fetch_all(&why, &k->urls, k->b->o->unpack_folder, k->b->o->ctx, err));
  for (size_t i = k->urls.count; i--;) {
    failed += why[i] != NULL;
    first = why[i] ? i : first;
    char *path = why[i] ? NULL : wk_web_photo_path(k->b->o->unpack_folder, k->urls.name[i]);
    WK_FAIL_IF(!path && !why[i], err, WK_ERR_MEMORY, "%s: out of memory", k->show);
    const int64_t at = path ? wk_names_find(&k->seen, path, strlen(path)) : -1;
    wk_free(path);
    if (at >= 0) {
      k->there[at] = true;
      k->missing--;
    }
  }
  drop_unfetched(k);
  WK_FAIL_IF(k->b->d->photo_count == k->first, err, WK_ERR_NETWORK, "%s: none of its %zu photo%s could be fetched: %s",
             k->show, failed, WK_S(failed), why[first]);
  if (failed)
    WK_TRY(wk_builder_note(k->b, err, "%s: %zu of its photos could not be fetched and %s left out: %s", k->show, failed,
                           failed == 1 ? "is" : "are", why[first]));
done:
  for (size_t i = 0; why && i < k->urls.count; i++)
    wk_free(why[i]);
  wk_free(why);
  return st;
}

/* Says what was taken for what, unless the list says so itself. */
static wk_status tell(reader *k, wk_error *err) {
  const columns *c = k->c;
  const char *guess = wk_finder_guess(k->finder);
  if (!c->header)
    WK_RETURN_IF_ERROR(
        wk_builder_note(k->b, err, "%s: its first line names no columns: the files are in column %d, the classes %s",
                        k->show, c->file + 1,
                        c->from_name    ? "in their names"
                        : c->label == 0 ? "in column 1"
                                        : "in the column behind it"));
  else if (c->one_hot)
    WK_RETURN_IF_ERROR(
        wk_builder_note(k->b, err, "%s: the files are in column \"%.80s\", each class is a column of its own with a 1",
                        k->show, c->name[c->file]));
  else if (c->label >= 0 && (c->width > 2 + (c->split >= 0) || !called(c->name[c->file], "file") ||
                             !(called(c->name[c->label], "label") || called(c->name[c->label], "class"))))
    WK_RETURN_IF_ERROR(wk_builder_note(k->b, err,
                                       "%s: the files are in column \"%.80s\", the classes in column \"%.80s\"",
                                       k->show, c->name[c->file], c->name[c->label]));
  if (guess)
    WK_RETURN_IF_ERROR(wk_builder_note(k->b, err, "%s: its paths are not those of this folder: %s", k->show, guess));
  if (k->again)
    WK_RETURN_IF_ERROR(wk_builder_note(k->b, err, "%s: %zu line%s a photo again, with the same label: it counts once",
                                       k->show, k->again, k->again == 1 ? " names" : "s name"));
  return WK_OK;
}

static wk_status read_rows(reader *k, wk_error *err) {
  if (k->c->header)
    WK_RETURN_IF_ERROR(wk_rows_next(k->rows, err));
  for (size_t n = 0;; n++) {
    WK_RETURN_IF_ERROR(wk_rows_next(k->rows, err));
    if (!k->rows->fields)
      return WK_OK;
    if (!has_width(k->rows, k->c))
      return width_is_wrong(k->rows, k->c, err);
    if (n % 256 == 0 && wk_cancelled(k->b->o->ctx))
      return WK_FAIL(err, WK_ERR_CANCELLED, "%s: reading it was stopped", k->show);
    WK_RETURN_IF_ERROR(add_row(k, err));
  }
}

wk_status wk_read_list(wk_builder *b, const char *path, const char *show, wk_split split, wk_error *err) {
  wk_status st = WK_OK;
  columns *c = NULL;
  reader k = {.b = b, .path = path, .show = show ? show : path, .split = split, .first = b->d->photo_count};
  WK_TRY(find_columns(&c, path, k.show, b->o->allow_unlabelled, err));
  k.c = c;
  b->d->layout = WK_LAYOUT_LIST;
  WK_TRY(wk_rows_open(&k.rows, path, k.show, false, err));
  WK_TRY(wk_finder_open(&k.finder, path, err));
  WK_TRY(read_rows(&k, err));
  WK_FAIL_IF(b->d->photo_count == k.first, err, WK_ERR_FORMAT,
             "%s: the list names no photos: it has only its first line", k.show);
  if (k.urls.count)
    WK_TRY(fetch_photos(&k, err));
  WK_FAIL_IF(
      k.missing == b->d->photo_count - k.first, err, WK_ERR_NOT_FOUND,
      "%s: none of its %zu file%s is there (the first would be %s). Names are relative to the list's folder, or to "
      "images/ in it",
      k.show, b->d->photo_count - k.first, WK_S(b->d->photo_count - k.first), b->d->photos[k.first].name);
  if (!b->o->classes && !b->o->allow_unlabelled && k.missing)
    WK_TRY(drop_lost_classes(&k, err));
  WK_TRY(tell(&k, err));
done:
  columns_free(c);
  wk_rows_free(k.rows);
  wk_finder_free(k.finder);
  wk_names_free(&k.seen);
  wk_names_free(&k.urls);
  wk_free(k.class);
  wk_free(k.line);
  wk_free(k.there);
  return st;
}
