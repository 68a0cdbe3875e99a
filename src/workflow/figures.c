/* figures.c - numbers as people read them, in lines that are told while something runs. */
#include <math.h>

#include "workflow/workflow.h"

wk_figure wk_figure_count(uint64_t n) {
  wk_figure f;
  char digits[24], *o = f.text;
  int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
  for (int i = 0; i < len; i++) {
    if (i && (len - i) % 3 == 0)
      *o++ = ',';
    *o++ = digits[i];
  }
  *o = 0;
  return f;
}

wk_figure wk_figure_percent(double share) {
  wk_figure f;
  if (isfinite(share))
    snprintf(f.text, sizeof f.text, "%.1f%%", 100 * share);
  else
    snprintf(f.text, sizeof f.text, "-");
  return f;
}

wk_figure wk_figure_interval(wk_interval i) {
  wk_figure f;
  snprintf(f.text, sizeof f.text, "%.1f\u2013%.1f", 100 * i.low, 100 * i.high);
  return f;
}
