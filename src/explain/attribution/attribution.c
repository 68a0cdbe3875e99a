/* attribution.c - the one entry to all ways to attribute a class's score to the places of a photo. */
#include "explain/option_tables.h"
#include "explain/attribution/attribution_job.h"
#include "model/model.h"

static const char *const methods[] = {"gradcam",   "gradcam++",  "scorecam", "hirescam",
                                      "gradinput", "smoothgrad", "ig",       NULL};
static const wk_option option_rows[] = {
    {.name = "method",
     WK_ROW_CHOICE(wk_attribution_options, method, methods),
     .placeholder = "METHOD",
     .help = "attribution method; the first four give maps of a layer, the others of pixels"},
    {.name = "channels",
     WK_ROW_INT(wk_attribution_options, channels),
     .value = 256,
     .min = 0,
     .max = INFINITY,
     .placeholder = "N",
     .help = "scorecam: only the N channels that vary most; 0: all"},
    {.name = "samples",
     WK_ROW_INT(wk_attribution_options, samples),
     .value = 32,
     .min = 1,
     .max = INFINITY,
     .placeholder = "N",
     .help = "smoothgrad: number of noisy copies"},
    {.name = "noise",
     WK_ROW_DOUBLE(wk_attribution_options, noise),
     .value = 0.15,
     .min = 0,
     .max = 10,
     .placeholder = "SHARE",
     .help = "smoothgrad: standard deviation of the noise, as a share of the input's range"},
    {.name = "steps",
     WK_ROW_INT(wk_attribution_options, steps),
     .value = 162,
     .min = 1,
     .max = INFINITY,
     .placeholder = "N",
     .help = "ig: most steps of the integral"},
    {.name = "tolerance",
     WK_ROW_DOUBLE(wk_attribution_options, tolerance),
     .value = 5e-3,
     .min = 0,
     .max = 1,
     .flags = WK_OPTION_ABOVE_MIN,
     .placeholder = "SHARE",
     .help = "ig: stop when the attributions add up to the score within this share"},
    {.name = "black",
     WK_ROW_BOOL(wk_attribution_options, black),
     .help = "ig: black baseline instead of the mean colour"},
    {.name = "seed",
     WK_ROW_U64(wk_attribution_options, seed),
     .value = 42,
     .flags = WK_OPTION_NO_FLAG,
     .help = "seed of the noise"},
    {0}};
const wk_option_table wk_attribution_table = {"attribution_options", sizeof(wk_attribution_options), option_rows, NULL};
const wk_option_table *wk_attribution_options_table(void) { return &wk_attribution_table; }

void wk_attribution_options_init(wk_attribution_options *o) {
  wk_options_init(o, &wk_attribution_table);
  o->layer = -1;
}

const char *wk_attribution_method_name(wk_attribution_method method) {
  static const char *const name[] = {"Grad-CAM",         "Grad-CAM++", "Score-CAM",           "HiResCAM",
                                     "gradient x input", "SmoothGrad", "integrated gradients"};
  return (unsigned)method < WK_ATTRIBUTION_METHODS ? name[method] : "unknown method";
}

bool wk_attribution_of_pixels(wk_attribution_method method) { return method >= WK_ATTRIBUTION_GRADINPUT; }

void wk_attribution_free(wk_attribution *c) {
  if (c)
    wk_free(c->map);
  wk_free(c);
}

static wk_status check(const wk_model *m, const wk_attribution_options *o, wk_error *err) {
  if ((unsigned)o->method >= WK_ATTRIBUTION_METHODS)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no method number %d", (int)o->method);
  if (m->label_count < 1)
    return wk_model_no_classes(m, err);
  if (o->target < 0 || o->target >= m->label_count)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no class number %d, only 0 to %d", o->target, m->label_count - 1);
  if (o->channels < 0 || o->samples < 1 || o->steps < 1 || !(o->noise >= 0) || !(o->tolerance > 0))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "samples and steps must be at least 1, noise and tolerance not negative");
  return WK_OK;
}

/* The layer that the map is of, and its shape. */
static wk_status choose_layer(wk_attribution_job *j, wk_error *err) {
  const wk_graph *g = j->model->backbone->graph;
  const wk_node end = j->model->head ? wk_graph_features(g) : wk_graph_logits(g);
  wk_node last, layer = j->o->layer;
  wk_node_info info, instead;
  WK_RETURN_IF_ERROR(wk_layer_last_spatial(&last, g, end, err));
  if (last < 0)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "this network has no layer with positions to make a map of");
  layer = layer < 0 ? last : layer;
  WK_RETURN_IF_ERROR(wk_graph_node(&info, g, layer, j->height, j->width, err));
  WK_RETURN_IF_ERROR(wk_graph_node(&instead, g, last, j->height, j->width, err));
  if ((int64_t)info.shape.height * info.shape.width < 2 || info.op == WK_OP_INPUT)
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "%s: this layer has no map of positions (%d x %d); take one before the pooling, such as %s",
                   info.name, info.shape.height, info.shape.width, instead.name);
  j->cam->layer = layer;
  j->cam->height = info.shape.height;
  j->cam->width = info.shape.width;
  return WK_OK;
}

wk_status wk_attribution_make(wk_attribution **out, const wk_model *m, const float *input,
                              const wk_attribution_options *o, const wk_context *ctx, wk_error *err) {
  WK_RETURN_IF_ERROR(check(m, o, err));
  const wk_preprocess *p = &m->backbone->preprocess;
  wk_status st = WK_OK;
  wk_progress progress = {0};
  wk_attribution *cam = wk_calloc(1, sizeof *cam);
  wk_attribution_job j = {.model = m,
                          .input = input,
                          .o = o,
                          .ctx = ctx,
                          .cam = cam,
                          .height = p->height,
                          .width = p->width,
                          .progress = &progress};
  j.n = (size_t)p->height * (size_t)p->width * 3;
  WK_FAIL_IF(!cam, err, WK_ERR_MEMORY, "out of memory");
  *cam = (wk_attribution){
      .height = p->height, .width = p->width, .layer = -1, .of_pixels = wk_attribution_of_pixels(o->method)};
  if (!cam->of_pixels)
    WK_TRY(choose_layer(&j, err));
  cam->map = wk_calloc((size_t)cam->height * (size_t)cam->width, sizeof *cam->map);
  WK_FAIL_IF(!cam->map, err, WK_ERR_MEMORY, "out of memory for a map of %d x %d", cam->width, cam->height);
  if (o->method == WK_ATTRIBUTION_SCORECAM || o->method == WK_ATTRIBUTION_SMOOTHGRAD || o->method == WK_ATTRIBUTION_IG)
    WK_TRY(wk_progress_begin(&progress, ctx, "looking",
                             o->method == WK_ATTRIBUTION_SMOOTHGRAD ? (uint64_t)o->samples : 0, err));
  WK_TRY(cam->of_pixels                         ? wk_attribution_from_pixels(&j, err)
         : o->method == WK_ATTRIBUTION_SCORECAM ? wk_attribution_from_score_cam(&j, err)
                                                : wk_attribution_from_gradients(&j, err));
  *out = cam;
  cam = NULL;
done:
  wk_progress_end(&progress);
  wk_attribution_free(cam);
  return st;
}
