/* png.c - PNG through libpng: every bit depth, palette and interlace to 8-bit RGB; transparency is dropped, as in
 * Pillow's convert("RGB"). 16-bit samples keep their high byte. As in jpeg.c, all state lives above setjmp's frame. */
#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "image/codec.h"

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

/* Asks libpng for 8-bit RGB whatever is stored. Returns the number of passes. */
static int ask_for_rgb(png_structp png, png_infop info) {
  int type = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
  if (type == PNG_COLOR_TYPE_PALETTE)
    png_set_palette_to_rgb(png);
  if (type == PNG_COLOR_TYPE_GRAY && depth < 8)
    png_set_expand_gray_1_2_4_to_8(png);
  if (depth == 16)
    png_set_strip_16(png);
  if (type == PNG_COLOR_TYPE_GRAY || type == PNG_COLOR_TYPE_GRAY_ALPHA)
    png_set_gray_to_rgb(png);
  png_set_strip_alpha(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  return passes;
}

static wk_status decode_guarded(struct reader *r) {
  if (setjmp(png_jmpbuf(r->png))) {
    if (r->truncated) {
      if (r->started && r->job->options.accept_truncated)
        return WK_OK;
      return wk_codec_truncated("PNG", r->job->size, r->err);
    }
    return WK_FAIL(r->err, WK_ERR_FORMAT, "the PNG cannot be decoded: %s", r->message);
  }
  png_set_read_fn(r->png, r, on_read);
  png_set_user_limits(r->png, WK_IMAGE_MAX_SIDE, WK_IMAGE_MAX_SIDE);
  png_read_info(r->png, r->info);
  const uint32_t width = png_get_image_width(r->png, r->info), height = png_get_image_height(r->png, r->info);
  WK_RETURN_IF_ERROR(wk_codec_check_size("PNG", width, height, &r->job->options, r->err));
  const int passes = ask_for_rgb(r->png, r->info);
  const size_t pitch = (size_t)width * 3;
  if (png_get_rowbytes(r->png, r->info) != pitch)
    return WK_FAIL(r->err, WK_ERR_INTERNAL, "libpng gives %zu bytes a row where %zu were expected",
                   png_get_rowbytes(r->png, r->info), pitch);
  /* Black, for the rows that a truncated file does not have, and because passes build on each other. */
  WK_RETURN_IF_ERROR(wk_image_alloc(&r->image, (int)width, (int)height, r->err));
  r->started = true;
  for (int pass = 0; pass < passes; pass++)
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
  png_destroy_read_struct(&r.png, &r.info, NULL);
  return st;
}

static wk_status png_size(int *width, int *height, const uint8_t *bytes, size_t size, wk_error *err) {
  /* Signature, length, "IHDR", width, height. */
  if (size < 24)
    return wk_codec_truncated("PNG", size, err);
  uint32_t side[2];
  for (int i = 0; i < 2; i++) {
    const uint8_t *b = bytes + 16 + 4 * i;
    side[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
  }
  if (memcmp(bytes + 12, "IHDR", 4) != 0 || !side[0] || !side[1] || side[0] > INT32_MAX || side[1] > INT32_MAX)
    return WK_FAIL(err, WK_ERR_FORMAT, "the PNG cannot be read: its header is damaged");
  *width = (int)side[0], *height = (int)side[1];
  return WK_OK;
}

const wk_codec wk_codec_png = {"PNG", png_size, png_decode};
