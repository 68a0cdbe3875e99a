/* data.h - collections of labelled photos, splits, the feature cache, and the pipeline that fills it. Knows
 * nothing about training. */
#ifndef WHISKER_DATA_H
#define WHISKER_DATA_H

#include "whisker/options.h"
#include "whisker/zoo.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- photos with labels ----------------------------------------------------------------------- */

typedef enum wk_split { WK_SPLIT_ALL = 0, WK_SPLIT_TRAIN, WK_SPLIT_VAL, WK_SPLIT_TEST } wk_split;

typedef struct wk_photo {
  char *path; /* what is given to the functions that read photos: a file, or a place in a file that holds many */
  char *name; /* what people know it by, for messages: `path`, or "photos.zip/cat/1.jpg" for what came out of an archive */
  int label;  /* index into classes; -1: none known */
  wk_split split; /* WK_SPLIT_ALL where the data set itself has no splits */
} wk_photo;

typedef enum wk_layout {
  WK_LAYOUT_CLASS_FOLDERS = 0, /* root/CLASS/.../photo */
  WK_LAYOUT_SPLIT_FOLDERS,      /* root/train/CLASS/photo, with val/ (or valid/, validation/) and test/ */
  WK_LAYOUT_FLAT,              /* root/CLASS_12.jpg, with labels_from_name */
  WK_LAYOUT_LIST,              /* a CSV or TSV */
  WK_LAYOUT_PHOTOS,            /* no labels: single photos or a flat folder */
  WK_LAYOUT_PACKED,            /* many photos in one file: MNIST's IDX, CIFAR's batches */
  WK_LAYOUT_SHARDS             /* WebDataset: 0001.jpg with its class in 0001.cls (or .json, .txt) beside it */
} wk_layout;

typedef struct wk_dataset {
  char *root;
  wk_layout layout;
  wk_photo *photos;
  size_t photo_count;   /* sorted by path (a list keeps its order): the same on every machine */
  char **classes;  /* sorted by name, byte order */
  int class_count;
  size_t ignored;  /* files whose ending is not a photo's (.mat, .txt) and whose content is not either, and `aside`: left out */
  size_t aside;    /* of those: photos that belong to no class, such as those beside train/; a note names them */
  char **notes;    /* one line each: what was taken for what, where that is not plain to see */
  size_t note_count;
} wk_dataset;

typedef struct wk_dataset_options {
  bool labels_from_name; /* flat folder: class = the file name before '_' or '.' and a number ("cat_12.jpg", "cat.12.jpg"), else before its last '_' */
  bool allow_one_class;  /* photos of one class are no error: they join those of others */
  bool allow_unlabelled; /* a flat folder without labels gives WK_LAYOUT_PHOTOS instead of an error */
  /* Known classes (of a model): labels are indices into these; a class that is not among them is an error. NULL: from the data. */
  const char *const *classes;
  int class_count;
  bool quiet; /* notes are kept, but not told through ctx->warn */
  const char *unpack_folder; /* an archive is unpacked into a folder below this one, once; NULL: an archive is an error */
  const wk_context *ctx;     /* for unpacking, stage "unpacking"; may be NULL */
} wk_dataset_options;

WK_API void wk_dataset_options_init(wk_dataset_options *o);
/* `path` is one of
 *   a folder     one sub-folder a class; or train/ val/ test/ (also "training_set", "seg_test" ...) with those in them; or photos and a
 *                list of them; or archives; or MNIST's and CIFAR's files. What systems leave behind (.DS_Store, @eaDir ...) is not seen;
 *   a list       CSV, TSV or the like: a column for the file, one for the class (or one a class with a 1), perhaps one for the split. Files
 *                are found beside the list, in images/ or other folders beside it. Labels are names; with known classes also
 *                indices, or for 1,000 ImageNet classes WordNet ids: one or the other for all of the list;
 *   an archive   .zip, .tar, .tar.gz ... of either, or WebDataset's shards.
 * What was taken for what is in the notes. Errors say what was found and how it should look. Photos are not opened. */
WK_API wk_status wk_dataset_open(wk_dataset **out, const char *path, const wk_dataset_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_dataset_free(wk_dataset *d);
/* Decodes a photo by its `path`, as wk_image_load does, and those that lie among others in one file too. */
WK_API wk_status wk_photo_load(wk_image *out, const char *path, const wk_decode_options *options, wk_error *err) WK_NODISCARD;

/* Marks every photo of `index` (n of them, labels in `label`) as held out or not, so that each class gives
 * round(fraction * its photos) to the held-out set, at least 1 and at most all but 1 where it has 2 or more. Depends on the seed, and on
 * the labels' order only. */
WK_API wk_status wk_split_stratified(bool *held_out, const int *label, size_t n, int classes, double fraction, uint64_t seed,
                                     wk_error *err) WK_NODISCARD;

/* The same, and photos of one group (group[i] is the number of the first photo of i's group, as wk_prints_group gives it) are held
 * out all or none. A group counts in each class that it has photos of; where groups are large, a class may give less or more
 * than its share, but keeps at least one photo to learn from. NULL: no photo belongs to another. */
WK_API wk_status wk_split_grouped(bool *held_out, const int *label, const uint32_t *group, size_t n, int classes, double fraction,
                                  uint64_t seed, wk_error *err) WK_NODISCARD;

/* ---- features --------------------------------------------------------------------------------- */

/* The kept features of one backbone, preprocessing and layer: photo content hash -> row of floats. Append-only file
 * FOLDER/<first 16 hex digits of key>.wkf, indexed through a mapping at opening, checksummed a record; a torn last record is
 * cut off at the next opening; safe for several processes. A file of that name that is something else is moved aside. */
typedef struct wk_cache wk_cache;

/* folder NULL: no file, nothing is kept. A folder that cannot be written is opened read-only, with a warning. */
WK_API wk_status wk_cache_open(wk_cache **out, const char *folder, const uint8_t key[32], int columns, const wk_context *ctx,
                               wk_error *err) WK_NODISCARD;
WK_API void wk_cache_close(wk_cache *c);
/* Thread-safe. False: not there, and `row` holds nothing of use. */
WK_API bool wk_cache_get(wk_cache *c, const uint8_t photo[32], float *row);
/* Thread-safe. Failure to keep is not fatal to the job: it warns once and returns. */
WK_API void wk_cache_put(wk_cache *c, const uint8_t photo[32], const float *row);

typedef struct wk_features {
  float *row;      /* [rows, columns], in memory, or (mapped) in a mapped file */
  size_t rows;
  int columns;
  bool *usable;    /* [photos]: false where the photo could not be read */
  size_t *index;   /* [rows]: which photo a row belongs to, ascending */
  size_t broken;   /* photos that could not be read */
  size_t computed; /* rows that were not in the cache */
  double seconds;
  size_t mapped; /* bytes of the file that `row` is mapped from; 0: memory. What goes through all rows lets go of those
                  * behind it with wk_features_rest */
} wk_features;

typedef struct wk_features_options {
  const char *cache_folder; /* NULL: keep nothing */
  const char *const *name;  /* [photos] what people know them by, for warnings; NULL: their paths */
  const uint8_t (*sha256)[32]; /* [photos] of their bytes, where they are known (wk_prints_sha256), so that what is kept is found without
                                * reading them again; a row of zeros: not known. NULL: none is */
  const char *layer;        /* NULL: the backbone's features node; "logits": its scores; else a layer's name (flattened h, w, c) */
  int batch;                /* photos a network call; default 8 */
  size_t memory;              /* rows that take more bytes than this lie in a file that goes away by itself; default 16 MB */
  const char *scratch_folder; /* where that file is made; NULL: cache_folder. Where neither is, or has no space: in memory */
} wk_features_options;

WK_API void wk_features_options_init(wk_features_options *o);
WK_API const wk_option_table *wk_features_options_table(void);
/* One row a readable photo, in the photos' order, the same for any number of threads. A photo that cannot be read is
 * reported through ctx->warn (path and reason) and left out. Stage of progress: "features". Memory does not grow with the number of photos beyond
 * `memory`, but for the system's own cache of the file. */
WK_API wk_status wk_features_compute(wk_features **out, const wk_backbone *b, const char *const *path, size_t photos,
                                     const wk_features_options *o, const wk_context *ctx, wk_error *err) WK_NODISCARD;
/* The ranges that a lower precision needs (wk_plan_options.ranges): of every layer before the features, the least and the largest value of
 * each channel in `most` of the photos, drawn by ctx->seed (all where they are fewer). The same for any number
 * of threads. Photos that cannot be read are passed over. b->precision is not looked at. Stage of progress: "ranges". */
WK_API wk_status wk_ranges_measure(wk_tensors **out, const wk_backbone *b, const char *const *path, size_t photos, size_t most,
                                   const wk_context *ctx, wk_error *err) WK_NODISCARD;
WK_API void wk_features_free(wk_features *f);
/* Rows first..last-1 need not stay in this process's memory, where they are mapped: they are there when they are looked at again. */
WK_API void wk_features_rest(const wk_features *f, size_t first, size_t last);

#ifdef __cplusplus
}
#endif
#endif
