/* explain.h - what a model goes by, as calls of the simple API: the parts of a photo that speak for a class, what
 * hiding them costs, what a photo does to the layers, what channels look for, and the picture that a class looks like
 * to the network. Each writes pictures and gives a report. The parts are in attribution.h, feature_maps.h, filters.h
 * and visualize.h. */
#ifndef WHISKER_EXPLAIN_H
#define WHISKER_EXPLAIN_H

#include "whisker/attribution.h"
#include "whisker/feature_maps.h"
#include "whisker/filters.h"
#include "whisker/output.h"
#include "whisker/session.h"
#include "whisker/visualize.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All of these write to `path`, which must end in .png; what stands there and is no picture of whisker's is left alone.
 * In every options struct `model` is what captions call the model, a path or a name (default NULL: its network's name);
 * seeds are the session's. Reports are freed by their _free function; their _json function gives the text that the
 * command prints (wk_free it; NULL: out of memory). */

/* ---- which parts of a photo speak for a class --------------------------------------------------- */

enum { WK_EXPLAIN_CLASSES = 4, WK_EXPLAIN_SANITY = 8 };

typedef struct wk_explain_options {
  const char *classes; /* up to WK_EXPLAIN_CLASSES, comma-separated: labels, indices or WordNet ids; default NULL: the
                        * predicted class */
  const char *layer;   /* a layer or stage; default NULL: the last one before the pooling */
  bool sanity;         /* also draw the maps of the network with shuffled weights ("-sanity.png") */
  wk_attribution_options attribution; /* its target, layer and seed are set by the above */
  const char *model;
} wk_explain_options;

WK_API void wk_explain_options_init(wk_explain_options *o);
WK_API wk_status wk_explain_options_validate(const wk_explain_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_explain_options_table(void);

typedef struct wk_explained_class {
  char *label;
  int index;
  double p, score;
  wk_attribution_region evidence;
  int steps;              /* gradients or predictions taken */
  bool sums_up;           /* integrated gradients: the next four are known */
  double total, expected; /* what the map adds up to, and the score's difference that it should */
  double missing;         /* share of the difference */
  bool reached;           /* missing is within the tolerance */
} wk_explained_class;

typedef struct wk_explain_report {
  const char *method; /* "gradcam", as the option has it */
  const char *title;  /* "Grad-CAM" */
  char *layer;        /* NULL for methods of pixels */
  wk_explained_class classes[WK_EXPLAIN_CLASSES];
  int class_count;
  struct {
    char shuffled[64];  /* "head to layer4" */
    double correlation; /* of the ranks; not a number where nothing is left */
  } sanity[WK_EXPLAIN_SANITY];
  int sanity_count;
  wk_drawings pictures;
  double seconds;
  wk_lines warnings;
} wk_explain_report;

WK_API wk_status wk_explain(wk_explain_report **out, wk_session *s, const wk_model *m, const char *photo,
                            const char *path, const wk_explain_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_explain_report_free(wk_explain_report *r);
WK_API char *wk_explain_report_json(const wk_explain_report *r);

/* ---- what hiding each place costs ---------------------------------------------------------------- */

typedef struct wk_explain_occlusion_options {
  const char *class_name;         /* a label, index or WordNet id; default NULL: the predicted class */
  wk_occlusion_options occlusion; /* its target is set by the above */
  const char *model;
} wk_explain_occlusion_options;

WK_API void wk_explain_occlusion_options_init(wk_explain_occlusion_options *o);
WK_API wk_status wk_explain_occlusion_options_validate(const wk_explain_occlusion_options *o,
                                                       wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_explain_occlusion_options_table(void);

typedef struct wk_occlusion_report {
  char *label;
  int index;
  wk_occlusion *hidden;
  double largest_drop; /* of the class's probability */
  wk_attribution_region evidence;
  wk_drawings pictures;
  double seconds;
  wk_lines warnings;
} wk_occlusion_report;

WK_API wk_status wk_explain_occlusion(wk_occlusion_report **out, wk_session *s, const wk_model *m, const char *photo,
                                      const char *path, const wk_explain_occlusion_options *o,
                                      wk_error *err) WK_NODISCARD;
WK_API void wk_occlusion_report_free(wk_occlusion_report *r);
WK_API char *wk_occlusion_report_json(const wk_occlusion_report *r);

/* ---- what a photo does to the layers -------------------------------------------------------------- */

typedef struct wk_explain_features_options {
  const char *layer; /* a layer, or a stage: its last layer; default NULL: the last layer of every stage */
  wk_feature_maps_style style;
  const char
      *raw; /* also write the (last) layer's values there: float32 [height, width, channels], .npy; default NULL */
} wk_explain_features_options;

WK_API void wk_explain_features_options_init(wk_explain_features_options *o);
WK_API wk_status wk_explain_features_options_validate(const wk_explain_features_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_explain_features_options_table(void);

typedef struct wk_features_report {
  wk_feature_maps *maps; /* [layer_count]; their names belong to the model, which must outlive the report */
  int layer_count;
  wk_drawings pictures;
  double seconds;
  wk_lines warnings;
} wk_features_report;

/* Without a layer the last layer is drawn once more as one heat map ("-flat.png"). */
WK_API wk_status wk_explain_features(wk_features_report **out, wk_session *s, const wk_model *m, const char *photo,
                                     const char *path, const wk_explain_features_options *o,
                                     wk_error *err) WK_NODISCARD;
WK_API void wk_features_report_free(wk_features_report *r);
WK_API char *wk_features_report_json(const wk_features_report *r);

/* ---- what channels look for ------------------------------------------------------------------------ */

enum { WK_EXPLAIN_CHANNELS = 64, WK_EXPLAIN_PLACES = 6 };

typedef struct wk_explain_filters_options {
  const char *layer;    /* a layer or stage; default NULL: the filters of the first layer */
  const char *channels; /* comma-separated, at most WK_EXPLAIN_CHANNELS; default NULL: 6, with photos those with the
                         * highest activations */
  int photos;           /* search this many of the photos, evenly spaced; 0: all; default 400 */
  bool ideal;           /* make the picture that excites each channel most; default true */
  wk_activation_max_options excite; /* its seed is the session's */
} wk_explain_filters_options;

WK_API void wk_explain_filters_options_init(wk_explain_filters_options *o);
WK_API wk_status wk_explain_filters_options_validate(const wk_explain_filters_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_explain_filters_options_table(void);

typedef struct wk_excited_place {
  char *file;
  double value;
  int row, column;
} wk_excited_place;

typedef struct wk_filters_report {
  char *layer;
  int filters, height, width; /* of the first layer, when none was named; then there are no channels */
  int layer_channels;
  bool searched, ideal; /* places were looked for; pictures were made */
  int place_count;      /* of each channel */
  struct {
    int channel;
    double rise; /* of its mean, from noise to the picture that excites it */
    wk_excited_place places[WK_EXPLAIN_PLACES];
  } channels[WK_EXPLAIN_CHANNELS];
  int channel_count;
  wk_drawings pictures;
  double seconds;
  wk_lines warnings;
} wk_filters_report;

/* `data`: photos to search; NULL: none. Photos and channels need a layer. */
WK_API wk_status wk_explain_filters(wk_filters_report **out, wk_session *s, const wk_model *m, const char *data,
                                    const char *path, const wk_explain_filters_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_filters_report_free(wk_filters_report *r);
WK_API char *wk_filters_report_json(const wk_filters_report *r);

/* ---- what a class looks like to the network ---------------------------------------------------------- */

typedef struct wk_ideal_options {
  const char *classes;            /* comma-separated labels, indices or WordNet ids; "all". Needed */
  const char *from;               /* ROBUST: start from this photo instead of noise; default NULL */
  const char *film;               /* also write the steps as an animation, .webp; default NULL */
  wk_visualize_options visualize; /* its target, seed and `from` are set by the above */
} wk_ideal_options;

WK_API void wk_ideal_options_init(wk_ideal_options *o);
/* Starts from a photo, at a rate that leaves something of it and in its finest stage alone. */
WK_API void wk_ideal_options_from(wk_ideal_options *o, const char *photo);
WK_API wk_status wk_ideal_options_validate(const wk_ideal_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_ideal_options_table(void);

typedef struct wk_ideal_picture {
  char *label;
  int index;
  char *out, *contact_sheet, *film; /* film: NULL without */
  double p;
  int step, steps; /* that the picture is of, and that were made */
  double *losses;  /* [steps] */
  double seconds;
} wk_ideal_picture;

typedef struct wk_ideal_report {
  wk_ideal_picture *pictures;
  int count;
  wk_lines warnings;
} wk_ideal_report;

/* One picture a class, with the steps beside it ("-steps.png"); where there are several classes each file has the class
 * in its name ("ideal-284.png"). A class that is finished stays when the rest is stopped. on_picture (may be NULL) is
 * called as each is finished. */
WK_API wk_status wk_ideal(wk_ideal_report **out, wk_session *s, const wk_model *m, const char *path,
                          const wk_ideal_options *o, void (*on_picture)(void *user, const wk_ideal_picture *picture),
                          void *user, wk_error *err) WK_NODISCARD;
WK_API void wk_ideal_report_free(wk_ideal_report *r);
WK_API char *wk_ideal_report_json(const wk_ideal_report *r);

#ifdef __cplusplus
}
#endif
#endif
