/* chart.c - charts as SVG text. Everything is placed in a fixed 720-wide picture; numbers are written with one decimal,
 * so the same data give the same bytes. */
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "whisker/chart.h"

enum {
  WIDTH = 720,
  HEIGHT = 420,
  LEFT = 70,
  RIGHT = 24,
  TOP = 48,
  BOTTOM = 64,
  BAR_HEIGHT = 22,
  NAME_WIDTH = 230,
  NAME_LETTERS = 34
};

/* Colours that the colour-blind tell apart (Okabe and Ito). */
static const char *const colour[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                     "#e69f00", "#56b4e9", "#000000", "#999933"};
enum { COLOURS = sizeof colour / sizeof *colour };

static void add_escaped(wk_text *t, const char *s) {
  for (; *s; s++)
    switch (*s) {
    case '<':
      wk_text_append(t, "&lt;", 4);
      break;
    case '>':
      wk_text_append(t, "&gt;", 4);
      break;
    case '&':
      wk_text_append(t, "&amp;", 5);
      break;
    case '"':
      wk_text_append(t, "&quot;", 6);
      break;
    default:
      if ((unsigned char)*s >= 0x20)
        wk_text_append(t, s, 1);
    }
}

static void add_label(wk_text *t, double x, double y, const char *anchor, int size, const char *text) {
  wk_text_add(t, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"%d\">", x, y, anchor, size);
  add_escaped(t, text);
  wk_text_add(t, "</text>\n");
}

typedef struct range {
  double low, high;
} range;

static void widen(range *r, double v) {
  if (isfinite(v)) {
    r->low = fmin(r->low, v);
    r->high = fmax(r->high, v);
  }
}

/* A step of 1, 2 or 5 times a power of ten that cuts the range into about five. */
static double nice_step(range r) {
  double raw = (r.high - r.low) / 5, power = pow(10, floor(log10(raw))), m = raw / power;
  return power * (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10);
}

/* Epochs and the like: no mark lies between two. */
static bool whole_x(const wk_chart *c) {
  for (int s = 0; s < c->count; s++)
    for (size_t i = 0; i < c->series[s].n; i++)
      if (c->series[s].x[i] != floor(c->series[s].x[i]))
        return false;
  return true;
}

static bool data_range(range *rx, range *ry, const wk_chart *c) {
  *rx = *ry = (range){INFINITY, -INFINITY};
  for (int s = 0; s < c->count; s++)
    for (size_t i = 0; i < c->series[s].n; i++) {
      const wk_series *v = &c->series[s];
      if (!isfinite(v->y[i]))
        continue;
      widen(ry, v->y[i]);
      if (v->low)
        widen(ry, v->low[i]);
      if (v->high)
        widen(ry, v->high[i]);
      if (!c->names)
        widen(rx, c->log_x ? log10(v->x[i]) : v->x[i]);
    }
  if (!(ry->low <= ry->high) || (!c->names && !(rx->low <= rx->high)))
    return false;
  if (rx->low == rx->high)
    rx->low -= 0.5, rx->high += 0.5;
  double margin = ry->low == ry->high ? 0.05 + fabs(ry->low) * 0.05 : (ry->high - ry->low) * 0.05;
  ry->low -= margin;
  ry->high += margin;
  if (c->percent) {
    ry->low = fmax(ry->low, 0);
    ry->high = fmin(ry->high, 1);
  }
  return true;
}

static void tick_text(char *out, size_t size, double v, bool percent) {
  if (percent)
    snprintf(out, size, "%.3g%%", v * 100);
  else
    snprintf(out, size, "%.4g", fabs(v) < 1e-12 ? 0.0 : v);
}

static void open_svg(wk_text *t, const wk_chart *c, int height) {
  wk_text_add(t,
              "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
              "font-family=\"sans-serif\" fill=\"#222\">\n<!-- drawn by whisker -->\n<rect width=\"%d\" height=\"%d\" "
              "fill=\"#fff\"/>\n",
              WIDTH, height, WIDTH, height, WIDTH, height);
  if (c->title)
    add_label(t, WIDTH / 2.0, 24, "middle", 16, c->title);
}

static void add_legend(wk_text *t, const wk_chart *c) {
  double x = LEFT;
  for (int s = 0; s < c->count && c->count > 1; s++) {
    const char *name = c->series[s].name ? c->series[s].name : "";
    wk_text_add(t, "<rect x=\"%.1f\" y=\"34\" width=\"14\" height=\"4\" fill=\"%s\"/>\n", x, colour[s % COLOURS]);
    add_label(t, x + 18, 40, "start", 11, name);
    x += 34 + 6.2 * (double)strlen(name);
  }
}

/* ---- lines ------------------------------------------------------------------------------------- */

typedef struct frame {
  range x, y;
} frame;

static double at_x(const frame *f, double v) {
  return LEFT + (v - f->x.low) / (f->x.high - f->x.low) * (WIDTH - LEFT - RIGHT);
}
static double at_y(const frame *f, double v) {
  return HEIGHT - BOTTOM - (v - f->y.low) / (f->y.high - f->y.low) * (HEIGHT - TOP - BOTTOM);
}

static void add_axes(wk_text *t, const wk_chart *c, const frame *f) {
  char text[32];
  double step = nice_step(f->y);
  for (double v = ceil(f->y.low / step) * step; v <= f->y.high + step * 1e-9; v += step) {
    wk_text_add(t, "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/>\n", LEFT, at_y(f, v), WIDTH - RIGHT);
    tick_text(text, sizeof text, v, c->percent);
    add_label(t, LEFT - 6, at_y(f, v) + 4, "end", 11, text);
  }
  step = c->log_x || whole_x(c) ? fmax(1, nice_step(f->x)) : nice_step(f->x);
  for (double v = ceil(f->x.low / step) * step; v <= f->x.high + step * 1e-9; v += step) {
    wk_text_add(t, "<path d=\"M%.1f %dv5\" stroke=\"#222\"/>\n", at_x(f, v), HEIGHT - BOTTOM);
    tick_text(text, sizeof text, c->log_x ? pow(10, v) : v, false);
    add_label(t, at_x(f, v), HEIGHT - BOTTOM + 18, "middle", 11, text);
  }
  wk_text_add(t, "<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"#222\"/>\n", LEFT, TOP, HEIGHT - BOTTOM,
              WIDTH - RIGHT);
  if (c->x_label)
    add_label(t, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - BOTTOM + 40, "middle", 12, c->x_label);
  if (c->y_label) {
    wk_text_add(t, "<g transform=\"translate(18 %d) rotate(-90)\">", (TOP + HEIGHT - BOTTOM) / 2);
    add_label(t, 0, 0, "middle", 12, c->y_label);
    wk_text_add(t, "</g>\n");
  }
}

static void add_line(wk_text *t, const wk_chart *c, const frame *f, int s) {
  const wk_series *v = &c->series[s];
  const char *ink = colour[s % COLOURS];
  bool pen_down = false;
  wk_text_add(t, "<path d=\"");
  for (size_t i = 0; i < v->n; i++) {
    bool there = isfinite(v->y[i]);
    if (there)
      wk_text_add(t, "%c%.1f %.1f", pen_down ? 'L' : 'M', at_x(f, c->log_x ? log10(v->x[i]) : v->x[i]),
                  at_y(f, v->y[i]));
    pen_down = there;
  }
  wk_text_add(t, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n", ink);
  for (size_t i = 0; i < v->n; i++) {
    if (!isfinite(v->y[i]))
      continue;
    double x = at_x(f, c->log_x ? log10(v->x[i]) : v->x[i]);
    if (v->n <= 60)
      wk_text_add(t, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x, at_y(f, v->y[i]), ink);
    if (v->low && v->high && isfinite(v->low[i]) && isfinite(v->high[i]))
      wk_text_add(t, "<path d=\"M%.1f %.1fV%.1f\" stroke=\"%s\"/>\n", x, at_y(f, v->low[i]), at_y(f, v->high[i]), ink);
  }
}

/* ---- bars -------------------------------------------------------------------------------------- */

/* The beginning and the end of a name that has more letters than there is room for. */
static void shorten(char *out, size_t size, const char *name) {
  size_t letters = 0, n = strlen(name), head = 0, tail = n;
  for (size_t i = 0; i < n; i++)
    letters += ((unsigned char)name[i] & 0xC0) != 0x80;
  if (letters <= NAME_LETTERS) {
    snprintf(out, size, "%s", name);
    return;
  }
  for (int k = 0; k < NAME_LETTERS / 2 - 1; k++) { /* whole letters of UTF-8 */
    do
      head++;
    while (((unsigned char)name[head] & 0xC0) == 0x80);
    do
      tail--;
    while (((unsigned char)name[tail] & 0xC0) == 0x80);
  }
  snprintf(out, size, "%.*s\u2026%s", (int)head, name, name + tail);
}

static void add_bars(wk_text *t, const wk_chart *c, range r) {
  size_t n = c->series[0].n;
  double top = TOP + 10, span = WIDTH - NAME_WIDTH - 90;
  if (!c->percent)
    r.low = fmin(r.low, 0);
  for (size_t i = 0; i < n; i++) {
    double y = top + (double)i * (BAR_HEIGHT * c->count + 8);
    char name[4 * NAME_LETTERS];
    shorten(name, sizeof name, c->names[i]);
    add_label(t, NAME_WIDTH - 8, y + BAR_HEIGHT * c->count / 2.0 + 4, "end", 12, name);
    for (int s = 0; s < c->count; s++, y += BAR_HEIGHT) {
      const wk_series *v = &c->series[s];
      if (i >= v->n || !isfinite(v->y[i]))
        continue;
      double scale = span / (r.high - r.low), end = NAME_WIDTH + (v->y[i] - r.low) * scale;
      wk_text_add(t, "<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", NAME_WIDTH, y,
                  fmax(end - NAME_WIDTH, 0), BAR_HEIGHT - 4, colour[s % COLOURS]);
      if (v->low && v->high && isfinite(v->low[i]) && isfinite(v->high[i])) {
        /* A deviation may pass 100%, and the paper. */
        double low = NAME_WIDTH + (fmax(v->low[i], r.low) - r.low) * scale;
        double high = NAME_WIDTH + (fmin(v->high[i], r.high) - r.low) * scale;
        wk_text_add(t, "<path d=\"M%.1f %.1fH%.1f\" stroke=\"#222\" stroke-width=\"1.5\"/>\n", low,
                    y + BAR_HEIGHT / 2.0 - 2, high);
        end = fmax(end, high);
      }
      char value[32];
      tick_text(value, sizeof value, v->y[i], c->percent);
      add_label(t, end + 6, y + BAR_HEIGHT / 2.0 + 2, "start", 11, value);
    }
  }
  double bottom = top + (double)n * (BAR_HEIGHT * c->count + 8);
  /* Bars need not start at zero: the ends of the scale are told. */
  char text[32];
  tick_text(text, sizeof text, r.low, c->percent);
  add_label(t, NAME_WIDTH, bottom + 16, "middle", 11, text);
  tick_text(text, sizeof text, r.high, c->percent);
  add_label(t, NAME_WIDTH + span, bottom + 16, "middle", 11, text);
  if (c->y_label)
    add_label(t, NAME_WIDTH + span / 2, bottom + 16, "middle", 12, c->y_label);
}

wk_status wk_chart_svg(char **out, const wk_chart *c, wk_error *err) {
  range rx, ry;
  if (c->count < 1 || !data_range(&rx, &ry, c))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%s: nothing to draw: no finite value", c->title ? c->title : "chart");
  wk_text t = {0};
  if (c->names) {
    int height = TOP + 40 + (int)c->series[0].n * (BAR_HEIGHT * c->count + 8);
    open_svg(&t, c, height);
    add_legend(&t, c);
    add_bars(&t, c, ry);
  } else {
    frame f = {rx, ry};
    open_svg(&t, c, HEIGHT);
    add_legend(&t, c);
    add_axes(&t, c, &f);
    for (int s = 0; s < c->count; s++)
      add_line(&t, c, &f, s);
  }
  wk_text_add(&t, "</svg>\n");
  if (t.failed) {
    wk_text_free(&t);
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a chart");
  }
  *out = t.data;
  return WK_OK;
}

wk_status wk_chart_save(const char *path, const wk_chart *c, wk_error *err) {
  char *svg;
  WK_RETURN_IF_ERROR(wk_chart_svg(&svg, c, err));
  wk_status st = wk_file_write(path, svg, strlen(svg), err);
  wk_free(svg);
  return st;
}
