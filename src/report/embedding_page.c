/* embedding_page.c - the page of web/map.html with its data put in: places, names, neighbours as one JSON object, and
 * the thumbnails as a few large JPEGs, made and written one at a time. */
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "report/embedded.h"
#include "report/html.h"
#include "whisker/embedding_page.h"

#define SHEET 1024 /* pixels of a sheet's side at most */
#define QUALITY 80
#define MARK "/*DATA*/null"

typedef struct page {
  const wk_embedding_page *p;
  wk_writer *w;
  wk_text t; /* not yet written */
} page;

static wk_status flush(page *g, wk_error *err) {
  if (g->t.failed)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the page of a map");
  wk_status st = wk_writer_write(g->w, g->t.data ? g->t.data : "", g->t.len, err);
  wk_text_free(&g->t);
  return st;
}

static void add_numbers(page *g, const char *name) { wk_text_add(&g->t, ",\n\"%s\":[", name); }

static void add_places(page *g) {
  const wk_embedding_map *a = g->p->map;
  for (int c = 0; c < 2; c++) {
    add_numbers(g, c ? "y" : "x");
    for (size_t i = 0; i < a->rows; i++)
      wk_text_add(&g->t, "%s%ld", i ? "," : "", lroundf(65535 * a->xy[2 * i + (size_t)c]));
    wk_text_add(&g->t, "]");
  }
  add_numbers(g, "c");
  for (size_t i = 0; i < a->rows; i++)
    wk_text_add(&g->t, "%s%d", i ? "," : "", g->p->labels ? g->p->labels[i] : -1);
  wk_text_add(&g->t, "],\n\"neighbours\":%d", a->neighbours);
  size_t n = a->rows * (size_t)a->neighbours;
  add_numbers(g, "near");
  for (size_t i = 0; i < n; i++)
    wk_text_add(&g->t, "%s%u", i ? "," : "", (unsigned)a->near[i]);
  wk_text_add(&g->t, "]");
  add_numbers(g, "cosine"); /* in thousandths */
  for (size_t i = 0; i < n; i++)
    wk_text_add(&g->t, "%s%ld", i ? "," : "", lroundf(1000 * a->cosine[i]));
  wk_text_add(&g->t, "]");
}

static void add_names(page *g) {
  wk_text_add(&g->t, "{\"title\":");
  wk_json_string(&g->t, g->p->title);
  wk_text_add(&g->t, ",\"note\":");
  wk_json_string(&g->t, g->p->note ? g->p->note : "");
  wk_text_add(&g->t, ",\n\"classes\":[");
  for (int i = 0; i < g->p->class_count; i++) {
    uint8_t rgb[3];
    wk_class_colour(rgb, i, g->p->class_count);
    wk_text_add(&g->t, "%s{\"colour\":\"#%02x%02x%02x\",\"name\":", i ? "," : "", rgb[0], rgb[1], rgb[2]);
    wk_json_string(&g->t, g->p->names[i]);
    wk_text_add(&g->t, "}");
  }
  wk_text_add(&g->t, "],\n\"file\":[");
  for (size_t i = 0; i < g->p->map->rows; i++) {
    wk_text_append(&g->t, ",\n", i ? 2 : 0);
    wk_json_string(&g->t, g->p->files[i]);
  }
  wk_text_add(&g->t, "]");
}

/* Photos first..first+across^2-1 in rows of `across`. */
static wk_status add_sheet(page *g, size_t first, int across, wk_error *err) {
  const wk_embedding_page *p = g->p;
  size_t side = (size_t)p->side, left = p->map->rows - first, room = (size_t)across * (size_t)across;
  size_t n = left < room ? left : room, rows = (n + (size_t)across - 1) / (size_t)across;
  wk_image sheet;
  WK_RETURN_IF_ERROR(wk_image_alloc(&sheet, across * p->side, (int)(rows * side), err));
  for (size_t i = 0; i < n; i++) {
    uint8_t *to = sheet.pixels + (i / (size_t)across * side * (size_t)sheet.width + i % (size_t)across * side) * 3;
    const uint8_t *from = p->thumbnails + (first + i) * side * side * 3;
    for (size_t y = 0; y < side; y++)
      memcpy(to + y * (size_t)sheet.width * 3, from + y * side * 3, side * 3);
  }
  uint8_t *jpeg = NULL;
  size_t size = 0;
  wk_status st = wk_image_encode_jpeg(&jpeg, &size, &sheet, QUALITY, err);
  wk_image_free(&sheet);
  if (st != WK_OK)
    return st;
  wk_text_add(&g->t, "%s\"data:image/jpeg;base64,", first ? ",\n" : "");
  wk_base64(&g->t, jpeg, size);
  wk_text_add(&g->t, "\"");
  wk_free(jpeg);
  return flush(g, err);
}

static wk_status write_page(page *g, wk_error *err) {
  wk_status st = WK_OK;
  const char *whole = (const char *)wk_page_map, *mark = strstr(whole, MARK);
  WK_FAIL_IF(!mark, err, WK_ERR_INTERNAL, "the map's page has no place for its data");
  int across = SHEET / g->p->side;
  WK_TRY(wk_writer_write(g->w, whole, (size_t)(mark - whole), err));
  add_names(g);
  WK_TRY(flush(g, err));
  add_places(g);
  wk_text_add(&g->t, ",\n\"side\":%d,\"across\":%d,\"sheets\":[\n", g->p->side, across);
  WK_TRY(flush(g, err));
  for (size_t i = 0; i < g->p->map->rows; i += (size_t)across * (size_t)across)
    WK_TRY(add_sheet(g, i, across, err));
  mark += strlen(MARK);
  WK_TRY(wk_writer_write(g->w, "]}", 2, err));
  WK_TRY(wk_writer_write(g->w, mark, strlen(mark), err));
done:
  return st;
}

wk_status wk_embedding_page_write(const char *path, const wk_embedding_page *p, wk_error *err) {
  if (!p->thumbnails || p->side < 8 || p->side > 256 || !p->files || !p->title || (p->class_count && !p->names))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a map's page needs a title, file names, and thumbnails of 8 to 256 pixels");
  page g = {.p = p};
  WK_RETURN_IF_ERROR(wk_writer_open(&g.w, path, err));
  wk_status st = write_page(&g, err);
  wk_text_free(&g.t);
  if (st == WK_OK)
    return wk_writer_commit(g.w, err);
  wk_writer_abort(g.w);
  return st;
}
