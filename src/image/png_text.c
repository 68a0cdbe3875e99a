/* png_text.c - which way up a PNG is, and its colour profile. EXIF has a chunk of its own since 2017; before, and in
 * many programs still, EXIF and XMP lie in text chunks, plain or deflated, EXIF as a dump in hexadecimal. */
#include <ctype.h>
#include <string.h>

#include <zlib.h>

#include "image/codec.h"

#define TEXT_MAX 32768 /* unpacked, on the stack: the orientation stands near the beginning */

/* Where a text chunk's words are. */
typedef struct text {
  const uint8_t *at;
  size_t size;
  bool deflated;
} text;

/* Is it the chunk (of `kind`, data `d`) with that keyword, and where are its words? */
static bool open_text(text *out, const uint8_t *kind, const uint8_t *d, size_t n, const char *keyword) {
  size_t at = strlen(keyword) + 1;
  if (n < at + 1 || memcmp(d, keyword, at) != 0)
    return false;
  *out = (text){0};
  if (memcmp(kind, "zTXt", 4) == 0) {
    out->deflated = true;
    at += 1;
  } else if (memcmp(kind, "iTXt", 4) == 0) {
    if (n < at + 2)
      return false;
    out->deflated = d[at] == 1;
    at += 2;
    for (int skip = 0; skip < 2; skip++) { /* the language, and the keyword in it */
      const uint8_t *end = at < n ? memchr(d + at, 0, n - at) : NULL;
      if (!end)
        return false;
      at = (size_t)(end - d) + 1;
    }
  }
  out->at = d + (at < n ? at : n);
  out->size = at < n ? n - at : 0;
  return true;
}

/* Up to `cap` bytes of it; returns how many. */
static size_t read_text(uint8_t *to, size_t cap, const text *t) {
  if (!t->deflated) {
    size_t n = t->size < cap ? t->size : cap;
    memcpy(to, t->at, n);
    return n;
  }
  z_stream z = {.next_in = (Bytef *)(uintptr_t)t->at,
                .avail_in = (uInt)(t->size < UINT32_MAX ? t->size : UINT32_MAX),
                .next_out = to,
                .avail_out = (uInt)cap};
  if (inflateInit(&z) != Z_OK)
    return 0;
  (void)inflate(&z, Z_SYNC_FLUSH); /* what came before an error counts */
  size_t n = cap - z.avail_out;
  inflateEnd(&z);
  return n;
}

static int digit_of(int c) {
  return isdigit(c) ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* "\nexif\n     114\n45786966...": a name, a length, and the bytes in hexadecimal. In place; returns how many. */
static size_t from_hexadecimal(uint8_t *b, size_t n) {
  size_t at = 0, out = 0;
  for (int line = 0; line < 3 && at < n; at++)
    line += b[at] == '\n';
  for (int high = -1; at < n; at++) {
    int v = digit_of(b[at]);
    if (v < 0)
      continue;
    if (high < 0) {
      high = v;
    } else {
      b[out++] = (uint8_t)(high << 4 | v);
      high = -1;
    }
  }
  return out;
}

static int from_text(const text *t, bool profile) {
  if (!profile && !t->deflated)
    return wk_xmp_orientation(t->at, t->size);
  uint8_t b[TEXT_MAX];
  size_t n = read_text(b, sizeof b, t);
  return profile ? wk_exif_orientation(b, from_hexadecimal(b, n)) : wk_xmp_orientation(b, n);
}

int wk_png_orientation(const uint8_t *bytes, size_t size) {
  int chunk = 0, profile = 0, xmp = 0; /* what each kind says; the first named counts most */
  for (size_t at = 8; at + 12 <= size;) {
    const uint8_t *kind = bytes + at + 4, *d = bytes + at + 8;
    size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 | bytes[at + 3];
    size_t n = length < size - at - 8 ? length : size - at - 8;
    text t;
    if (memcmp(kind, "eXIf", 4) == 0 && !chunk) {
      chunk = wk_exif_orientation(d, n);
    } else if (memcmp(kind, "tEXt", 4) == 0 || memcmp(kind, "zTXt", 4) == 0 || memcmp(kind, "iTXt", 4) == 0) {
      if (!profile &&
          (open_text(&t, kind, d, n, "Raw profile type exif") || open_text(&t, kind, d, n, "Raw profile type APP1")))
        profile = from_text(&t, true);
      else if (!xmp && open_text(&t, kind, d, n, "XML:com.adobe.xmp"))
        xmp = from_text(&t, false);
    }
    if (length > size)
      break;
    at += 12 + length;
  }
  return chunk ? chunk : profile ? profile : xmp ? xmp : 1;
}

/* Chunk iCCP: a name, one byte, and the profile deflated. Unpacked into a buffer that grows up to the limit. */
static wk_status unpack_profile(uint8_t **out, size_t *size, const text *t, wk_error *err) {
  wk_status st = WK_OK;
  uint8_t *profile = NULL;
  size_t n = 0;
  for (size_t cap = 65536;; cap *= 4) {
    WK_FAIL_IF(cap > WK_PROFILE_MAX, err, WK_ERR_FORMAT, "its colour profile unpacks to more than %zu bytes",
               WK_PROFILE_MAX);
    wk_free(profile);
    profile = wk_alloc(cap);
    WK_FAIL_IF(!profile, err, WK_ERR_MEMORY, "no memory for a colour profile of %zu bytes", cap);
    n = read_text(profile, cap, t);
    if (n < cap)
      break;
  }
  *out = profile;
  *size = n;
done:
  if (st != WK_OK)
    wk_free(profile);
  return st;
}

wk_status wk_png_profile(uint8_t **out, size_t *size, const wk_probe *p, wk_error *err) {
  for (size_t at = 8; at + 12 <= p->size;) {
    const uint8_t *b = p->bytes + at;
    const size_t length = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
    const size_t n = length < p->size - at - 8 ? length : p->size - at - 8;
    const uint8_t *end = memcmp(b + 4, "iCCP", 4) == 0 ? memchr(b + 8, 0, n) : NULL;
    if (end && (size_t)(end - b) + 2 < n + 8) {
      const text t = {end + 2, n + 8 - (size_t)(end + 2 - b), true};
      return unpack_profile(out, size, &t, err);
    }
    if (length > p->size || memcmp(b + 4, "IDAT", 4) == 0)
      break;
    at += 12 + length;
  }
  return WK_OK;
}
