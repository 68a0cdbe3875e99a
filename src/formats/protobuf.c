/* protobuf.c - see protobuf.h. A field is a key (number and kind) and a value: a number of up to ten bytes of seven
 * bits, four or eight bytes, or a length with as many bytes. */
#include "formats/protobuf.h"

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
