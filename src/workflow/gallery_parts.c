/* gallery_parts.c - what the sections of a gallery ask of the photos that the model is judged by. */
#include "workflow/gallery_parts.h"

const char *wk_section_path(const wk_gallery_making *g, size_t judged) {
  return g->test.paths[g->judged->index[judged]];
}

double wk_section_p(const wk_gallery_making *g, size_t judged, int class) {
  return (double)g->p[judged * (size_t)g->model->label_count + (size_t) class];
}

ptrdiff_t wk_section_example(const wk_gallery_making *g, int class, bool right) {
  ptrdiff_t best = -1;
  for (size_t i = 0; g->metrics && i < g->judged->rows; i++)
    if (g->truth[i] == class && (g->seen[i] == class) == right &&
        (best < 0 || wk_section_p(g, i, g->seen[i]) > wk_section_p(g, (size_t)best, g->seen[best])))
      best = (ptrdiff_t)i;
  return best;
}
