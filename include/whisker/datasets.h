/* datasets.h - well-known sets of labelled photos: where they are published, under what terms, and fetching them. */
#ifndef WHISKER_DATASETS_H
#define WHISKER_DATASETS_H

#include "whisker/zoo.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wk_dataset_file {
  const char *url;    /* https */
  const char *file;   /* the name it is kept under */
  const char *sha256; /* hex, as published by those who check it as well; NULL: not known */
  uint64_t bytes;     /* 0: not known */
} wk_dataset_file;

typedef struct wk_dataset_info {
  const char *name;     /* "pets" */
  const char *title;    /* "Oxford-IIIT Pets" */
  int classes;
  size_t photos;
  const char *licence;  /* the terms in short */
  const char *citation; /* who made it, and where it is described */
  const char *flags;    /* what commands need beside its path, such as "--labels-from name"; NULL: nothing */
  wk_dataset_file files[4];
  int file_count;
} wk_dataset_info;

WK_API int wk_dataset_info_count(void);
WK_API const wk_dataset_info *wk_dataset_info_at(int index);
WK_API const wk_dataset_info *wk_dataset_info_find(const char *name); /* case-insensitive; NULL: not there */

/* Makes sure that all files of the set lie below o->folder in a folder of its name, checked by size and SHA-256; *path (wk_free)
 * is what to give to wk_dataset_open: the one file, or the folder. A file whose hash is not known is told through ctx->warn with
 * the hash of what came. o->mirror is tried first, as for weights. Stage of progress: the file's name. */
WK_API wk_status wk_dataset_get(char **path, const wk_dataset_info *set, const wk_pull_options *o, const wk_context *ctx,
                                wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
