/* pnm.c - Netpbm's pictures: PBM, PGM and PPM, plain and raw, and PAM. A line of numbers, then samples; any greatest
 * value is scaled to 255. Every read is checked against the end of the bytes. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "image/codec.h"

struct netpbm {
  const uint8_t *bytes;
  size_t size, at; /* at: what is read next */
  int kind;        /* the digit behind the P */
  long width, height, depth, max;
};

/* Over white space and comments; is there something? */
static bool skip_blank(struct netpbm *n) {
  while (n->at < n->size && (isspace(n->bytes[n->at]) || n->bytes[n->at] == '#')) {
    if (n->bytes[n->at] == '#')
      while (n->at < n->size && n->bytes[n->at] != '\n' && n->bytes[n->at] != '\r')
        n->at++;
    else
      n->at++;
  }
  return n->at < n->size;
}

/* The next number; -1 where there is none. */
static long next_number(struct netpbm *n) {
  if (!skip_blank(n) || !isdigit(n->bytes[n->at]))
    return -1;
  long v = 0;
  while (n->at < n->size && isdigit(n->bytes[n->at]) && v < 100000000)
    v = v * 10 + (n->bytes[n->at++] - '0');
  return v;
}

/* PAM's header: words and numbers, up to ENDHDR and the end of its line. */
static void read_pam(struct netpbm *n) {
  static const char *const word[] = {"WIDTH", "HEIGHT", "DEPTH", "MAXVAL"};
  long *const to[] = {&n->width, &n->height, &n->depth, &n->max};
  while (skip_blank(n)) {
    const char *s = (const char *)n->bytes + n->at;
    size_t length = 0;
    while (n->at + length < n->size && isupper((unsigned char)s[length]))
      length++;
    n->at += length;
    if (length == 6 && memcmp(s, "ENDHDR", 6) == 0) {
      n->at++;
      return;
    }
    bool found = false;
    for (size_t i = 0; i < 4; i++)
      if (strlen(word[i]) == length && memcmp(s, word[i], length) == 0) {
        *to[i] = next_number(n);
        found = true;
      }
    while (!found && n->at < n->size && n->bytes[n->at] != '\n')
      n->at++; /* TUPLTYPE and its like: the depth says enough */
  }
}

static wk_status read_header(struct netpbm *n, wk_error *err) {
  n->kind = n->bytes[1] - '0';
  n->at = 2;
  n->width = n->height = n->depth = n->max = -1;
  if (n->kind == 7) {
    read_pam(n);
  } else {
    n->width = next_number(n), n->height = next_number(n);
    n->max = n->kind == 1 || n->kind == 4 ? 1 : next_number(n);
    n->depth = n->kind == 3 || n->kind == 6 ? 3 : 1;
    if (n->kind >= 4)
      n->at++; /* one white space, then bytes */
  }
  if (n->width < 1 || n->height < 1 || n->max < 1 || n->max > 65535 || n->depth < 1 || n->depth > 4)
    return WK_FAIL(err, WK_ERR_FORMAT, "the PNM cannot be read: its header is damaged");
  return WK_OK;
}

/* A row of samples, scaled to 8 bits; false where the bytes end. */
static bool read_samples(uint8_t *to, struct netpbm *n) {
  const size_t count = (size_t)n->width * (size_t)n->depth;
  const long max = n->max;
  if (n->kind == 4) {
    const size_t pitch = (count + 7) / 8;
    if (n->at > n->size || n->size - n->at < pitch)
      return false;
    for (size_t i = 0; i < count; i++)
      to[i] = n->bytes[n->at + i / 8] >> (7 - i % 8) & 1 ? 0 : 255;
    n->at += pitch;
    return true;
  }
  const size_t wide = max > 255 ? 2 : 1;
  if (n->kind >= 5 && (n->at > n->size || (n->size - n->at) / wide < count))
    return false;
  for (size_t i = 0; i < count; i++) {
    long v;
    if (n->kind >= 5) {
      v = wide == 2 ? n->bytes[n->at] << 8 | n->bytes[n->at + 1] : n->bytes[n->at];
      n->at += wide;
    } else if (n->kind == 1) { /* digits may stand without space between them */
      if (!skip_blank(n))
        return false;
      v = n->bytes[n->at++] == '0';
    } else if ((v = next_number(n)) < 0) {
      return false;
    }
    to[i] = (uint8_t)((v > max ? max : v) * 255 / max + ((v > max ? max : v) * 255 % max * 2 >= max));
  }
  return true;
}

static void to_rgb(uint8_t *rgb, const uint8_t *sample, size_t pixels, long depth) {
  for (size_t i = 0; i < pixels; i++, sample += depth) {
    const uint8_t rgba[4] = {sample[0], sample[depth > 2], sample[depth > 2 ? 2 : 0], sample[depth - 1]};
    if (depth == 2 || depth == 4)
      wk_over_white(rgb + 3 * i, (const uint8_t[]){rgba[0], depth == 4 ? rgba[1] : rgba[0], rgba[2], rgba[3]}, 1);
    else
      memcpy(rgb + 3 * i, rgba, 3);
  }
}

static wk_status pnm_decode(wk_image *out, wk_decode_job *job, wk_error *err) {
  wk_status st = WK_OK;
  struct netpbm n = {.bytes = job->bytes, .size = job->size};
  wk_image image = {0};
  uint8_t *row = NULL;
  WK_TRY(read_header(&n, err));
  WK_TRY(wk_codec_check_size("PNM", n.width, n.height, &job->options, err));
  WK_TRY(wk_image_alloc(&image, (int)n.width, (int)n.height, err));
  row = wk_alloc_array((size_t)n.width, (size_t)n.depth);
  WK_FAIL_IF(!row, err, WK_ERR_MEMORY, "no memory to decode the PNM (%ld x %ld pixels)", n.width, n.height);
  for (long y = 0; y < n.height; y++) {
    if (!read_samples(row, &n)) {
      if (job->options.accept_truncated)
        break;
      st = wk_codec_truncated("PNM", job->size, err);
      goto done;
    }
    to_rgb(image.pixels + (size_t)y * (size_t)n.width * 3, row, (size_t)n.width, n.depth);
  }
  *out = image;
done:
  wk_free(row);
  if (st != WK_OK)
    wk_image_free(&image);
  return st;
}

static wk_status pnm_probe(wk_probe *p, wk_error *err) {
  struct netpbm n = {.bytes = p->bytes, .size = p->size};
  WK_RETURN_IF_ERROR(read_header(&n, err));
  p->width = (int)n.width, p->height = (int)n.height;
  return WK_OK;
}

const wk_codec wk_codec_pnm = {"PNM", pnm_probe, pnm_decode, NULL, NULL};
