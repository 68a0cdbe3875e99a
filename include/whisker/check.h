/* check.h - the data doctor: what is wrong with a collection of photos, told before anyone trains on it. Every photo is
 * read and decoded; nothing is changed. */
#ifndef WHISKER_CHECK_H
#define WHISKER_CHECK_H

#include "whisker/data.h"
#include "whisker/options.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum wk_check_kind {
  WK_CHECK_ENDING = 0, /* the content is another format than the file's ending says (it is read as what it is) */
  WK_CHECK_TINY,       /* hardly any pixels */
  WK_CHECK_FEW,        /* a class with few photos, or with none in a split */
  WK_CHECK_IMBALANCE,  /* one class has many times the photos of another */
  WK_CHECK_LABELS,     /* one photo, or two that look the same, in two classes */
  WK_CHECK_LEAK,       /* one photo, or two that look the same, in two splits: the test knows it already */
  WK_CHECK_IGNORED     /* files that are no photos */
} wk_check_kind;

WK_API const char *wk_check_kind_name(wk_check_kind kind); /* "ending"; never NULL */

typedef struct wk_check_broken {
  size_t photo; /* index into the collection's photos */
  char *why;
} wk_check_broken;

typedef struct wk_check_warning {
  wk_check_kind kind;
  char *message; /* one line that names files or classes */
} wk_check_warning;

/* Photos that are one: the same bytes, or the same to the eye. */
typedef struct wk_check_group {
  size_t *photos; /* ascending */
  size_t photo_count;  /* at least 2 */
  bool exact;    /* the same bytes; else nearly the same picture, in different classes or splits */
} wk_check_group;

typedef struct wk_check {
  size_t files;  /* photos and ignored files */
  size_t usable; /* photos that can be read */
  wk_check_broken *broken;
  size_t broken_count;
  wk_check_warning *warnings; /* photos first, in their order, then pairs, then classes */
  size_t warning_count;
  wk_check_group *groups; /* exact ones first, each kind in the order of its first photo */
  size_t group_count;
  size_t *class_photos; /* [class_count of the collection] usable ones */
  double seconds;
} wk_check;

typedef struct wk_check_options {
  int tiny;         /* warn of photos whose shorter side is below this; default 32 pixels */
  int few;          /* warn of classes with fewer photos; default 10 */
  double imbalance; /* warn when the largest class has this many times the photos of the smallest; default 5 */
  bool look_alikes; /* also find photos that look the same across classes and splits; default true */
} wk_check_options;

WK_API void wk_check_options_init(wk_check_options *o);
WK_API const wk_option_table *wk_check_options_table(void);
/* Stage of progress: "check". The same result for any number of threads. Memory: about 200 bytes a photo. */
WK_API wk_status wk_check_run(wk_check **out, const wk_dataset *d, const wk_check_options *o, const wk_context *ctx,
                              wk_error *err) WK_NODISCARD;
WK_API void wk_check_free(wk_check *c);

#ifdef __cplusplus
}
#endif
#endif
