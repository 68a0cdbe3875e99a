/* journal.h (internal) - every change of a project, on the disk before it is answered, with its inverse: nothing that
 * was acknowledged is lost, and everything can be undone. Functions are called with the project's lock held. */
#ifndef WK_STUDIO_JOURNAL_H
#define WK_STUDIO_JOURNAL_H

#include "project.h"

/* Reads and applies what is there; a torn last line was never acknowledged and is dropped. */
wk_status wk_journal_open(wk_project *p, wk_fault *f);
void wk_journal_close(wk_project *p);
/* Once photos.csv has all of it: begins anew, with the last steps alone, so that they can still be undone. */
wk_status wk_journal_renew(wk_project *p, wk_fault *f);

/* Makes the changes (an array, see docs/studio.md) of a page that knows revision `rev`: all of them or none. */
wk_status wk_journal_edit(wk_project *p, const json_t *changes, wk_fault *f);
/* The same of the studio's own making: photos may be added. */
wk_status wk_journal_add(wk_project *p, const json_t *changes, wk_fault *f);
/* WK_ERR_NOT_FOUND, key "nothing_to_undo" (or _redo). */
wk_status wk_journal_undo(wk_project *p, wk_fault *f);
wk_status wk_journal_redo(wk_project *p, wk_fault *f);

#endif
