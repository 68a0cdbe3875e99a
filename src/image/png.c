/* png.c - PNG through libpng: every bit depth, palette and interlace to 8-bit RGB, transparent parts over white. 16-bit
 * samples keep their high byte. As in jpeg.c, all state lives above setjmp's frame. */
#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "image/codec.h"
#include "image/shrink.h"

#define INTERLACED_MAX (2 * WK_WHOLE_PIXELS) /* pixels of a picture that has to be held whole */
#define CHUNK_MAX (8u << 20)                 /* what a chunk beside the picture may unpack to */

struct reader {
  png_structp png;
  png_infop info;
  wk_decode_job *job;
  wk_error *err;
  size_t at;
  bool truncated; /* the bytes ended too early */
  bool started;   /* pixels are coming */
  char message[200];
  wk_image image;
  int passes;
  uint8_t *rgba; /* one row, or all of an interlaced picture */
  wk_shrinker shrinker;
  uint8_t *row; /* RGB, of a picture that is made smaller on the way */
};

static void on_error(png_structp png, png_const_charp message) {
  struct reader *r = png_get_error_ptr(png);
  snprintf(r->message, sizeof r->message, "%s", message);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

static void on_read(png_structp png, png_bytep to, size_t n) {
  struct reader *r = png_get_io_ptr(png);
  if (n > r->job->size - r->at) {
    r->truncated = true;
    png_error(png, "end of file");
  }
  memcpy(to, r->job->bytes + r->at, n);
  r->at += n;
}

/* Asks libpng for 8 bits whatever is stored: RGBA where anything is transparent, else RGB. Returns the number of
 * passes. */
static int ask_for_rgb(png_structp png, png_infop info, bool *alpha) {
  int type = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
  const bool keyed = png_get_valid(png, info, PNG_INFO_tRNS);
  *alpha = keyed || (type & PNG_COLOR_MASK_ALPHA);
  if (type == PNG_COLOR_TYPE_PALETTE)
    png_set_palette_to_rgb(png);
  if (type == PNG_COLOR_TYPE_GRAY && depth < 8)
    png_set_expand_gray_1_2_4_to_8(png);
  if (keyed)
    png_set_tRNS_to_alpha(png);
  if (depth == 16)
    png_set_strip_16(png);
  if (type == PNG_COLOR_TYPE_GRAY || type == PNG_COLOR_TYPE_GRAY_ALPHA)
    png_set_gray_to_rgb(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  return passes;
}

/* Rows of RGBA over white; an interlaced picture builds up pass by pass and is laid over white at its end. May jump:
 * then what came so far is in r->rgba. */
static void read_over_white(struct reader *r, int passes) {
  const size_t width = (size_t)r->image.width, height = (size_t)r->image.height;
  for (int pass = 0; pass < passes; pass++)
    for (size_t y = 0; y < height; y++) {
      uint8_t *row = r->rgba + (passes > 1 ? y * width * 4 : 0);
      png_read_row(r->png, row, NULL);
      if (pass == passes - 1)
        wk_over_white(r->image.pixels + y * width * 3, row, width);
    }
}

/* A very large picture, made smaller row by row. May jump: rows that have not come stay black. */
static wk_status read_smaller(struct reader *r, int width, int height, bool alpha) {
  r->row = wk_alloc_array((size_t)width, 3);
  if (!r->row || (alpha && !(r->rgba = wk_alloc_array((size_t)width, 4))))
    return WK_FAIL(r->err, WK_ERR_MEMORY, "no memory to decode the PNG (%d x %d pixels)", width, height);
  WK_RETURN_IF_ERROR(wk_shrinker_open(&r->shrinker, &r->image, width, height, r->job->scale, r->err));
  r->started = true;
  for (int y = 0; y < height; y++) {
    png_read_row(r->png, alpha ? r->rgba : r->row, NULL);
    if (alpha)
      wk_over_white(r->row, r->rgba, (size_t)width);
    wk_shrinker_add(&r->shrinker, r->row);
  }
  return WK_OK;
}

static wk_status decode_guarded(struct reader *r) {
  if (setjmp(png_jmpbuf(r->png))) {
    if (r->truncated) {
      if (r->started && r->job->options.accept_truncated) {
        if (r->rgba && r->passes > 1)
          wk_over_white(r->image.pixels, r->rgba, (size_t)r->image.width * (size_t)r->image.height);
        return WK_OK;
      }
      return wk_codec_truncated("PNG", r->job->size, r->err);
    }
    return WK_FAIL(r->err, WK_ERR_FORMAT, "the PNG cannot be decoded: %s", r->message);
  }
  png_set_read_fn(r->png, r, on_read);
  png_set_user_limits(r->png, WK_IMAGE_MAX_SIDE, WK_IMAGE_MAX_SIDE);
  png_set_chunk_malloc_max(r->png, CHUNK_MAX);
  png_read_info(r->png, r->info);
  const uint32_t width = png_get_image_width(r->png, r->info), height = png_get_image_height(r->png, r->info);
  WK_RETURN_IF_ERROR(wk_codec_check_size("PNG", width, height, &r->job->options, r->err));
  bool alpha;
  r->passes = ask_for_rgb(r->png, r->info, &alpha);
  const size_t pitch = (size_t)width * (alpha ? 4 : 3);
  if (png_get_rowbytes(r->png, r->info) != pitch)
    return WK_FAIL(r->err, WK_ERR_INTERNAL, "libpng gives %zu bytes a row where %zu were expected",
                   png_get_rowbytes(r->png, r->info), pitch);
  const int scale = r->passes > 1 ? 1 : wk_shrink_scale((int)width, (int)height, &r->job->options);
  if (scale > 1) {
    r->job->scale = scale;
    return read_smaller(r, (int)width, (int)height, alpha);
  }
  if (r->passes > 1 && (uint64_t)width * height > INTERLACED_MAX)
    return WK_FAIL(
        r->err, WK_ERR_FORMAT,
        "the PNG has %u x %u pixels and is interlaced, so all of it would have to be held in memory (at most %llu "
        "pixels are); save it without interlacing, or smaller",
        width, height, (unsigned long long)INTERLACED_MAX);
  /* Black, for the rows that a truncated file does not have, and because passes build on each other. */
  WK_RETURN_IF_ERROR(wk_image_alloc(&r->image, (int)width, (int)height, r->err));
  if (alpha) {
    r->rgba = wk_calloc(r->passes > 1 ? height : 1, pitch);
    if (!r->rgba)
      return WK_FAIL(r->err, WK_ERR_MEMORY, "no memory to decode the PNG (%u x %u pixels)", width, height);
  }
  r->started = true;
  if (alpha) {
    read_over_white(r, r->passes);
    return WK_OK;
  }
  for (int pass = 0; pass < r->passes; pass++)
    for (uint32_t y = 0; y < height; y++)
      png_read_row(r->png, r->image.pixels + y * pitch, NULL);
  return WK_OK;
}

static wk_status png_decode(wk_image *out, wk_decode_job *job, wk_error *err) {
  struct reader r = {.job = job, .err = err};
  wk_status st = WK_OK;
  r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
  if (r.png)
    r.info = png_create_info_struct(r.png);
  WK_FAIL_IF(!r.png || !r.info, err, WK_ERR_MEMORY, "no memory to decode the PNG (%zu bytes)", job->size);
  WK_TRY(decode_guarded(&r));
  *out = r.image;
done:
  if (st != WK_OK)
    wk_image_free(&r.image);
  wk_shrinker_free(&r.shrinker);
  wk_free(r.row);
  wk_free(r.rgba);
  png_destroy_read_struct(&r.png, &r.info, NULL);
  return st;
}

static wk_status png_probe(wk_probe *p, wk_error *err) {
  /* Signature, length, "IHDR", width, height. */
  if (p->size < 24)
    return wk_codec_truncated("PNG", p->size, err);
  if (memcmp(p->bytes + 12, "CgBI", 4) == 0)
    return WK_FAIL(
        err, WK_ERR_UNSUPPORTED,
        "a PNG made for iPhone programs (CgBI), which other programs cannot read; save it as an ordinary PNG");
  uint32_t side[2];
  for (int i = 0; i < 2; i++) {
    const uint8_t *b = p->bytes + 16 + 4 * i;
    side[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
  }
  if (memcmp(p->bytes + 12, "IHDR", 4) != 0 || !side[0] || !side[1] || side[0] > INT32_MAX || side[1] > INT32_MAX)
    return WK_FAIL(err, WK_ERR_FORMAT, "the PNG cannot be read: its header is damaged");
  p->width = (int)side[0], p->height = (int)side[1];
  p->orientation = wk_png_orientation(p->bytes, p->size);
  return WK_OK;
}

const wk_codec wk_codec_png = {"PNG", png_probe, png_decode, NULL, wk_png_profile};
