/* pango.c - see pango.h. The libraries' types are opaque here and their functions are declared as they are documented,
 * since Pango 1.22 and cairo 1.10: building needs neither. */
#include "plot/pango.h"

#include <dlfcn.h>
#include <string.h>

#define INSTALL_HINT "Debian: apt-get install libpangocairo-1.0-0 fonts-dejavu-core fonts-wqy-microhei"

enum { PANGO_UNIT = 1024, WEIGHT_NORMAL = 400, WEIGHT_BOLD = 700, ELLIPSIZE_END = 3, WRAP_WORD_CHAR = 2 };
enum { FORMAT_A8 = 2, ANTIALIAS_GREY = 2, HINT_STYLE_SLIGHT = 2, HINT_METRICS_OFF = 1 };

/* result, name, arguments */
#define PANGO_FUNCTIONS(F)                                                                                             \
  F(pangocairo, void *, pango_cairo_font_map_new, (void))                                                              \
  F(pangocairo, void, pango_cairo_context_set_font_options, (void *, const void *))                                    \
  F(pangocairo, void, pango_cairo_show_layout, (void *, void *))                                                       \
  F(pango, void *, pango_font_map_create_context, (void *))                                                            \
  F(pango, void *, pango_layout_new, (void *))                                                                         \
  F(pango, void *, pango_font_description_new, (void))                                                                 \
  F(pango, void, pango_font_description_free, (void *))                                                                \
  F(pango, void, pango_font_description_set_family, (void *, const char *))                                            \
  F(pango, void, pango_font_description_set_absolute_size, (void *, double))                                           \
  F(pango, void, pango_font_description_set_weight, (void *, int))                                                     \
  F(pango, void, pango_layout_set_font_description, (void *, const void *))                                            \
  F(pango, void, pango_layout_set_text, (void *, const char *, int))                                                   \
  F(pango, void, pango_layout_set_width, (void *, int))                                                                \
  F(pango, void, pango_layout_set_height, (void *, int))                                                               \
  F(pango, void, pango_layout_set_ellipsize, (void *, int))                                                            \
  F(pango, void, pango_layout_set_wrap, (void *, int))                                                                 \
  F(pango, void, pango_layout_get_pixel_size, (void *, int *, int *))                                                  \
  F(pango, int, pango_layout_get_unknown_glyphs_count, (void *))                                                       \
  F(gobject, void, g_object_unref, (void *))                                                                           \
  F(cairo, void *, cairo_font_options_create, (void))                                                                  \
  F(cairo, void, cairo_font_options_destroy, (void *))                                                                 \
  F(cairo, void, cairo_font_options_set_antialias, (void *, int))                                                      \
  F(cairo, void, cairo_font_options_set_hint_style, (void *, int))                                                     \
  F(cairo, void, cairo_font_options_set_hint_metrics, (void *, int))                                                   \
  F(cairo, void *, cairo_image_surface_create, (int, int, int))                                                        \
  F(cairo, int, cairo_surface_status, (void *))                                                                        \
  F(cairo, void, cairo_surface_flush, (void *))                                                                        \
  F(cairo, unsigned char *, cairo_image_surface_get_data, (void *))                                                    \
  F(cairo, int, cairo_image_surface_get_stride, (void *))                                                              \
  F(cairo, void, cairo_surface_destroy, (void *))                                                                      \
  F(cairo, void *, cairo_create, (void *))                                                                             \
  F(cairo, int, cairo_status, (void *))                                                                                \
  F(cairo, void, cairo_destroy, (void *))                                                                              \
  F(fontconfig, void *, FcConfigGetFonts, (void *, int))

typedef struct libraries {
  void *pango, *pangocairo, *gobject, *cairo, *fontconfig;
} libraries;

struct wk_pango {
  libraries library;
#define DECLARE(library, result, name, arguments) result(*name) arguments;
  PANGO_FUNCTIONS(DECLARE)
#undef DECLARE
  void *map, *context, *layout;
};

static wk_status load(void **out, const char *file, wk_error *err) {
  /* They stay loaded: GLib's types cannot be registered twice. */
  *out = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  return *out ? WK_OK
              : WK_FAIL(err, WK_ERR_UNSUPPORTED,
                        "%s is not here, so text is drawn in plain Latin letters (" INSTALL_HINT ")", file);
}

static wk_status load_all(wk_pango *p, wk_error *err) {
  WK_RETURN_IF_ERROR(load(&p->library.pangocairo, "libpangocairo-1.0.so.0", err));
  WK_RETURN_IF_ERROR(load(&p->library.pango, "libpango-1.0.so.0", err));
  WK_RETURN_IF_ERROR(load(&p->library.gobject, "libgobject-2.0.so.0", err));
  WK_RETURN_IF_ERROR(load(&p->library.cairo, "libcairo.so.2", err));
  WK_RETURN_IF_ERROR(load(&p->library.fontconfig, "libfontconfig.so.1", err));
  void *found;
#define FIND(library_, result, name, arguments)                                                                        \
  found = dlsym(p->library.library_, #name);                                                                           \
  if (!found)                                                                                                          \
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "the Pango here is too old (it has no " #name ")");                        \
  memcpy(&p->name, &found, sizeof found);
  PANGO_FUNCTIONS(FIND)
#undef FIND
  /* Pango ends the process when there is not a single font. The number of fonts is the set's first member. */
  for (int set = 0; set < 2; set++) {
    const int *fonts = p->FcConfigGetFonts(NULL, set);
    if (fonts && *fonts > 0)
      return WK_OK;
  }
  return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                 "no font is installed, so text is drawn in plain Latin letters (" INSTALL_HINT ")");
}

wk_status wk_pango_open(wk_pango **out, wk_error *err) {
  wk_status st = WK_OK;
  void *options = NULL;
  wk_pango *p = wk_calloc(1, sizeof *p);
  WK_FAIL_IF(!p, err, WK_ERR_MEMORY, "out of memory for text");
  WK_TRY(load_all(p, err));
  p->map = p->pango_cairo_font_map_new();
  p->context = p->pango_font_map_create_context(p->map);
  options = p->cairo_font_options_create();
  p->cairo_font_options_set_antialias(options, ANTIALIAS_GREY);
  p->cairo_font_options_set_hint_style(options, HINT_STYLE_SLIGHT);
  p->cairo_font_options_set_hint_metrics(options, HINT_METRICS_OFF);
  p->pango_cairo_context_set_font_options(p->context, options);
  p->cairo_font_options_destroy(options);
  p->layout = p->pango_layout_new(p->context);
  p->pango_layout_set_wrap(p->layout, WRAP_WORD_CHAR);
  p->pango_layout_set_ellipsize(p->layout, ELLIPSIZE_END);
  *out = p;
  p = NULL;
done:
  wk_pango_close(p);
  return st;
}

void wk_pango_close(wk_pango *p) {
  if (!p)
    return;
  void *const object[] = {p->layout, p->context, p->map};
  for (int i = 0; i < 3; i++)
    if (object[i])
      p->g_object_unref(object[i]);
  void *const library[] = {p->library.pangocairo, p->library.pango, p->library.gobject, p->library.cairo,
                           p->library.fontconfig};
  for (int i = 0; i < 5; i++)
    if (library[i])
      dlclose(library[i]);
  wk_free(p);
}

static void lay_out(wk_pango *p, const char *text, const wk_text_style *s) {
  void *font = p->pango_font_description_new();
  p->pango_font_description_set_family(font, "DejaVu Sans, Sans");
  p->pango_font_description_set_absolute_size(font, s->size * PANGO_UNIT);
  p->pango_font_description_set_weight(font, s->bold ? WEIGHT_BOLD : WEIGHT_NORMAL);
  p->pango_layout_set_font_description(p->layout, font);
  p->pango_font_description_free(font);
  p->pango_layout_set_width(p->layout, s->width > 0 ? s->width * PANGO_UNIT : -1);
  p->pango_layout_set_height(p->layout, s->lines > 1 ? -s->lines : -1);
  p->pango_layout_set_text(p->layout, text, -1);
}

void wk_pango_measure(int *width, int *height, int *missing, wk_pango *p, const char *text, const wk_text_style *s) {
  lay_out(p, text, s);
  p->pango_layout_get_pixel_size(p->layout, width, height);
  if (missing)
    *missing = p->pango_layout_get_unknown_glyphs_count(p->layout);
}

wk_status wk_pango_ink(uint8_t *ink, int width, int height, wk_pango *p, const char *text, const wk_text_style *s,
                       wk_error *err) {
  wk_status st = WK_OK;
  void *surface = p->cairo_image_surface_create(FORMAT_A8, width, height), *cairo = p->cairo_create(surface);
  WK_FAIL_IF(p->cairo_surface_status(surface) || p->cairo_status(cairo), err, WK_ERR_MEMORY, "out of memory for text");
  lay_out(p, text, s);
  p->pango_cairo_show_layout(cairo, p->layout);
  p->cairo_surface_flush(surface);
  const uint8_t *data = p->cairo_image_surface_get_data(surface);
  const int stride = p->cairo_image_surface_get_stride(surface);
  for (int y = 0; y < height; y++)
    memcpy(ink + (size_t)y * (size_t)width, data + (ptrdiff_t)y * stride, (size_t)width);
done:
  p->cairo_destroy(cairo);
  p->cairo_surface_destroy(surface);
  return st;
}
