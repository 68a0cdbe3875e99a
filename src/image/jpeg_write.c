/* jpeg_write.c - pictures to JPEG in memory, for asking what survives it. 4:2:0 and quality as Pillow's defaults. */
#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs FILE from before */
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "image/codec.h"

/* What longjmp may interrupt lives here, in the frame above setjmp's. */
struct encoder {
  struct jpeg_compress_struct cinfo;
  struct jpeg_error_mgr errors;
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
  unsigned char *bytes; /* libjpeg's, by malloc */
  unsigned long size;
};

static void on_error(j_common_ptr cinfo) {
  struct encoder *e = cinfo->client_data;
  cinfo->err->format_message(cinfo, e->message);
  longjmp(e->jump, 1);
}

static void on_message(j_common_ptr cinfo, int level) { (void)cinfo, (void)level; }

static wk_status encode_guarded(struct encoder *e, const wk_image *image, int quality, wk_error *err) {
  if (setjmp(e->jump))
    return WK_FAIL(err, WK_ERR_INTERNAL, "the JPEG cannot be written: %s", e->message);
  jpeg_create_compress(&e->cinfo);
  jpeg_mem_dest(&e->cinfo, &e->bytes, &e->size);
  e->cinfo.image_width = (JDIMENSION)image->width;
  e->cinfo.image_height = (JDIMENSION)image->height;
  e->cinfo.input_components = 3;
  e->cinfo.in_color_space = JCS_RGB;
  jpeg_set_defaults(&e->cinfo);
  jpeg_set_quality(&e->cinfo, quality, TRUE);
  jpeg_start_compress(&e->cinfo, TRUE);
  while (e->cinfo.next_scanline < e->cinfo.image_height) {
    JSAMPROW row = image->pixels + (size_t)e->cinfo.next_scanline * (size_t)image->width * 3;
    jpeg_write_scanlines(&e->cinfo, &row, 1);
  }
  jpeg_finish_compress(&e->cinfo);
  return WK_OK;
}

wk_status wk_image_encode_jpeg(uint8_t **out, size_t *size, const wk_image *image, int quality, wk_error *err) {
  if (!image || !image->pixels || image->width < 1 || image->height < 1 || image->width > JPEG_MAX_DIMENSION ||
      image->height > JPEG_MAX_DIMENSION)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no picture for a JPEG, or one with a side longer than %ld",
                   (long)JPEG_MAX_DIMENSION);
  if (quality < 1 || quality > 100)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a JPEG of quality %d was asked for; it must be 1 to 100", quality);
  struct encoder *e = wk_calloc(1, sizeof *e);
  if (!e)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a JPEG");
  e->cinfo.err = jpeg_std_error(&e->errors);
  e->errors.error_exit = on_error;
  e->errors.emit_message = on_message;
  e->cinfo.client_data = e;
  wk_status st = encode_guarded(e, image, quality, err);
  if (st == WK_OK) {
    uint8_t *copy = wk_alloc(e->size);
    if (copy) {
      memcpy(copy, e->bytes, e->size);
      *out = copy;
      *size = e->size;
    } else {
      st = WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a JPEG");
    }
  }
  jpeg_destroy_compress(&e->cinfo);
  free(e->bytes);
  wk_free(e);
  return st;
}
