/* jpeg_write.c - pictures to JPEG in memory, for asking what survives it: 4:2:0 and quality as Pillow's defaults. As in
 * jpeg.c, what longjmp may interrupt lives in the frame above setjmp's. */
#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs FILE from before */

#include <jpeglib.h>

#include <jerror.h>

#include "image/codec.h"

struct encoder {
  struct jpeg_compress_struct cinfo;
  struct jpeg_error_mgr errors;
  struct jpeg_destination_mgr to;
  jmp_buf jump;
  wk_status status; /* what the jump meant */
  char message[JMSG_LENGTH_MAX];
  uint8_t *bytes;
  size_t size, room;
};

static void on_error(j_common_ptr cinfo) {
  struct encoder *e = cinfo->client_data;
  cinfo->err->format_message(cinfo, e->message);
  e->status = cinfo->err->msg_code == JERR_OUT_OF_MEMORY ? WK_ERR_MEMORY : WK_ERR_INTERNAL;
  longjmp(e->jump, 1);
}

static void on_message(j_common_ptr cinfo, int level) { (void)cinfo, (void)level; }

static void on_output(j_common_ptr cinfo) { (void)cinfo; }

/* libjpeg's own memory destination frees what its caller still points to when an error comes late: hence this one. */
static void on_begin(j_compress_ptr cinfo) {
  struct encoder *e = cinfo->client_data;
  e->to.next_output_byte = e->bytes;
  e->to.free_in_buffer = e->room;
}

static boolean on_full(j_compress_ptr cinfo) {
  struct encoder *e = cinfo->client_data;
  uint8_t *moved = e->room <= SIZE_MAX / 4 ? wk_grow(e->bytes, e->room, e->room * 2) : NULL;
  if (!moved)
    ERREXIT1(cinfo, JERR_OUT_OF_MEMORY, 0);
  e->bytes = moved;
  e->to.next_output_byte = e->bytes + e->room;
  e->to.free_in_buffer = e->room;
  e->room *= 2;
  return TRUE;
}

static void on_end(j_compress_ptr cinfo) {
  struct encoder *e = cinfo->client_data;
  e->size = e->room - e->to.free_in_buffer;
}

static wk_status encode_guarded(struct encoder *e, const wk_image *image, int quality, wk_error *err) {
  if (setjmp(e->jump))
    return WK_FAIL(err, e->status, "the JPEG cannot be written: %s", e->message);
  jpeg_create_compress(&e->cinfo);
  e->to.init_destination = on_begin;
  e->to.empty_output_buffer = on_full;
  e->to.term_destination = on_end;
  e->cinfo.dest = &e->to;
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
  if (!out || !size || !image || !image->pixels || image->width < 1 || image->height < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no picture for a JPEG, or nowhere to put it");
  if (image->width > JPEG_MAX_DIMENSION || image->height > JPEG_MAX_DIMENSION)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a picture of %d x %d pixels is too large for a JPEG; no side may be over %ld",
                   image->width, image->height, (long)JPEG_MAX_DIMENSION);
  if (quality < 1 || quality > 100)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a JPEG of quality %d was asked for; it must be 1 to 100", quality);
  struct encoder e = {.room = 1 << 16};
  e.bytes = wk_alloc(e.room);
  if (!e.bytes)
    return WK_FAIL(err, WK_ERR_MEMORY, "no memory for a JPEG of %d x %d pixels", image->width, image->height);
  e.cinfo.err = jpeg_std_error(&e.errors);
  e.errors.error_exit = on_error;
  e.errors.emit_message = on_message;
  e.errors.output_message = on_output;
  e.cinfo.client_data = &e;
  wk_status st = encode_guarded(&e, image, quality, err);
  jpeg_destroy_compress(&e.cinfo);
  if (st != WK_OK) {
    wk_free(e.bytes);
    return st;
  }
  *out = e.bytes;
  *size = e.size;
  return WK_OK;
}
