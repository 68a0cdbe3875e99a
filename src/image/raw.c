/* raw.c - cameras' raw pictures by the preview that the camera put in, through LibRaw, which is loaded for the first
 * one. The preview is a JPEG nearly always, often of full size, and developed as the camera develops. */
#include <string.h>

#include <libraw/libraw.h>

#include "base/library.h"
#include "image/codec.h"

#define FUNCTIONS(X)                                                                                                   \
  X(init)                                                                                                              \
  X(open_buffer)                                                                                                       \
  X(unpack_thumb)                                                                                                      \
  X(dcraw_make_mem_thumb)                                                                                              \
  X(dcraw_clear_mem)                                                                                                   \
  X(close)                                                                                                             \
  X(strerror)

/* libraw_init and so on, as libraw/libraw.h declares them. */
struct raw_functions {
#define MEMBER(name) __typeof__(&libraw_##name) name;
  FUNCTIONS(MEMBER)
#undef MEMBER
};

static wk_status load(struct raw_functions *lib, wk_error *err) {
  static const char *const name[] = {
#define NAME(name) "libraw_" #name,
      FUNCTIONS(NAME)
#undef NAME
  };
  return wk_library_load(lib, name, sizeof name / sizeof *name, WK_RAW_FILE,
                         "camera raw pictures are read through LibRaw",
                         "install it (Debian and Ubuntu: apt-get install libraw-dev), or save the photos as JPEG", err);
}

static bool is_tiff(const uint8_t *b, size_t size) {
  return size >= 4 && (memcmp(b, "II\x2a\0", 4) == 0 || memcmp(b, "MM\0\x2a", 4) == 0);
}

bool wk_is_raw(const uint8_t *b, size_t size) {
  static const struct {
    uint8_t at, size;
    const char *bytes;
  } known[] = {{8, 4, "CR\2\0"},           {0, 4, "IIRO"}, {0, 4, "IIRS"},  {0, 4, "MMOR"},     {0, 4, "IIU\0"},
               {0, 15, "FUJIFILMCCD-RAW"}, {0, 4, "FOVb"}, {0, 4, "\0MRM"}, {6, 8, "HEAPCCDR"}, {4, 8, "ftypcrx "}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (size >= (size_t)known[i].at + known[i].size && memcmp(b + known[i].at, known[i].bytes, known[i].size) == 0)
      return true;
  /* DNG, NEF, ARW, PEF and SRW begin as any TIFF: by DNGVersion, or by the camera's name beside further directories. */
  enum { MAKE = 271, SUB_DIRECTORIES = 330, DNG_VERSION = 50706 };
  return is_tiff(b, size) && (wk_tiff_has_tag(b, size, DNG_VERSION) ||
                              (wk_tiff_has_tag(b, size, MAKE) && wk_tiff_has_tag(b, size, SUB_DIRECTORIES)));
}

/* A preview, taken out. */
struct preview {
  struct raw_functions lib;
  libraw_data_t *raw;
  libraw_processed_image_t *image; /* a JPEG, or pixels */
  bool foreign;                    /* LibRaw knows no camera that writes such a file */
};

static void preview_close(struct preview *v) {
  if (v->image)
    v->lib.dcraw_clear_mem(v->image);
  if (v->raw)
    v->lib.close(v->raw);
}

static wk_status preview_open(struct preview *v, const uint8_t *bytes, size_t size, wk_error *err) {
  enum { SILENT = 3 }; /* LibRaw's own reports of lack of memory and of damage would go to the terminal */
  *v = (struct preview){0};
  wk_status st = WK_OK;
  WK_RETURN_IF_ERROR(load(&v->lib, err));
  v->raw = v->lib.init(SILENT);
  WK_FAIL_IF(!v->raw, err, WK_ERR_MEMORY, "no memory to read the camera raw picture (%zu bytes)", size);
  int why = v->lib.open_buffer(v->raw, (void *)(uintptr_t)bytes, size);
  v->foreign = why == LIBRAW_FILE_UNSUPPORTED;
  if (why == LIBRAW_SUCCESS)
    why = v->lib.unpack_thumb(v->raw);
  if (why == LIBRAW_SUCCESS)
    v->image = v->lib.dcraw_make_mem_thumb(v->raw, &why);
  const bool usable =
      v->image && (v->image->type == LIBRAW_IMAGE_JPEG ||
                   (v->image->type == LIBRAW_IMAGE_BITMAP && v->image->colors == 3 && v->image->bits == 8 &&
                    v->image->data_size >= 3u * v->image->width * v->image->height));
  WK_FAIL_IF(
      !usable, err, WK_ERR_FORMAT,
      "the camera raw picture holds no preview that can be read (%s); save it as JPEG with the camera maker's program",
      v->lib.strerror(why));
done:
  if (st != WK_OK)
    preview_close(v);
  return st;
}

/* How LibRaw says which way up, as EXIF's number. */
static int orientation_of(const struct preview *v) {
  const int flip = v->raw->sizes.flip;
  return flip == 3 ? 3 : flip == 5 ? 8 : flip == 6 ? 6 : 1;
}

static wk_status raw_probe(wk_probe *p, wk_error *err) {
  struct preview v;
  wk_status st = preview_open(&v, p->bytes, p->size, err);
  if (st != WK_OK && v.foreign && is_tiff(p->bytes, p->size)) {
    p->codec = &wk_codec_tiff; /* a TIFF after all */
    p->format = WK_IMAGE_TIFF;
    return p->codec->probe(p, err);
  }
  if (st != WK_OK)
    return st;
  p->width = v.image->width, p->height = v.image->height;
  p->orientation = orientation_of(&v);
  if (v.image->type == LIBRAW_IMAGE_JPEG) {
    wk_probe inner = {.codec = &wk_codec_jpeg, .bytes = v.image->data, .size = v.image->data_size, .orientation = 1};
    st = wk_codec_jpeg.probe(&inner, err);
    p->width = inner.width, p->height = inner.height;
    if (inner.orientation != 1)
      p->orientation = inner.orientation;
  }
  preview_close(&v);
  return st;
}

static wk_status raw_decode(wk_image *out, wk_decode_job *job, wk_error *err) {
  struct preview v;
  WK_RETURN_IF_ERROR(preview_open(&v, job->bytes, job->size, err));
  wk_status st = WK_OK;
  wk_image image = {0};
  if (v.image->type == LIBRAW_IMAGE_JPEG) {
    wk_decode_job inner = *job;
    inner.bytes = v.image->data, inner.size = v.image->data_size;
    WK_TRY(wk_codec_jpeg.decode(&image, &inner, err));
    job->scale = inner.scale;
  } else {
    WK_TRY(wk_codec_check_size("camera raw picture", v.image->width, v.image->height, &job->options, err));
    WK_TRY(wk_image_alloc_raw(&image, v.image->width, v.image->height, err));
    memcpy(image.pixels, v.image->data, (size_t)image.width * (size_t)image.height * 3);
  }
  *out = image;
done:
  preview_close(&v);
  return st;
}

const wk_codec wk_codec_raw = {"camera raw picture", raw_probe, raw_decode, NULL, NULL};
