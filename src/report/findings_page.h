/* findings_page.h (internal) - what the data doctor found on one page that holds its pictures: web/check.html, filled
 * in. */
#ifndef WK_REPORT_FINDINGS_PAGE_H
#define WK_REPORT_FINDINGS_PAGE_H

#include "base/base.h"
#include "whisker/image.h"

#define WK_FINDINGS_PAGE_MARK "content=\"whisker check\""

/* Zero-initialise. */
typedef struct wk_findings_page {
  wk_text nav, sections;
  bool open, cards; /* a section is, and its cards */
} wk_findings_page;

typedef struct wk_finding_card {
  const wk_image *photo, *other; /* small pictures; without pixels: cannot be shown. other NULL: there is none */
  const char *name, *what;
  bool left_out;
} wk_finding_card;

/* `id` names the section in addresses. */
void wk_findings_page_section(wk_findings_page *p, const char *id, const char *count, const char *title,
                              const char *text);
wk_status wk_findings_page_card(wk_findings_page *p, const wk_finding_card *card, wk_error *err);
void wk_findings_page_line(wk_findings_page *p, const char *text); /* a finding without a photo, or what is not shown */
wk_status wk_findings_page_save(wk_findings_page *p, const char *path, const char *title, char *const verdict[3],
                                wk_error *err);
void wk_findings_page_free(wk_findings_page *p);

#endif
