/* hash.c - SHA-256, which names photos and weights and proves downloads. The arithmetic is OpenSSL's; its plain
 * interface is used rather than EVP because it allocates nothing, so hashing bytes cannot fail. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "base/base.h"

struct wk_sha256_state {
  SHA256_CTX ctx;
};

void wk_sha256(uint8_t out[WK_SHA256_BYTES], const void *bytes, size_t n) {
  SHA256_CTX ctx;
  SHA256_Init(&ctx);
  if (n)
    SHA256_Update(&ctx, bytes, n);
  SHA256_Final(out, &ctx);
}

wk_sha256_state *wk_sha256_begin(void) {
  wk_sha256_state *s = wk_alloc(sizeof *s);
  if (s)
    SHA256_Init(&s->ctx);
  return s;
}

void wk_sha256_add(wk_sha256_state *s, const void *bytes, size_t n) {
  if (n)
    SHA256_Update(&s->ctx, bytes, n);
}

void wk_sha256_end(wk_sha256_state *s, uint8_t out[WK_SHA256_BYTES]) {
  if (s && out)
    SHA256_Final(out, &s->ctx);
  wk_free(s);
}

wk_status wk_sha256_file(uint8_t out[WK_SHA256_BYTES], const char *path, wk_error *err) {
  wk_file_view view = {0};
  WK_RETURN_IF_ERROR(wk_file_map(&view, path, err));
  wk_sha256(out, view.data, view.size);
  wk_file_unmap(&view);
  return WK_OK;
}

void wk_hex(char *out, const uint8_t *bytes, size_t n) {
  static const char digit[] = "0123456789abcdef";
  for (size_t i = 0; i < n; i++) {
    out[2 * i] = digit[bytes[i] >> 4];
    out[2 * i + 1] = digit[bytes[i] & 15];
  }
  out[2 * n] = 0;
}
