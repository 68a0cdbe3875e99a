/* check.h - the data doctor: what is wrong with a collection of photos, told before anyone trains on it, worst first. Every photo is
 * read and decoded; nothing is changed. wk_check_run finds what the files themselves show; wk_check_data (answers.h) adds what
 * takes a network: wrong labels, outliers, and how many more photos a class needs. */
#ifndef WHISKER_CHECK_H
#define WHISKER_CHECK_H

#include "whisker/data.h"
#include "whisker/options.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Worst first. Up to WK_CHECK_SHAPE it is one photo that something is wrong with, from WK_CHECK_FEW on it is a class or the whole. */
typedef enum wk_check_kind {
  WK_CHECK_UNREADABLE = 0, /* cannot be decoded */
  WK_CHECK_TRUNCATED,      /* breaks off; what is there can be decoded, but is not learned from */
  WK_CHECK_LABELS,         /* one photo, or two that look the same, in two classes */
  WK_CHECK_MISLABELLED,    /* its label is likely wrong: a classifier that has not seen it is sure of another class */
  WK_CHECK_LEAK,           /* one photo, or two that look the same, in two splits: the test knows it already */
  WK_CHECK_COPY,           /* the same bytes as another of its class and split */
  WK_CHECK_TWIN,           /* nearly the same picture as another of its class and split */
  WK_CHECK_BLANK,          /* of one colour */
  WK_CHECK_OUTLIER,        /* unlike all others of its class */
  WK_CHECK_TINY,           /* hardly any pixels */
  WK_CHECK_ENDING,         /* the content is another format than the file's ending says (it is read as what it is) */
  WK_CHECK_SIDEWAYS,       /* lies on its side or its head, and EXIF says so (it is turned when it is read) */
  WK_CHECK_GREY,           /* without colours, where most have some */
  WK_CHECK_SHAPE,          /* many times as long as it is wide: the network sees its middle only */
  WK_CHECK_FEW,            /* a class with few photos, or with none in a split */
  WK_CHECK_IMBALANCE,      /* one class has many times the photos of another */
  WK_CHECK_NEEDS,          /* a class is often taken for others, and would be less often with more photos */
  WK_CHECK_IGNORED,        /* files that are no photos */
  WK_CHECK_KINDS
} wk_check_kind;

WK_API const char *wk_check_kind_name(wk_check_kind kind); /* "ending"; never NULL */

#define WK_NO_PHOTO SIZE_MAX

typedef struct wk_finding {
  wk_check_kind kind;
  size_t photo;  /* index into the collection's photos; WK_NO_PHOTO: a class, or the whole */
  size_t other;  /* the photo that it is a copy or a twin of; WK_NO_PHOTO: none */
  int suggested; /* MISLABELLED: the class that it looks like; -1: none */
  double score;  /* 0..1, how bad, among findings of its kind */
  bool exclude;  /* training is better off without it: it is on the exclusion list */
  char *what;    /* one line that names files or classes */
} wk_finding;

/* Photos that are one: the same bytes, or the same to the eye. */
typedef struct wk_check_group {
  size_t *photos;     /* ascending */
  size_t photo_count; /* at least 2 */
  bool exact;         /* the same bytes; else nearly the same picture */
} wk_check_group;

typedef struct wk_check {
  size_t files;  /* photos and ignored files */
  size_t usable; /* photos that can be read */
  wk_finding *findings; /* worst first: by kind, then by score, then in the photos' order */
  size_t finding_count;
  size_t count[WK_CHECK_KINDS]; /* findings of each kind */
  wk_check_group *groups; /* exact ones first, each kind in the order of its first photo */
  size_t group_count;
  size_t *class_photos;   /* [class_count of the collection] usable ones */
  unsigned char (*sha256)[32]; /* [photos] of their bytes; zeros: could not be read */
  unsigned *first;        /* [photos] the first photo of its group; itself where it has none */
  double seconds;
  size_t finding_cap;     /* these two are the library's own */
  bool failed;
} wk_check;

typedef struct wk_check_options {
  int tiny;         /* warn of photos whose shorter side is below this; default 32 pixels */
  int few;          /* warn of classes with fewer photos; default 10 */
  double imbalance; /* warn when the largest class has this many times the photos of the smallest; default 5 */
  double long_side; /* warn of photos whose longer side is this many times the shorter; default 4 */
  bool look_alikes; /* also find photos that look the same; default true */
  const char *cache_folder; /* what was found out about photos is kept here; default NULL: nowhere */
} wk_check_options;

WK_API void wk_check_options_init(wk_check_options *o);
WK_API const wk_option_table *wk_check_options_table(void);
/* Stage of progress: "check". The same result for any number of threads. Memory: about 2 kB a photo. */
WK_API wk_status wk_check_run(wk_check **out, const wk_dataset *d, const wk_check_options *o, const wk_context *ctx,
                              wk_error *err) WK_NODISCARD;
WK_API void wk_check_free(wk_check *c);

/* score [rows]: how far each row of features lies from the others of its class y [rows] (-1: none): 1 - cosine to their mean, beyond what is
 * usual in the class, in robust standard deviations of the whole (1.4826 x the median). NaN without a class, or where that has fewer
 * than 5 rows. */
WK_API wk_status wk_outlier_scores(double *score, const wk_features *f, const int *y, int classes, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
