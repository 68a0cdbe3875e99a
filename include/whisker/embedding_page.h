/* embedding_page.h - a map of photos (embedding_map.h) as one page of its own: pan, zoom, search, click. Works from a
 * file, opens no network connection. */
#ifndef WHISKER_EMBEDDING_PAGE_H
#define WHISKER_EMBEDDING_PAGE_H

#include "whisker/embedding_map.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wk_embedding_page {
  const wk_embedding_map *map;
  const char *title, *note; /* note: a line under the title, may be NULL */
  const char *const *files;  /* [rows] names to show */
  const int *labels;         /* [rows], -1: none; NULL: none has one */
  const char *const *names;  /* [classes] */
  int class_count;
  const uint8_t *thumbnails; /* [rows, side, side, 3] */
  int side;                 /* 8 to 256 */
} wk_embedding_page;

/* Atomic. Thumbnails go into the page as JPEG, so it has some 2 kB a photo. */
WK_API wk_status wk_embedding_page_write(const char *path, const wk_embedding_page *p, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
