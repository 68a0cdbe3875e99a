/* icc.c - see icc.h. Little CMS is loaded for the first profile. */
#include "image/icc.h"

#include <string.h>

#include <lcms2.h>

#include "base/library.h"

#define FUNCTIONS(X)                                                                                                   \
  X(CreateContext)                                                                                                     \
  X(DeleteContext)                                                                                                     \
  X(OpenProfileFromMemTHR)                                                                                             \
  X(CloseProfile)                                                                                                      \
  X(GetColorSpace)                                                                                                     \
  X(Create_sRGBProfileTHR)                                                                                             \
  X(CreateTransformTHR)                                                                                                \
  X(DeleteTransform)                                                                                                   \
  X(DoTransform)

struct wk_icc {
/* cmsCreateContext and so on, as lcms2.h declares them. */
#define MEMBER(name) __typeof__(&cms##name) name;
  struct functions {
    FUNCTIONS(MEMBER)
  } lib;
#undef MEMBER
  cmsContext context;
  cmsHTRANSFORM transform;
  wk_icc_space space;
};

static wk_status load(struct functions *lib, wk_error *err) {
  static const char *const name[] = {
#define NAME(name) "cms" #name,
      FUNCTIONS(NAME)
#undef NAME
  };
  return wk_library_load(lib, name, sizeof name / sizeof *name, WK_LCMS_FILE,
                         "colour profiles are followed through Little CMS",
                         "install it (Debian and Ubuntu: apt-get install liblcms2-2)", err);
}

/* Of the profile's colours; false for a space that no picture here has. */
static bool space_of(wk_icc *icc, cmsHPROFILE profile, cmsUInt32Number *format) {
  switch (icc->lib.GetColorSpace(profile)) {
  case cmsSigRgbData:
    icc->space = WK_ICC_RGB, *format = TYPE_RGB_8;
    return true;
  case cmsSigGrayData:
    icc->space = WK_ICC_GREY, *format = TYPE_GRAY_8;
    return true;
  case cmsSigCmykData:
    icc->space = WK_ICC_CMYK, *format = TYPE_CMYK_8_REV;
    return true;
  default:
    return false;
  }
}

wk_status wk_icc_open(wk_icc **out, const void *profile, size_t size, wk_error *err) {
  wk_status st = WK_OK;
  cmsHPROFILE from = NULL, to = NULL;
  cmsUInt32Number format = 0;
  wk_icc *icc = wk_calloc(1, sizeof *icc);
  WK_FAIL_IF(!icc, err, WK_ERR_MEMORY, "no memory for a colour profile");
  WK_TRY(load(&icc->lib, err));
  icc->context = icc->lib.CreateContext(NULL, NULL); /* one of its own: threads share nothing */
  WK_FAIL_IF(!icc->context, err, WK_ERR_MEMORY, "no memory for a colour profile");
  from = size <= UINT32_MAX ? icc->lib.OpenProfileFromMemTHR(icc->context, profile, (cmsUInt32Number)size) : NULL;
  to = icc->lib.Create_sRGBProfileTHR(icc->context);
  if (from && to && space_of(icc, from, &format))
    icc->transform = icc->lib.CreateTransformTHR(icc->context, from, format, to, TYPE_RGB_8, INTENT_PERCEPTUAL, 0);
  WK_FAIL_IF(!icc->transform, err, WK_ERR_FORMAT,
             "its colour profile is damaged or for other devices; read it without following colour profiles");
  *out = icc;
done:
  if (from)
    icc->lib.CloseProfile(from);
  if (to)
    icc->lib.CloseProfile(to);
  if (st != WK_OK)
    wk_icc_close(icc);
  return st;
}

void wk_icc_close(wk_icc *icc) {
  if (!icc)
    return;
  if (icc->transform)
    icc->lib.DeleteTransform(icc->transform);
  if (icc->context)
    icc->lib.DeleteContext(icc->context);
  wk_free(icc);
}

wk_icc_space wk_icc_space_of(const wk_icc *icc) { return icc->space; }

void wk_icc_run(const wk_icc *icc, uint8_t *rgb, const uint8_t *cmyk, size_t n) {
  enum { CHUNK = 1024 };
  uint8_t in[CHUNK * 3];
  for (size_t at = 0; at < n; at += CHUNK) {
    const size_t m = n - at < CHUNK ? n - at : CHUNK;
    uint8_t *to = rgb + 3 * at;
    if (icc->space == WK_ICC_GREY)
      for (size_t i = 0; i < m; i++)
        in[i] = to[3 * i];
    else if (icc->space == WK_ICC_RGB)
      memcpy(in, to, 3 * m);
    icc->lib.DoTransform(icc->transform, icc->space == WK_ICC_CMYK ? cmyk + 4 * at : in, to, (cmsUInt32Number)m);
  }
}
