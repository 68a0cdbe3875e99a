/* protobuf.c - see protobuf.h. A field is a key (number and kind) and a value: a number of up to ten bytes of seven
 * bits, four or eight bytes, or a length with as many bytes. */
#include "formats/protobuf.h"

#include <string.h>

#include "formats/formats.h"

enum { KIND_VARINT = 0, KIND_64 = 1, KIND_BYTES = 2, KIND_32 = 5 };

static bool broken(wk_pb *p) {
  p->broken = true;
  p->at = p->end;
  return false;
}

bool wk_pb_varint(wk_pb *p, uint64_t *value) {
  uint64_t v = 0;
  for (unsigned shift = 0; shift < 70 && p->at < p->end; shift += 7) {
    const uint8_t byte = *p->at++;
    if (shift < 64)
      v |= (uint64_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80)) {
      *value = v;
      return true;
    }
  }
  return broken(p);
}

bool wk_pb_next(wk_pb *p, wk_pb_field *f) {
  uint64_t key, size;
  if (p->at == p->end || p->broken || !wk_pb_varint(p, &key))
    return false;
  *f = (wk_pb_field){.number = (uint32_t)(key >> 3)};
  if (key >> 3 == 0 || key >> 3 > UINT32_MAX >> 3)
    return broken(p);
  switch (key & 7) {
  case KIND_VARINT:
    return wk_pb_varint(p, &f->value);
  case KIND_64:
    if (p->end - p->at < 8)
      return broken(p);
    f->value = wk_le64(p->at);
    p->at += 8;
    return true;
  case KIND_32:
    if (p->end - p->at < 4)
      return broken(p);
    f->value = wk_le32(p->at);
    p->at += 4;
    return true;
  case KIND_BYTES:
    if (!wk_pb_varint(p, &size) || size > (uint64_t)(p->end - p->at))
      return broken(p);
    f->data = p->at;
    f->size = (size_t)size;
    p->at += size;
    return true;
  default:
    return broken(p);
  }
}

/* ---- writing ------------------------------------------------------------------------------------------ */

static void put_varint(wk_text *to, uint64_t value) {
  uint8_t bytes[10];
  size_t n = 0;
  do {
    bytes[n++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>= 7;
  } while (value);
  wk_text_append(to, bytes, n);
}

void wk_pb_put_number(wk_text *to, uint32_t field, uint64_t value) {
  put_varint(to, field << 3 | KIND_VARINT);
  put_varint(to, value);
}

void wk_pb_put_float(wk_text *to, uint32_t field, float value) {
  put_varint(to, field << 3 | KIND_32);
  wk_text_append(to, &value, sizeof value); /* little-endian, as everything here */
}

void wk_pb_put_length(wk_text *to, uint32_t field, uint64_t size) {
  put_varint(to, field << 3 | KIND_BYTES);
  put_varint(to, size);
}

void wk_pb_put_bytes(wk_text *to, uint32_t field, const void *bytes, size_t size) {
  wk_pb_put_length(to, field, size);
  wk_text_append(to, bytes, size);
}

void wk_pb_put_text(wk_text *to, uint32_t field, const char *text) { wk_pb_put_bytes(to, field, text, strlen(text)); }

void wk_pb_put_message(wk_text *to, uint32_t field, wk_text *message) {
  wk_pb_put_bytes(to, field, message->data, message->len);
  to->failed |= message->failed;
  wk_text_free(message);
}
