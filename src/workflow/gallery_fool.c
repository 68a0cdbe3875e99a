/* gallery_fool.c - sections of the gallery: pictures made for the network alone, and how much it withstands. */
#include <math.h>
#include <string.h>

#include "whisker/visualize.h"
#include "workflow/gallery_parts.h"

/* ---- ideal pictures ------------------------------------------------------------------------------ */

static wk_status draw_ideals(wk_image *out, const wk_gallery_making *g, wk_visualization *const *ideal, wk_error *err) {
  int n = g->shown_count;
  wk_image *picture = wk_alloc((size_t)n * sizeof *picture);
  char(*text)[160] = wk_alloc((size_t)n * sizeof *text);
  const char **label = wk_alloc((size_t)n * sizeof *label);
  wk_status st = picture && text && label ? WK_OK : wk_no_memory(err);
  for (int i = 0; i < n && st == WK_OK; i++) {
    picture[i] = ideal[i]->image;
    snprintf(text[i], sizeof text[i], "%.80s\n%s sure", g->model->labels[g->shown[i]],
             wk_figure_percent(ideal[i]->p).text);
    label[i] = text[i];
  }
  wk_sheet sheet;
  wk_sheet_init(&sheet);
  sheet.columns = n < 4 ? n : 4;
  if (st == WK_OK)
    st = wk_sheet_draw(out, picture, label, n, &sheet, err);
  wk_free(picture);
  wk_free(text);
  wk_free(label);
  return st;
}

wk_status wk_section_ideal(wk_gallery_making *g, wk_error *err) {
  wk_visualization **ideal = wk_calloc((size_t)g->shown_count, sizeof *ideal);
  wk_visualize_options o;
  wk_image picture = {0};
  wk_status st = ideal ? WK_OK : wk_no_memory(err);
  wk_visualize_options_init(&o);
  o.steps = g->ideal_steps;
  o.seed = g->call->ctx.seed;
  for (int i = 0; i < g->shown_count && st == WK_OK; i++) {
    o.target = g->shown[i];
    st = wk_visualize_class(&ideal[i], g->classifier, &g->model->backbone->preprocess, &o, &g->call->ctx, err);
  }
  if (st == WK_OK)
    st = draw_ideals(&picture, g, ideal, err);
  if (st == WK_OK)
    st = wk_gallery_section(
        g->page, "ideal", "What it dreams of",
        "Pictures that began as noise and were changed, step by step, into what the model is surest of. "
        "They show what it looks for, which need not be what we would.",
        err);
  if (st == WK_OK)
    st = wk_gallery_picture(g->page, &picture, "ideal.png",
                            "The ideal picture of each class, and how sure the model is.", err);
  wk_image_free(&picture);
  for (int i = 0; ideal && i < g->shown_count; i++)
    wk_visualization_free(ideal[i]);
  wk_free(ideal);
  return st;
}

/* ---- attacks ------------------------------------------------------------------------------------- */

/* Photo, change times ten, result, with what the model sees in them. */
static wk_status draw_attack(wk_image *out, const wk_gallery_making *g, const wk_image *photo,
                             const wk_attack_result *r, wk_error *err) {
  wk_image piece[3] = {{0}};
  char text[3][160];
  const char *const label[3] = {text[0], text[1], text[2]};
  wk_status st = WK_OK;
  for (int i = 0; i < 3 && st == WK_OK; i++)
    st = wk_image_alloc(&piece[i], photo->width, photo->height, err);
  for (size_t i = 0; st == WK_OK && i < (size_t)photo->width * (size_t)photo->height * 3; i++) {
    double change = 128 + 10 * ((double)r->pixels[i] - photo->pixels[i]);
    piece[0].pixels[i] = photo->pixels[i];
    piece[1].pixels[i] = (uint8_t)(change < 0 ? 0 : change > 255 ? 255 : change);
    piece[2].pixels[i] = (uint8_t)r->pixels[i]; /* whole numbers already */
  }
  snprintf(text[0], sizeof text[0], "%.80s %s", g->model->labels[r->before],
           wk_figure_percent((double)r->p_before).text);
  snprintf(text[1], sizeof text[1], "change x 10 (up to %.0f/255)", r->linf_255);
  snprintf(text[2], sizeof text[2], "%.80s %s", g->model->labels[r->after], wk_figure_percent((double)r->p_after).text);
  wk_sheet sheet;
  wk_sheet_init(&sheet);
  sheet.columns = 3;
  if (st == WK_OK)
    st = wk_sheet_draw(out, piece, label, 3, &sheet, err);
  for (int i = 0; i < 3; i++)
    wk_image_free(&piece[i]);
  return st;
}

static wk_status attack_one(wk_gallery_making *g, size_t judged, int number, wk_error *err) {
  const wk_preprocess *p = &g->model->backbone->preprocess;
  wk_image photo = {0}, seen = {0}, picture = {0};
  wk_attack_result r = {0};
  wk_attack_options o;
  wk_attack_options_init(&o);
  o.eps_255 = g->eps;
  float *pixels = NULL;
  wk_decode_options decoding;
  wk_preprocess_decode_options(&decoding, p);
  wk_status st = wk_photo_load(&photo, wk_section_path(g, judged), &decoding, err);
  if (st == WK_OK)
    st = wk_preprocess_pixels(&seen, &photo, p, err);
  size_t n = (size_t)p->width * (size_t)p->height * 3;
  if (st == WK_OK && !(pixels = wk_alloc(n * sizeof *pixels)))
    st = wk_no_memory(err);
  for (size_t i = 0; st == WK_OK && i < n; i++)
    pixels[i] = seen.pixels[i];
  if (st == WK_OK)
    st = wk_attack_run(&r, g->classifier, p, pixels, &o, g->call->ctx.seed, (uint64_t)number, err);
  if (st == WK_OK)
    st = draw_attack(&picture, g, &seen, &r, err);
  char file[40], caption[300];
  snprintf(file, sizeof file, "attack-%d.png", number);
  if (st == WK_OK) {
    snprintf(caption, sizeof caption,
             r.success ? "%.80s became %.80s in %d steps: no value moved by more than %.0f of 255."
                       : "%.80s stayed what it was (%.80s) after %d steps of at most %.0f of 255.",
             g->model->labels[r.before], g->model->labels[r.after], r.steps, r.linf_255);
    st = wk_gallery_picture(g->page, &picture, file, caption, err);
  }
  wk_attack_result_free(&r);
  wk_image_free(&photo);
  wk_image_free(&seen);
  wk_image_free(&picture);
  wk_free(pixels);
  return st;
}

wk_status wk_section_attack(wk_gallery_making *g, wk_error *err) {
  wk_status st =
      wk_gallery_section(g->page, "attack", "What fools it",
                         "Photos it is right about, changed by so little that we see nothing, until it sees "
                         "something else. Left the photo, in the middle the change ten times as strong, right "
                         "the result in 8 bits, as it would be saved.",
                         err);
  int shown = 0;
  for (int i = 0; i < g->shown_count && st == WK_OK; i++) {
    ptrdiff_t judged = wk_section_example(g, g->shown[i], true);
    if (judged >= 0)
      st = wk_cancelled(&g->call->ctx) ? WK_FAIL(err, WK_ERR_CANCELLED, "stopped")
                                       : attack_one(g, (size_t)judged, shown++, err);
  }
  if (!shown && st == WK_OK)
    st = wk_gallery_note(g->page, "It is right about none of these photos, so there is none to attack.", err);
  return st;
}

/* ---- how much it withstands ---------------------------------------------------------------------- */

static wk_status show_curve(wk_gallery_making *g, const wk_robust *r, const wk_robust_options *o, wk_error *err) {
  wk_robust_curve c;
  wk_robust_curve_fill(&c, r, o->eps_255, "share of photos");
  char caption[200];
  snprintf(
      caption, sizeof caption,
      "%zu photos, untargeted PGD with %d steps. Bars are 95%% intervals. Changes below 1 exist only before saving.",
      r->photo_count, o->steps);
  return wk_gallery_chart(g->page, &c.chart, caption, err);
}

static wk_status show_damage(wk_gallery_making *g, const wk_robust *r, wk_error *err) {
  static const char *const severity[WK_SEVERITIES] = {"1", "2", "3", "4", "5"};
  const char *name[WK_CORRUPTION_COUNT], *cell[WK_CORRUPTION_COUNT * WK_SEVERITIES];
  char text[WK_CORRUPTION_COUNT * WK_SEVERITIES][16];
  double heat[WK_CORRUPTION_COUNT * WK_SEVERITIES];
  for (int d = 0; d < WK_CORRUPTION_COUNT; d++) {
    name[d] = wk_corruption_name((wk_corruption)d);
    for (int s = 0; s < WK_SEVERITIES; s++) {
      int k = d * WK_SEVERITIES + s;
      heat[k] = (double)r->corruption_right[d][s] / (double)r->photo_count;
      snprintf(text[k], sizeof text[k], "%.0f%%", 100 * heat[k]);
      cell[k] = text[k];
    }
  }
  wk_gallery_table t = {"damage, from light to heavy", severity,     name, cell, heat, NULL,
                        WK_CORRUPTION_COUNT,           WK_SEVERITIES};
  return wk_gallery_show_table(g->page, &t, err);
}

/* Photos spread evenly over all that are judged, so that every class has its share. */
wk_status wk_section_robust(wk_gallery_making *g, wk_error *err) {
  static const double strength[] = {0, 0.5, 1, 2, 4};
  size_t rows = g->judged->rows, n = (size_t)g->attacked < rows ? (size_t)g->attacked : rows;
  const char **path = wk_alloc(n * sizeof *path);
  int *label = wk_alloc(n * sizeof *label);
  wk_robust_options o;
  wk_robust *r = NULL;
  wk_robust_options_init(&o);
  o.eps_255 = strength;
  o.count = sizeof strength / sizeof *strength;
  o.steps = 10;
  o.restarts = 0;
  wk_status st = path && label ? WK_OK : wk_no_memory(err);
  for (size_t i = 0; i < n && st == WK_OK; i++) {
    path[i] = wk_section_path(g, i * rows / n);
    label[i] = g->truth[i * rows / n];
  }
  if (st == WK_OK)
    st = wk_robust_measure(&r, g->model, path, label, n, &o, &g->call->ctx, err);
  if (st == WK_OK)
    st = wk_gallery_section(g->page, "robust", "How much it withstands",
                            "How many photos it still names right when every value may move a little, in the worst "
                            "direction; and after ordinary damage.",
                            err);
  if (st == WK_OK)
    st = show_curve(g, r, &o, err);
  if (st == WK_OK)
    st = show_damage(g, r, err);
  wk_robust_free(r);
  wk_free(path);
  wk_free(label);
  return st;
}
