/* list.h (internal) - what the files that read lists share: list_rows.c makes rows of a file's bytes, list_find.c finds
 * the photos that a list names, list_web.c fetches those that are on the web, list.c knows which column is what. */
#ifndef WK_DATA_LIST_H
#define WK_DATA_LIST_H

#include "data/data.h"

#define WK_FIELDS_MAX 256

/* ---- list_rows.c ------------------------------------------------------------------------------ */

typedef struct wk_rows {
  const char *show; /* the list, for messages */
  char *text, *at, *end;
  size_t line;                /* of the row being read, from 1 */
  size_t next_line;           /* of the row after it */
  char separator;             /* ' ': any number of spaces and tabs */
  char *field[WK_FIELDS_MAX]; /* of the row being read, each NUL-terminated and trimmed */
  int fields;
} wk_rows;

/* Reads the file; with `sample` only its beginning, up to a line's end. What is no text is an error that says what it
 * may be. */
wk_status wk_rows_open(wk_rows **out, const char *path, const char *show, bool sample, wk_error *err);
/* The next row that is not blank; r->fields is 0 at the end. Rows that hold separators alone are blank: spreadsheets
 * leave them. */
wk_status wk_rows_next(wk_rows *r, wk_error *err);
void wk_rows_free(wk_rows *r);

/* ---- list_find.c ------------------------------------------------------------------------------ */

typedef struct wk_finder wk_finder;

wk_status wk_finder_open(wk_finder **out, const char *list, wk_error *err);
/* The photo that a list calls `file`: beside the list, in images/ or another folder beside it, whatever way the path is
 * written and whether or not it has an ending. *there: it exists; if not, *path (wk_free) is where it should be. */
wk_status wk_finder_find(char **path, bool *there, wk_finder *f, const char *file, wk_error *err);
/* What had to be guessed about the paths, for the user; NULL: nothing. */
const char *wk_finder_guess(const wk_finder *f);
void wk_finder_free(wk_finder *f);

/* ---- list_web.c ------------------------------------------------------------------------------- */

/* Where the photo of that address is kept below `folder`; NULL: out of memory. */
char *wk_web_photo_path(const char *folder, const char *url);
/* Fetches all of them, "fetching" being the stage of progress. (*why)[i] (wk_free, as the array): why one is not there; NULL: it is. */
wk_status wk_web_fetch_all(char ***why, const wk_names *urls, const char *folder, const wk_context *ctx, wk_error *err);

#endif
