/* gallery.h - a folder with an index page: sections of pictures, numbers, tables and charts about one model. The page opens
 * from the folder, asks no network for anything, and is whole after every section. */
#ifndef WHISKER_GALLERY_H
#define WHISKER_GALLERY_H

#include "whisker/chart.h"
#include "whisker/image.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wk_gallery wk_gallery;

/* Makes the folder where it is missing. WK_ERR_IO where it holds an index.html that is no gallery's: it is left alone. */
WK_API wk_status wk_gallery_open(wk_gallery **out, const char *folder, const char *title, const char *lead, wk_error *err) WK_NODISCARD;
WK_API void wk_gallery_free(wk_gallery *g);

/* Begins a section; what is added belongs to it until the next. `id` names it in addresses (#id). Texts are plain, and are made
 * safe. */
WK_API wk_status wk_gallery_section(wk_gallery *g, const char *id, const char *title, const char *text, wk_error *err) WK_NODISCARD;
WK_API wk_status wk_gallery_note(wk_gallery *g, const char *text, wk_error *err) WK_NODISCARD;
/* Writes FOLDER/file and shows it. */
WK_API wk_status wk_gallery_picture(wk_gallery *g, const wk_image *picture, const char *file, const char *caption,
                                    wk_error *err) WK_NODISCARD;
/* A link to a file of the folder. */
WK_API wk_status wk_gallery_link(wk_gallery *g, const char *file, const char *text, wk_error *err) WK_NODISCARD;
/* Large numbers side by side: `count` values with what each is. */
WK_API wk_status wk_gallery_numbers(wk_gallery *g, const char *const *value, const char *const *what, int count,
                                    wk_error *err) WK_NODISCARD;
WK_API wk_status wk_gallery_chart(wk_gallery *g, const wk_chart *chart, const char *caption, wk_error *err) WK_NODISCARD;

typedef struct wk_gallery_table {
  const char *corner;            /* above the rows' names; may be NULL */
  const char *const *column;     /* [columns] */
  const char *const *row;        /* [rows] */
  const char *const *cell;       /* [rows, columns] */
  const double *heat;            /* [rows, columns] 0..1: how strongly a cell is coloured; NULL: none is */
  const bool *wrong;             /* [rows, columns] coloured as a mistake rather than as right; NULL: none is */
  int rows, columns;
} wk_gallery_table;
WK_API wk_status wk_gallery_show_table(wk_gallery *g, const wk_gallery_table *t, wk_error *err) WK_NODISCARD;

/* Writes index.html, atomically. `status`: a line that says what is still missing; NULL: nothing is. */
WK_API wk_status wk_gallery_save(wk_gallery *g, const char *status, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
