/* examine.c - what one photo is like, apart from what is on it: can it be decoded, does it break off, which way up does
 * it lie, has it colours. What is found is kept by the hash of the photo's bytes; only of broken photos it is found
 * anew, to say in words what is wrong. */
#include <string.h>

#include "data/check.h"
#include "data/data.h"
#include "image/damage.h"

enum {
  CONTRAST_MIN = 16, /* between the darkest and the brightest dot, below which a photo is too even */
  COLOUR_MIN = 10,   /* a dot's largest and smallest channel differ by more than that in a photo with colours */
  ONE_COLOUR = 4     /* all dots' channels lie within that range */
};

/* What the cache holds: wk_examined without its hash, as the bytes of floats with which nobody computes. */
#define KEPT_BYTES (sizeof(wk_examined) - WK_SHA256_BYTES)
#define COLUMNS (KEPT_BYTES / sizeof(float))
_Static_assert(offsetof(wk_examined, dot) == WK_SHA256_BYTES, "the hash comes first");
_Static_assert(KEPT_BYTES % sizeof(float) == 0, "whole columns");

typedef struct job {
  const wk_dataset *d;
  wk_examined *out;
  char **why;
  wk_buffer *buffer; /* [threads] */
  wk_cache *cache;
  wk_progress progress;
} job;

/* ---- of pixels --------------------------------------------------------------------------------- */

static void look_for_colours(wk_examined *x, const uint8_t *rgb) {
  int coloured = 0, low[3] = {255, 255, 255}, high[3] = {0};
  for (int i = 0; i < WK_DOTS * WK_DOTS; i++) {
    int least = 255, most = 0;
    for (int c = 0; c < 3; c++) {
      const int v = rgb[3 * i + c];
      least = v < least ? v : least;
      most = v > most ? v : most;
      low[c] = v < low[c] ? v : low[c];
      high[c] = v > high[c] ? v : high[c];
    }
    coloured += most - least > COLOUR_MIN;
  }
  x->grey = coloured == 0;
  x->one_colour = high[0] - low[0] <= ONE_COLOUR && high[1] - low[1] <= ONE_COLOUR && high[2] - low[2] <= ONE_COLOUR;
  int darkest = 255, brightest = 0;
  for (int i = 0; i < WK_DOTS * WK_DOTS; i++) {
    darkest = x->dot[i] < darkest ? x->dot[i] : darkest;
    brightest = x->dot[i] > brightest ? x->dot[i] : brightest;
  }
  x->even = brightest - darkest < CONTRAST_MIN;
}

/* Rows at the end that are nothing but one colour: what a decoder fills in for what is not there. */
static float missing_rows(const wk_image *image) {
  const size_t pitch = 3 * (size_t)image->width;
  const uint8_t *fill = image->pixels + pitch * (size_t)image->height - 3;
  int rows = 0;
  for (int y = image->height; y-- > 0; rows++) {
    const uint8_t *row = image->pixels + pitch * (size_t)y;
    for (int x = 0; x < image->width; x++)
      if (memcmp(row + 3 * x, fill, 3) != 0)
        return (float)rows / (float)image->height;
  }
  return 1;
}

static wk_status decode(wk_examined *x, const wk_buffer *bytes, bool partial, wk_error *err) {
  wk_status st = WK_OK;
  wk_image photo = {0}, small = {0};
  wk_decode_options o;
  wk_decode_options_init(&o);
  o.min_width = o.min_height = WK_DOTS;
  o.accept_truncated = partial;
  o.ignore_orientation = partial; /* what is missing is at the end of the stored picture */
  WK_TRY(wk_image_decode(&photo, bytes->data, bytes->size, &o, err));
  if (partial)
    x->missing = missing_rows(&photo);
  WK_TRY(wk_image_resize(&small, &photo, WK_DOTS, WK_DOTS, WK_FILTER_BILINEAR, NULL, err));
  wk_look_grey(x->dot, small.pixels, WK_DOTS * WK_DOTS);
  look_for_colours(x, small.pixels);
done:
  wk_image_free(&photo);
  wk_image_free(&small);
  return st;
}

/* ---- of bytes ---------------------------------------------------------------------------------- */

static wk_status examine(wk_examined *x, const wk_buffer *bytes, wk_error *err) {
  wk_image_format format;
  int orientation = 1, width = 0, height = 0;
  WK_RETURN_IF_ERROR(wk_image_probe(&width, &height, &format, bytes->data, bytes->size, err));
  WK_RETURN_IF_ERROR(wk_image_orientation(&orientation, bytes->data, bytes->size, err));
  x->width = width;
  x->height = height;
  x->format = (uint8_t)format;
  x->orientation = (uint8_t)orientation;
  wk_status st = decode(x, bytes, false, err);
  x->usable = st == WK_OK;
  if (st != WK_ERR_FORMAT)
    return st;
  wk_status partial = decode(x, bytes, true, NULL);
  if (partial == WK_ERR_MEMORY)
    return WK_FAIL(err, partial, "out of memory");
  x->partial = partial == WK_OK && x->missing < 1;
  return st;
}

static char *say_why(const wk_examined *x, const wk_buffer *bytes, const char *why) {
  wk_damage damage;
  if (!x->read)
    return wk_strdup(why);
  wk_find_damage(&damage, bytes->data, bytes->size);
  return wk_asprintf("%s (byte %zu of %zu: %s)", why, damage.byte, bytes->size, damage.what);
}

static wk_status read_one(wk_examined *x, const char *path, wk_buffer *bytes, wk_error *err) {
  wk_photo_file file;
  WK_RETURN_IF_ERROR(wk_photo_open(&file, path, err));
  WK_RETURN_IF_ERROR(wk_photo_read(bytes, &file, err));
  x->read = true;
  wk_sha256(x->hash, bytes->data, bytes->size);
  return WK_OK;
}

static bool recall(wk_examined *x, job *j) {
  float row[COLUMNS];
  if (!wk_cache_get(j->cache, x->hash, row))
    return false;
  memcpy(x->dot, row, KEPT_BYTES);
  return true;
}

static void keep(const wk_examined *x, job *j) {
  float row[COLUMNS];
  memcpy(row, x->dot, KEPT_BYTES);
  wk_cache_put(j->cache, x->hash, row);
}

static wk_status examine_one(void *user, size_t i, int worker, wk_error *err) {
  job *j = user;
  wk_examined *x = &j->out[i];
  wk_buffer *bytes = &j->buffer[worker];
  wk_error why = {0};
  const char *path = j->d->photos[i].path;
  wk_status st = read_one(x, path, bytes, &why);
  wk_progress_add(&j->progress, 1);
  if (st == WK_OK && recall(x, j) && x->usable)
    return WK_OK;
  if (st == WK_OK) {
    st = examine(x, bytes, &why);
    if (st != WK_ERR_MEMORY)
      keep(x, j);
  }
  if (st == WK_OK)
    return WK_OK;
  j->why[i] = st == WK_ERR_MEMORY ? NULL : say_why(x, bytes, why.message);
  return j->why[i] ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory to look at it", path);
}

wk_status wk_examine(wk_examined *out, char **why, const wk_dataset *d, const char *cache_folder, const wk_context *ctx,
                     wk_error *err) {
  static const char name[] = "whisker: what photos are like, version 1";
  wk_status st = WK_OK;
  uint8_t key[WK_SHA256_BYTES];
  const int threads = wk_context_threads(ctx);
  job j = {.d = d, .out = out, .why = why, .buffer = wk_calloc((size_t)threads, sizeof *j.buffer)};
  WK_FAIL_IF(!j.buffer, err, WK_ERR_MEMORY, "%s: out of memory for %zu photos", d->root, d->photo_count);
  wk_sha256(key, name, sizeof name);
  WK_TRY(wk_cache_open(&j.cache, cache_folder, key, (int)COLUMNS, ctx, err));
  WK_TRY(wk_progress_begin(&j.progress, ctx, "check", d->photo_count, err));
  WK_TRY(wk_parallel(ctx, threads, d->photo_count, examine_one, &j, err));
done:
  wk_progress_end(&j.progress);
  wk_cache_close(j.cache);
  for (int i = 0; j.buffer && i < threads; i++)
    wk_buffer_free(&j.buffer[i]);
  wk_free(j.buffer);
  return st;
}
