/* jpeg.c - JPEG through libjpeg-turbo: scaled and partial decoding, CMYK by Adobe's convention, truncation told. A file
 * that lacks nothing but the mark at its end is whole.
 *
 * libjpeg reports fatal errors by longjmp. Everything it may interrupt lives in `struct reader`, in the frame above
 * setjmp's, so no local variable is lost and the clean-up is one place. */
#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs FILE from before */
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "image/codec.h"
#include "image/icc.h"

/* More passes than any camera or program writes; hostile files have thousands to keep a decoder busy. */
#define MAX_SCANS 100

struct reader {
  struct jpeg_decompress_struct cinfo;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf jump;
  wk_status status; /* what the jump meant */
  char message[JMSG_LENGTH_MAX];
  bool ended;   /* the bytes ended before the mark that says so */
  bool missing; /* and something of the picture was not there */
  wk_decode_job *job;
  wk_error *err;
  wk_image image;
  uint8_t *row; /* one row of CMYK, or of brightness */
};

static struct reader *reader_of(j_common_ptr cinfo) { return cinfo->client_data; }

static void on_error(j_common_ptr cinfo) {
  struct reader *r = reader_of(cinfo);
  cinfo->err->format_message(cinfo, r->message);
  switch (cinfo->err->msg_code) {
  case JERR_OUT_OF_MEMORY:
    r->status = WK_ERR_MEMORY;
    break;
  case JERR_BAD_PRECISION:
  case JERR_CONVERSION_NOTIMPL:
  case JERR_SOF_UNSUPPORTED:
    r->status = WK_ERR_UNSUPPORTED;
    break;
  default:
    r->status = WK_ERR_FORMAT;
  }
  longjmp(r->jump, 1);
}

static void on_message(j_common_ptr cinfo, int level) {
  /* Level -1 is damage that libjpeg papers over. Only missing data matters: stray bytes between segments are common
   * in photos that look fine. */
  struct reader *r = reader_of(cinfo);
  r->ended |= level == -1 && cinfo->err->msg_code == JWRN_JPEG_EOF;
  r->missing |= level == -1 && cinfo->err->msg_code == JWRN_HIT_MARKER;
}

static void on_progress(j_common_ptr cinfo) {
  struct reader *r = reader_of(cinfo);
  if (r->cinfo.input_scan_number > MAX_SCANS) {
    snprintf(r->message, sizeof r->message, "it has more than %d passes", MAX_SCANS);
    r->status = WK_ERR_FORMAT;
    longjmp(r->jump, 1);
  }
}

static void on_output(j_common_ptr cinfo) { (void)cinfo; }

static void reader_open(struct reader *r, wk_decode_job *job, wk_error *err) {
  *r = (struct reader){.job = job, .err = err};
  r->cinfo.err = jpeg_std_error(&r->errors);
  r->cinfo.client_data = r;
  r->errors.error_exit = on_error;
  r->errors.emit_message = on_message;
  r->errors.output_message = on_output;
  r->progress.progress_monitor = on_progress;
}

/* After reader_open: up to the end of the header. May jump. */
static void read_header(struct reader *r) {
  jpeg_create_decompress(&r->cinfo);
  r->cinfo.progress = &r->progress;
  jpeg_mem_src(&r->cinfo, r->job->bytes, r->job->size);
  jpeg_read_header(&r->cinfo, TRUE);
}

/* The largest of 8, 4, 2, 1 that leaves both sides long enough. */
static unsigned choose_scale(const wk_decode_options *o, unsigned width, unsigned height) {
  if (o->min_width < 1 || o->min_height < 1)
    return 1;
  unsigned scale = 8;
  while (scale > 1 && ((width + scale - 1) / scale < (unsigned)o->min_width ||
                       (height + scale - 1) / scale < (unsigned)o->min_height))
    scale /= 2;
  return scale;
}

/* What CMYK from libjpeg means: Adobe stores 255 - ink, and so does everyone else. The rounding is Pillow's. */
static void cmyk_to_rgb(uint8_t *rgb, const uint8_t *cmyk, size_t pixels) {
  for (size_t i = 0; i < pixels; i++, rgb += 3, cmyk += 4)
    for (int c = 0; c < 3; c++) {
      unsigned light = cmyk[3], t = (255u - cmyk[c]) * light + 128;
      unsigned dark = ((t >> 8) + t) >> 8;
      rgb[c] = (uint8_t)(light > dark ? light - dark : 0);
    }
}

static void grey_to_rgb(uint8_t *rgb, const uint8_t *grey, size_t pixels) {
  for (size_t i = 0; i < pixels; i++, rgb += 3)
    rgb[0] = rgb[1] = rgb[2] = grey[i];
}

/* Does an end-of-image marker follow in what was not read? In coded data 0xff is always followed by 0. */
static bool end_follows(const uint8_t *at, size_t size) {
  while (size >= 2) {
    const uint8_t *ff = memchr(at, 0xff, size - 1);
    if (!ff)
      return false;
    if (ff[1] == 0xd9)
      return true;
    size -= (size_t)(ff - at) + 1;
    at = ff + 1;
  }
  return false;
}

/* Rows of the region into r->image. May jump. */
static wk_status read_rows(struct reader *r) {
  struct jpeg_decompress_struct *c = &r->cinfo;
  const unsigned scale = c->scale_denom;
  const size_t pitch = (size_t)r->image.width * 3;
  JDIMENSION first = 0, last = c->output_height, left = 0, columns = c->output_width;
  const int *region = r->job->region;
  if (region[2] > region[0] && region[3] > region[1]) {
    /* Two columns of margin: chroma is interpolated from neighbours, and that must not see the cut. One row, for the
     * rounding of a scaled picture. */
    JDIMENSION x0 = (JDIMENSION)region[0] / scale, x1 = ((JDIMENSION)region[2] + scale - 1) / scale + 2;
    JDIMENSION y0 = (JDIMENSION)region[1] / scale, y1 = ((JDIMENSION)region[3] + scale - 1) / scale + 1;
    left = x0 > 2 ? x0 - 2 : 0;
    columns = (x1 < c->output_width ? x1 : c->output_width) - left;
    first = y0 > 1 ? y0 - 1 : 0;
    last = y1 < c->output_height ? y1 : c->output_height;
    if (columns < c->output_width)
      jpeg_crop_scanline(c, &left, &columns);
    if (first > 0)
      jpeg_skip_scanlines(c, first);
  }
  if (r->row) {
    while (c->output_scanline < last) {
      uint8_t *to = r->image.pixels + c->output_scanline * pitch + (size_t)left * 3;
      JSAMPROW row = r->row;
      if (jpeg_read_scanlines(c, &row, 1) != 1)
        continue;
      if (c->out_color_space == JCS_GRAYSCALE)
        grey_to_rgb(to, r->row, columns);
      else if (r->job->cmyk)
        wk_icc_run(r->job->cmyk, to, r->row, columns);
      else
        cmyk_to_rgb(to, r->row, columns);
    }
  } else {
    while (c->output_scanline < last) {
      enum { AT_ONCE = 8 };
      JSAMPROW row[AT_ONCE];
      JDIMENSION n = last - c->output_scanline < AT_ONCE ? last - c->output_scanline : AT_ONCE;
      for (JDIMENSION i = 0; i < n; i++)
        row[i] = r->image.pixels + (c->output_scanline + i) * pitch + (size_t)left * 3;
      jpeg_read_scanlines(c, row, n);
    }
  }
  /* Rows that were not wanted are not decoded; that they are there is worth a look, and where the mark at the end is
   * not, worth decoding them after all. */
  if (last < c->output_height && c->unread_marker != JPEG_EOI && !jpeg_input_complete(c) &&
      !end_follows(c->src->next_input_byte, c->src->bytes_in_buffer)) {
    r->ended = true;
    if (c->output_height - last > 1)
      jpeg_skip_scanlines(c, c->output_height - last - 1);
    JSAMPROW row = r->row ? r->row : r->image.pixels + c->output_scanline * pitch + (size_t)left * 3;
    jpeg_read_scanlines(c, &row, 1);
  }
  return WK_OK;
}

/* Did the bytes end before the picture did? Sequential Huffman codes tell; of a progressive picture the last pass over
 * some coefficients may be what is missing; arithmetic codes go on for ever. */
static bool is_truncated(const struct reader *r) {
  const struct jpeg_decompress_struct *c = &r->cinfo;
  if (!r->ended || r->missing)
    return r->missing;
  if (c->arith_code)
    return true;
  for (int i = 0; i < c->num_components; i++) {
    if (!c->comp_info[i].quant_table)
      return true; /* no pass over it at all */
    for (int k = 0; c->coef_bits && k < DCTSIZE2; k++)
      if (c->coef_bits[i][k] != 0)
        return true;
  }
  return false;
}

static wk_status decode_guarded(struct reader *r) {
  if (setjmp(r->jump)) {
    if (r->status == WK_ERR_MEMORY)
      return WK_FAIL(r->err, WK_ERR_MEMORY, "no memory to decode the JPEG (%zu bytes)", r->job->size);
    if (r->ended || r->missing) /* the end of the data is why: libjpeg saw it first */
      return wk_codec_truncated("JPEG", r->job->size, r->err);
    if (r->cinfo.data_precision > BITS_IN_JSAMPLE && r->status == WK_ERR_UNSUPPORTED)
      return WK_FAIL(
          r->err, WK_ERR_UNSUPPORTED,
          "the JPEG has %d bits a sample, as scanners in medicine make them; whisker reads %d: convert it to 8 "
          "bits (or save it as PNG)",
          r->cinfo.data_precision, BITS_IN_JSAMPLE);
    if (r->status == WK_ERR_UNSUPPORTED)
      return WK_FAIL(r->err, WK_ERR_UNSUPPORTED,
                     "the JPEG is of a kind that libjpeg does not decode (%s); save it as an ordinary JPEG or PNG",
                     r->message);
    return WK_FAIL(r->err, r->status, "the JPEG cannot be decoded: %s", r->message);
  }
  struct jpeg_decompress_struct *c = &r->cinfo;
  read_header(r);
  WK_RETURN_IF_ERROR(wk_codec_check_size("JPEG", c->image_width, c->image_height, &r->job->options, r->err));
  bool cmyk = c->jpeg_color_space == JCS_CMYK || c->jpeg_color_space == JCS_YCCK;
  bool grey = r->job->options.luma_only && c->jpeg_color_space == JCS_YCbCr;
  c->out_color_space = cmyk ? JCS_CMYK : grey ? JCS_GRAYSCALE : JCS_RGB;
  c->scale_num = 1;
  c->scale_denom = choose_scale(&r->job->options, c->image_width, c->image_height);
  r->job->scale = (int)c->scale_denom;
  jpeg_start_decompress(c);
  WK_RETURN_IF_ERROR(wk_image_alloc_raw(&r->image, (int)c->output_width, (int)c->output_height, r->err));
  if (cmyk || grey) {
    r->row = wk_alloc_array(c->output_width, (size_t)c->output_components);
    if (!r->row)
      return WK_FAIL(r->err, WK_ERR_MEMORY, "no memory to decode the JPEG (%zu bytes)", r->job->size);
  }
  WK_RETURN_IF_ERROR(read_rows(r));
  if (!r->job->options.accept_truncated && is_truncated(r))
    return wk_codec_truncated("JPEG", r->job->size, r->err);
  return WK_OK;
}

static wk_status jpeg_decode(wk_image *out, wk_decode_job *job, wk_error *err) {
  struct reader r;
  reader_open(&r, job, err);
  wk_status st = decode_guarded(&r);
  jpeg_destroy_decompress(&r.cinfo);
  wk_free(r.row);
  if (st != WK_OK)
    wk_image_free(&r.image);
  else
    *out = r.image;
  return st;
}

static wk_status header_guarded(struct reader *r) {
  if (setjmp(r->jump))
    return WK_FAIL(r->err, r->status, "the JPEG cannot be read: %s", r->message);
  read_header(r);
  return WK_OK;
}

static wk_status jpeg_probe(wk_probe *p, wk_error *err) {
  if (wk_jpeg_probe(p, NULL) == WK_OK)
    return WK_OK;
  /* Odd or damaged: libjpeg says which. */
  wk_decode_job job = {.bytes = p->bytes, .size = p->size};
  struct reader r;
  reader_open(&r, &job, err);
  wk_status st = header_guarded(&r);
  if (st == WK_OK)
    p->width = (int)r.cinfo.image_width, p->height = (int)r.cinfo.image_height;
  jpeg_destroy_decompress(&r.cinfo);
  return st;
}

const wk_codec wk_codec_jpeg = {"JPEG", jpeg_probe, jpeg_decode, NULL, wk_jpeg_profile};
