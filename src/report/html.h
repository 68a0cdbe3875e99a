/* html.h - text as HTML, JSON and base64: what every page needs. */
#ifndef WK_REPORT_HTML_H
#define WK_REPORT_HTML_H

#include "base/base.h"

/* For text and for attributes in double quotes. Bytes that are no UTF-8 and control characters become U+FFFD. */
void wk_html_text(wk_text *t, const char *s);
/* A quoted string that is safe inside <script>, too. Bytes that are no UTF-8 become U+FFFD. */
void wk_json_string(wk_text *t, const char *s);
void wk_base64(wk_text *t, const uint8_t *bytes, size_t n);

#endif
