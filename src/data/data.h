/* data.h (internal) - what the files of the data room share: names as small numbers, the walk over a folder, the
 * collection under construction, and reading a photo's bytes. */
#ifndef WK_DATA_INTERNAL_H
#define WK_DATA_INTERNAL_H

#include "base/base.h"
#include "whisker/data.h"

/* ---- names.c: a set of strings, numbered in the order they came ------------------------------- */

typedef struct wk_names {
  char **name;
  size_t count, cap;
  uint32_t *slot; /* open addressing: number + 1, 0 is free */
  size_t slots;   /* a power of two, or 0 */
} wk_names;

wk_status wk_names_add(uint32_t *number, wk_names *names, const char *name, size_t len, wk_error *err);
int64_t wk_names_find(const wk_names *names, const char *name, size_t len); /* -1: not there */
void wk_names_free(wk_names *names);

/* ---- walk.c: what lies in a folder ------------------------------------------------------------ */

/* Paths are relative to the folder walked. The lists are sorted in byte order, so what lies under one sub-folder is
 * always one run. */
typedef struct wk_tree {
  char **photo;
  size_t photos, photo_cap;
  char **folder;
  size_t folders, folder_cap;
  char **list; /* .csv and .tsv files, which count as ignored as well */
  size_t lists, list_cap;
  size_t ignored;  /* files that are not photos */
  char other[128]; /* some of their endings, for messages: ".mat, .txt"; may be empty */
} wk_tree;

/* Hidden files, __MACOSX and the like are not seen at all. Symbolic links are followed, but never into a folder that
 * is being walked already. */
wk_status wk_tree_walk(wk_tree *tree, const char *root, wk_error *err);
void wk_tree_free(wk_tree *tree);
bool wk_is_litter(const char *name);    /* what is not seen at all */
bool wk_photo_ending(const char *name); /* ".jpg" and so on, in any case */

/* ---- dataset.c: the collection under construction --------------------------------------------- */

#define WK_NO_CLASS UINT32_MAX

typedef struct wk_builder {
  const wk_dataset_options *o;
  wk_dataset *d;
  size_t cap;
  uint32_t *raw; /* [photos]: number in names, or WK_NO_CLASS */
  wk_names names;
} wk_builder;

/* Takes ownership of `path`, also on failure; NULL stands for an allocation that failed. `name` NULL: no class known.
 */
wk_status wk_builder_add(wk_builder *b, char *path, const char *name, size_t name_len, wk_split split, wk_error *err);
/* The number of a class the caller knows already; -1: not there. `any_form`: also an index. */
int wk_known_class(const wk_dataset_options *o, const char *name, size_t len, bool any_form);
/* Length of the class in a file name, as labels_from_name reads it; 0: none. `numbered`: a number follows it. */
size_t wk_class_in_name(const char *file, bool *numbered);

wk_status wk_read_folder(wk_builder *b, const char *root, wk_error *err); /* folders.c */
wk_status wk_read_list(wk_builder *b, const char *path, wk_error *err);   /* list.c */
bool wk_is_list(const char *path);                                        /* names a file and a label column */

/* WK_SPLIT_ALL where the name is not that of a split. */
wk_split wk_split_find(const char *name, size_t len);

/* ---- archive.c -------------------------------------------------------------------------------- */

bool wk_archive_sniff(const uint8_t *bytes, size_t size); /* of the first 512 bytes of a file */
/* Makes sure that the archive lies unpacked in a folder below `into`; *folder (wk_free) is that folder. */
wk_status wk_archive_unpack(char **folder, const char *path, const char *into, const wk_context *ctx, wk_error *err);

/* ---- features.c ------------------------------------------------------------------------------- */

/* The cache's key: everything that a row depends on besides the photo, hashed. Instruction sets differ in the last
 * digits, and a folder of kept features may be shared by machines: so the set is part of the key, and no row depends on
 * who came first. */
wk_status wk_features_key(uint8_t key[WK_SHA256_BYTES], const wk_backbone *b, wk_node node, const char *layer,
                          wk_isa isa, wk_error *err);

/* ---- read.c: a photo's bytes ------------------------------------------------------------------ */

/* Memory that a worker uses for one file after another. Zero-initialise. */
typedef struct wk_buffer {
  uint8_t *data;
  size_t size, cap;
} wk_buffer;

/* An open photo, so that the system can fetch several at once. */
typedef struct wk_photo_file {
  int fd;
  size_t size;
} wk_photo_file;

/* Refuses what is not a regular file (never waits on a pipe). Tells the system to begin reading. Messages have no path
 * in front. */
wk_status wk_photo_open(wk_photo_file *f, const char *path, wk_error *err);
/* Reads all of it and closes it, also on failure. Copied rather than mapped: a photo that another program cuts short
 * meanwhile gives an error, not a signal. */
wk_status wk_photo_read(wk_buffer *b, wk_photo_file *f, wk_error *err);
void wk_photo_close(wk_photo_file *f); /* fine after wk_photo_read */
void wk_buffer_free(wk_buffer *b);

#endif
