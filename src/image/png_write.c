/* png_write.c - pictures to 8-bit RGB PNG, to a file that is replaced atomically. Each says what made it, so that a
 * later run knows it may be replaced. */
#include <setjmp.h>

#include <png.h>

#include "image/codec.h"

struct sink {
  wk_writer *writer;
  wk_error *err;
  wk_status status; /* of the writer; WK_OK where libpng itself failed */
  char message[200];
};

static void on_error(png_structp png, png_const_charp message) {
  struct sink *s = png_get_error_ptr(png);
  snprintf(s->message, sizeof s->message, "%s", message);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

static void on_write(png_structp png, png_bytep bytes, size_t n) {
  struct sink *s = png_get_io_ptr(png);
  s->status = wk_writer_write(s->writer, bytes, n, s->err);
  if (s->status != WK_OK)
    png_error(png, "write");
}

static void on_flush(png_structp png) { (void)png; }

static wk_status write_guarded(png_structp png, png_infop info, const wk_image *image, struct sink *s) {
  if (setjmp(png_jmpbuf(png))) {
    if (s->status != WK_OK)
      return s->status;
    return WK_FAIL(s->err, WK_ERR_INTERNAL, "the PNG cannot be written: %s", s->message);
  }
  png_set_write_fn(png, s, on_write, on_flush);
  png_set_IHDR(png, info, (png_uint_32)image->width, (png_uint_32)image->height, 8, PNG_COLOR_TYPE_RGB,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_text made_by = {
      .compression = PNG_TEXT_COMPRESSION_NONE, .key = (char[]){"Software"}, .text = (char[]){"whisker"}};
  png_set_text(png, info, &made_by, 1);
  png_write_info(png, info);
  for (int y = 0; y < image->height; y++)
    png_write_row(png, image->pixels + (size_t)y * (size_t)image->width * 3);
  png_write_end(png, info);
  return WK_OK;
}

wk_status wk_image_save_png(const wk_image *image, const char *path, wk_error *err) {
  if (!image || !image->pixels || image->width < 1 || image->height < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no picture to save");
  if (image->width > WK_IMAGE_MAX_SIDE || image->height > WK_IMAGE_MAX_SIDE)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a picture of %d x %d pixels cannot be saved: no side may be longer than %d",
                   image->width, image->height, WK_IMAGE_MAX_SIDE);
  wk_status st = WK_OK;
  struct sink sink = {.err = err};
  png_structp png = NULL;
  png_infop info = NULL;
  WK_TRY(wk_writer_open(&sink.writer, path, err));
  png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &sink, on_error, on_warning);
  if (png)
    info = png_create_info_struct(png);
  WK_FAIL_IF(!png || !info, err, WK_ERR_MEMORY, "no memory to write %s", path);
  WK_TRY(write_guarded(png, info, image, &sink));
  wk_writer *writer = sink.writer;
  sink.writer = NULL; /* commit frees it in any case */
  WK_TRY(wk_writer_commit(writer, err));
done:
  png_destroy_write_struct(&png, &info);
  if (sink.writer)
    wk_writer_abort(sink.writer);
  return st;
}
