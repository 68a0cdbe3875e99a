/* heif.c - HEIC, HEIF and AVIF through libheif, in one thread a photo, upright as libheif turns it (the EXIF in these
 * files only repeats that). Transparent parts lie over white; more than 8 bits are reduced to 8. */
#include <string.h>

#include <libheif/heif.h>

#include "base/library.h"
#include "image/codec.h"

/* Those of libheif 1.15, which Debian 12 has, and of all after it. */
#define FUNCTIONS(X)                                                                                                   \
  X(context_alloc)                                                                                                     \
  X(context_free)                                                                                                      \
  X(context_set_max_decoding_threads)                                                                                  \
  X(context_read_from_memory_without_copy)                                                                             \
  X(context_get_primary_image_ID)                                                                                      \
  X(context_get_number_of_top_level_images)                                                                            \
  X(context_get_list_of_top_level_image_IDs)                                                                           \
  X(context_get_image_handle)                                                                                          \
  X(image_handle_release)                                                                                              \
  X(image_handle_get_width)                                                                                            \
  X(image_handle_get_height)                                                                                           \
  X(image_handle_has_alpha_channel)                                                                                    \
  X(image_handle_get_raw_color_profile_size)                                                                           \
  X(image_handle_get_raw_color_profile)                                                                                \
  X(decoding_options_alloc)                                                                                            \
  X(decoding_options_free)                                                                                             \
  X(decode_image)                                                                                                      \
  X(image_release)                                                                                                     \
  X(image_get_width)                                                                                                   \
  X(image_get_height)                                                                                                  \
  X(image_get_chroma_format)                                                                                           \
  X(image_get_plane_readonly)

/* heif_decode_image and so on, as libheif/heif.h declares them. */
struct heif_functions {
#define MEMBER(name) __typeof__(&heif_##name) name;
  FUNCTIONS(MEMBER)
#undef MEMBER
};

static wk_status load(struct heif_functions *lib, wk_error *err) {
  static const char *const name[] = {
#define NAME(name) "heif_" #name,
      FUNCTIONS(NAME)
#undef NAME
  };
  return wk_library_load(lib, name, sizeof name / sizeof *name, WK_HEIF_FILE, "HEIC photos are read through libheif",
                         "install it (Debian and Ubuntu: apt-get install libheif1), or save the photos as JPEG", err);
}

/* An open file, and one photo of it. */
struct source {
  struct heif_functions lib;
  struct heif_context *context;
  struct heif_image_handle *photo;
  int photos;
};

static void source_close(struct source *s) {
  if (s->photo)
    s->lib.image_handle_release(s->photo);
  if (s->context)
    s->lib.context_free(s->context);
}

/* What libheif says, in one line. */
static wk_status broken(struct heif_error e, size_t size, wk_error *err) {
  switch (e.code) {
  case heif_error_Memory_allocation_error:
    if (e.subcode == heif_suberror_Security_limit_exceeded)
      return WK_FAIL(err, WK_ERR_FORMAT, "the HEIC says it is larger than libheif allows; make the picture smaller");
    return WK_FAIL(err, WK_ERR_FORMAT, "the HEIC cannot be decoded: its data are damaged, or too large for the memory");
  case heif_error_Unsupported_filetype:
  case heif_error_Unsupported_feature:
  case heif_error_Plugin_loading_error:
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "the HEIC uses what this libheif does not decode (%s); install its codecs (Debian 13: "
                   "libheif-plugin-libde265), or save the photo as JPEG",
                   e.message ? e.message : "no reason given");
  default:
    if (e.subcode == heif_suberror_End_of_data)
      return wk_codec_truncated("HEIC", size, err);
    return WK_FAIL(err, WK_ERR_FORMAT, "the HEIC cannot be decoded (%s): it is damaged or breaks off; get it again",
                   e.message ? e.message : "no reason given");
  }
}

/* The primary photo is frame 0; the others follow in the file's order. */
static wk_status find_photo(heif_item_id *id, const struct source *s, int frame, wk_error *err) {
  wk_status st = WK_OK;
  heif_item_id *all = NULL;
  struct heif_error e = s->lib.context_get_primary_image_ID(s->context, id);
  if (e.code != heif_error_Ok)
    return broken(e, 0, err);
  if (frame == 0)
    return WK_OK;
  if (frame >= s->photos)
    return wk_codec_no_frame("HEIC", frame, s->photos, err);
  const heif_item_id primary = *id;
  all = wk_alloc_array((size_t)s->photos, sizeof *all);
  WK_FAIL_IF(!all, err, WK_ERR_MEMORY, "no memory to look into the HEIC");
  int n = s->lib.context_get_list_of_top_level_image_IDs(s->context, all, s->photos);
  int others = 0;
  for (int i = 0; i < n && others < frame; i++)
    if (all[i] != primary) {
      *id = all[i];
      others++;
    }
done:
  wk_free(all);
  return st;
}

static wk_status source_open(struct source *s, const uint8_t *bytes, size_t size, int frame, wk_error *err) {
  wk_status st = WK_OK;
  struct source opened = {0};
  WK_RETURN_IF_ERROR(load(&opened.lib, err));
  opened.context = opened.lib.context_alloc();
  WK_FAIL_IF(!opened.context, err, WK_ERR_MEMORY, "no memory to decode the HEIC (%zu bytes)", size);
  opened.lib.context_set_max_decoding_threads(opened.context, 0); /* in this thread: there is a worker for each photo */
  struct heif_error e = opened.lib.context_read_from_memory_without_copy(opened.context, bytes, size, NULL);
  if (e.code == heif_error_Ok) {
    opened.photos = opened.lib.context_get_number_of_top_level_images(opened.context);
    heif_item_id id;
    WK_TRY(find_photo(&id, &opened, frame, err));
    e = opened.lib.context_get_image_handle(opened.context, id, &opened.photo);
  }
  if (e.code != heif_error_Ok) {
    st = broken(e, size, err);
    goto done;
  }
  *s = opened;
done:
  if (st != WK_OK)
    source_close(&opened);
  return st;
}

static struct heif_error decode(struct heif_image **out, const struct source *s, bool accept_damage) {
  const struct heif_error none = {heif_error_Memory_allocation_error, heif_suberror_Unspecified, "out of memory"};
  struct heif_decoding_options *options = s->lib.decoding_options_alloc();
  if (!options)
    return none;
  options->convert_hdr_to_8bit = 1;
  options->strict_decoding = !accept_damage;
  const bool alpha = s->lib.image_handle_has_alpha_channel(s->photo);
  struct heif_error e = s->lib.decode_image(
      s->photo, out, heif_colorspace_RGB, alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, options);
  s->lib.decoding_options_free(options);
  return e;
}

static wk_status copy_rgb(wk_image *out, const struct source *s, const struct heif_image *image, wk_error *err) {
  const int width = s->lib.image_get_width(image, heif_channel_interleaved);
  const int height = s->lib.image_get_height(image, heif_channel_interleaved);
  const bool alpha = s->lib.image_get_chroma_format(image) == heif_chroma_interleaved_RGBA;
  int pitch;
  const uint8_t *from = s->lib.image_get_plane_readonly(image, heif_channel_interleaved, &pitch);
  if (!from || width != out->width || height != out->height)
    return WK_FAIL(err, WK_ERR_FORMAT, "the HEIC says it is %d x %d pixels and is %d x %d; it is damaged", out->width,
                   out->height, width, height);
  for (int y = 0; y < height; y++) {
    const uint8_t *row = from + (size_t)y * (size_t)pitch;
    uint8_t *to = out->pixels + (size_t)y * (size_t)width * 3;
    if (alpha)
      wk_over_white(to, row, (size_t)width);
    else
      memcpy(to, row, (size_t)width * 3);
  }
  return WK_OK;
}

static wk_status heif_decode(wk_image *out, wk_decode_job *job, wk_error *err) {
  wk_status st = WK_OK;
  struct source s;
  struct heif_image *decoded = NULL;
  wk_image image = {0};
  WK_RETURN_IF_ERROR(source_open(&s, job->bytes, job->size, job->options.frame, err));
  const int width = s.lib.image_handle_get_width(s.photo), height = s.lib.image_handle_get_height(s.photo);
  WK_TRY(wk_codec_check_size("HEIC", width, height, &job->options, err));
  WK_TRY(wk_hevc_check_size(job->bytes, job->size, &job->options, err));
  struct heif_error e = decode(&decoded, &s, job->options.accept_truncated);
  if (e.code != heif_error_Ok) {
    st = broken(e, job->size, err);
    goto done;
  }
  WK_TRY(wk_image_alloc_raw(&image, width, height, err));
  WK_TRY(copy_rgb(&image, &s, decoded, err));
  *out = image;
done:
  if (decoded)
    s.lib.image_release(decoded);
  source_close(&s);
  if (st != WK_OK)
    wk_image_free(&image);
  return st;
}

static wk_status heif_probe(wk_probe *p, wk_error *err) {
  struct source s;
  WK_RETURN_IF_ERROR(source_open(&s, p->bytes, p->size, p->frame, err));
  p->width = s.lib.image_handle_get_width(s.photo);
  p->height = s.lib.image_handle_get_height(s.photo);
  source_close(&s);
  if (p->width < 1 || p->height < 1)
    return WK_FAIL(err, WK_ERR_FORMAT, "the HEIC says it is %d x %d pixels; it is damaged", p->width, p->height);
  return WK_OK;
}

static wk_status heif_frames(int *count, const uint8_t *bytes, size_t size, wk_error *err) {
  struct source s;
  WK_RETURN_IF_ERROR(source_open(&s, bytes, size, 0, err));
  *count = s.photos > 1 ? s.photos : 1;
  source_close(&s);
  return WK_OK;
}

static wk_status heif_profile(uint8_t **out, size_t *size, const wk_probe *p, wk_error *err) {
  wk_status st = WK_OK;
  struct source s;
  uint8_t *profile = NULL;
  WK_RETURN_IF_ERROR(source_open(&s, p->bytes, p->size, p->frame, err));
  const size_t n = s.lib.image_handle_get_raw_color_profile_size(s.photo);
  if (!n)
    goto done;
  profile = n <= WK_PROFILE_MAX ? wk_alloc(n) : NULL;
  WK_FAIL_IF(!profile, err, WK_ERR_MEMORY, "no memory for a colour profile of %zu bytes", n);
  if (s.lib.image_handle_get_raw_color_profile(s.photo, profile).code == heif_error_Ok) {
    *out = profile;
    *size = n;
    profile = NULL;
  }
done:
  wk_free(profile);
  source_close(&s);
  return st;
}

const wk_codec wk_codec_heif = {"HEIC", heif_probe, heif_decode, heif_frames, heif_profile};
