/* gallery.c - the page of web/gallery.html with sections put in. It is written anew after each of them, so that whoever
 * stops half-way has a page that is whole as far as it goes. */
#include "whisker/gallery.h"

enum { DENSITY = 2 }; /* pixels of a picture for one of the page (draw.h) */

#include <math.h>
#include <string.h>

#include "report/embedded.h"
#include "report/html.h"

#define GENERATOR "content=\"whisker look gallery\""
#define PAGE_BYTES_MAX ((size_t)64 << 20)

struct wk_gallery {
  char *folder, *title, *lead;
  wk_text nav, sections;
  bool open; /* a section is */
};

/* Is there a page that is not ours? */
static wk_status look_at(const char *index, wk_error *err) {
  uint8_t *page = NULL;
  size_t size = 0;
  if (!wk_path_exists(index))
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_file_read(&page, &size, index, PAGE_BYTES_MAX, err));
  bool ours = strstr((const char *)page, GENERATOR) != NULL;
  wk_free(page);
  return ours ? WK_OK
              : WK_FAIL(err, WK_ERR_IO,
                        "%s: exists and is no gallery of whisker's; it stays as it is. Name another folder", index);
}

wk_status wk_gallery_open(wk_gallery **out, const char *folder, const char *title, const char *lead, wk_error *err) {
  wk_status st = WK_OK;
  char *index = wk_path_join(folder, "index.html");
  wk_gallery *g = wk_calloc(1, sizeof *g);
  WK_FAIL_IF(!g || !index, err, WK_ERR_MEMORY, "out of memory for a gallery");
  g->folder = wk_strdup(folder);
  g->title = wk_strdup(title);
  g->lead = wk_strdup(lead);
  WK_FAIL_IF(!g->folder || !g->title || !g->lead, err, WK_ERR_MEMORY, "out of memory for a gallery");
  WK_TRY(wk_mkdir_p(folder, err));
  WK_TRY(look_at(index, err));
  *out = g;
  g = NULL;
done:
  wk_free(index);
  wk_gallery_free(g);
  return st;
}

void wk_gallery_free(wk_gallery *g) {
  if (!g)
    return;
  wk_free(g->folder);
  wk_free(g->title);
  wk_free(g->lead);
  wk_text_free(&g->nav);
  wk_text_free(&g->sections);
  wk_free(g);
}

static wk_status check(const wk_gallery *g, wk_error *err) {
  if (g->nav.failed || g->sections.failed)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a gallery");
  return WK_OK;
}

static void add_element(wk_text *t, const char *before, const char *text, const char *after) {
  wk_text_add(t, "%s", before);
  wk_html_text(t, text);
  wk_text_add(t, "%s\n", after);
}

wk_status wk_gallery_section(wk_gallery *g, const char *id, const char *title, const char *text, wk_error *err) {
  wk_text_add(&g->sections, "%s<section id=\"", g->open ? "</section>\n" : "");
  wk_html_text(&g->sections, id);
  add_element(&g->sections, "\">\n<h2>", title, "</h2>");
  add_element(&g->sections, "<p class=\"text\">", text, "</p>");
  wk_text_add(&g->nav, "<a href=\"#");
  wk_html_text(&g->nav, id);
  add_element(&g->nav, "\">", title, "</a>");
  g->open = true;
  return check(g, err);
}

wk_status wk_gallery_note(wk_gallery *g, const char *text, wk_error *err) {
  add_element(&g->sections, "<p class=\"note\">", text, "</p>");
  return check(g, err);
}

wk_status wk_gallery_picture(wk_gallery *g, const wk_image *picture, const char *file, const char *caption,
                             wk_error *err) {
  char *path = wk_path_join(g->folder, file);
  if (!path)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a gallery");
  wk_status st = wk_image_save_png(picture, path, err);
  wk_free(path);
  if (st != WK_OK)
    return st;
  wk_text_add(&g->sections, "<figure><a href=\"");
  wk_html_text(&g->sections, file);
  wk_text_add(&g->sections, "\"><img loading=\"lazy\" width=\"%d\" height=\"%d\" src=\"", picture->width / DENSITY,
              picture->height / DENSITY);
  wk_html_text(&g->sections, file);
  add_element(&g->sections, "\" alt=\"", caption, "\"></a>");
  add_element(&g->sections, "<figcaption>", caption, "</figcaption></figure>");
  return check(g, err);
}

wk_status wk_gallery_link(wk_gallery *g, const char *file, const char *text, wk_error *err) {
  wk_text_add(&g->sections, "<a class=\"button\" href=\"");
  wk_html_text(&g->sections, file);
  add_element(&g->sections, "\">", text, "</a>");
  return check(g, err);
}

wk_status wk_gallery_numbers(wk_gallery *g, const char *const *value, const char *const *what, int count,
                             wk_error *err) {
  wk_text_add(&g->sections, "<div class=\"numbers\">\n");
  for (int i = 0; i < count; i++) {
    add_element(&g->sections, "<div><b>", value[i], "</b>");
    add_element(&g->sections, "<span>", what[i], "</span></div>");
  }
  wk_text_add(&g->sections, "</div>\n");
  return check(g, err);
}

wk_status wk_gallery_chart(wk_gallery *g, const wk_chart *chart, const char *caption, wk_error *err) {
  char *svg = NULL;
  WK_RETURN_IF_ERROR(wk_chart_svg(&svg, chart, err));
  const char *begin = strstr(svg, "<svg"); /* without what only a file of its own needs */
  wk_text_add(&g->sections, "<figure>%s", begin ? begin : svg);
  add_element(&g->sections, "<figcaption>", caption, "</figcaption></figure>");
  wk_free(svg);
  return check(g, err);
}

wk_status wk_gallery_show_table(wk_gallery *g, const wk_gallery_table *t, wk_error *err) {
  wk_text *to = &g->sections;
  add_element(to, "<div class=\"scroll\"><table><thead><tr><th>", t->corner ? t->corner : "", "</th>");
  for (int j = 0; j < t->columns; j++)
    add_element(to, "<th scope=\"col\">", t->column[j], "</th>");
  wk_text_add(to, "</tr></thead><tbody>\n");
  for (int i = 0; i < t->rows; i++) {
    add_element(to, "<tr><th scope=\"row\">", t->row[i], "</th>");
    for (int j = 0; j < t->columns; j++) {
      int k = i * t->columns + j;
      double heat = t->heat ? fmax(0, fmin(1, t->heat[k])) : 0;
      wk_text_add(to, "<td");
      if (heat > 0)
        wk_text_add(to, " style=\"background:rgb(var(--%s) / %.2f)\"", t->wrong && t->wrong[k] ? "wrong" : "right",
                    0.08 + 0.40 * heat);
      add_element(to, ">", t->cell[k], "</td>");
    }
    wk_text_add(to, "</tr>\n");
  }
  wk_text_add(to, "</tbody></table></div>\n");
  return check(g, err);
}

/* One of the places of the page that are to be filled. */
static void fill(wk_text *out, const wk_gallery *g, const char *mark, size_t n, const char *status) {
  if (n == 5 && !memcmp(mark, "TITLE", n))
    wk_html_text(out, g->title);
  else if (n == 4 && !memcmp(mark, "LEAD", n))
    wk_html_text(out, g->lead);
  else if (n == 3 && !memcmp(mark, "NAV", n))
    wk_text_append(out, g->nav.data ? g->nav.data : "", g->nav.len);
  else if (n == 8 && !memcmp(mark, "SECTIONS", n)) {
    wk_text_append(out, g->sections.data ? g->sections.data : "", g->sections.len);
    wk_text_add(out, "%s", g->open ? "</section>" : "");
  } else if (n == 6 && !memcmp(mark, "STATUS", n) && status)
    add_element(out, "<p class=\"status\">", status, "</p>");
}

wk_status wk_gallery_save(wk_gallery *g, const char *status, wk_error *err) {
  WK_RETURN_IF_ERROR(check(g, err));
  wk_text out = {0};
  const char *at = (const char *)wk_page_gallery;
  for (const char *mark; (mark = strstr(at, "<!--"));) {
    const char *end = strstr(mark, "-->");
    wk_text_append(&out, at, (size_t)(mark - at));
    fill(&out, g, mark + 4, (size_t)(end - mark - 4), status);
    at = end + 3;
  }
  wk_text_append(&out, at, strlen(at));
  char *path = wk_path_join(g->folder, "index.html");
  wk_status st = WK_OK;
  if (out.failed || !path)
    st = WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a gallery");
  else
    st = wk_file_write(path, out.data, out.len, err);
  wk_free(path);
  wk_text_free(&out);
  return st;
}
