/* decode.c - bytes to upright RGB pixels: picks the codec by content, checks sizes, turns. */
#include <string.h>

#include "image/codec.h"
#include "image/icc.h"

static const wk_codec *codec_of(wk_image_format format) {
  switch (format) {
  case WK_IMAGE_JPEG:
    return &wk_codec_jpeg;
  case WK_IMAGE_PNG:
    return &wk_codec_png;
  case WK_IMAGE_WEBP:
    return &wk_codec_webp;
  case WK_IMAGE_GIF:
    return &wk_codec_gif;
  case WK_IMAGE_BMP:
    return &wk_codec_bmp;
  case WK_IMAGE_TIFF:
    return &wk_codec_tiff;
  case WK_IMAGE_HEIF:
    return &wk_codec_heif;
  case WK_IMAGE_AVIF:
    return &wk_codec_avif;
  case WK_IMAGE_PNM:
    return &wk_codec_pnm;
  case WK_IMAGE_ICO:
    return &wk_codec_ico;
  case WK_IMAGE_RAW:
    return &wk_codec_raw;
  case WK_IMAGE_UNKNOWN:
    break;
  }
  return NULL;
}

void wk_decode_options_init(wk_decode_options *options) {
  *options = (wk_decode_options){.max_pixels = UINT64_C(178956970)};
}

wk_status wk_codec_check_size(const char *format, int64_t width, int64_t height, const wk_decode_options *options,
                              wk_error *err) {
  if (width < 1 || height < 1)
    return WK_FAIL(err, WK_ERR_FORMAT, "the %s says it is %lld x %lld pixels; it is damaged", format, (long long)width,
                   (long long)height);
  if (width > WK_IMAGE_MAX_SIDE || height > WK_IMAGE_MAX_SIDE)
    return WK_FAIL(err, WK_ERR_FORMAT,
                   "the %s says it is %lld x %lld pixels; a side may have at most %d; make the picture smaller", format,
                   (long long)width, (long long)height, WK_IMAGE_MAX_SIDE);
  if ((uint64_t)width * (uint64_t)height > options->max_pixels)
    return WK_FAIL(
        err, WK_ERR_FORMAT,
        "the %s says it is %lld x %lld pixels, more than the %llu that are allowed; make the picture smaller", format,
        (long long)width, (long long)height, (unsigned long long)options->max_pixels);
  return WK_OK;
}

wk_status wk_codec_truncated(const char *format, size_t size, wk_error *err) {
  return WK_FAIL(err, WK_ERR_FORMAT, "the %s breaks off after %zu bytes, before its picture is complete; get it again",
                 format, size);
}

wk_status wk_codec_no_frame(const char *format, int frame, int count, wk_error *err) {
  return WK_FAIL(err, WK_ERR_ARGUMENT, "frame %d of the %s was asked for; it has %d, counted from 0", frame, format,
                 count);
}

static wk_status no_picture(const uint8_t *bytes, size_t size, wk_error *err) {
  const wk_file_type type = wk_file_type_of(bytes, size);
  return WK_FAIL(err, WK_ERR_FORMAT, "this is %s, not a picture that whisker reads; %s", type.name, type.cure);
}

wk_status wk_probe_read(wk_probe *out, const void *bytes, size_t size, int frame, wk_error *err) {
  if (!bytes && size)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no bytes to look at");
  wk_probe p = {.format = wk_image_sniff(bytes, size), .frame = frame, .orientation = 1};
  p.codec = codec_of(p.format);
  if (!p.codec)
    return no_picture(bytes, size, err);
  size_t start = p.format == WK_IMAGE_JPEG ? wk_jpeg_start(bytes, size) : 0;
  p.bytes = (const uint8_t *)bytes + start;
  p.size = size - start;
  if (frame < 0 || (frame > 0 && !p.codec->frames))
    return wk_codec_no_frame(p.codec->name, frame, 1, err);
  WK_RETURN_IF_ERROR(p.codec->probe(&p, err));
  *out = p;
  return WK_OK;
}

/* The region as it lies in the stored picture, given where it lies in the upright one of width x height. */
static void stored_region(int out[4], const int in[4], int orientation, int width, int height) {
  int x0 = in[0], y0 = in[1], x1 = in[2], y1 = in[3];
  /* Upright from stored is: transpose (5..8), then mirrored sides; undo in reverse. */
  bool flip_x = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  bool flip_y = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  if (flip_x) {
    int t = width - x0;
    x0 = width - x1, x1 = t;
  }
  if (flip_y) {
    int t = height - y0;
    y0 = height - y1, y1 = t;
  }
  bool swap = orientation >= 5;
  out[0] = swap ? y0 : x0, out[1] = swap ? x0 : y0;
  out[2] = swap ? y1 : x1, out[3] = swap ? x1 : y1;
}

wk_status wk_codec_keep_profile(uint8_t **out, size_t *size, const void *bytes, size_t n, wk_error *err) {
  if (n > WK_PROFILE_MAX)
    return WK_FAIL(err, WK_ERR_FORMAT, "its colour profile has %zu bytes, more than the %zu that are allowed", n,
                   WK_PROFILE_MAX);
  uint8_t *copy = wk_alloc(n ? n : 1);
  if (!copy)
    return WK_FAIL(err, WK_ERR_MEMORY, "no memory for a colour profile of %zu bytes", n);
  memcpy(copy, bytes, n);
  *out = copy;
  *size = n;
  return WK_OK;
}

/* The transform that the photo's own profile asks for; NULL where it has none. */
static wk_status open_profile(wk_icc **out, const wk_probe *probe, wk_error *err) {
  uint8_t *profile = NULL;
  size_t n = 0;
  *out = NULL;
  if (!probe->codec->profile)
    return WK_OK;
  wk_status st = probe->codec->profile(&profile, &n, probe, err);
  if (st == WK_OK && profile)
    st = wk_icc_open(out, profile, n, err);
  wk_free(profile);
  return st == WK_OK ? st : wk_error_prefix(err, st, "the %s cannot be brought to sRGB", probe->codec->name);
}

/* Decoded as stored, then to sRGB where that is asked for. */
static wk_status decode_stored(wk_image *out, wk_decode_job *job, const wk_probe *probe, wk_error *err) {
  wk_icc *icc = NULL;
  if (job->options.to_srgb)
    WK_RETURN_IF_ERROR(open_profile(&icc, probe, err));
  const bool cmyk = icc && wk_icc_space_of(icc) == WK_ICC_CMYK;
  job->cmyk = cmyk ? icc : NULL;
  wk_status st = probe->codec->decode(out, job, err);
  if (st == WK_OK && icc && !cmyk)
    wk_icc_run(icc, out->pixels, NULL, (size_t)out->width * (size_t)out->height);
  wk_icc_close(icc);
  return st;
}

wk_status wk_image_decode_region(wk_image *out, int *scale, const wk_probe *probe, const wk_decode_options *options,
                                 const int region[4], wk_error *err) {
  wk_decode_job job = {.bytes = probe->bytes, .size = probe->size, .scale = 1, .options = *options};
  job.options.frame = probe->frame;
  const int orientation = job.options.ignore_orientation ? 1 : probe->orientation;
  const bool swap = orientation >= 5;
  if (swap) {
    int t = job.options.min_width;
    job.options.min_width = job.options.min_height;
    job.options.min_height = t;
  }
  if (region)
    stored_region(job.region, region, orientation, swap ? probe->height : probe->width,
                  swap ? probe->width : probe->height);

  wk_image image;
  if (options->to_srgb)
    memset(job.region, 0, sizeof job.region); /* nothing undefined to convert */
  WK_RETURN_IF_ERROR(decode_stored(&image, &job, probe, err));
  wk_status st = wk_image_turn(&image, orientation, err);
  if (st != WK_OK) {
    wk_image_free(&image);
    return st;
  }
  *out = image;
  if (scale)
    *scale = job.scale;
  return WK_OK;
}

wk_status wk_image_decode(wk_image *out, const void *bytes, size_t size, const wk_decode_options *options,
                          wk_error *err) {
  if (!out || (!bytes && size))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no bytes to decode, or nowhere to put the picture");
  wk_decode_options standard;
  wk_decode_options_init(&standard);
  if (!options)
    options = &standard;
  wk_probe probe = {0};
  WK_RETURN_IF_ERROR(wk_probe_read(&probe, bytes, size, options->frame, err));
  return wk_image_decode_region(out, NULL, &probe, options, NULL, err);
}

wk_status wk_image_load(wk_image *out, const char *path, const wk_decode_options *options, wk_error *err) {
  wk_file_view view;
  WK_RETURN_IF_ERROR(wk_file_map(&view, path, err));
  wk_status st = wk_image_decode(out, view.data, view.size, options, err);
  if (st != WK_OK)
    st = wk_error_prefix(err, st, "%s", path);
  wk_file_unmap(&view);
  return st;
}

wk_status wk_image_probe(int *width, int *height, wk_image_format *format, const void *bytes, size_t size,
                         wk_error *err) {
  wk_probe p = {0};
  WK_RETURN_IF_ERROR(wk_probe_read(&p, bytes, size, 0, err));
  bool swap = p.orientation >= 5;
  if (width)
    *width = swap ? p.height : p.width;
  if (height)
    *height = swap ? p.width : p.height;
  if (format)
    *format = p.format;
  return WK_OK;
}

wk_status wk_image_frames(int *count, const void *bytes, size_t size, wk_error *err) {
  wk_probe p = {0};
  WK_RETURN_IF_ERROR(wk_probe_read(&p, bytes, size, 0, err));
  *count = 1;
  return p.codec->frames ? p.codec->frames(count, p.bytes, p.size, err) : WK_OK;
}
