/* avif.c - AVIF through libavif, which is loaded for the first one; in one thread a photo. Transparent parts lie over
 * white; more than 8 bits are reduced to 8. Not through libheif, which reads it too, because that repeats chroma
 * samples where libavif, and so Pillow and the browsers, interpolate. */
#include <string.h>

#include <avif/avif.h>

#include "base/library.h"
#include "image/codec.h"

#define FUNCTIONS(X)                                                                                                   \
  X(DecoderCreate)                                                                                                     \
  X(DecoderDestroy)                                                                                                    \
  X(DecoderSetIOMemory)                                                                                                \
  X(DecoderParse)                                                                                                      \
  X(DecoderNthImage)                                                                                                   \
  X(RGBImageSetDefaults)                                                                                               \
  X(ImageYUVToRGB)                                                                                                     \
  X(ResultToString)

/* avifDecoderCreate and so on, as avif/avif.h declares them. */
struct avif_functions {
#define MEMBER(name) __typeof__(&avif##name) name;
  FUNCTIONS(MEMBER)
#undef MEMBER
};

static wk_status load(struct avif_functions *lib, wk_error *err) {
  static const char *const name[] = {
#define NAME(name) "avif" #name,
      FUNCTIONS(NAME)
#undef NAME
  };
  return wk_library_load(lib, name, sizeof name / sizeof *name, WK_AVIF_FILE, "AVIF pictures are read through libavif",
                         "install it (Debian and Ubuntu: apt-get install libavif-dev), or save the pictures as JPEG",
                         err);
}

static wk_status broken(const struct avif_functions *lib, avifResult why, size_t size, wk_error *err) {
  switch (why) {
  case AVIF_RESULT_TRUNCATED_DATA:
    return wk_codec_truncated("AVIF", size, err);
  case AVIF_RESULT_NO_CODEC_AVAILABLE:
  case AVIF_RESULT_NOT_IMPLEMENTED:
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "the AVIF uses what this libavif does not decode (%s); save it as JPEG or PNG",
                   lib->ResultToString(why));
  default:
    return WK_FAIL(err, WK_ERR_FORMAT, "the AVIF cannot be decoded (%s): it is damaged or breaks off; get it again",
                   lib->ResultToString(why));
  }
}

/* Opens and reads the header. The caller destroys *out. */
static wk_status open_file(avifDecoder **out, struct avif_functions *lib, const uint8_t *bytes, size_t size, int frame,
                           wk_error *err) {
  WK_RETURN_IF_ERROR(load(lib, err));
  avifDecoder *d = lib->DecoderCreate();
  if (!d)
    return WK_FAIL(err, WK_ERR_MEMORY, "no memory to decode the AVIF (%zu bytes)", size);
  d->maxThreads = 1;
  d->imageDimensionLimit = WK_IMAGE_MAX_SIDE;
  /* What many writers forget and no pixel depends on. */
  d->strictFlags = AVIF_STRICT_ENABLED & ~(avifStrictFlags)(AVIF_STRICT_PIXI_REQUIRED | AVIF_STRICT_CLAP_VALID);
  avifResult why = lib->DecoderSetIOMemory(d, bytes, size);
  if (why == AVIF_RESULT_OK)
    why = lib->DecoderParse(d);
  wk_status st = WK_OK;
  if (why != AVIF_RESULT_OK)
    st = broken(lib, why, size, err);
  else if (frame >= d->imageCount)
    st = wk_codec_no_frame("AVIF", frame, d->imageCount, err);
  if (st == WK_OK)
    *out = d;
  else
    lib->DecoderDestroy(d);
  return st;
}

/* Quarter turns against the clock, then a mirror: as EXIF numbers them. */
static int orientation_of(const avifImage *image) {
  /* [no mirror, top and bottom change places, left and right do][quarter turns] */
  static const int number[3][4] = {{1, 8, 3, 6}, {4, 5, 2, 7}, {2, 7, 4, 5}};
  const int turns = image->transformFlags & AVIF_TRANSFORM_IROT ? image->irot.angle & 3 : 0;
  int mirror = 0;
  if (image->transformFlags & AVIF_TRANSFORM_IMIR)
#if AVIF_VERSION >= 1000000
    mirror = image->imir.axis == 0 ? 1 : 2;
#else
    mirror = image->imir.mode == 0 ? 1 : 2;
#endif
  if (turns || mirror)
    return number[mirror][turns];
  const bool told = image->exif.size > 4 && wk_exif_orientation(image->exif.data, image->exif.size);
  int xmp = told ? 0 : wk_xmp_orientation(image->xmp.data, image->xmp.size);
  return xmp ? xmp : 1;
}

static wk_status avif_probe(wk_probe *p, wk_error *err) {
  struct avif_functions lib;
  avifDecoder *d = NULL;
  WK_RETURN_IF_ERROR(open_file(&d, &lib, p->bytes, p->size, p->frame, err));
  p->width = (int)d->image->width, p->height = (int)d->image->height;
  p->orientation = orientation_of(d->image);
  lib.DecoderDestroy(d);
  if (p->width < 1 || p->height < 1)
    return WK_FAIL(err, WK_ERR_FORMAT, "the AVIF says it is %d x %d pixels; it is damaged", p->width, p->height);
  return WK_OK;
}

static wk_status avif_frames(int *count, const uint8_t *bytes, size_t size, wk_error *err) {
  struct avif_functions lib;
  avifDecoder *d = NULL;
  WK_RETURN_IF_ERROR(open_file(&d, &lib, bytes, size, 0, err));
  *count = d->imageCount;
  lib.DecoderDestroy(d);
  return WK_OK;
}

static wk_status avif_decode(wk_image *out, wk_decode_job *job, wk_error *err) {
  wk_status st = WK_OK;
  struct avif_functions lib;
  avifDecoder *d = NULL;
  wk_image image = {0};
  uint8_t *rgba = NULL;
  WK_RETURN_IF_ERROR(open_file(&d, &lib, job->bytes, job->size, job->options.frame, err));
  WK_TRY(wk_codec_check_size("AVIF", d->image->width, d->image->height, &job->options, err));
  avifResult why = lib.DecoderNthImage(d, (uint32_t)job->options.frame);
  if (why != AVIF_RESULT_OK) {
    st = broken(&lib, why, job->size, err);
    goto done;
  }
  WK_TRY(wk_image_alloc_raw(&image, (int)d->image->width, (int)d->image->height, err));
  const size_t pixels = (size_t)d->image->width * d->image->height;
  const bool alpha = d->image->alphaPlane != NULL;
  avifRGBImage rgb;
  lib.RGBImageSetDefaults(&rgb, d->image);
  rgb.depth = 8;
  rgb.format = alpha ? AVIF_RGB_FORMAT_RGBA : AVIF_RGB_FORMAT_RGB;
  if (alpha) {
    rgba = wk_alloc_array(pixels, 4);
    WK_FAIL_IF(!rgba, err, WK_ERR_MEMORY, "no memory to decode the AVIF (%u x %u pixels)", d->image->width,
               d->image->height);
  }
  rgb.pixels = alpha ? rgba : image.pixels;
  rgb.rowBytes = d->image->width * (alpha ? 4 : 3);
  why = lib.ImageYUVToRGB(d->image, &rgb);
  if (why != AVIF_RESULT_OK) {
    st = broken(&lib, why, job->size, err);
    goto done;
  }
  if (alpha)
    wk_over_white(image.pixels, rgba, pixels);
  *out = image;
done:
  wk_free(rgba);
  lib.DecoderDestroy(d);
  if (st != WK_OK)
    wk_image_free(&image);
  return st;
}

static wk_status avif_profile(uint8_t **out, size_t *size, const wk_probe *p, wk_error *err) {
  struct avif_functions lib;
  avifDecoder *d = NULL;
  WK_RETURN_IF_ERROR(open_file(&d, &lib, p->bytes, p->size, p->frame, err));
  wk_status st = WK_OK;
  if (d->image->icc.size > 0)
    st = wk_codec_keep_profile(out, size, d->image->icc.data, d->image->icc.size, err);
  lib.DecoderDestroy(d);
  return st;
}

const wk_codec wk_codec_avif = {"AVIF", avif_probe, avif_decode, avif_frames, avif_profile};
