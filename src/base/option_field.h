/* option_field.h - single fields of an options struct by their row, for the two files that know tables (options.c,
 * option_text.c), and what a checkpoint's fingerprint is made of. */
#ifndef WK_BASE_OPTION_FIELD_H
#define WK_BASE_OPTION_FIELD_H

#include "base/base.h"
#include "whisker/options.h"

/* The field as a number; NaN for what is none. */
double wk_option_number(const void *options, const wk_option *row);
const char *wk_option_string(const void *options, const wk_option *row); /* of a TEXT */
void wk_option_put(void *options, const wk_option *row, double v, const char *text);
/* Is that value the default, and does the default stand for something else? */
bool wk_option_is_automatic(const wk_option *row, double v);
wk_status wk_option_check(const wk_option *row, const char *name, double v, wk_error *err);
/* Are the first `length` bytes of `a` the name `b`, - and _ being the same? */
bool wk_option_same_name(const char *a, const char *b, size_t length);

/* `text` with every {key} replaced by that option's exact value (%a for fractions), {#key} by a choice's number. */
void wk_options_format(wk_text *out, const char *text, const void *options, const wk_option_table *table);
/* "key value\n" for each option that counts (WK_OPTION_FINGERPRINT), is not named in `but`, and is not at its default.
 */
void wk_options_fingerprint(wk_text *out, const char *but, const void *options, const wk_option_table *table);

#endif
