/* explaining.h - what the ways of explaining share: a call with its photo, the pictures that it writes, and words for
 * captions. */
#ifndef WK_WORKFLOW_EXPLAINING_H
#define WK_WORKFLOW_EXPLAINING_H

#include "whisker/explain.h"
#include "whisker/output.h"
#include "workflow/workflow.h"

/* One call while it runs. wk_explaining_end frees it. */
typedef struct wk_explaining {
  wk_call call;
  const wk_model *model;
  wk_explain_input view; /* of the photo, where there is one */
} wk_explaining;

/* `e` must not move until it has ended. `photo` may be NULL; `path`: the picture to be written. */
wk_status wk_explaining_begin(wk_explaining *e, wk_session *s, const wk_model *m, const char *photo, const char *path,
                              wk_error *err);
void wk_explaining_end(wk_explaining *e);

/* Writes a picture, and notes it with what it shows. */
wk_status wk_explaining_save(wk_drawings *drawn, const wk_image *picture, const char *path, const char *shows,
                             wk_error *err);
void wk_drawings_free(wk_drawings *d);
json_t *wk_drawings_json(const wk_drawings *d);
json_t *wk_evidence_json(const wk_attribution_region *e);

/* The classes that `names` ("cat", "cat,dog"; NULL: what the model sees in the photo) means, at most `most`. */
wk_status wk_explaining_classes(int *class, int *count, int most, const wk_explaining *e, const char *names,
                                wk_error *err);
/* Pictures of one shape side by side, with labels (NULL: none), inside the frame. */
wk_status wk_explaining_sheet(wk_image *out, const wk_image *picture, const char *const *label, int count,
                              const wk_frame *frame, wk_error *err);
/* "whiskers.jpg": the file's name alone. */
const char *wk_file_name(const char *path);
/* "resnet18", or "mine.whisker (mobilenet_v2)"; `name` may be NULL. */
const char *wk_caption_model(char *out, size_t room, const wk_model *m, const char *name);

#endif
