/* look_cam.c - class-activation maps from one forward and one backward pass, and the door to the other methods. */
#include <math.h>
#include <string.h>

#include "look/cam.h"

void wk_cam_options_init(wk_cam_options *o) {
  *o = (wk_cam_options){
      .layer = -1, .channels = 256, .samples = 32, .noise = 0.15, .tolerance = 5e-3, .steps = 162, .seed = 42};
}

const char *wk_cam_method_name(wk_cam_method method) {
  static const char *const name[] = {"Grad-CAM",         "Grad-CAM++", "Score-CAM",           "HiResCAM",
                                     "gradient x input", "SmoothGrad", "integrated gradients"};
  return (unsigned)method < WK_CAM_METHODS ? name[method] : "unknown method";
}

bool wk_cam_of_pixels(wk_cam_method method) { return method >= WK_CAM_GRADINPUT; }

void wk_cam_free(wk_cam *c) {
  if (c)
    wk_free(c->map);
  wk_free(c);
}

/* ---- lenses ------------------------------------------------------------------------------------ */

wk_status wk_team_create(wk_team *out, const wk_model *m, const wk_lens_options *o, int workers, wk_error *err) {
  wk_status st = WK_OK;
  *out = (wk_team){.workers = workers};
  out->lens = wk_calloc((size_t)workers, sizeof *out->lens);
  WK_FAIL_IF(!out->lens, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_lens_create(&out->lens[0], m, o, err));
  for (int i = 1; i < workers; i++)
    WK_TRY(wk_lens_share(&out->lens[i], out->lens[0], err));
done:
  if (st != WK_OK)
    wk_team_free(out);
  return st;
}

void wk_team_free(wk_team *t) {
  for (int i = t->workers - 1; t->lens && i >= 0; i--)
    wk_lens_free(t->lens[i]);
  wk_free(t->lens);
  *t = (wk_team){0};
}

void wk_cam_note_score(wk_cam_job *j, const wk_lens *lens) {
  const float *scores = wk_lens_scores(lens);
  j->cam->score = (double)scores[j->o->target];
  j->cam->p = exp(-wk_lens_cross_entropy(NULL, scores, wk_lens_classes(lens), j->o->target));
}

wk_status wk_cam_backward(wk_lens *lens, int target, wk_error *err) {
  float *one = wk_calloc((size_t)wk_lens_classes(lens), sizeof *one);
  if (!one)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  one[target] = 1;
  wk_status st = wk_lens_backward(lens, one, err);
  wk_free(one);
  return st;
}

/* ---- maps from activations and gradients ------------------------------------------------------- */

/* Grad-CAM++: each position's share in its channel's weight, relu(g) g^2 / (2 g^2 + g^3 sum A). */
static double pp_weight(const float *a, const float *g, size_t positions, size_t channels) {
  double sum = 0, weight = 0;
  for (size_t i = 0; i < positions; i++)
    sum += (double)a[i * channels];
  for (size_t i = 0; i < positions; i++) {
    double v = (double)g[i * channels], down = 2 * v * v + v * v * v * sum;
    if (v > 0)
      weight += v * v / (down != 0 ? down : 1) * v;
  }
  return weight;
}

static double mean_weight(const float *g, size_t positions, size_t channels) {
  double sum = 0;
  for (size_t i = 0; i < positions; i++)
    sum += (double)g[i * channels];
  return sum / (double)positions;
}

static void activation_map(float *map, const float *a, const float *g, size_t positions, size_t channels,
                           wk_cam_method method) {
  for (size_t c = 0; c < channels; c++) {
    float w = 0;
    if (method == WK_CAM_GRADCAM)
      w = (float)mean_weight(g + c, positions, channels);
    else if (method == WK_CAM_GRADCAM_PP)
      w = (float)pp_weight(a + c, g + c, positions, channels);
    for (size_t i = 0; i < positions; i++)
      map[i] += (method == WK_CAM_HIRESCAM ? g[i * channels + c] : w) * a[i * channels + c];
  }
  for (size_t i = 0; i < positions; i++)
    map[i] = map[i] > 0 ? map[i] : 0;
}

static wk_status from_gradients(wk_cam_job *j, wk_error *err) {
  wk_lens_options lo;
  wk_lens_options_init(&lo);
  lo.threads = wk_context_threads(j->ctx);
  lo.layer = &j->cam->layer;
  lo.layers = 1;
  lo.no_input = true;
  wk_lens *lens = NULL;
  wk_status st = WK_OK;
  wk_node_info info;
  WK_TRY(wk_graph_node(&info, j->model->backbone->graph, j->cam->layer, j->height, j->width, err));
  WK_TRY(wk_lens_create(&lens, j->model, &lo, err));
  WK_TRY(wk_lens_forward(lens, j->input, 1, err));
  wk_cam_note_score(j, lens);
  WK_TRY(wk_cam_backward(lens, j->o->target, err));
  activation_map(j->cam->map, wk_lens_layer(lens, 0), wk_lens_layer_gradient(lens, 0),
                 (size_t)info.shape.height * (size_t)info.shape.width, (size_t)info.shape.channels, j->o->method);
  j->cam->steps = 1;
done:
  wk_lens_free(lens);
  return st;
}

/* ---- every method ------------------------------------------------------------------------------ */

static wk_status check(const wk_model *m, const wk_cam_options *o, wk_error *err) {
  if ((unsigned)o->method >= WK_CAM_METHODS)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no method number %d", (int)o->method);
  if (m->label_count < 1)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "this network has no classes of its own: train a head on it first");
  if (o->target < 0 || o->target >= m->label_count)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no class number %d, only 0 to %d", o->target, m->label_count - 1);
  if (o->channels < 0 || o->samples < 1 || o->steps < 1 || !(o->noise >= 0) || !(o->tolerance > 0))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "samples and steps must be at least 1, noise and tolerance not negative");
  return WK_OK;
}

/* The layer that the map is of, and its shape. */
static wk_status choose_layer(wk_cam_job *j, wk_error *err) {
  const wk_graph *g = j->model->backbone->graph;
  const wk_node end = j->model->head ? wk_graph_features(g) : wk_graph_logits(g);
  wk_node last, layer = j->o->layer;
  wk_node_info info, instead;
  WK_RETURN_IF_ERROR(wk_look_last(&last, g, end, err));
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

wk_status wk_cam_make(wk_cam **out, const wk_model *m, const float *input, const wk_cam_options *o,
                      const wk_context *ctx, wk_error *err) {
  WK_RETURN_IF_ERROR(check(m, o, err));
  const wk_preprocess *p = &m->backbone->preprocess;
  wk_status st = WK_OK;
  wk_progress progress = {0};
  wk_cam *cam = wk_calloc(1, sizeof *cam);
  wk_cam_job j = {.model = m,
                  .input = input,
                  .o = o,
                  .ctx = ctx,
                  .cam = cam,
                  .height = p->height,
                  .width = p->width,
                  .progress = &progress};
  j.n = (size_t)p->height * (size_t)p->width * 3;
  WK_FAIL_IF(!cam, err, WK_ERR_MEMORY, "out of memory");
  *cam = (wk_cam){.height = p->height, .width = p->width, .layer = -1, .of_pixels = wk_cam_of_pixels(o->method)};
  if (!cam->of_pixels)
    WK_TRY(choose_layer(&j, err));
  cam->map = wk_calloc((size_t)cam->height * (size_t)cam->width, sizeof *cam->map);
  WK_FAIL_IF(!cam->map, err, WK_ERR_MEMORY, "out of memory for a map of %d x %d", cam->width, cam->height);
  if (o->method == WK_CAM_SCORECAM || o->method == WK_CAM_SMOOTHGRAD || o->method == WK_CAM_IG)
    WK_TRY(
        wk_progress_begin(&progress, ctx, "looking", o->method == WK_CAM_SMOOTHGRAD ? (uint64_t)o->samples : 0, err));
  WK_TRY(cam->of_pixels                 ? wk_cam_pixels(&j, err)
         : o->method == WK_CAM_SCORECAM ? wk_cam_scorecam(&j, err)
                                        : from_gradients(&j, err));
  *out = cam;
  cam = NULL;
done:
  wk_progress_end(&progress);
  wk_cam_free(cam);
  return st;
}
