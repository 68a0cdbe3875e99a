/* protobuf.h - the wire format of protocol buffers, field after field: numbers, lengths and what lies in them. Reading
 * stays inside the bytes given; who reads knows which field means what. */
#ifndef WK_FORMATS_PROTOBUF_H
#define WK_FORMATS_PROTOBUF_H

#include "base/base.h"

typedef struct wk_pb { /* a message, or packed numbers */
  const uint8_t *at, *end;
  bool broken; /* sticks: what followed could not be read */
} wk_pb;

typedef struct wk_pb_field {
  uint32_t number;
  uint64_t value;      /* of a number, whatever its width */
  const uint8_t *data; /* of bytes, text, messages and packed numbers; NULL: the field is a number */
  size_t size;
} wk_pb_field;

static inline wk_pb wk_pb_over(const void *bytes, size_t size) {
  return (wk_pb){.at = bytes, .end = (const uint8_t *)bytes + size};
}
static inline wk_pb wk_pb_inside(const wk_pb_field *f) { return wk_pb_over(f->data, f->size); }

/* false: there is no more, or what there is is broken. */
bool wk_pb_next(wk_pb *p, wk_pb_field *f);
/* The next of packed numbers. */
bool wk_pb_varint(wk_pb *p, uint64_t *value);
static inline float wk_pb_float(const wk_pb_field *f) {
  const uint32_t bits = (uint32_t)f->value;
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

/* Writing: fields behind what `to` holds already. A message inside another is made first. */
void wk_pb_put_number(wk_text *to, uint32_t field, uint64_t value);
void wk_pb_put_float(wk_text *to, uint32_t field, float value);
void wk_pb_put_bytes(wk_text *to, uint32_t field, const void *bytes, size_t size);
void wk_pb_put_text(wk_text *to, uint32_t field, const char *text);
/* Of bytes that follow by themselves: the key and their length alone. */
void wk_pb_put_length(wk_text *to, uint32_t field, uint64_t size);
/* The same of a message, which is emptied. */
void wk_pb_put_message(wk_text *to, uint32_t field, wk_text *message);

#endif
