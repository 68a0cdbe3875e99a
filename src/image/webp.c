/* webp.c - WebP through libwebp: lossy and lossless, transparency dropped; of an animation the first frame, on black
 * where it does not cover the canvas. */
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

/* One still picture of width x height into `to`. Decoded piecewise, so that what is there of a truncated one stays. */
static wk_status decode_still(uint8_t *to, int width, int height, size_t pitch, const uint8_t *bytes, size_t size,
                              bool accept_truncated, wk_error *err) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config))
    return WK_FAIL(err, WK_ERR_INTERNAL, "libwebp's version does not fit the one whisker was built with");
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = to;
  config.output.u.RGBA.stride = (int)pitch;
  config.output.u.RGBA.size = pitch * (size_t)(height - 1) + (size_t)width * 3;
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

static wk_status decode_first_frame(wk_image *canvas, wk_decode_job *job, wk_error *err) {
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
                 frame.width > canvas->width - frame.x_offset || frame.height > canvas->height - frame.y_offset,
             err, WK_ERR_FORMAT, "the WebP cannot be decoded: its first frame lies outside of the picture");
  int width, height;
  WK_FAIL_IF(!WebPGetInfo(frame.fragment.bytes, frame.fragment.size, &width, &height) || width != frame.width ||
                 height != frame.height,
             err, WK_ERR_FORMAT, "the WebP cannot be decoded: its first frame is damaged");
  size_t pitch = (size_t)canvas->width * 3;
  WK_TRY(decode_still(canvas->pixels + (size_t)frame.y_offset * pitch + (size_t)frame.x_offset * 3, width, height,
                      pitch, frame.fragment.bytes, frame.fragment.size, job->options.accept_truncated, err));
done:
  WebPDemuxReleaseIterator(&frame);
  WebPDemuxDelete(demux);
  return st;
}

static wk_status webp_features(WebPBitstreamFeatures *out, const uint8_t *bytes, size_t size, wk_error *err) {
  VP8StatusCode code = WebPGetFeatures(bytes, size, out);
  return code == VP8_STATUS_OK ? WK_OK : broken(code, size, err);
}

static wk_status webp_decode(wk_image *out, wk_decode_job *job, wk_error *err) {
  wk_status st = WK_OK;
  wk_image image = {0};
  WebPBitstreamFeatures features;
  WK_TRY(webp_features(&features, job->bytes, job->size, err));
  WK_TRY(wk_codec_check_size("WebP", features.width, features.height, &job->options, err));
  WK_TRY(wk_image_alloc(&image, features.width, features.height, err));
  if (features.has_animation)
    WK_TRY(decode_first_frame(&image, job, err));
  else
    WK_TRY(decode_still(image.pixels, image.width, image.height, (size_t)image.width * 3, job->bytes, job->size,
                        job->options.accept_truncated, err));
  *out = image;
done:
  if (st != WK_OK)
    wk_image_free(&image);
  return st;
}

static wk_status webp_size(int *width, int *height, const uint8_t *bytes, size_t size, wk_error *err) {
  WebPBitstreamFeatures features;
  WK_RETURN_IF_ERROR(webp_features(&features, bytes, size, err));
  *width = features.width, *height = features.height;
  return WK_OK;
}

const wk_codec wk_codec_webp = {"WebP", webp_size, webp_decode};
