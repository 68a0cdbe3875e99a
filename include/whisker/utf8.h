/* utf8.h - names are bytes, and not always UTF-8: what is, and what to show of the rest. */
#ifndef WHISKER_UTF8_H
#define WHISKER_UTF8_H

#include "whisker/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes (1 to 4) of the letter of UTF-8 that `s` begins with; 0 where there is none. At the end of a string: 1. */
WK_API size_t wk_utf8_length(const char *s);
/* A copy in which each byte that is no UTF-8 became U+FFFD; wk_free it. NULL: out of memory. */
WK_API char *wk_utf8_text(const char *s);

#ifdef __cplusplus
}
#endif
#endif
