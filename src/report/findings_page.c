/* findings_page.c - see findings_page.h. Pictures are JPEGs inside the page, so that it can be sent as one file. */
#include "report/findings_page.h"

#include <string.h>

#include "report/embedded.h"
#include "report/html.h"

enum { QUALITY = 82 };

static void element(wk_text *t, const char *before, const char *text, const char *after) {
  wk_text_add(t, "%s", before);
  wk_html_text(t, text);
  wk_text_add(t, "%s\n", after);
}

static void close_cards(wk_findings_page *p) {
  if (p->cards)
    wk_text_add(&p->sections, "</div>\n");
  p->cards = false;
}

void wk_findings_page_section(wk_findings_page *p, const char *id, const char *count, const char *title,
                              const char *text) {
  close_cards(p);
  wk_text_add(&p->sections, "%s<section id=\"", p->open ? "</section>\n" : "");
  wk_html_text(&p->sections, id);
  element(&p->sections, "\">\n<h2>", count, " ");
  element(&p->sections, "", title, "</h2>");
  element(&p->sections, "<p class=\"text\">", text, "</p>");
  wk_text_add(&p->nav, "<a href=\"#");
  wk_html_text(&p->nav, id);
  element(&p->nav, "\"><b>", count, "</b> ");
  element(&p->nav, "", title, "</a>");
  p->open = true;
}

static wk_status add_picture(wk_text *t, const wk_image *picture, wk_error *err) {
  uint8_t *bytes = NULL;
  size_t size;
  if (!picture->pixels) {
    wk_text_add(t, "<span class=\"none\">cannot be shown</span>");
    return WK_OK;
  }
  WK_RETURN_IF_ERROR(wk_image_encode_jpeg(&bytes, &size, picture, QUALITY, err));
  wk_text_add(t, "<img loading=\"lazy\" width=\"%d\" height=\"%d\" alt=\"\" src=\"data:image/jpeg;base64,",
              picture->width, picture->height);
  wk_base64(t, bytes, size);
  wk_text_add(t, "\">");
  wk_free(bytes);
  return WK_OK;
}

wk_status wk_findings_page_card(wk_findings_page *p, const wk_finding_card *card, wk_error *err) {
  wk_text *t = &p->sections;
  if (!p->cards)
    wk_text_add(t, "<div class=\"cards\">\n");
  p->cards = true;
  wk_text_add(t, "<div class=\"card\"><div class=\"photos%s\">", card->other ? " two" : "");
  WK_RETURN_IF_ERROR(add_picture(t, card->photo, err));
  if (card->other)
    WK_RETURN_IF_ERROR(add_picture(t, card->other, err));
  element(t, "</div><p>", card->name, "</p>");
  element(t, "<p class=\"what\">", card->what,
          card->left_out ? " <span class=\"out\">Left out</span></p></div>" : "</p></div>");
  return t->failed ? WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the page") : WK_OK;
}

void wk_findings_page_line(wk_findings_page *p, const char *text) {
  close_cards(p);
  element(&p->sections, "<li>", text, "</li>");
}

static void fill(wk_text *out, const wk_findings_page *p, const char *mark, size_t n, const char *title,
                 char *const verdict[3]) {
  if (n == 5 && !memcmp(mark, "TITLE", n))
    wk_html_text(out, title);
  else if (n == 7 && !memcmp(mark, "VERDICT", n))
    for (int i = 0; i < 3; i++)
      element(out, "<p>", verdict[i], "</p>");
  else if (n == 3 && !memcmp(mark, "NAV", n))
    wk_text_append(out, p->nav.data ? p->nav.data : "", p->nav.len);
  else if (n == 8 && !memcmp(mark, "SECTIONS", n)) {
    wk_text_append(out, p->sections.data ? p->sections.data : "", p->sections.len);
    wk_text_add(out, "%s", p->open ? "</section>" : "");
  }
}

wk_status wk_findings_page_save(wk_findings_page *p, const char *path, const char *title, char *const verdict[3],
                                wk_error *err) {
  wk_text out = {0};
  close_cards(p);
  const char *at = (const char *)wk_page_check;
  for (const char *mark; (mark = strstr(at, "<!--"));) {
    const char *end = strstr(mark, "-->");
    wk_text_append(&out, at, (size_t)(mark - at));
    fill(&out, p, mark + 4, (size_t)(end - mark - 4), title, verdict);
    at = end + 3;
  }
  wk_text_append(&out, at, strlen(at));
  wk_status st = out.failed || p->nav.failed || p->sections.failed
                     ? WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the page")
                     : wk_file_write(path, out.data, out.len, err);
  wk_text_free(&out);
  return st;
}

void wk_findings_page_free(wk_findings_page *p) {
  wk_text_free(&p->nav);
  wk_text_free(&p->sections);
}
