/* flatbuffer_write.c - see flatbuffer_write.h. A table begins with how far before it the offsets of its fields lie. */
#include "formats/flatbuffer_write.h"

#include <string.h>

/* Zeros, until what follows `ahead` more bytes lies at a multiple of `align`. */
static void align_to(wk_text *t, size_t align, size_t ahead) {
  static const uint8_t zeros[16];
  wk_text_append(t, zeros, -(t->len + ahead) & (align - 1));
}

static void put32(wk_text *t, uint32_t value) { wk_text_append(t, &value, 4); }

void wk_fb_put_offset(wk_text *t, size_t at, size_t to) {
  const uint32_t offset = (uint32_t)(to - at);
  if (!t->failed)
    memcpy(t->data + at, &offset, 4);
}

void wk_fb_put_begin(wk_text *t, const char *identifier) {
  put32(t, 0);
  wk_text_append(t, identifier, 4);
}

void wk_fb_put_table(wk_text *t, size_t at, const wk_fb_put *field, int fields, size_t *slot) {
  uint16_t offset[WK_FB_MOST_FIELDS + 2] = {0};
  int most = -1;
  size_t bytes = 4;
  for (int i = 0; i < fields; i++) {
    const size_t size = field[i].bytes ? (size_t)field[i].bytes : 4;
    bytes = (bytes + size - 1) & ~(size - 1);
    offset[2 + field[i].field] = (uint16_t)bytes;
    bytes += size;
    most = field[i].field > most ? field[i].field : most;
  }
  const size_t head = 4 + 2 * (size_t)(most + 1);
  offset[0] = (uint16_t)head;
  offset[1] = (uint16_t)bytes;
  align_to(t, 8, head);
  wk_text_append(t, offset, head);
  const size_t begin = t->len;
  put32(t, (uint32_t)head);
  for (size_t i = 4; i < bytes; i++)
    wk_text_append(t, "", 1);
  wk_fb_put_offset(t, at, begin);
  for (int i = 0; i < fields; i++) {
    const size_t where = begin + offset[2 + field[i].field];
    if (slot)
      slot[i] = where;
    if (!t->failed && field[i].bytes)
      memcpy(t->data + where, field[i].is_real ? (const void *)&field[i].real : &field[i].value,
             (size_t)field[i].bytes);
  }
}

void wk_fb_put_list(wk_text *t, size_t at, const void *data, size_t count, size_t element) {
  align_to(t, element > 4 ? element : 4, 4);
  wk_fb_put_offset(t, at, t->len);
  put32(t, (uint32_t)count);
  wk_text_append(t, data, count * element);
}

void wk_fb_put_string(wk_text *t, size_t at, const char *text) {
  wk_fb_put_list(t, at, text, strlen(text), 1);
  wk_text_append(t, "", 1);
}

size_t wk_fb_put_slots(wk_text *t, size_t at, size_t count) {
  align_to(t, 4, 4);
  wk_fb_put_offset(t, at, t->len);
  put32(t, (uint32_t)count);
  const size_t first = t->len;
  for (size_t i = 0; i < count; i++)
    put32(t, 0);
  return first;
}
