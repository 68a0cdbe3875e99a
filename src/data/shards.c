/* shards.c - photos whose class lies in a file of the same name beside each: WebDataset's shards (0001.jpg with
 * 0001.cls, or with 0001.json or 0001.txt), in archives or unpacked. */
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/folders.h"

#define LABEL_BYTES_MAX ((size_t)1 << 20)
#define LABEL_MAX 200

/* In order of what is taken where there are several. */
typedef enum kind { CLS, JSON, TXT, KINDS } kind;
static const char *const ending[KINDS] = {".cls", ".json", ".txt"};

/* What stands before the first '.' of the name: all files of one sample share it. */
static size_t key_len(const char *rel) {
  const char *base = wk_path_base(rel);
  return (size_t)(base - rel) + strcspn(base, ".");
}

/* The file beside a photo; NULL: none. Both lists are sorted, but by whole names: so it is looked up. */
static const wk_file *beside(const wk_tree *t, const wk_file *photo, kind k) {
  char want[4096];
  int n = snprintf(want, sizeof want, "%.*s%s", (int)key_len(photo->rel), photo->rel, ending[k]);
  size_t low = 0, high = t->beside.count;
  if (n < 0 || (size_t)n >= sizeof want)
    return NULL;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (strcmp(t->beside.file[mid].rel, want) < 0)
      low = mid + 1;
    else
      high = mid;
  }
  return low < t->beside.count && strcmp(t->beside.file[low].rel, want) == 0 ? &t->beside.file[low] : NULL;
}

/* ---- one label -------------------------------------------------------------------------------- */

static char *from_json(const char *text, size_t size) {
  static const char *const name[] = {"class_name",    "label_name", "classname", "cls_name",
                                     "category_name", "label",      "class",     "cls",
                                     "category",      "target",     NULL};
  json_t *root = json_loadb(text, size, 0, NULL);
  char *out = NULL;
  for (const char *const *k = name; !out && *k; k++) {
    const json_t *v = json_object_get(root, *k);
    if (json_is_string(v) && *json_string_value(v))
      out = wk_strdup(json_string_value(v));
    else if (json_is_integer(v))
      out = wk_asprintf("%lld", (long long)json_integer_value(v));
  }
  json_decref(root);
  return out;
}

/* The label in a file; *label NULL: there is none in it. */
static wk_status read_label(char **label, const wk_tree *t, const wk_file *f, kind k, wk_error *err) {
  wk_status st = WK_OK;
  uint8_t *bytes = NULL;
  size_t size = 0;
  char *path = wk_file_path(t, f);
  *label = NULL;
  WK_FAIL_IF(!path, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_file_read(&bytes, &size, path, LABEL_BYTES_MAX, err));
  if (k == JSON) {
    *label = from_json((char *)bytes, size);
    goto done;
  }
  char *text = (char *)bytes, *end = text + strlen(text);
  while (end > text && isspace((unsigned char)end[-1]))
    *--end = 0;
  while (isspace((unsigned char)*text))
    text++;
  if (*text && strlen(text) <= LABEL_MAX && !strpbrk(text, "\r\n")) {
    *label = wk_strdup(text);
    WK_FAIL_IF(!*label, err, WK_ERR_MEMORY, "out of memory");
  }
done:
  wk_free(bytes);
  wk_free(path);
  return st;
}

/* ---- all of them ------------------------------------------------------------------------------ */

typedef struct sample {
  const wk_file *photo;
  const char *key; /* below the shard */
  size_t key_len;
  uint32_t label; /* in `labels`, or WK_NO_CLASS */
  wk_split split;
} sample;

static int by_key(const void *a, const void *b) {
  const sample *x = a, *y = b;
  int order = strcmp(x->key, y->key);
  return order ? order : strcmp(x->photo->rel, y->photo->rel);
}

static bool is_number(const char *s) { return *s && strlen(s) < 9 && strspn(s, "0123456789") == strlen(s); }

/* The split in the name of the shard: "imagenet-train-000012.tar". */
static wk_split shard_split(const wk_tree *t, const wk_file *f) {
  char rest[64];
  size_t len = t->place[f->place].skip;
  if (!len)
    return WK_SPLIT_ALL;
  const char *name = f->rel;
  for (size_t i = 0; i + 1 < len; i++)
    name = f->rel[i] == '/' ? f->rel + i + 1 : name;
  return wk_split_find_among(rest, sizeof rest, name, (size_t)(f->rel + len - 1 - name));
}

/* Does a label lie beside nearly every photo? Files of captions or boxes lie beside photos as well: where there are
 * folders for classes, only .cls says that this is WebDataset. */
static bool find_kind(kind *out, const wk_tree *t) {
  size_t count[KINDS] = {0}, n = t->photo.count;
  for (kind k = CLS; t->beside.count && k < KINDS; k++)
    for (size_t i = 0; i < n; i++)
      count[k] += beside(t, &t->photo.file[i], k) != NULL;
  for (kind k = CLS; k < KINDS; k++)
    if (n && count[k] * 10 >= n * 9) {
      *out = k;
      return k == CLS || !memchr(t->photo.file[0].rel + t->place[t->photo.file[0].place].skip, '/',
                                 strlen(t->photo.file[0].rel + t->place[t->photo.file[0].place].skip));
    }
  return false;
}

/* Where every number goes with one folder of the samples' names and the other way round, the folders are the classes'
 * names. */
static wk_status names_from_folders(bool *are, wk_names *folders, const sample *s, size_t n, const wk_names *labels,
                                    uint32_t *folder_of, wk_error *err) {
  *are = labels->count > 0;
  for (size_t i = 0; i < labels->count; i++) {
    folder_of[i] = WK_NO_CLASS;
    *are = *are && is_number(labels->name[i]);
  }
  for (size_t i = 0; i < n && *are; i++) {
    const char *slash = memrchr(s[i].key, '/', s[i].key_len),
               *begin = slash ? memrchr(s[i].key, '/', (size_t)(slash - s[i].key)) : NULL;
    begin = begin ? begin + 1 : s[i].key;
    uint32_t number;
    *are = slash && s[i].label != WK_NO_CLASS;
    if (!*are)
      break;
    WK_RETURN_IF_ERROR(wk_names_add(&number, folders, begin, (size_t)(slash - begin), err));
    if (folder_of[s[i].label] == WK_NO_CLASS)
      folder_of[s[i].label] = number;
    *are = folder_of[s[i].label] == number;
  }
  *are = *are && folders->count == labels->count;
  return WK_OK;
}

static wk_status read_samples(sample *s, wk_names *labels, const wk_folder_reader *r, kind k, wk_error *err) {
  const wk_tree *t = &r->tree;
  for (size_t i = 0; i < t->photo.count; i++) {
    const wk_file *photo = &t->photo.file[i], *f = beside(t, photo, k);
    size_t skip = t->place[photo->place].skip;
    char *label = NULL;
    s[i] = (sample){photo, photo->rel + skip, key_len(photo->rel) - skip, WK_NO_CLASS, shard_split(t, photo)};
    if (i % 256 == 0 && wk_cancelled(r->b->o->ctx))
      return WK_FAIL(err, WK_ERR_CANCELLED, "%s: reading its labels was stopped", r->root);
    if (f)
      WK_RETURN_IF_ERROR(read_label(&label, t, f, k, err));
    if (label) {
      wk_status st = wk_names_add(&s[i].label, labels, label, strlen(label), err);
      wk_free(label);
      WK_RETURN_IF_ERROR(st);
    } else if (!r->b->o->allow_unlabelled) {
      return WK_FAIL(err, WK_ERR_FORMAT,
                     "%s/%s: no label for this photo in %s beside it. Expected a class's name or number", r->root,
                     photo->rel, f ? wk_path_base(f->rel) : ending[k]);
    }
  }
  return WK_OK;
}

/* Captions are no classes: nearly every one is another. */
static bool captions(kind k, const wk_names *labels, size_t n) { return k != CLS && n >= 4 && labels->count * 2 > n; }

static wk_status add_samples(wk_folder_reader *r, sample *s, const wk_names *labels, kind k, wk_error *err) {
  wk_status st = WK_OK;
  wk_names folders = {0};
  size_t n = r->tree.photo.count;
  bool by_folder = false;
  uint32_t *folder_of = wk_alloc_array(labels->count, sizeof *folder_of);
  WK_FAIL_IF(!folder_of, err, WK_ERR_MEMORY, "%s: out of memory for %zu classes", r->root, labels->count);
  qsort(s, n, sizeof *s, by_key);
  WK_TRY(names_from_folders(&by_folder, &folders, s, n, labels, folder_of, err));
  r->b->d->layout = WK_LAYOUT_SHARDS;
  for (size_t i = 0; i < n; i++) {
    uint32_t class = WK_NO_CLASS;
    if (s[i].label != WK_NO_CLASS) {
      const char *name = by_folder ? folders.name[folder_of[s[i].label]] : labels->name[s[i].label];
      WK_TRY(wk_builder_class(&class, r->b, name, strlen(name), err));
    }
    WK_TRY(wk_builder_add_file(r->b, &r->tree, s[i].photo, class, s[i].split, err));
  }
  r->b->d->ignored -= n < r->b->d->ignored ? n : r->b->d->ignored; /* the labels were of use */
  WK_TRY(wk_builder_note(r->b, err, "%s: WebDataset: the class of every photo is in the %s beside it%s", r->root,
                         ending[k], by_folder ? ", its name is the folder's" : ""));
done:
  wk_names_free(&folders);
  wk_free(folder_of);
  return st;
}

wk_status wk_shards_read(bool *taken, wk_folder_reader *r, wk_error *err) {
  kind k;
  wk_names labels = {0};
  wk_status st = WK_OK;
  sample *s = NULL;
  *taken = false;
  if (!find_kind(&k, &r->tree))
    return WK_OK;
  s = wk_alloc_array(r->tree.photo.count, sizeof *s);
  WK_FAIL_IF(!s, err, WK_ERR_MEMORY, "%s: out of memory for %zu photos", r->root, r->tree.photo.count);
  WK_TRY(read_samples(s, &labels, r, k, err));
  if (captions(k, &labels, r->tree.photo.count))
    goto done;
  WK_TRY(add_samples(r, s, &labels, k, err));
  *taken = true;
done:
  wk_names_free(&labels);
  wk_free(s);
  return st;
}
