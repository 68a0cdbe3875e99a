/* data.h (internal) - what the files of the data room share: names as small numbers, the walk over a folder, the
 * collection under construction, and reading a photo's bytes. From the bottom up: names, encoding, splits, builder,
 * walk, archive, packed; on them the readers of layouts (folders, lists, shards); on those dataset.c. */
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

/* ---- encoding.c: bytes that should be text ---------------------------------------------------- */

typedef enum wk_encoding {
  WK_ENCODING_UTF8 = 0,
  WK_ENCODING_CP437,  /* what a zip without a mark is in by its specification */
  WK_ENCODING_CP1252, /* Western Windows; Latin-1 is a part of it */
  WK_ENCODING_CP932,  /* Japanese Windows */
  WK_ENCODING_GBK     /* Chinese Windows */
} wk_encoding;

bool wk_is_utf8(const char *s, size_t n);
/* What names that are not UTF-8 are most likely in, judged together: add every one, then ask. */
typedef struct wk_encoding_votes {
  size_t names;
  double score[WK_ENCODING_GBK + 1];
} wk_encoding_votes;
void wk_encoding_vote(wk_encoding_votes *v, const char *name);
wk_encoding wk_encoding_winner(const wk_encoding_votes *v);
const char *wk_encoding_name(wk_encoding e);
/* As UTF-8, to be freed with wk_free. WK_ERR_FORMAT where the bytes cannot be in that encoding, WK_ERR_UNSUPPORTED
 * where this system has no table of it. */
wk_status wk_encoding_decode(char **out, wk_encoding e, const char *s, wk_error *err);

/* ---- split_names.c: what folders and lists are called that hold a part of the photos ---------------- */

/* "train", "training_set", "Train Images", "test1": nothing but a word for a split and words that say nothing.
 * WK_SPLIT_ALL: not the name of a split. */
wk_split wk_split_find(const char *name, size_t len);
/* Likewise with other words beside it ("seg_train", "flowers-test"), which are written to `rest`, so that one can see
 * whether folders that lie side by side agree on them. */
wk_split wk_split_find_among(char *rest, size_t rest_size, const char *name, size_t len);
/* "images", "data", "new folder": says nothing about what is in it. */
bool wk_name_says_nothing(const char *name, size_t len);
const char *wk_split_purpose(wk_split split); /* "to learn from" */

/* ---- walk.c: what lies in a folder ------------------------------------------------------------ */

/* Where files are: a folder on the disk and how people know it. */
typedef struct wk_place {
  char *dir;   /* without a '/' at its end, but for "/" itself */
  char *show;  /* "photos.zip" for what was unpacked from it; NULL: the folder's own name is the one people know */
  size_t skip; /* bytes of a file's `rel` that stand before its path below `dir` */
} wk_place;

typedef struct wk_file {
  char *rel; /* path below the root of the collection, an archive in it being a folder */
  uint32_t place;
} wk_file;

typedef struct wk_files {
  wk_file *file;
  size_t count, cap;
} wk_files;

typedef struct wk_tree {
  wk_place *place;
  size_t places, place_cap;
  /* Sorted by `rel` in byte order, so what lies under one sub-folder is always one run. */
  wk_files photo, folder;
  wk_files list;    /* may be lists of photos: .csv, .tsv, and .txt called as lists are; they count as ignored too */
  wk_files beside;  /* .cls, .json and .txt, of which one may lie beside every photo; they count as ignored too */
  wk_files archive; /* by their names; they count as ignored too */
  wk_files packed;  /* many photos in one file (packed.c), and what tells their labels */
  size_t ignored;   /* files that are not photos */
  char other[128];  /* some of their endings, for messages: ".mat, .txt"; may be empty */
} wk_tree;

/* Hidden files, __MACOSX and the like are not seen at all. Symbolic links are followed, but never into a folder that
 * is being walked already. */
wk_status wk_tree_walk(wk_tree *tree, const char *root, const char *show, const wk_context *ctx, wk_error *err);
/* Adds what lies in `dir` below `prefix` ("" or with a '/' at its end). The lists are sorted again. */
wk_status wk_tree_add(wk_tree *tree, const char *dir, const char *show, const char *prefix, const wk_context *ctx,
                      wk_error *err);
/* Adds a single packed file. */
wk_status wk_tree_add_file(wk_tree *tree, const char *path, wk_error *err);
char *wk_file_path(const wk_tree *tree, const wk_file *f); /* NULL: out of memory */
char *wk_file_show(const wk_tree *tree, const wk_file *f); /* what people know it by; NULL: out of memory */
void wk_tree_free(wk_tree *tree);
bool wk_is_litter(const char *name);      /* what is not seen at all */
bool wk_photo_ending(const char *name);   /* ".jpg" and so on, in any case */
size_t wk_archive_stem(const char *name); /* length of the name before ".zip", ".tar.gz" ...; 0: not called so */

/* ---- builder.c: the collection under construction --------------------------------------------- */

#define WK_NO_CLASS UINT32_MAX

typedef struct wk_builder {
  const wk_dataset_options *o;
  wk_dataset *d; /* until its labels are made, a photo's label is the number of its class in `names` */
  size_t cap, note_cap;
  wk_names names;
} wk_builder;

/* The number of a class by its name, as it is written in the data. */
wk_status wk_builder_class(uint32_t *number, wk_builder *b, const char *name, size_t len, wk_error *err);
/* Adds a photo; `number` WK_NO_CLASS: no class known. Takes ownership of `path` and `show` (what people know it by;
 * NULL: its path), also on failure; `path` NULL stands for an allocation that failed. */
wk_status wk_builder_add(wk_builder *b, char *path, char *show, uint32_t number, wk_split split, wk_error *err);
wk_status wk_builder_add_file(wk_builder *b, const wk_tree *tree, const wk_file *f, uint32_t number, wk_split split,
                              wk_error *err);
/* One line on what was taken for what, for the user. */
wk_status wk_builder_note(wk_builder *b, wk_error *err, const char *fmt, ...) WK_PRINTF(3, 4);
/* The number of a class the caller knows already; -1: not there. */
int wk_known_class(const wk_dataset_options *o, const char *name, size_t len);
/* Names become labels. */
wk_status wk_builder_label(wk_builder *b, wk_error *err); /* labels.c */

/* ---- readers of layouts ----------------------------------------------------------------------- */

/* Length of the class in a file name, as labels_from_name reads it; 0: none. `numbered`: a number follows it. */
size_t wk_class_in_name(const char *file, bool *numbered);
/* Likewise, but what stands before the first number: "cat_00_a3f9.jpg", "cat (3).jpg". */
size_t wk_class_before_number(const char *file);

wk_status wk_read_folder(wk_builder *b, const char *root, wk_error *err); /* folders.c */
/* An archive that is unpacked in `dir` already. */
wk_status wk_read_unpacked(wk_builder *b, const char *archive, const char *dir, wk_error *err);
/* list.c. `split`: of rows that name none. `show`: what people know the list's folder by; NULL: its own name. */
wk_status wk_read_list(wk_builder *b, const char *path, const char *show, wk_split split, wk_error *err);
/* Does it name a file and a label column (or look so without a first line of names)? */
wk_status wk_is_list(bool *is, const char *path, wk_error *err);

/* ---- archive.c -------------------------------------------------------------------------------- */

bool wk_archive_sniff(const uint8_t *bytes, size_t size); /* of the first 512 bytes of a file */
/* Makes sure that the archive lies unpacked in a folder below `into`; *folder (wk_free) is that folder. What could not
 * be read is told through `note`, every time. `budget`: bytes that may still be unpacked; NULL: by the archive's size.
 */
typedef struct wk_unpack {
  const char *into;
  const char *show; /* what people know the archive by */
  uint64_t *budget;
  wk_builder *notes;
  const wk_context *ctx;
} wk_unpack;
wk_status wk_archive_unpack(char **folder, const char *path, const wk_unpack *u, wk_error *err);

/* ---- features.c ------------------------------------------------------------------------------- */

/* The cache's key: everything that a row depends on besides the photo, hashed. Instruction sets differ in the last
 * digits, and a folder of kept features may be shared by machines: so the set is split of the key, and no row depends on
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
  /* Of a photo that lies among others in one file (packed.h), uncompressed: where, and its shape. */
  uint64_t at;
  int width, height, channels; /* 0: the file is the photo */
  int frame; /* of a film, from 1; 0: the file is read as it is */
} wk_photo_file;

/* Refuses what is not a regular file (never waits on a pipe). Tells the system to begin reading. Messages have no path
 * in front. */
wk_status wk_photo_open(wk_photo_file *f, const char *path, wk_error *err);
/* Reads all of it and closes it, also on failure. Copied rather than mapped: a photo that another program cuts short
 * meanwhile gives an error, not a signal. */
wk_status wk_photo_read(wk_buffer *b, wk_photo_file *f, wk_error *err);
void wk_photo_close(wk_photo_file *f); /* fine after wk_photo_read */
void wk_buffer_free(wk_buffer *b);

extern const wk_option_table wk_features_table; /* for tables that hold it */

#endif
