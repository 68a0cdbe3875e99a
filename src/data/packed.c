/* packed.c - MNIST's IDX files and CIFAR's batches as collections of photos. They hold pixels without any compression,
 * so a photo is a place in the file; see packed.h. */
#include "data/packed.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "whisker/image.h"

#define SIDE_MAX 65535
#define CIFAR_SIDE 32
#define CIFAR_PIXELS (3 * CIFAR_SIDE * CIFAR_SIDE)

typedef enum kind { NOTHING, IDX_IMAGES, IDX_LABELS, CIFAR_BINARY, CIFAR_PYTHON, CIFAR_META } kind;

static uint32_t big_endian(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool begins(const char *name, const char *with) { return strncasecmp(name, with, strlen(with)) == 0; }

static bool ends(const char *name, const char *with) {
  size_t n = strlen(name), m = strlen(with);
  return n >= m && strcasecmp(name + n - m, with) == 0;
}

/* Bytes of labels before the pixels of a record in a CIFAR binary; 0: not called as one. */
static size_t record_labels(const char *name) {
  if (!ends(name, ".bin"))
    return 0;
  if (begins(name, "data_batch") || begins(name, "test_batch"))
    return 1;
  return strcasecmp(name, "train.bin") == 0 || strcasecmp(name, "test.bin") == 0 ? 2 : 0;
}

static kind kind_of(const char *name, const uint8_t *head, size_t n, uint64_t size) {
  if (n >= 16 && memcmp(head, "\0\0\x08\x03", 4) == 0) {
    uint64_t count = big_endian(head + 4), h = big_endian(head + 8), w = big_endian(head + 12);
    bool sane = count && h && w && h <= SIDE_MAX && w <= SIDE_MAX;
    return sane && size == 16 + count * h * w ? IDX_IMAGES : NOTHING;
  }
  if (n >= 8 && memcmp(head, "\0\0\x08\x01", 4) == 0)
    return size == 8 + (uint64_t)big_endian(head + 4) ? IDX_LABELS : NOTHING;
  size_t labels = record_labels(name);
  if (labels)
    return size && size % (CIFAR_PIXELS + labels) == 0 ? CIFAR_BINARY : NOTHING;
  if (n >= 2 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5) {
    if (strcmp(name, "batches.meta") == 0 || strcmp(name, "meta") == 0)
      return CIFAR_META;
    return begins(name, "data_batch") || begins(name, "test_batch") || strcmp(name, "train") == 0 ||
                   strcmp(name, "test") == 0
               ? CIFAR_PYTHON
               : NOTHING;
  }
  return NOTHING;
}

bool wk_packed_sniff(const char *name, const uint8_t *head, size_t n, uint64_t size) {
  return kind_of(name, head, n, size) != NOTHING;
}

/* ---- paths ------------------------------------------------------------------------------------ */

static char *photo_path(const char *file, size_t number, uint64_t at, int width, int height, int channels) {
  return wk_asprintf("%s/%zu@%llu,%dx%dx%d", file, number, (unsigned long long)at, width, height, channels);
}

bool wk_packed_path(char **file, uint64_t *at, int *width, int *height, int *channels, const char *path) {
  const char *base = wk_path_base(path);
  unsigned long long number, offset;
  int w, h, c, used = 0;
  if (base == path || sscanf(base, "%llu@%llu,%dx%dx%d%n", &number, &offset, &w, &h, &c, &used) != 5 || base[used] ||
      w < 1 || h < 1 || w > SIDE_MAX || h > SIDE_MAX || (c != 1 && c != 3))
    return false;
  if (!(*file = wk_strndup(path, (size_t)(base - path) - 1)))
    return false;
  *at = offset;
  *width = w;
  *height = h;
  *channels = c;
  return true;
}

wk_status wk_packed_labels_name(char **out, const char *images, wk_error *err) {
  const char *base = wk_path_base(images), *word = strstr(base, "images");
  *out = NULL;
  if (!word)
    return WK_OK;
  const char *idx3 = strstr(word, "idx3");
  char *name = idx3 ? wk_asprintf("%.*slabels%.*sidx1%s", (int)(word - images), images, (int)(idx3 - word - 6),
                                  word + 6, idx3 + 4)
                    : wk_asprintf("%.*slabels%s", (int)(word - images), images, word + 6);
  *out = name;
  return name ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
}

/* ---- adding ----------------------------------------------------------------------------------- */

/* What one file gives. */
typedef struct source {
  const char *path, *show;
  wk_split split;
  wk_file_view view;
} source;

static wk_status add_photos(wk_builder *b, const source *s, size_t count, uint64_t first, size_t stride, int width,
                            int height, int channels, const uint8_t *label, size_t label_stride, const wk_names *names,
                            wk_error *err) {
  uint32_t number[256];
  bool known[256] = {false};
  for (size_t i = 0; i < count; i++) {
    uint32_t class = WK_NO_CLASS;
    if (label) {
      unsigned k = label[i * label_stride];
      if (!known[k]) {
        char digits[8];
        snprintf(digits, sizeof digits, "%u", k);
        const char *name = names && k < names->count ? names->name[k] : digits;
        WK_RETURN_IF_ERROR(wk_builder_class(&number[k], b, name, strlen(name), err));
        known[k] = true;
      }
      class = number[k];
    }
    WK_RETURN_IF_ERROR(wk_builder_add(b, photo_path(s->path, i, first + (uint64_t)i * stride, width, height, channels),
                                      wk_asprintf("%s/%zu", s->show, i), class, s->split, err));
  }
  return WK_OK;
}

static wk_split split_of(const char *name) {
  char rest[64];
  wk_split split = wk_split_find_among(rest, sizeof rest, name, strcspn(name, "."));
  if (split == WK_SPLIT_ALL && begins(name, "t10k"))
    return WK_SPLIT_TEST;
  return split == WK_SPLIT_ALL && begins(name, "data_batch") ? WK_SPLIT_TRAIN : split;
}

/* The file of the tree that holds the labels of images `f`; NULL: none. */
static wk_status find_labels(const wk_file **out, const wk_tree *tree, const wk_file *f, wk_error *err) {
  char *name;
  *out = NULL;
  WK_RETURN_IF_ERROR(wk_packed_labels_name(&name, f->rel, err));
  for (size_t i = 0; name && i < tree->packed.count; i++)
    if (strcmp(tree->packed.file[i].rel, name) == 0)
      *out = &tree->packed.file[i];
  wk_free(name);
  return WK_OK;
}

static wk_status add_idx(wk_builder *b, const wk_tree *tree, const wk_file *f, const source *s, wk_error *err) {
  wk_status st = WK_OK;
  const wk_file *labels;
  wk_file_view view = {0};
  char *path = NULL;
  uint32_t count = big_endian(s->view.data + 4), h = big_endian(s->view.data + 8), w = big_endian(s->view.data + 12);
  WK_TRY(find_labels(&labels, tree, f, err));
  WK_FAIL_IF(
      !labels && !b->o->allow_unlabelled, err, WK_ERR_NOT_FOUND,
      "%s: its labels are not there. Put the file beside it that is called the same, with \"labels\" and \"idx1\"",
      s->show);
  if (labels) {
    path = wk_file_path(tree, labels);
    WK_FAIL_IF(!path, err, WK_ERR_MEMORY, "%s: out of memory", s->show);
    WK_TRY(wk_file_map(&view, path, err));
    WK_FAIL_IF(view.size != 8 + (size_t)count, err, WK_ERR_FORMAT,
               "%s: holds %u photos, but %s has %zu labels. Get both again", s->show, count, labels->rel,
               view.size < 8 ? 0 : view.size - 8);
  }
  WK_TRY(add_photos(b, s, count, 16, (size_t)h * w, (int)w, (int)h, 1, labels ? view.data + 8 : NULL, 1, NULL, err));
done:
  wk_file_unmap(&view);
  wk_free(path);
  return st;
}

/* Names of classes, one a line, beside a binary batch. */
static wk_status read_names(wk_names *names, const char *batch, const char *file, wk_error *err) {
  wk_status st = WK_OK;
  uint8_t *bytes = NULL;
  size_t size;
  uint32_t number;
  char *path = wk_path_beside(batch, file);
  WK_FAIL_IF(!path, err, WK_ERR_MEMORY, "%s: out of memory", batch);
  if (!wk_path_exists(path))
    goto done;
  WK_TRY(wk_file_read(&bytes, &size, path, (size_t)1 << 16, err));
  for (char *at = (char *)bytes; *at;) {
    size_t len = strcspn(at, "\r\n");
    if (len)
      WK_TRY(wk_names_add(&number, names, at, len, err));
    at += len + strspn(at + len, "\r\n");
  }
done:
  wk_free(bytes);
  wk_free(path);
  return st;
}

static wk_status add_binary(wk_builder *b, const source *s, wk_error *err) {
  size_t labels = record_labels(wk_path_base(s->path)), record = labels + CIFAR_PIXELS;
  wk_names names = {0};
  wk_status st = read_names(&names, s->path, labels == 1 ? "batches.meta.txt" : "fine_label_names.txt", err);
  if (st == WK_OK)
    st = add_photos(b, s, s->view.size / record, labels, record, CIFAR_SIDE, CIFAR_SIDE, 3, s->view.data + labels - 1,
                    record, &names, err);
  wk_names_free(&names);
  return st;
}

static wk_status add_python(wk_builder *b, const source *s, const wk_names *names, wk_error *err) {
  wk_pickled p;
  WK_RETURN_IF_ERROR(wk_pickle_scan(&p, s->view.data, s->view.size, s->show, err));
  wk_status st = WK_OK;
  if (!p.data || p.labels * CIFAR_PIXELS != p.data_bytes)
    st = WK_FAIL(err, WK_ERR_FORMAT,
                 "%s: not a batch of CIFAR as it is published (%zu bytes of pixels, %zu labels). Get it again", s->show,
                 p.data_bytes, p.labels);
  else
    st = add_photos(b, s, p.labels, p.data, CIFAR_PIXELS, CIFAR_SIDE, CIFAR_SIDE, 3, p.label, 1, names, err);
  wk_pickled_free(&p);
  return st;
}

/* ---- the files -------------------------------------------------------------------------------- */

static kind open_source(source *s, const wk_tree *tree, const wk_file *f, char *path, char *show, wk_status *st,
                        wk_error *err) {
  *s = (source){.path = path, .show = show, .split = split_of(wk_path_base(f->rel))};
  (void)tree;
  if ((*st = wk_file_map(&s->view, path, err)) != WK_OK)
    return NOTHING;
  return kind_of(wk_path_base(f->rel), s->view.data, s->view.size, s->view.size);
}

static wk_status add_file(wk_builder *b, const wk_tree *tree, const wk_file *f, wk_names *names, bool meta,
                          wk_error *err) {
  wk_status st = WK_OK;
  source s = {0};
  char *path = wk_file_path(tree, f), *show = wk_file_show(tree, f);
  WK_FAIL_IF(!path || !show, err, WK_ERR_MEMORY, "%s: out of memory", b->d->root);
  kind k = open_source(&s, tree, f, path, show, &st, err);
  if (st != WK_OK)
    goto done;
  if (k == CIFAR_META && meta) {
    wk_pickled p;
    WK_TRY(wk_pickle_scan(&p, s.view.data, s.view.size, show, err));
    wk_names_free(names);
    *names = p.class_name;
    p.class_name = (wk_names){0};
    wk_pickled_free(&p);
  } else if (!meta) {
    WK_TRY(k == IDX_IMAGES     ? add_idx(b, tree, f, &s, err)
           : k == CIFAR_BINARY ? add_binary(b, &s, err)
           : k == CIFAR_PYTHON ? add_python(b, &s, names, err)
                               : WK_OK);
  }
done:
  wk_file_unmap(&s.view);
  wk_free(path);
  wk_free(show);
  return st;
}

wk_status wk_read_packed(wk_builder *b, const wk_tree *tree, wk_error *err) {
  wk_status st = WK_OK;
  wk_names names = {0};
  b->d->layout = WK_LAYOUT_PACKED;
  for (int meta = 1; meta >= 0; meta--)
    for (size_t i = 0; i < tree->packed.count; i++)
      WK_TRY(add_file(b, tree, &tree->packed.file[i], &names, meta, err));
  WK_FAIL_IF(b->d->photo_count == 0, err, WK_ERR_FORMAT, "%s: labels are here, but not their photos", b->d->root);
done:
  wk_names_free(&names);
  return st;
}
