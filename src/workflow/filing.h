/* filing.h (internal) - copies of photos, or links to them, put into folders so that nothing is lost and all of it can be undone: what
 * will be made is written to the folder's list before it is made. Nothing of the user's is moved, replaced or deleted, and whoever is
 * killed in between goes on where the list ends. */
#ifndef WK_WORKFLOW_FILING_H
#define WK_WORKFLOW_FILING_H

#include "workflow/workflow.h"

#define WK_FILING_LIST ".whisker-filed.tsv" /* in the folder; hidden, so that it is not taken for a list of photos */

typedef struct wk_filing wk_filing;

/* Makes the folder where it is missing and reads its list. One process at a time: WK_ERR_IO while another has it. */
wk_status wk_filing_open(wk_filing **out, const char *folder, wk_error *err);
void wk_filing_close(wk_filing *f); /* NULL is fine */
/* Was this very photo (path, size and time of change) filed before, and is it still there? */
bool wk_filing_has(const wk_filing *f, const char *photo);
/* Puts a photo at `to`, a path below the folder; where that is taken, at "to-2.jpg". Link: a symbolic one to the photo's whole path;
 * else a copy. On failure nothing is left at `to`. */
wk_status wk_filing_put(wk_filing *f, const char *photo, const char *to, bool link, wk_error *err);
size_t wk_filing_count(const wk_filing *f); /* photos that are filed */
/* Takes away what was put there, the folders that are empty then, and the list; files that were changed since stay and are
 * counted. Closes f. */
wk_status wk_filing_undo(size_t *removed, size_t *kept, wk_filing *f, const wk_context *ctx, wk_error *err);

#endif
