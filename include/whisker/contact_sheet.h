/* contact_sheet.h - many photos on one picture: some of every class of a collection, or what a model is most wrong about. */
#ifndef WHISKER_CONTACT_SHEET_H
#define WHISKER_CONTACT_SHEET_H

#include "whisker/answers.h"
#include "whisker/image.h"
#include "whisker/options.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wk_contact_options {
  bool labels_from_name;
  int each;    /* photos of every class, drawn by the session's seed; default 8 */
  int classes; /* at most so many, the first ones; default 40 */
  int side;    /* of a photo, in pixels; default 128 */
} wk_contact_options;

WK_API void wk_contact_options_init(wk_contact_options *o);
WK_API const wk_option_table *wk_contact_options_table(void);

/* A row a class, with its name and how many photos it has; photos without labels are one class. What cannot be read leaves grey. Stage of
 * progress: "photos". */
WK_API wk_status wk_contact_sheet(wk_image *out, wk_session *s, const char *data, const wk_contact_options *o, wk_error *err) WK_NODISCARD;
/* The `most` mistakes that the model was surest of, surest first, each with what it is and what it was taken for; below them the right answers
 * that it was surest of. WK_ERR_NOT_FOUND: there are neither. */
WK_API wk_status wk_mistakes_sheet(wk_image *out, wk_session *s, const wk_evaluation *e, int most, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
