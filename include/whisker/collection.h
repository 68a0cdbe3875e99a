/* collection.h - photos as the simple API takes them: lists of photos out of a data set, photos that are named one by one or
 * by the folder, and a collection as one model sees it. */
#ifndef WHISKER_COLLECTION_H
#define WHISKER_COLLECTION_H

#include "whisker/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- lists of photos --------------------------------------------------------------------------- */

/* Paths belong to the data set, the arrays to the list. */
typedef struct wk_photo_list {
  const char **paths;
  const char **names; /* what people know them by: ARCHIVE/member, not a path in a cache */
  int *labels;        /* -1: none known */
  size_t count;
} wk_photo_list;

/* Photos of one split, in the data set's order; WK_SPLIT_ALL: every photo. */
WK_API wk_status wk_photos_of(wk_photo_list *out, const wk_dataset *d, wk_split split, wk_error *err) WK_NODISCARD;
/* The photos to test on: test/, else val/, else all; the first `most` of every class, 0: all of them. `split_name` (may be NULL):
 * "test", "val" or "all". */
WK_API wk_status wk_photos_to_test(wk_photo_list *out, const char **split_name, const wk_dataset *d, int most,
                                   wk_error *err) WK_NODISCARD;
/* Keeps the first `most` of every class; those without one are a class of their own. */
WK_API wk_status wk_photos_thin_out(wk_photo_list *p, int classes, int most, wk_error *err) WK_NODISCARD;
WK_API void wk_photo_list_free(wk_photo_list *p);

/* ---- photos by name ---------------------------------------------------------------------------- */

/* What a name may stand for besides a file and a collection. Zeroed: nothing. */
typedef struct wk_name_options {
  bool fetch;  /* "http://..." and "https://..." are fetched, "-" is standard input; at most 256 MiB each */
  bool frames; /* every frame of a film and every page of a TIFF is a photo: "film.gif#1", at most 4,096 a file */
} wk_name_options;

/* Photos by name; a folder, list or archive among them stands for the photos in it. */
typedef struct wk_named_photos {
  wk_dataset **sets;
  size_t set_count;
  const char **paths;
  const char **names; /* what people know them by. Both belong to the sets, to `texts`, or to the caller */
  size_t count;
  wk_lines texts;
  char *folder; /* of files that were fetched, until these are freed; NULL: none were */
  size_t fetched_count;
  wk_lines lost; /* names that could not be fetched, among several: why was warned of */
} wk_named_photos;

WK_API void wk_named_photos_free(wk_named_photos *p);

/* ---- a collection as one model sees it --------------------------------------------------------- */

typedef struct wk_feature_set {
  wk_dataset *data;
  wk_photo_list photos;  /* that were asked for */
  wk_features *features; /* of those that could be read */
  const char **paths;    /* [rows] */
  const char **names;    /* [rows] the path within the collection */
  int *labels;           /* [rows] -1: none */
  char **classes;
  int class_count;
  bool of_model; /* the classes are the model's */
} wk_feature_set;

WK_API void wk_feature_set_free(wk_feature_set *s);

#ifdef __cplusplus
}
#endif
#endif
