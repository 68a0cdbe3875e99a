/* gif.c - one picture of a GIF, through giflib. A GIF's pixels are opaque or not there, so frames are painted on white;
 * what the first frame of one without transparency leaves uncovered shows the first colour, as in Pillow. */
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

/* What stands before a frame's description. */
typedef struct control {
  int transparent; /* its palette index, or -1 */
  int disposal;    /* what becomes of the frame before the next is painted */
} control;

/* Reads records up to the next picture's description; *more is false where there is none. */
static wk_status next_picture(GifFileType *gif, control *out, bool *more, struct source *s, wk_error *err) {
  *out = (control){.transparent = -1};
  *more = false;
  for (;;) {
    GifRecordType type;
    if (DGifGetRecordType(gif, &type) == GIF_ERROR)
      return broken(gif, 0, s, err);
    if (type == IMAGE_DESC_RECORD_TYPE)
      break;
    if (type == TERMINATE_RECORD_TYPE)
      return WK_OK;
    if (type != EXTENSION_RECORD_TYPE)
      continue;
    int code;
    GifByteType *block;
    if (DGifGetExtension(gif, &code, &block) == GIF_ERROR)
      return broken(gif, 0, s, err);
    while (block) {
      GraphicsControlBlock found;
      if (code == GRAPHICS_EXT_FUNC_CODE && DGifExtensionToGCB(block[0], block + 1, &found) == GIF_OK)
        *out = (control){found.TransparentColor, found.DisposalMode};
      if (DGifGetExtensionNext(gif, &block) == GIF_ERROR)
        return broken(gif, 0, s, err);
    }
  }
  if (DGifGetImageDesc(gif) == GIF_ERROR)
    return broken(gif, 0, s, err);
  *more = true;
  return WK_OK;
}

/* Opens and reads up to the first picture; the canvas grows where the picture leaves it. */
static wk_status gif_open(GifFileType **out, int *width, int *height, control *first, struct source *s, wk_error *err) {
  int code = 0;
  GifFileType *gif = DGifOpen(s, on_read, &code);
  if (!gif)
    return broken(NULL, code, s, err);
  bool more;
  wk_status st = next_picture(gif, first, &more, s, err);
  if (st == WK_OK && !more)
    st = WK_FAIL(err, WK_ERR_FORMAT, "the GIF holds no picture");
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

/* One line of a frame onto the picture, which a later frame may leave. */
static void paint_line(wk_image *image, const GifImageDesc *frame, int y, const uint8_t *row, uint8_t palette[256][3],
                       int transparent) {
  if (frame->Top + y >= image->height)
    return;
  const int width = frame->Left + frame->Width <= image->width ? frame->Width : image->width - frame->Left;
  uint8_t *to = image->pixels + ((size_t)(frame->Top + y) * (size_t)image->width + (size_t)frame->Left) * 3;
  for (int x = 0; x < width; x++)
    if (row[x] != transparent)
      memcpy(to + 3 * (size_t)x, palette[row[x]], 3);
}

static wk_status paint_frame(wk_image *image, GifFileType *gif, uint8_t *row, int transparent, const wk_decode_job *job,
                             struct source *s, wk_error *err) {
  static const int first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
  const GifImageDesc *frame = &gif->Image;
  uint8_t palette[256][3];
  palette_of(palette, gif);
  for (int pass = 0; pass < (frame->Interlace ? 4 : 1); pass++) {
    int stride = frame->Interlace ? step[pass] : 1;
    for (int y = frame->Interlace ? first[pass] : 0; y < frame->Height; y += stride) {
      if (DGifGetLine(gif, row, frame->Width) == GIF_ERROR) {
        if (job->options.accept_truncated && s->at >= s->size)
          return WK_OK;
        return broken(gif, 0, s, err);
      }
      paint_line(image, frame, y, row, palette, transparent);
    }
  }
  return WK_OK;
}

static void fill(wk_image *image, const GifImageDesc *part, const uint8_t colour[3]) {
  for (int y = part ? part->Top : 0; y < image->height && (!part || y < part->Top + part->Height); y++)
    for (int x = part ? part->Left : 0; x < image->width && (!part || x < part->Left + part->Width); x++)
      memcpy(image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * 3, colour, 3);
}

/* An animation on its way to the frame that is wanted. */
struct film {
  GifFileType *gif;
  wk_image image, before; /* before: what the frame covered, where it is to be put back */
  uint8_t *row;
  uint8_t ground[3];
};

/* Paints the frame that was described last. */
static wk_status paint(struct film *f, const control *c, bool last, const wk_decode_job *job, struct source *s,
                       wk_error *err) {
  const size_t bytes = (size_t)f->image.width * (size_t)f->image.height * 3;
  if (f->gif->Image.Width < 1 || f->gif->Image.Height < 1)
    return WK_FAIL(err, WK_ERR_FORMAT, "the GIF cannot be decoded: a frame of it is empty");
  wk_free(f->row);
  f->row = wk_alloc((size_t)f->gif->Image.Width);
  if (!f->row)
    return WK_FAIL(err, WK_ERR_MEMORY, "no memory to decode the GIF (%zu bytes)", job->size);
  const bool put_back = !last && c->disposal == DISPOSE_PREVIOUS;
  if (put_back && !f->before.pixels)
    WK_RETURN_IF_ERROR(wk_image_alloc_raw(&f->before, f->image.width, f->image.height, err));
  if (put_back)
    memcpy(f->before.pixels, f->image.pixels, bytes);
  WK_RETURN_IF_ERROR(paint_frame(&f->image, f->gif, f->row, c->transparent, job, s, err));
  if (put_back)
    memcpy(f->image.pixels, f->before.pixels, bytes);
  else if (!last && c->disposal == DISPOSE_BACKGROUND)
    fill(&f->image, &f->gif->Image, f->ground);
  return WK_OK;
}

static wk_status gif_decode(wk_image *out, wk_decode_job *job, wk_error *err) {
  static const uint8_t white[3] = {255, 255, 255};
  wk_status st = WK_OK;
  struct source source = {.bytes = job->bytes, .size = job->size};
  struct film f = {0};
  control c;
  int width, height;
  WK_TRY(gif_open(&f.gif, &width, &height, &c, &source, err));
  WK_TRY(wk_codec_check_size("GIF", width, height, &job->options, err));
  WK_TRY(wk_image_alloc_raw(&f.image, width, height, err));
  uint8_t palette[256][3];
  palette_of(palette, f.gif);
  memcpy(f.ground, c.transparent >= 0 ? white : palette[0], 3);
  fill(&f.image, NULL, f.ground);
  for (int i = 0;; i++) {
    WK_TRY(paint(&f, &c, i == job->options.frame, job, &source, err));
    if (i == job->options.frame)
      break;
    bool more;
    WK_TRY(next_picture(f.gif, &c, &more, &source, err));
    if (!more) {
      st = wk_codec_no_frame("GIF", job->options.frame, i + 1, err);
      goto done;
    }
  }
  *out = f.image;
done:
  wk_free(f.row);
  wk_image_free(&f.before);
  if (st != WK_OK)
    wk_image_free(&f.image);
  if (f.gif)
    DGifCloseFile(f.gif, NULL);
  return st;
}

static wk_status gif_probe(wk_probe *p, wk_error *err) {
  struct source source = {.bytes = p->bytes, .size = p->size};
  GifFileType *gif = NULL;
  control first = {0};
  WK_RETURN_IF_ERROR(gif_open(&gif, &p->width, &p->height, &first, &source, err));
  DGifCloseFile(gif, NULL);
  return WK_OK;
}

/* Frames whose description is there; what is behind the first damage does not count. */
static wk_status gif_frames(int *count, const uint8_t *bytes, size_t size, wk_error *err) {
  struct source source = {.bytes = bytes, .size = size};
  GifFileType *gif = NULL;
  control c;
  int width, height;
  WK_RETURN_IF_ERROR(gif_open(&gif, &width, &height, &c, &source, err));
  int n = 0;
  for (bool more = true; more; n++) {
    int code_size;
    GifByteType *block;
    if (DGifGetCode(gif, &code_size, &block) == GIF_ERROR)
      more = false;
    while (more && block)
      if (DGifGetCodeNext(gif, &block) == GIF_ERROR)
        more = false;
    if (more && next_picture(gif, &c, &more, &source, NULL) != WK_OK)
      more = false;
  }
  *count = n;
  DGifCloseFile(gif, NULL);
  return WK_OK;
}

const wk_codec wk_codec_gif = {"GIF", gif_probe, gif_decode, gif_frames, NULL};
