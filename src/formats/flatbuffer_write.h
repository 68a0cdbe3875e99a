/* flatbuffer_write.h - FlatBuffers written from the front: a table before what it points at. A place that shall point
 * at something is a slot, a position in the text; what is written next can be put there. Sizes and alignment are the
 * format's: numbers lie at multiples of their size, seen from the text's beginning. */
#ifndef WK_FORMATS_FLATBUFFER_WRITE_H
#define WK_FORMATS_FLATBUFFER_WRITE_H

#include "base/base.h"

enum { WK_FB_MOST_FIELDS = 16 };

typedef struct wk_fb_put {
  int field;     /* its number in the schema */
  int bytes;     /* 1, 2, 4 or 8; 0: an offset, which `slot` is for */
  int64_t value; /* of a number */
  float real;    /* with `is_real`: of a float (bytes 4) */
  bool is_real;
} wk_fb_put;

/* The first 8 bytes: the root's slot, 0, and the file's identifier of 4 letters. */
void wk_fb_put_begin(wk_text *t, const char *identifier);
/* A table with these fields; *slot[i] (may be NULL where there are no offsets) is where field i lies. Points `at` to
 * it. */
void wk_fb_put_table(wk_text *t, size_t at, const wk_fb_put *field, int fields, size_t *slot);
/* `count` numbers. Points `at` to them. */
void wk_fb_put_list(wk_text *t, size_t at, const void *data, size_t count, size_t element);
void wk_fb_put_string(wk_text *t, size_t at, const char *text);
/* `count` slots, 4 bytes apart; the first. Points `at` to the list. */
size_t wk_fb_put_slots(wk_text *t, size_t at, size_t count);
/* Points slot `at` to position `to`, which lies behind it. */
void wk_fb_put_offset(wk_text *t, size_t at, size_t to);

#endif
