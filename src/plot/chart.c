/* chart.c - charts as SVG text. Everything is placed in a fixed 720-wide picture; numbers are written with one decimal,
 * so the same data give the same bytes. */
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "whisker/chart.h"
#include "whisker/utf8.h"

enum {
  WIDTH = 720,
  HEIGHT = 420,
  LEFT = 70,
  RIGHT = 24,
  TOP = 48,
  BOTTOM = 64,
  BAR_HEIGHT = 22,
  NAME_WIDTH = 230,
  VALUE_WIDTH = 120, /* "80.3% (77.0–83.3)" */
  NAME_COLUMNS = 34, /* of a bar, half the width of a Chinese letter each */
  TITLE_COLUMNS = 80,
  NOTE_COLUMNS = 110,
  LEGEND_COLUMNS = 24
};

/* Colours that the colour-blind tell apart (Okabe and Ito). */
static const char *const colour[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                     "#e69f00", "#56b4e9", "#000000", "#999933"};
enum { COLOURS = sizeof colour / sizeof *colour };
/* Lines are told apart without colour, too. */
static const char *const dashes[] = {"", "7 4", "2 3", "10 3 2 3"};
enum { DASHES = sizeof dashes / sizeof *dashes };

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

/* Of the letter that begins at s: East Asian letters and pictures are twice as wide as others, and marks that stand on
 * another letter have no width. */
static int letter_columns(const char *s) {
  unsigned char b = (unsigned char)*s;
  if (b < 0x80)
    return 1;
  if (b >= 0xF0)
    return 2;
  if (b < 0xE0)
    return b == 0xCC || (b == 0xCD && (unsigned char)s[1] < 0xB0) ? 0 : 1; /* U+0300 to U+036F */
  unsigned u = (b & 15u) << 12 | ((unsigned char)s[1] & 63u) << 6 | ((unsigned char)s[2] & 63u);
  return (u >= 0x1100 && u <= 0x115F) || (u >= 0x2E80 && u <= 0xA4CF) || (u >= 0xAC00 && u <= 0xD7A3) ||
                 (u >= 0xF900 && u <= 0xFAFF) || (u >= 0xFE30 && u <= 0xFE6F) || (u >= 0xFF00 && u <= 0xFF60)
             ? 2
             : 1;
}

static size_t next_letter(const char *s, size_t at) {
  do
    at++;
  while (((unsigned char)s[at] & 0xC0) == 0x80);
  return at;
}

static int text_columns(const char *s) {
  int columns = 0;
  for (size_t i = 0; s[i]; i = next_letter(s, i))
    columns += letter_columns(s + i);
  return columns;
}

/* The beginning and the end of UTF-8 that is wider than there is room for. wk_free it; NULL: no memory. */
static char *shorten(const char *text, int room) {
  int width = text_columns(text);
  if (width <= room)
    return wk_strdup(text);
  size_t head = 0, tail = 0;
  int left = 0, right = width;
  for (size_t next; left + letter_columns(text + head) <= (room - 1) / 2; head = next) {
    next = next_letter(text, head);
    left += letter_columns(text + head);
  }
  while (right > room - 1 - left) {
    right -= letter_columns(text + tail);
    tail = next_letter(text, tail);
  }
  return wk_asprintf("%.*s\u2026%s", (int)head, text, text + tail);
}

static void add_fitted(wk_text *t, double x, double y, const char *anchor, int size, const char *text, int room) {
  char *clean = wk_utf8_text(text), *shown = clean ? shorten(clean, room) : NULL;
  if (shown)
    add_label(t, x, y, anchor, size, shown);
  else
    t->failed = true;
  wk_free(shown);
  wk_free(clean);
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
  if (c->chance > 0)
    widen(ry, c->chance);
  if (c->names)
    widen(ry, 0);
  double margin = ry->low == ry->high ? 0.05 + fabs(ry->low) * 0.05 : (ry->high - ry->low) * 0.05;
  if (!c->names || ry->low < 0)
    ry->low -= margin;
  ry->high += margin;
  if (c->percent) {
    ry->low = fmax(ry->low, 0);
    ry->high = fmin(ry->high, 1);
  }
  return true;
}

static void tick_text(char *out, size_t size, double v, bool percent) {
  if (fabs(v) < 1e-12)
    v = 0;
  if (percent)
    snprintf(out, size, "%.3g%%", v * 100);
  else
    snprintf(out, size, "%.4g", v);
}

/* Every value in words, for those who hear the picture and for whoever wants the numbers. */
static void add_description(wk_text *t, const wk_chart *c) {
  char text[32];
  wk_text_add(t, "<desc>");
  for (int s = 0; s < c->count; s++) {
    const wk_series *v = &c->series[s];
    if (v->name) {
      add_escaped(t, v->name);
      wk_text_add(t, ": ");
    }
    for (size_t i = 0; i < v->n; i++) {
      if (!isfinite(v->y[i]))
        continue;
      if (c->names) {
        add_escaped(t, c->names[i]);
        wk_text_add(t, " ");
      } else {
        wk_text_add(t, "%.6g ", v->x[i]);
      }
      tick_text(text, sizeof text, v->y[i], c->percent);
      wk_text_add(t, "%s; ", text);
    }
  }
  wk_text_add(t, "</desc>\n");
}

static void open_svg(wk_text *t, const wk_chart *c, int height) {
  wk_text_add(t,
              "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
              "font-family=\"sans-serif\" fill=\"#222\">\n<!-- drawn by whisker -->\n<rect width=\"%d\" height=\"%d\" "
              "fill=\"#fff\"/>\n",
              WIDTH, height, WIDTH, height, WIDTH, height);
  if (c->title)
    add_fitted(t, WIDTH / 2.0, 24, "middle", 16, c->title, TITLE_COLUMNS);
  add_description(t, c);
  if (c->note)
    add_fitted(t, WIDTH / 2.0, height - 10, "middle", 11, c->note, NOTE_COLUMNS);
}

static void add_legend(wk_text *t, const wk_chart *c) {
  double x = LEFT;
  for (int s = 0; s < c->count && c->count > 1; s++) {
    const char *name = c->series[s].name ? c->series[s].name : "";
    wk_text_add(t, "<path d=\"M%.1f 36h22\" stroke=\"%s\" stroke-width=\"4\" stroke-dasharray=\"%s\"/>\n", x,
                colour[s % COLOURS], c->names ? "" : dashes[s % DASHES]);
    add_fitted(t, x + 26, 40, "start", 11, name, LEGEND_COLUMNS);
    x += 42 + 6.2 * fmin(text_columns(name), LEGEND_COLUMNS);
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
  if (c->chance > 0) {
    tick_text(text, sizeof text, c->chance, c->percent);
    wk_text_add(t, "<path d=\"M%d %.1fH%d\" stroke=\"#555\" stroke-dasharray=\"4 4\"/>\n", LEFT, at_y(f, c->chance),
                WIDTH - RIGHT);
    wk_text_add(t, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" font-size=\"11\">chance %s</text>\n", WIDTH - RIGHT,
                at_y(f, c->chance) - 4, text);
  }
  if (c->x_label)
    add_label(t, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - BOTTOM + 36, "middle", 12, c->x_label);
  if (c->y_label) {
    wk_text_add(t, "<g transform=\"translate(18 %d) rotate(-90)\">", (TOP + HEIGHT - BOTTOM) / 2);
    add_label(t, 0, 0, "middle", 12, c->y_label);
    wk_text_add(t, "</g>\n");
  }
  if (f->y.low > 0) { /* a small difference must not look like a large one */
    tick_text(text, sizeof text, f->y.low, c->percent);
    wk_text_add(t,
                "<text x=\"%d\" y=\"%d\" text-anchor=\"start\" font-size=\"11\" fill=\"#555\">The scale begins at "
                "%s, not at zero.</text>\n",
                LEFT, HEIGHT - BOTTOM + 52, text);
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
  wk_text_add(t, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\"/>\n", ink,
              dashes[s % DASHES]);
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

/* "80.3% (77.0–83.3)", without the ends where there are none. */
static void value_text(char *out, size_t size, const wk_chart *c, const wk_series *v, size_t i) {
  const bool ends = v->low && v->high && isfinite(v->low[i]) && isfinite(v->high[i]);
  if (c->percent && ends)
    snprintf(out, size, "%.1f%% (%.1f\u2013%.1f)", 100 * v->y[i], 100 * v->low[i], 100 * v->high[i]);
  else if (c->percent)
    snprintf(out, size, "%.1f%%", 100 * v->y[i]);
  else if (ends)
    snprintf(out, size, "%.4g (%.4g\u2013%.4g)", v->y[i], v->low[i], v->high[i]);
  else
    snprintf(out, size, "%.4g", v->y[i]);
}

/* A line across all bars, with what it stands for above it. */
static void add_guide(wk_text *t, double x, double bottom, const char *dash) {
  wk_text_add(t, "<path d=\"M%.1f %dV%.1f\" stroke=\"#555\" stroke-dasharray=\"%s\"/>\n", x, TOP + 6, bottom, dash);
}

static void add_bar(wk_text *t, const wk_chart *c, int s, size_t i, double y, range r, double scale) {
  const wk_series *v = &c->series[s];
  const double from = NAME_WIDTH + (0 - r.low) * scale;
  double end = NAME_WIDTH + (v->y[i] - r.low) * scale;
  const bool compared_with = c->compared_with == i + 1;
  wk_text_add(t, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", fmin(from, end), y,
              fabs(end - from), BAR_HEIGHT - 4, colour[s % COLOURS]);
  if (compared_with)
    wk_text_add(t, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"url(#hatch)\"/>\n", fmin(from, end),
                y, fabs(end - from), BAR_HEIGHT - 4);
  end = fmax(end, from);
  if (v->low && v->high && isfinite(v->low[i]) && isfinite(v->high[i])) {
    /* A deviation may pass 100%, and the paper. */
    double low = NAME_WIDTH + (fmax(v->low[i], r.low) - r.low) * scale;
    double high = NAME_WIDTH + (fmin(v->high[i], r.high) - r.low) * scale;
    const double middle = y + BAR_HEIGHT / 2.0 - 2;
    wk_text_add(t, "<path d=\"M%.1f %.1fH%.1fM%.1f %.1fv8M%.1f %.1fv8\" stroke=\"#222\" stroke-width=\"1.5\"/>\n", low,
                middle, high, low, middle - 4, high, middle - 4);
    end = fmax(end, high);
  }
  char value[64];
  value_text(value, sizeof value, c, v, i);
  add_label(t, end + 6, y + BAR_HEIGHT / 2.0 + 2, "start", 11, value);
}

static void add_bars(wk_text *t, const wk_chart *c, range r) {
  const size_t n = c->series[0].n;
  const double top = TOP + 10, span = WIDTH - NAME_WIDTH - VALUE_WIDTH, scale = span / (r.high - r.low);
  const double bottom = top + (double)n * (BAR_HEIGHT * c->count + 8);
  char text[32];
  wk_text_add(
      t, "<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
         "patternTransform=\"rotate(45)\"><path d=\"M0 0V6\" stroke=\"#fff\" stroke-width=\"4\"/></pattern></defs>\n");
  const double step = nice_step(r);
  for (double v = ceil(r.low / step - 1e-9) * step; v <= r.high + step * 1e-9; v += step) {
    const double x = NAME_WIDTH + (v - r.low) * scale;
    wk_text_add(t, "<path d=\"M%.1f %dV%.1f\" stroke=\"%s\"/>\n", x, TOP + 6, bottom,
                fabs(v) < step * 1e-6 ? "#222" : "#ddd");
    tick_text(text, sizeof text, v, c->percent);
    add_label(t, x, bottom + 16, "middle", 11, text);
  }
  for (size_t i = 0; i < n; i++) {
    double y = top + (double)i * (BAR_HEIGHT * c->count + 8);
    add_fitted(t, NAME_WIDTH - 8, y + BAR_HEIGHT * c->count / 2.0 + 4, "end", 12, c->names[i], NAME_COLUMNS);
    for (int s = 0; s < c->count; s++, y += BAR_HEIGHT)
      if (i < c->series[s].n && isfinite(c->series[s].y[i]))
        add_bar(t, c, s, i, y, r, scale);
  }
  if (c->compared_with && c->compared_with <= n && isfinite(c->series[0].y[c->compared_with - 1]))
    add_guide(t, NAME_WIDTH + (c->series[0].y[c->compared_with - 1] - r.low) * scale, bottom, "1 3");
  if (c->chance > 0) {
    const double x = NAME_WIDTH + (c->chance - r.low) * scale;
    add_guide(t, x, bottom, "5 4");
    char label[48];
    tick_text(text, sizeof text, c->chance, c->percent);
    snprintf(label, sizeof label, "chance %s", text);
    add_label(t, x, TOP + 2, "middle", 11, label);
  }
  if (c->y_label)
    add_label(t, NAME_WIDTH + span / 2, bottom + 34, "middle", 12, c->y_label);
}

wk_status wk_chart_svg(char **out, const wk_chart *c, wk_error *err) {
  range rx, ry;
  if (c->count < 1 || !data_range(&rx, &ry, c))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%s: nothing to draw: no finite value", c->title ? c->title : "chart");
  wk_text t = {0};
  if (c->names) {
    int height = TOP + 56 + (c->note ? 20 : 0) + (int)c->series[0].n * (BAR_HEIGHT * c->count + 8);
    open_svg(&t, c, height);
    add_legend(&t, c);
    add_bars(&t, c, ry);
  } else {
    frame f = {rx, ry};
    open_svg(&t, c, HEIGHT + (c->note ? 20 : 0));
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
