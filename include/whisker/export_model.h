/* export_model.h - a model for another framework in one call: written, read back, and compared. */
#ifndef WHISKER_EXPORT_MODEL_H
#define WHISKER_EXPORT_MODEL_H

#include "whisker/export.h"
#include "whisker/session.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wk_export_report {
  char *out; /* the file or folder */
  const wk_export_format *format;
  uint64_t bytes; /* of the file, or of the folder's files */
  int class_count;
  wk_export_precision precision;
  size_t calibrated_count;        /* photos that the ranges of int8 were found on */
  bool compared;       /* it was read back; else the next three are 0 and false */
  double max_abs_diff; /* of the logits of a test picture: the largest difference, */
  double max_rel_diff; /* and its share of the largest logit */
  bool labels_same;    /* false, too, for formats that hold none */
  double seconds;      /* to write it */
  wk_lines warnings;
} wk_export_report;

/* Writes m to `path` (wk_export_write), and what lies beside it (wk_export_beside), reads it back through the importer, and compares the logits of a test picture.
 * What stands at `path` and is not whisker's own is left alone: WK_ERR_IO. WK_ERR_NUMERIC where the logits differ by
 * more than a thousandth of the largest. *out may be NULL: no report. */
WK_API wk_status wk_export(wk_export_report **out, wk_session *s, const wk_model *m, const char *path,
                           const wk_export_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_export_report_free(wk_export_report *r);
WK_API char *wk_export_report_json(const wk_export_report *r);

#ifdef __cplusplus
}
#endif
#endif
