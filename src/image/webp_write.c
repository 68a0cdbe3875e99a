/* webp_write.c - films: pictures of one size as an animated WebP, which browsers play. */
#include <webp/encode.h>
#include <webp/mux.h>

#include "image/codec.h"

static wk_status add_frame(WebPAnimEncoder *encoder, const wk_image *frame, int at_ms, wk_error *err) {
  WebPConfig config;
  WebPPicture picture;
  if (!WebPConfigInit(&config) || !WebPPictureInit(&picture))
    return WK_FAIL(err, WK_ERR_INTERNAL, "libwebp and its headers are of different versions");
  config.quality = 70;
  picture.width = frame->width;
  picture.height = frame->height;
  wk_status st = WK_OK;
  if (!WebPPictureImportRGB(&picture, frame->pixels, frame->width * 3))
    st = WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a film");
  else if (!WebPAnimEncoderAdd(encoder, &picture, at_ms, &config))
    st = WK_FAIL(err, WK_ERR_INTERNAL, "the film cannot be made: %s", WebPAnimEncoderGetError(encoder));
  WebPPictureFree(&picture);
  return st;
}

wk_status wk_image_save_film(const wk_image *frame, int frames, int frame_ms, const char *path, wk_error *err) {
  if (frames < 1 || frame_ms < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a film needs pictures, and time for each");
  for (int i = 0; i < frames; i++)
    if (frame[i].width != frame[0].width || frame[i].height != frame[0].height || frame[i].width > WEBP_MAX_DIMENSION ||
        frame[i].height > WEBP_MAX_DIMENSION)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "the pictures of a film must have one size, up to %d pixels a side",
                     WEBP_MAX_DIMENSION);
  WebPAnimEncoderOptions options;
  WebPData data;
  WebPDataInit(&data);
  if (!WebPAnimEncoderOptionsInit(&options))
    return WK_FAIL(err, WK_ERR_INTERNAL, "libwebpmux and its headers are of different versions");
  WebPAnimEncoder *encoder = WebPAnimEncoderNew(frame[0].width, frame[0].height, &options);
  if (!encoder)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a film");
  wk_status st = WK_OK;
  for (int i = 0; i < frames; i++)
    WK_TRY(add_frame(encoder, &frame[i], i * frame_ms, err));
  /* The last picture stays for a while before the film begins again. */
  WK_FAIL_IF(!WebPAnimEncoderAdd(encoder, NULL, frames * frame_ms + 1500, NULL) ||
                 !WebPAnimEncoderAssemble(encoder, &data),
             err, WK_ERR_INTERNAL, "the film cannot be made: %s", WebPAnimEncoderGetError(encoder));
  st = wk_file_write(path, data.bytes, data.size, err);
done:
  WebPDataClear(&data);
  WebPAnimEncoderDelete(encoder);
  return st;
}
