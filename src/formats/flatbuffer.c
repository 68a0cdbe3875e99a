/* flatbuffer.c - see flatbuffer.h. */
#include "formats/flatbuffer.h"

#include <string.h>

#include "formats/formats.h"

static bool inside(wk_fb *fb, size_t at, size_t bytes) {
  const bool in = at <= fb->size && bytes <= fb->size - at;
  fb->broken += !in;
  return in;
}

/* The table that begins at `at`: four bytes say how far before it its offsets lie. */
static wk_fb_table table_at(wk_fb *fb, size_t at) {
  const wk_fb_table none = {0};
  if (!at || !inside(fb, at, 4))
    return none;
  const int64_t fields = (int64_t)at - (int32_t)wk_le32(fb->bytes + at);
  if (fields < 0 || !inside(fb, (size_t)fields, 4))
    return none;
  const size_t bytes = wk_le16(fb->bytes + fields);
  if (bytes < 4 || !inside(fb, (size_t)fields, bytes))
    return none;
  return (wk_fb_table){fb, at, (size_t)fields, bytes};
}

wk_fb_table wk_fb_root(wk_fb *fb) { return inside(fb, 0, 4) ? table_at(fb, wk_le32(fb->bytes)) : (wk_fb_table){0}; }

/* Where a field lies; 0: it has its default. */
static size_t field_at(const wk_fb_table *t, int field, size_t bytes) {
  const size_t slot = 4 + 2 * (size_t)field;
  if (!t->fb || slot + 2 > t->field_bytes)
    return 0;
  const size_t offset = wk_le16(t->fb->bytes + t->fields + slot);
  return offset && inside(t->fb, t->at + offset, bytes) ? t->at + offset : 0;
}

/* Where the offset at `at` points to. */
static size_t follow(wk_fb *fb, size_t at) {
  const uint32_t offset = wk_le32(fb->bytes + at);
  return offset && inside(fb, at + offset, 4) ? at + offset : 0;
}

wk_fb_table wk_fb_child(const wk_fb_table *t, int field) {
  const size_t at = field_at(t, field, 4);
  return at ? table_at(t->fb, follow(t->fb, at)) : (wk_fb_table){0};
}

wk_fb_vector wk_fb_list(const wk_fb_table *t, int field, size_t element) {
  const size_t at = field_at(t, field, 4), begin = at ? follow(t->fb, at) : 0;
  size_t bytes;
  if (!begin)
    return (wk_fb_vector){0};
  const size_t count = wk_le32(t->fb->bytes + begin);
  if (wk_mul_overflow(&bytes, count, element) || !inside(t->fb, begin + 4, bytes))
    return (wk_fb_vector){0};
  return (wk_fb_vector){t->fb, t->fb->bytes + begin + 4, count};
}

wk_fb_table wk_fb_item(const wk_fb_vector *v, size_t i) {
  if (i >= v->count)
    return (wk_fb_table){0};
  return table_at(v->fb, follow(v->fb, (size_t)(v->data - v->fb->bytes) + 4 * i));
}

static int64_t whole(const uint8_t *p, int bytes) {
  return bytes == 1   ? (int8_t)*p
         : bytes == 2 ? (int16_t)wk_le16(p)
         : bytes == 4 ? (int32_t)wk_le32(p)
                      : (int64_t)wk_le64(p);
}

static float real(const uint8_t *p) {
  const uint32_t bits = wk_le32(p);
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

int64_t wk_fb_int(const wk_fb_table *t, int field, int bytes, int64_t otherwise) {
  const size_t at = field_at(t, field, (size_t)bytes);
  return at ? whole(t->fb->bytes + at, bytes) : otherwise;
}

float wk_fb_float(const wk_fb_table *t, int field, float otherwise) {
  const size_t at = field_at(t, field, 4);
  return at ? real(t->fb->bytes + at) : otherwise;
}

int64_t wk_fb_int_at(const wk_fb_vector *v, size_t i, int bytes) {
  return i < v->count ? whole(v->data + i * (size_t)bytes, bytes) : 0;
}

float wk_fb_float_at(const wk_fb_vector *v, size_t i) { return i < v->count ? real(v->data + 4 * i) : 0; }
