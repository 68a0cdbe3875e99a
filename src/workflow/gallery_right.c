/* gallery_right.c - sections of the gallery: how often the model is right, and where it is not. */
#include <stdlib.h>
#include <string.h>

#include "workflow/gallery_parts.h"

enum { MOST_CLASSES = 30, MOST_MISTAKES = 12, CELL = 200, TEXT = 80 };

/* ---- how often it is right ----------------------------------------------------------------------- */

/* The classes of which there are photos; how many. */
static int present(int *out, const wk_metrics *m) {
  int n = 0;
  for (int k = 0; k < m->class_count; k++)
    if (m->support[k])
      out[n++] = k;
  return n;
}

/* Rows are what photos are, columns what they were taken for. */
static wk_status confusion(wk_gallery_making *g, const int *class, int n, wk_error *err) {
  const wk_metrics *m = g->metrics;
  size_t cells = (size_t)n * (size_t)n;
  const char **name = wk_alloc((size_t)n * sizeof *name), **cell = wk_alloc(cells * sizeof *cell);
  char(*text)[16] = wk_alloc(cells * sizeof *text);
  double *heat = wk_alloc(cells * sizeof *heat);
  bool *wrong = wk_alloc(cells * sizeof *wrong);
  wk_status st = name && cell && text && heat && wrong ? WK_OK : wk_no_memory(err);
  for (int i = 0; i < n && st == WK_OK; i++) {
    name[i] = g->model->labels[class[i]];
    for (int j = 0; j < n; j++) {
      size_t k = (size_t)(i * n + j),
             count = m->confusion[(size_t) class[i] * (size_t)m -> class_count + (size_t) class[j]];
      snprintf(text[k], sizeof text[k], count ? "%zu" : "", count);
      cell[k] = text[k];
      heat[k] = (double)count / (double)m->support[class[i]];
      wrong[k] = i != j;
    }
  }
  if (st == WK_OK) {
    wk_gallery_table t = {"photos of \xe2\x86\x93 taken for \xe2\x86\x92", name, name, cell, heat, wrong, n, n};
    st = wk_gallery_show_table(g->page, &t, err);
  }
  wk_free(name);
  wk_free(cell);
  wk_free(text);
  wk_free(heat);
  wk_free(wrong);
  return st;
}

typedef struct pair {
  int truth, taken;
  size_t count;
} pair;

static int more_first(const void *a, const void *b) {
  const pair *x = a, *y = b;
  if (x->count != y->count)
    return x->count < y->count ? 1 : -1;
  return x->truth != y->truth ? x->truth - y->truth : x->taken - y->taken;
}

/* Many classes: what is confused most, rather than a table that nobody reads. */
static wk_status worst_pairs(wk_gallery_making *g, const int *class, int n, wk_error *err) {
  const wk_metrics *m = g->metrics;
  pair *p = wk_alloc(((size_t)n * (size_t)m->class_count + 1) * sizeof *p);
  size_t found = 0;
  if (!p)
    return wk_no_memory(err);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < m->class_count; j++) {
      size_t count = m->confusion[(size_t) class[i] * (size_t)m -> class_count + (size_t)j];
      if (j != class[i] && count)
        p[found++] = (pair){class[i], j, count};
    }
  qsort(p, found, sizeof *p, more_first);
  wk_status st = WK_OK;
  if (!found)
    st = wk_gallery_note(g->page, "Nothing was confused with anything.", err);
  for (size_t i = 0; i < found && i < MOST_MISTAKES && st == WK_OK; i++) {
    char line[300];
    snprintf(line, sizeof line, "%.100s taken for %.100s: %zu of %zu photos", g->model->labels[p[i].truth],
             g->model->labels[p[i].taken], p[i].count, m->support[p[i].truth]);
    st = wk_gallery_note(g->page, line, err);
  }
  wk_free(p);
  return st;
}

wk_status wk_section_right(wk_gallery_making *g, wk_error *err) {
  const wk_metrics *m = g->metrics;
  char value[4][48];
  const char *const number[4] = {value[0], value[1], value[2], value[3]};
  char interval[96];
  snprintf(value[0], sizeof value[0], "%s", wk_figure_percent(m->top1.value).text);
  snprintf(interval, sizeof interval, "right (95%% interval %s)", wk_figure_interval(m->top1).text);
  snprintf(value[1], sizeof value[1], "%s", wk_figure_count(m->photo_count).text);
  snprintf(value[2], sizeof value[2], "%.3f", m->loss.value);
  snprintf(value[3], sizeof value[3], "%s", wk_figure_percent(m->ece.value).text);
  char text[300], left_out[120] = "";
  if (g->left_out)
    snprintf(left_out, sizeof left_out, " %s that it learned from are left out.", wk_figure_count(g->left_out).text);
  snprintf(text, sizeof text,
           "Photos of test/ where there is one, else of val/, else all of them.%s The interval says "
           "how far chance alone may move the share.",
           left_out);
  const char *const what[4] = {interval, "photos judged by", "log loss",
                               "calibration error: how far its certainty is from the truth"};
  int *class = wk_alloc(((size_t)m->class_count + 1) * sizeof *class);
  if (!class)
    return wk_no_memory(err);
  int n = present(class, m);
  wk_status st = wk_gallery_section(g->page, "right", "How often it is right", text, err);
  if (st == WK_OK)
    st = wk_gallery_numbers(g->page, number, what, 4, err);
  if (st == WK_OK)
    st = n <= MOST_CLASSES ? confusion(g, class, n, err) : worst_pairs(g, class, n, err);
  wk_free(class);
  return st;
}

/* ---- its mistakes -------------------------------------------------------------------------------- */

/* The surest mistakes first; how many. */
static int worst(size_t *out, const wk_gallery_making *g) {
  int n = 0;
  for (size_t i = 0; i < g->judged->rows; i++) {
    if (g->seen[i] == g->truth[i])
      continue;
    double p = wk_section_p(g, i, g->seen[i]);
    int at = n;
    while (at > 0 && wk_section_p(g, out[at - 1], g->seen[out[at - 1]]) < p)
      at--;
    if (at == MOST_MISTAKES)
      continue;
    int last = n < MOST_MISTAKES ? n++ : MOST_MISTAKES - 1;
    memmove(out + at + 1, out + at, (size_t)(last - at) * sizeof *out);
    out[at] = i;
  }
  return n;
}

static wk_status draw_mistakes(wk_image *out, const wk_gallery_making *g, const size_t *which, int n, wk_error *err) {
  wk_image picture[MOST_MISTAKES] = {{0}};
  char text[MOST_MISTAKES][4 * TEXT];
  const char *label[MOST_MISTAKES];
  wk_status st = WK_OK;
  for (int i = 0; i < n && st == WK_OK; i++) {
    const char *path = wk_section_path(g, which[i]), *slash = strrchr(path, '/');
    st = wk_photo_square(&picture[i], path, CELL, err);
    snprintf(text[i], sizeof text[i], "is %.70s\nseen as %.50s %s\n%.70s", g->model->labels[g->truth[which[i]]],
             g->model->labels[g->seen[which[i]]], wk_figure_percent(wk_section_p(g, which[i], g->seen[which[i]])).text,
             slash ? slash + 1 : path);
    label[i] = text[i];
  }
  wk_sheet sheet;
  wk_sheet_init(&sheet);
  sheet.columns = 4;
  if (st == WK_OK)
    st = wk_sheet_draw(out, picture, label, n, &sheet, err);
  for (int i = 0; i < n; i++)
    wk_image_free(&picture[i]);
  return st;
}

wk_status wk_section_mistakes(wk_gallery_making *g, wk_error *err) {
  size_t which[MOST_MISTAKES];
  int n = worst(which, g);
  wk_status st =
      wk_gallery_section(g->page, "mistakes", "Its worst mistakes",
                         "The photos it is wrong about and surest of: wrong labels, hard photos, or something "
                         "that it has not learned.",
                         err);
  if (st != WK_OK)
    return st;
  if (!n)
    return wk_gallery_note(g->page, "There are none among these photos.", err);
  wk_image picture = {0};
  st = draw_mistakes(&picture, g, which, n, err);
  if (st == WK_OK)
    st = wk_gallery_picture(g->page, &picture, "mistakes.png",
                            "What each photo is, what the model takes it for, and how sure it is of that.", err);
  wk_image_free(&picture);
  return st;
}
