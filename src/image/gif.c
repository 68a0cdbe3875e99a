/* gif.c - the first picture of a GIF, through giflib. Transparent pixels show their palette colour and what the
 * first frame leaves uncovered shows the transparent (else the first) colour, as in Pillow's convert("RGB"). */
#include <string.h>

#include <gif_lib.h>

#include "image/codec.h"

struct source {
  const uint8_t *bytes;
  size_t size, at;
};

static int on_read(GifFileType *gif, GifByteType *to, int n) {
  struct source *s = gif->UserData;
  size_t left = s->size - s->at, take = (size_t)n < left ? (size_t)n : left;
  memcpy(to, s->bytes + s->at, take);
  s->at += take;
  return (int)take;
}

static wk_status broken(const GifFileType *gif, int code, const struct source *s, wk_error *err) {
  if (gif)
    code = gif->Error;
  if (s->at >= s->size)
    return wk_codec_truncated("GIF", s->size, err);
  if (code == D_GIF_ERR_NOT_ENOUGH_MEM)
    return WK_FAIL(err, WK_ERR_MEMORY, "no memory to decode the GIF (%zu bytes)", s->size);
  const char *why = GifErrorString(code);
  return WK_FAIL(err, WK_ERR_FORMAT, "the GIF cannot be decoded: %s", why ? why : "its data are damaged");
}

/* Reads records up to the first picture's description. *transparent: its palette index, or -1. */
static wk_status find_picture(GifFileType *gif, int *transparent, struct source *s, wk_error *err) {
  *transparent = -1;
  for (;;) {
    GifRecordType type;
    if (DGifGetRecordType(gif, &type) == GIF_ERROR)
      return broken(gif, 0, s, err);
    if (type == IMAGE_DESC_RECORD_TYPE)
      break;
    if (type == TERMINATE_RECORD_TYPE)
      return WK_FAIL(err, WK_ERR_FORMAT, "the GIF holds no picture");
    if (type != EXTENSION_RECORD_TYPE)
      continue;
    int code;
    GifByteType *block;
    if (DGifGetExtension(gif, &code, &block) == GIF_ERROR)
      return broken(gif, 0, s, err);
    while (block) {
      GraphicsControlBlock control;
      if (code == GRAPHICS_EXT_FUNC_CODE && DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
        *transparent = control.TransparentColor;
      if (DGifGetExtensionNext(gif, &block) == GIF_ERROR)
        return broken(gif, 0, s, err);
    }
  }
  if (DGifGetImageDesc(gif) == GIF_ERROR)
    return broken(gif, 0, s, err);
  return WK_OK;
}

/* Opens and reads up to the first picture; the canvas grows where the picture leaves it. */
static wk_status gif_open(GifFileType **out, int *width, int *height, int *transparent, struct source *s,
                          wk_error *err) {
  int code = 0;
  GifFileType *gif = DGifOpen(s, on_read, &code);
  if (!gif)
    return broken(NULL, code, s, err);
  wk_status st = find_picture(gif, transparent, s, err);
  if (st != WK_OK) {
    DGifCloseFile(gif, NULL);
    return st;
  }
  int right = gif->Image.Left + gif->Image.Width, bottom = gif->Image.Top + gif->Image.Height;
  *width = gif->SWidth > right ? gif->SWidth : right;
  *height = gif->SHeight > bottom ? gif->SHeight : bottom;
  *out = gif;
  return WK_OK;
}

/* 256 colours; those that the file does not give are greys, as in Pillow. */
static void palette_of(uint8_t palette[256][3], const GifFileType *gif) {
  const ColorMapObject *map = gif->Image.ColorMap ? gif->Image.ColorMap : gif->SColorMap;
  for (int i = 0; i < 256; i++) {
    bool given = map && i < map->ColorCount;
    palette[i][0] = given ? map->Colors[i].Red : (uint8_t)i;
    palette[i][1] = given ? map->Colors[i].Green : (uint8_t)i;
    palette[i][2] = given ? map->Colors[i].Blue : (uint8_t)i;
  }
}

static wk_status read_rows(wk_image *image, GifFileType *gif, uint8_t *row, uint8_t palette[256][3],
                           const wk_decode_job *job, struct source *s, wk_error *err) {
  static const int first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
  const GifImageDesc *frame = &gif->Image;
  for (int pass = 0; pass < (frame->Interlace ? 4 : 1); pass++) {
    int stride = frame->Interlace ? step[pass] : 1;
    for (int y = frame->Interlace ? first[pass] : 0; y < frame->Height; y += stride) {
      if (DGifGetLine(gif, row, frame->Width) == GIF_ERROR) {
        if (job->options.accept_truncated && s->at >= s->size)
          return WK_OK;
        return broken(gif, 0, s, err);
      }
      uint8_t *to = image->pixels + ((size_t)(frame->Top + y) * (size_t)image->width + (size_t)frame->Left) * 3;
      for (int x = 0; x < frame->Width; x++)
        memcpy(to + 3 * (size_t)x, palette[row[x]], 3);
    }
  }
  return WK_OK;
}

static wk_status gif_decode(wk_image *out, wk_decode_job *job, wk_error *err) {
  wk_status st = WK_OK;
  struct source source = {.bytes = job->bytes, .size = job->size};
  GifFileType *gif = NULL;
  wk_image image = {0};
  uint8_t *row = NULL;
  int width, height, transparent;
  WK_TRY(gif_open(&gif, &width, &height, &transparent, &source, err));
  WK_TRY(wk_codec_check_size("GIF", width, height, &job->options, err));
  WK_FAIL_IF(gif->Image.Width < 1 || gif->Image.Height < 1, err, WK_ERR_FORMAT,
             "the GIF cannot be decoded: its first frame is empty");
  WK_TRY(wk_image_alloc_raw(&image, width, height, err));
  row = wk_alloc((size_t)gif->Image.Width);
  WK_FAIL_IF(!row, err, WK_ERR_MEMORY, "no memory to decode the GIF (%zu bytes)", job->size);

  uint8_t palette[256][3];
  palette_of(palette, gif);
  const uint8_t *ground = palette[transparent > 0 ? transparent & 255 : 0];
  for (size_t i = 0; i < (size_t)image.width * (size_t)image.height; i++)
    memcpy(image.pixels + 3 * i, ground, 3);
  WK_TRY(read_rows(&image, gif, row, palette, job, &source, err));
  *out = image;
done:
  wk_free(row);
  if (st != WK_OK)
    wk_image_free(&image);
  if (gif)
    DGifCloseFile(gif, NULL);
  return st;
}

static wk_status gif_size(int *width, int *height, const uint8_t *bytes, size_t size, wk_error *err) {
  struct source source = {.bytes = bytes, .size = size};
  GifFileType *gif;
  int transparent;
  WK_RETURN_IF_ERROR(gif_open(&gif, width, height, &transparent, &source, err));
  DGifCloseFile(gif, NULL);
  return WK_OK;
}

const wk_codec wk_codec_gif = {"GIF", gif_size, gif_decode};
