/* flatbuffer.h - the wire format of FlatBuffers: tables whose fields are found through a table of offsets, vectors and
 * strings. Every offset is checked against the bytes given; what lies outside is as if it were not there, and is counted. */
#ifndef WK_FORMATS_FLATBUFFER_H
#define WK_FORMATS_FLATBUFFER_H

#include "base/base.h"

typedef struct wk_fb {
  const uint8_t *bytes;
  size_t size;
  size_t broken; /* offsets that pointed outside */
} wk_fb;

typedef struct wk_fb_table {
  wk_fb *fb; /* NULL: there is none */
  size_t at, fields; /* of the table and its offsets */
  size_t field_bytes;
} wk_fb_table;

typedef struct wk_fb_vector {
  wk_fb *fb;
  const uint8_t *data; /* unaligned, little-endian */
  size_t count;
} wk_fb_vector;

wk_fb_table wk_fb_root(wk_fb *fb);
/* Fields by their number in the schema. */
wk_fb_table wk_fb_child(const wk_fb_table *t, int field);
wk_fb_vector wk_fb_list(const wk_fb_table *t, int field, size_t element); /* of elements of that many bytes */
wk_fb_table wk_fb_item(const wk_fb_vector *v, size_t i);                  /* of a list of tables (element 4) */
int64_t wk_fb_int(const wk_fb_table *t, int field, int bytes, int64_t otherwise); /* signed, of 1, 2, 4 or 8 bytes */
float wk_fb_float(const wk_fb_table *t, int field, float otherwise);
/* Of a list of 4 or 8 bytes an element. */
int64_t wk_fb_int_at(const wk_fb_vector *v, size_t i, int bytes);
float wk_fb_float_at(const wk_fb_vector *v, size_t i);

#endif
