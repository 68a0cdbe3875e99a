/* gallery_right.c - sections of the gallery: how often the model is right, and where it is not. */
#include <stdlib.h>
#include <string.h>

#include "gallery_parts.h"

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
static wk_status confusion(gallery *g, const int *class, int n, wk_error *err) {
  const wk_metrics *m = g->metrics;
  size_t cells = (size_t)n * (size_t)n;
  const char **name = malloc((size_t)n * sizeof *name), **cell = malloc(cells * sizeof *cell);
  char(*text)[16] = malloc(cells * sizeof *text);
  double *heat = malloc(cells * sizeof *heat);
  bool *wrong = malloc(cells * sizeof *wrong);
  wk_status st = name && cell && text && heat && wrong ? WK_OK : cli_no_memory(err);
  for (int i = 0; i < n && st == WK_OK; i++) {
    name[i] = g->l.model->labels[class[i]];
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
  free(name);
  free(cell);
  free(text);
  free(heat);
  free(wrong);
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
static wk_status worst_pairs(gallery *g, const int *class, int n, wk_error *err) {
  const wk_metrics *m = g->metrics;
  pair *p = malloc(((size_t)n * (size_t)m->class_count + 1) * sizeof *p);
  size_t found = 0;
  if (!p)
    return cli_no_memory(err);
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
    snprintf(line, sizeof line, "%.100s taken for %.100s: %zu of %zu photos", g->l.model->labels[p[i].truth],
             g->l.model->labels[p[i].taken], p[i].count, m->support[p[i].truth]);
    st = wk_gallery_note(g->page, line, err);
  }
  free(p);
  return st;
}

wk_status gallery_right(gallery *g, wk_error *err) {
  const wk_metrics *m = g->metrics;
  char value[4][48];
  const char *const number[4] = {value[0], value[1], value[2], value[3]};
  char interval[64];
  snprintf(value[0], sizeof value[0], "%s", cli_percent(m->top1.value));
  snprintf(interval, sizeof interval, "right (95%% interval %s)", cli_interval(m->top1));
  snprintf(value[1], sizeof value[1], "%s", cli_count(m->photo_count));
  snprintf(value[2], sizeof value[2], "%.3f", m->loss.value);
  snprintf(value[3], sizeof value[3], "%s", cli_percent(m->ece.value));
  const char *const what[4] = {interval, "photos judged by", "log loss",
                               "calibration error: how far its certainty is from the truth"};
  int *class = malloc(((size_t)m->class_count + 1) * sizeof *class);
  if (!class)
    return cli_no_memory(err);
  int n = present(class, m);
  wk_status st =
      wk_gallery_section(g->page, "right", "How often it is right",
                         "Photos of test/ where there is one, else of val/, else all of them. The interval says "
                         "how far chance alone may move the share.",
                         err);
  if (st == WK_OK)
    st = wk_gallery_numbers(g->page, number, what, 4, err);
  if (st == WK_OK)
    st = n <= MOST_CLASSES ? confusion(g, class, n, err) : worst_pairs(g, class, n, err);
  free(class);
  return st;
}

/* ---- its mistakes -------------------------------------------------------------------------------- */

/* The surest mistakes first; how many. */
static int worst(size_t *out, const gallery *g) {
  int n = 0;
  for (size_t i = 0; i < g->judged->rows; i++) {
    if (g->seen[i] == g->truth[i])
      continue;
    double p = gallery_p(g, i, g->seen[i]);
    int at = n;
    while (at > 0 && gallery_p(g, out[at - 1], g->seen[out[at - 1]]) < p)
      at--;
    if (at == MOST_MISTAKES)
      continue;
    int last = n < MOST_MISTAKES ? n++ : MOST_MISTAKES - 1;
    memmove(out + at + 1, out + at, (size_t)(last - at) * sizeof *out);
    out[at] = i;
  }
  return n;
}

static wk_status draw_mistakes(wk_image *out, const gallery *g, const size_t *which, int n, wk_error *err) {
  wk_image picture[MOST_MISTAKES] = {{0}};
  char text[MOST_MISTAKES][3 * TEXT];
  const char *label[MOST_MISTAKES];
  wk_status st = WK_OK;
  for (int i = 0; i < n && st == WK_OK; i++) {
    const char *path = gallery_path(g, which[i]), *slash = strrchr(path, '/');
    st = cli_look_cell(&picture[i], path, CELL, err);
    snprintf(text[i], sizeof text[i], "is %.70s\nseen as %.50s %s\n%.70s", g->l.model->labels[g->truth[which[i]]],
             g->l.model->labels[g->seen[which[i]]], cli_percent(gallery_p(g, which[i], g->seen[which[i]])),
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

wk_status gallery_mistakes(gallery *g, wk_error *err) {
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
