/* model.h (internal) - between the files of the room. */
#ifndef WK_MODEL_INTERNAL_H
#define WK_MODEL_INTERNAL_H

#include "base/base.h"
#include "whisker/model.h"

/* Is everything in this head as wk_head says, and finite? Messages do not name a file. */
wk_status wk_head_validate(const wk_head *h, wk_error *err);

/* WK_ERR_UNSUPPORTED, for what needs classes of a network that has none. */
wk_status wk_model_no_classes(const wk_model *m, wk_error *err);

/* Is this a file that wk_model_save wrote? What cannot be read at all is none; only lack of memory is an error. */
wk_status wk_model_is_file(bool *out, const char *path, wk_error *err);
wk_status wk_model_read(wk_model **out, const char *path, const wk_pull_options *o, const wk_context *ctx,
                        wk_error *err);

#endif
