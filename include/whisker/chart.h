/* chart.h - small charts as SVG text: lines (learning curves, accuracy against strength) and bars (comparisons). Bars
 * begin at zero; where the scale of lines does not, the chart says so. Series differ by colour (those that the
 * colour-blind tell apart), by dashes and by lightness, and the document's description holds every value. */
#ifndef WHISKER_CHART_H
#define WHISKER_CHART_H

#include "whisker/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One line of a line chart, or one group of bars. Points whose y is not finite are left out, and break the line. */
typedef struct wk_series {
  const char *name;
  size_t n;
  const double *x;          /* [n]; bars: not read */
  const double *y;          /* [n] */
  const double *low, *high; /* [n] ends of the error bars; NULL: none */
} wk_series;

typedef struct wk_chart {
  const char *title, *x_label, *y_label;
  const wk_series *series;
  int count;
  const char *const *names; /* bars: [n] what each bar is; NULL: a line chart */
  bool percent;             /* y is a fraction, shown as percent */
  bool log_x;               /* all x > 0 */
  double chance;            /* y that guessing would have, drawn as a dashed line with its value; 0: none */
  size_t compared_with; /* bars: 1 + the index of the bar that the others are compared with, which is hatched and whose
                         * value runs through the picture as a dotted line; 0: none */
  const char *note;     /* a line under the picture: what to look for; NULL: none */
} wk_chart;

/* *out: a complete SVG document (wk_free it), which begins with a comment that whisker drew it. WK_ERR_ARGUMENT when
 * there is no finite point. */
WK_API wk_status wk_chart_svg(char **out, const wk_chart *chart, wk_error *err) WK_NODISCARD;
/* The same into a file, atomically. */
WK_API wk_status wk_chart_save(const char *path, const wk_chart *chart, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
