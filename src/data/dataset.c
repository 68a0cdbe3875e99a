/* dataset.c - opens a collection of labelled photos of any layout. The readers (folders.c, list.c, packed.c, shards.c)
 * say which photos there are and what their classes are called; builder.c and labels.c make a collection of that. */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "data/data.h"
#include "data/packed.h"
#include "whisker/image.h"
#include "zoo/fetch.h"

void wk_dataset_options_init(wk_dataset_options *o) { *o = (wk_dataset_options){0}; }

/* What kind of file it is, by its name and first bytes. */
typedef struct kind {
  wk_image_format format;
  bool archive, packed;
} kind;

static wk_status sniff(kind *out, const char *path, wk_error *err) {
  wk_photo_file f;
  wk_buffer bytes = {0};
  wk_status st = wk_photo_open(&f, path, err);
  uint64_t size = st == WK_OK ? f.size : 0;
  if (st == WK_OK) {
    f.size = f.size < 512 ? f.size : 512;
    st = wk_photo_read(&bytes, &f, err);
  }
  if (st == WK_OK) {
    out->format = wk_image_sniff(bytes.data, bytes.size);
    out->archive = wk_archive_sniff(bytes.data, bytes.size);
    out->packed = wk_packed_sniff(wk_path_base(path), bytes.data, bytes.size, size);
  }
  wk_buffer_free(&bytes);
  return st == WK_OK ? st : wk_error_prefix(err, st, "%s", path);
}

static wk_status unpack(char **folder, wk_builder *b, const char *path, wk_error *err) {
  if (!b->o->unpack_folder)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "%s: this is an archive, and no folder to unpack it into was given. Unpack it, and "
                   "give its folder",
                   path);
  wk_unpack how = {b->o->unpack_folder, path, NULL, b, b->o->ctx};
  return wk_archive_unpack(folder, path, &how, err);
}

/* Adds one file to a tree: a packed file itself, or what a compressed one holds. */
static wk_status add_packed(wk_tree *tree, wk_builder *b, const char *path, bool archive, wk_error *err) {
  char *folder = NULL;
  wk_status st = WK_OK;
  if (!archive)
    return wk_tree_add_file(tree, path, err);
  WK_TRY(unpack(&folder, b, path, err));
  WK_TRY(wk_tree_add(tree, folder, path, "", b->o->ctx, err));
done:
  wk_free(folder);
  return st;
}

/* One packed file, and the one with its labels if there is such, either of them compressed or not. */
static wk_status read_packed(wk_builder *b, const char *path, bool archive, wk_error *err) {
  wk_status st = WK_OK;
  wk_tree tree = {0};
  char *labels = NULL, *compressed = NULL;
  WK_TRY(add_packed(&tree, b, path, archive, err));
  WK_TRY(wk_packed_labels_name(&labels, path, err));
  if (labels) {
    size_t len = strlen(labels);
    bool gz = len > 3 && strcmp(labels + len - 3, ".gz") == 0;
    compressed = gz ? wk_strndup(labels, len - 3) : wk_asprintf("%s.gz", labels);
    WK_FAIL_IF(!compressed, err, WK_ERR_MEMORY, "%s: out of memory", path);
    const char *there = wk_path_exists(labels) ? labels : wk_path_exists(compressed) ? compressed : NULL;
    if (there)
      WK_TRY(add_packed(&tree, b, there, (there == labels) == gz, err));
  }
  WK_TRY(wk_read_packed(b, &tree, err));
done:
  wk_tree_free(&tree);
  wk_free(labels);
  wk_free(compressed);
  return st;
}

static wk_status read_archive(wk_builder *b, const char *path, wk_error *err) {
  char *folder;
  size_t stem = wk_archive_stem(path);
  if (stem && strcasecmp(path + stem, ".gz") == 0 &&
      strstr(wk_path_base(path), "idx")) /* one file: its labels are in another */
    return read_packed(b, path, true, err);
  WK_RETURN_IF_ERROR(unpack(&folder, b, path, err));
  wk_status st = wk_read_unpacked(b, path, folder, err);
  wk_free(folder);
  return st;
}

static wk_status read_file(wk_builder *b, const char *path, wk_error *err) {
  kind k = {.format = WK_IMAGE_UNKNOWN};
  WK_RETURN_IF_ERROR(sniff(&k, path, err));
  if (k.archive)
    return read_archive(b, path, err);
  if (k.packed)
    return read_packed(b, path, false, err);
  if (k.format == WK_IMAGE_UNKNOWN)
    return wk_read_list(b, path, NULL, WK_SPLIT_ALL, err);
  if (!b->o->allow_unlabelled)
    return WK_FAIL(err, WK_ERR_FORMAT,
                   "%s: this is one photo (%s). Expected a folder with one sub-folder a class, or a list (CSV)", path,
                   wk_image_format_name(k.format));
  b->d->layout = WK_LAYOUT_PHOTOS;
  return wk_builder_add(b, wk_strdup(path), NULL, WK_NO_CLASS, WK_SPLIT_ALL, err);
}

wk_status wk_dataset_open(wk_dataset **out, const char *path, const wk_dataset_options *o, wk_error *err) {
  wk_status st = WK_OK;
  wk_dataset_options defaults;
  wk_dataset_options_init(&defaults);
  wk_builder b = {.o = o ? o : &defaults};
  struct stat s;

  if (wk_is_web_address(path))
    return WK_FAIL(
        err, WK_ERR_UNSUPPORTED,
        "%s: this is a web address: fetch it first (`whisker data get` knows well-known sets), and give the file",
        path);
  if (stat(path, &s) != 0)
    return errno == ENOENT ? WK_FAIL(err, WK_ERR_NOT_FOUND, "%s: no such file or folder", path)
                           : WK_FAIL(err, WK_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
  b.d = wk_calloc(1, sizeof *b.d);
  WK_FAIL_IF(!b.d || !(b.d->root = wk_strdup(path)), err, WK_ERR_MEMORY, "%s: out of memory", path);
  WK_TRY(S_ISDIR(s.st_mode) ? wk_read_folder(&b, path, err) : read_file(&b, path, err));
  WK_TRY(wk_builder_label(&b, err));
  for (size_t i = 0; i < b.d->note_count && !b.o->quiet; i++)
    wk_warn(b.o->ctx, "%s", b.d->notes[i]);
  *out = b.d;
  b.d = NULL;
done:
  wk_dataset_free(b.d);
  wk_names_free(&b.names);
  return st;
}
