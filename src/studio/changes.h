/* changes.h (internal) - one change of a project as JSON: checked, made, and its inverse. The page sends them, the
 * journal keeps them. */
#ifndef WK_STUDIO_CHANGES_H
#define WK_STUDIO_CHANGES_H

#include "project.h"

/* Makes all changes of the array, or none. *inverse (NULL: not wanted): an array that takes them back. `trusted`: read
 * from the journal, where a photo may also be added by its file. */
wk_status wk_changes_make(json_t **inverse, wk_project *p, const json_t *changes, bool trusted, wk_fault *f);

/* "auto", "train", "val", "test"; -1: none of them. */
int wk_part_of(const char *name);
const char *wk_part_name(int part);

#endif
