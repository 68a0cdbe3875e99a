/* activation_maps.c - class-activation maps from one forward and one backward pass: Grad-CAM, Grad-CAM++, HiResCAM. */
#include "explain/attribution/attribution_job.h"

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
                           wk_attribution_method method) {
  for (size_t c = 0; c < channels; c++) {
    float w = 0;
    if (method == WK_ATTRIBUTION_GRADCAM)
      w = (float)mean_weight(g + c, positions, channels);
    else if (method == WK_ATTRIBUTION_GRADCAM_PP)
      w = (float)pp_weight(a + c, g + c, positions, channels);
    for (size_t i = 0; i < positions; i++)
      map[i] += (method == WK_ATTRIBUTION_HIRESCAM ? g[i * channels + c] : w) * a[i * channels + c];
  }
  for (size_t i = 0; i < positions; i++)
    map[i] = map[i] > 0 ? map[i] : 0;
}

wk_status wk_attribution_from_gradients(wk_attribution_job *j, wk_error *err) {
  wk_diff_classifier_options lo;
  wk_diff_classifier_options_init(&lo);
  lo.threads = wk_context_threads(j->ctx);
  lo.layer = &j->cam->layer;
  lo.layers = 1;
  lo.no_input = true;
  wk_diff_classifier *classifier = NULL;
  wk_status st = WK_OK;
  wk_node_info info;
  WK_TRY(wk_graph_node(&info, j->model->backbone->graph, j->cam->layer, j->height, j->width, err));
  WK_TRY(wk_diff_classifier_create(&classifier, j->model, &lo, err));
  WK_TRY(wk_diff_classifier_forward(classifier, j->input, 1, err));
  wk_attribution_note_score(j, classifier);
  WK_TRY(wk_attribution_backward(classifier, j->o->target, err));
  activation_map(j->cam->map, wk_diff_classifier_layer(classifier, 0), wk_diff_classifier_layer_gradient(classifier, 0),
                 (size_t)info.shape.height * (size_t)info.shape.width, (size_t)info.shape.channels, j->o->method);
  j->cam->steps = 1;
done:
  wk_diff_classifier_free(classifier);
  return st;
}
