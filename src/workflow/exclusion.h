/* exclusion.h (internal) - what is changed of a collection by a list: photos that are left out, and labels that are
 * corrected. */
#ifndef WK_WORKFLOW_EXCLUSION_H
#define WK_WORKFLOW_EXCLUSION_H

#include "workflow/workflow.h"

/* Takes the photos out of `d` that the list `path` names: those of its rows whose `exclude` column says yes, or all
 * where it has no such column (then a line may be nothing but a file). Photos are named from the collection's folder
 * on, or by their whole path. What the list names and the collection has not is told through `ctx`; that nothing fits
 * is an error. */
wk_status wk_exclude_photos(wk_dataset *d, uint8_t (*beside)[WK_SHA256_BYTES], const char *path, const wk_context *ctx,
                            wk_error *err);
/* Gives photos of `d` the labels of a list with the columns file and label. A label that is no class of the collection
 * is an error. */
wk_status wk_correct_labels(wk_dataset *d, const char *path, const wk_context *ctx, wk_error *err);

#endif
