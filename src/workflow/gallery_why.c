/* gallery_why.c - a section of the gallery: which parts of photos speak for the model's answers, right ones and wrong
 * ones. */
#include <string.h>

#include "whisker/attribution.h"
#include "workflow/gallery_parts.h"

enum { MOST_WRONG = 2, SIDE = 256 };

/* The photo itself, and the photo under the evidence for each of `class`. */
typedef struct why {
  wk_image piece[3];
  char text[3][160];
  wk_attribution_region evidence; /* for the first */
} why;

static void why_free(why *w) {
  for (int i = 0; i < 3; i++)
    wk_image_free(&w->piece[i]);
}

static wk_status evidence_for(why *w, int place, const wk_gallery_making *g, const wk_explain_input *view, int class,
                              wk_error *err) {
  wk_attribution_options o;
  wk_attribution_options_init(&o);
  o.target = class;
  wk_attribution *cam = NULL;
  float *map = NULL;
  wk_attribution_region e;
  wk_status st = wk_attribution_make(&cam, g->model, view->input, &o, &g->call->ctx, err);
  if (st == WK_OK)
    st = wk_attribution_upsample(&map, cam, view->seen.height, view->seen.width, err);
  if (st == WK_OK)
    st = wk_attribution_draw(&w->piece[place], map, view, 0, err);
  if (st == WK_OK)
    st = wk_attribution_region_find(&e, map, view, err);
  if (st == WK_OK) {
    snprintf(w->text[place], sizeof w->text[place], "for %.80s (%s)", g->model->labels[class],
             wk_figure_percent(cam->p).text);
    if (place == 1)
      w->evidence = e;
  }
  wk_free(map);
  wk_attribution_free(cam);
  return st;
}

static wk_status draw(wk_image *out, why *w, int pieces, wk_error *err) {
  const char *label[3];
  for (int i = 0; i < pieces; i++)
    label[i] = w->text[i];
  wk_sheet sheet;
  wk_sheet_init(&sheet);
  sheet.columns = pieces;
  sheet.cell_width = sheet.cell_height = SIDE;
  return wk_sheet_draw(out, w->piece, label, pieces, &sheet, err);
}

/* The copy is the gallery's own: the view keeps its photo. */
static wk_status copy(wk_image *out, const wk_image *in, wk_error *err) {
  return wk_image_crop(out, in, 0, 0, in->width, in->height, err);
}

static wk_status show(wk_gallery_making *g, size_t judged, int number, wk_error *err) {
  wk_explain_input view;
  why w = {0};
  wk_image picture = {0};
  int truth = g->truth[judged], seen = g->seen[judged], pieces = seen == truth ? 2 : 3;
  wk_status st = wk_explain_input_open(&view, wk_section_path(g, judged), &g->model->backbone->preprocess, err);
  if (st == WK_OK)
    st = copy(&w.piece[0], &view.photo, err);
  snprintf(w.text[0], sizeof w.text[0], "is %.80s", g->model->labels[truth]);
  if (st == WK_OK)
    st = evidence_for(&w, 1, g, &view, seen, err);
  if (st == WK_OK && pieces == 3)
    st = evidence_for(&w, 2, g, &view, truth, err);
  if (st == WK_OK)
    st = draw(&picture, &w, pieces, err);
  if (st == WK_OK) {
    char file[40], caption[400];
    snprintf(file, sizeof file, "why-%d.png", number);
    snprintf(caption, sizeof caption,
             "%s: %.80s. %.0f%% of what speaks for it lies in one region (%s, %.0f%% of the photo).",
             seen == truth ? "Right" : "Wrong", g->model->labels[seen], 100 * w.evidence.share, w.evidence.place,
             100 * w.evidence.area);
    if (!(w.evidence.share > 0))
      snprintf(caption, sizeof caption, "%s: %.80s. Nothing in one place speaks for it.",
               seen == truth ? "Right" : "Wrong", g->model->labels[seen]);
    st = wk_gallery_picture(g->page, &picture, file, caption, err);
  }
  wk_image_free(&picture);
  why_free(&w);
  wk_explain_input_free(&view);
  return st;
}

wk_status wk_section_cam(wk_gallery_making *g, wk_error *err) {
  wk_status st =
      wk_gallery_section(g->page, "why", "Why it says so",
                         "What speaks for the answer (Grad-CAM), from yellow to red: for the photo of each class "
                         "it is right about and surest of, then for mistakes, there also for the true class.",
                         err);
  int shown = 0;
  for (int right = 1; right >= 0; right--) {
    int left = right ? g->shown_count : MOST_WRONG;
    for (int i = 0; i < g->shown_count && left > 0 && st == WK_OK; i++) {
      ptrdiff_t judged = wk_section_example(g, g->shown[i], right != 0);
      if (judged >= 0) {
        st = show(g, (size_t)judged, shown++, err);
        left--;
      }
    }
  }
  if (!shown && st == WK_OK)
    st = wk_gallery_note(g->page, "There is no photo of these classes to look at.", err);
  return st;
}
