/* webp.c - WebP through libwebp: lossy and lossless, transparent parts over white; of an animation one frame, on white
 * (where nothing is transparent: black) where it does not cover the canvas. */
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "image/codec.h"

static wk_status broken(VP8StatusCode code, size_t size, wk_error *err) {
  switch (code) {
  case VP8_STATUS_OUT_OF_MEMORY: /* newer libwebp says so of damaged tables, too, and far more often */
    return WK_FAIL(err, WK_ERR_FORMAT, "the WebP cannot be decoded: its data are damaged, or too large for the memory");
  case VP8_STATUS_NOT_ENOUGH_DATA:
  case VP8_STATUS_SUSPENDED:
    return wk_codec_truncated("WebP", size, err);
  case VP8_STATUS_UNSUPPORTED_FEATURE:
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "the WebP uses a feature that libwebp does not know");
  default:
    return WK_FAIL(err, WK_ERR_FORMAT, "the WebP cannot be decoded: its data are damaged");
  }
}

/* Pixels on the way: RGB, or RGBA where the file says that it has transparent parts. */
typedef struct canvas {
  uint8_t *at;
  size_t pitch, channels;
  int width, height;
} canvas;

/* One still picture of width x height at (x, y). Decoded piecewise, so that what is there of a truncated one stays. */
static wk_status decode_still(const canvas *c, int x, int y, int width, int height, const uint8_t *bytes, size_t size,
                              bool accept_truncated, wk_error *err) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config))
    return WK_FAIL(err, WK_ERR_INTERNAL, "libwebp's version does not fit the one whisker was built with");
  config.output.colorspace = c->channels == 4 ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = c->at + (size_t)y * c->pitch + (size_t)x * c->channels;
  config.output.u.RGBA.stride = (int)c->pitch;
  config.output.u.RGBA.size = c->pitch * (size_t)(height - 1) + (size_t)width * c->channels;
  VP8StatusCode code;
  if (accept_truncated) {
    WebPIDecoder *decoder = WebPIDecode(NULL, 0, &config);
    if (!decoder)
      return WK_FAIL(err, WK_ERR_MEMORY, "no memory to decode the WebP (%zu bytes)", size);
    code = WebPIUpdate(decoder, bytes, size);
    if (code == VP8_STATUS_SUSPENDED)
      code = VP8_STATUS_OK;
    WebPIDelete(decoder);
  } else {
    code = WebPDecode(bytes, size, &config);
  }
  WebPFreeDecBuffer(&config.output);
  return code == VP8_STATUS_OK ? WK_OK : broken(code, size, err);
}

static wk_status decode_first_frame(const canvas *c, wk_decode_job *job, wk_error *err) {
  wk_status st = WK_OK;
  WebPIterator frame = {0};
  WebPData data = {job->bytes, job->size};
  WebPDemuxState state;
  WebPDemuxer *demux = WebPDemuxPartial(&data, &state);
  bool found = demux && WebPDemuxGetFrame(demux, 1, &frame);
  WK_FAIL_IF(!found && state != WEBP_DEMUX_PARSE_ERROR, err, WK_ERR_FORMAT,
             "the WebP breaks off after %zu bytes, before its picture is complete; get it again", job->size);
  WK_FAIL_IF(!found, err, WK_ERR_FORMAT, "the WebP cannot be decoded: its animation is damaged");
  WK_FAIL_IF(frame.x_offset < 0 || frame.y_offset < 0 || frame.width < 1 || frame.height < 1 ||
                 frame.width > c->width - frame.x_offset || frame.height > c->height - frame.y_offset,
             err, WK_ERR_FORMAT, "the WebP cannot be decoded: its first frame lies outside of the picture");
  int width, height;
  WK_FAIL_IF(!WebPGetInfo(frame.fragment.bytes, frame.fragment.size, &width, &height) || width != frame.width ||
                 height != frame.height,
             err, WK_ERR_FORMAT, "the WebP cannot be decoded: its first frame is damaged");
  WK_TRY(decode_still(c, frame.x_offset, frame.y_offset, width, height, frame.fragment.bytes, frame.fragment.size,
                      job->options.accept_truncated, err));
done:
  WebPDemuxReleaseIterator(&frame);
  WebPDemuxDelete(demux);
  return st;
}

/* A later frame is what all before it leave: libwebp's animation decoder knows how. Into RGBA. */
static wk_status decode_frame(const canvas *c, wk_decode_job *job, wk_error *err) {
  wk_status st = WK_OK;
  WebPData data = {job->bytes, job->size};
  WebPAnimDecoderOptions options;
  WebPAnimDecoder *decoder = NULL;
  WK_FAIL_IF(!WebPAnimDecoderOptionsInit(&options), err, WK_ERR_INTERNAL,
             "libwebp's version does not fit the one whisker was built with");
  options.color_mode = MODE_RGBA;
  decoder = WebPAnimDecoderNew(&data, &options);
  WK_FAIL_IF(!decoder, err, WK_ERR_FORMAT, "the WebP cannot be decoded: its animation is damaged or breaks off");
  uint8_t *rgba = NULL;
  int ms;
  for (int i = 0; i <= job->options.frame; i++)
    WK_FAIL_IF(!WebPAnimDecoderGetNext(decoder, &rgba, &ms), err, WK_ERR_FORMAT,
               "the WebP cannot be decoded: its frame %d is damaged or missing", i);
  memcpy(c->at, rgba, c->pitch * (size_t)c->height);
done:
  WebPAnimDecoderDelete(decoder);
  return st;
}

static wk_status webp_features(WebPBitstreamFeatures *out, const uint8_t *bytes, size_t size, wk_error *err) {
  VP8StatusCode code = WebPGetFeatures(bytes, size, out);
  return code == VP8_STATUS_OK ? WK_OK : broken(code, size, err);
}

static wk_status webp_frames(int *count, const uint8_t *bytes, size_t size, wk_error *err) {
  (void)err;
  WebPData data = {bytes, size};
  WebPDemuxState state;
  WebPDemuxer *demux = WebPDemuxPartial(&data, &state);
  uint32_t n = demux ? WebPDemuxGetI(demux, WEBP_FF_FRAME_COUNT) : 1;
  WebPDemuxDelete(demux);
  *count = n > 1 ? (int)(n < INT32_MAX ? n : INT32_MAX) : 1;
  return WK_OK;
}

static wk_status webp_decode(wk_image *out, wk_decode_job *job, wk_error *err) {
  wk_status st = WK_OK;
  wk_image image = {0};
  canvas c = {0};
  WebPBitstreamFeatures features;
  const int frame = job->options.frame;
  WK_TRY(webp_features(&features, job->bytes, job->size, err));
  WK_TRY(wk_codec_check_size("WebP", features.width, features.height, &job->options, err));
  WK_TRY(wk_image_alloc(&image, features.width, features.height, err));
  c = (canvas){image.pixels, (size_t)image.width * 3, 3, image.width, image.height};
  if (features.has_alpha || frame > 0) {
    c.channels = 4, c.pitch = (size_t)c.width * 4;
    c.at = wk_calloc((size_t)c.height, c.pitch);
    WK_FAIL_IF(!c.at, err, WK_ERR_MEMORY, "no memory to decode the WebP (%d x %d pixels)", c.width, c.height);
  }
  if (frame > 0)
    WK_TRY(decode_frame(&c, job, err));
  else if (features.has_animation)
    WK_TRY(decode_first_frame(&c, job, err));
  else
    WK_TRY(decode_still(&c, 0, 0, c.width, c.height, job->bytes, job->size, job->options.accept_truncated, err));
  if (c.channels == 4)
    wk_over_white(image.pixels, c.at, (size_t)c.width * (size_t)c.height);
  *out = image;
done:
  if (c.channels == 4)
    wk_free(c.at);
  if (st != WK_OK)
    wk_image_free(&image);
  return st;
}

/* Chunks behind the 12 bytes of RIFF: EXIF's word counts before XMP's. */
static int webp_orientation(const uint8_t *bytes, size_t size) {
  int exif = 0, xmp = 0;
  for (size_t at = 12; at + 8 <= size;) {
    const uint8_t *b = bytes + at;
    size_t length = b[4] | (size_t)b[5] << 8 | (size_t)b[6] << 16 | (size_t)b[7] << 24;
    size_t n = length < size - at - 8 ? length : size - at - 8;
    if (memcmp(b, "EXIF", 4) == 0 && !exif)
      exif = wk_exif_orientation(b + 8, n);
    else if (memcmp(b, "XMP ", 4) == 0 && !xmp)
      xmp = wk_xmp_orientation(b + 8, n);
    if (length > size)
      break;
    at += 8 + length + (length & 1);
  }
  return exif ? exif : xmp ? xmp : 1;
}

static wk_status webp_probe(wk_probe *p, wk_error *err) {
  WebPBitstreamFeatures features;
  WK_RETURN_IF_ERROR(webp_features(&features, p->bytes, p->size, err));
  if (p->frame > 0) {
    int count;
    WK_RETURN_IF_ERROR(webp_frames(&count, p->bytes, p->size, err));
    if (p->frame >= count)
      return wk_codec_no_frame("WebP", p->frame, count, err);
  }
  p->width = features.width, p->height = features.height;
  p->orientation = webp_orientation(p->bytes, p->size);
  return WK_OK;
}

static wk_status webp_profile(uint8_t **out, size_t *size, const wk_probe *p, wk_error *err) {
  wk_status st = WK_OK;
  WebPData data = {p->bytes, p->size};
  WebPDemuxState state;
  WebPDemuxer *demux = WebPDemuxPartial(&data, &state);
  WebPChunkIterator chunk = {0};
  if (demux && WebPDemuxGetChunk(demux, "ICCP", 1, &chunk))
    st = wk_codec_keep_profile(out, size, chunk.chunk.bytes, chunk.chunk.size, err);
  WebPDemuxReleaseChunkIterator(&chunk);
  WebPDemuxDelete(demux);
  return st;
}

const wk_codec wk_codec_webp = {"WebP", webp_probe, webp_decode, webp_frames, webp_profile};
