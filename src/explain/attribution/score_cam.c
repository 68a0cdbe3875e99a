/* score_cam.c - Score-CAM: a channel weighs what the network says to the photo seen through it. No gradients; as
 * many predictions as channels, of which those that hardly vary are left out by default: their maps are flat. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "explain/attribution/attribution_job.h"

typedef struct ranked {
  double variance;
  int channel;
} ranked;

typedef struct score_job {
  wk_attribution_job *j;
  wk_classifier_pool pool;
  const ranked *channel; /* those looked through */
  const float *activation;
  size_t positions, channels;
  float *work; /* [workers, positions + height * width + n] */
  size_t stride;
  double *score; /* [count] */
} score_job;

static int more_varied(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  return x->variance != y->variance ? (x->variance < y->variance) - (x->variance > y->variance)
                                    : x->channel - y->channel;
}

static wk_status one_channel(void *user, size_t index, int worker, wk_error *err) {
  score_job *s = user;
  const wk_attribution_job *j = s->j;
  float *one = s->work + (size_t)worker * s->stride, *mask = one + s->positions,
        *seen = mask + (size_t)j->height * (size_t)j->width;
  for (size_t i = 0; i < s->positions; i++)
    one[i] = s->activation[i * s->channels + (size_t)s->channel[index].channel];
  const size_t pixels = (size_t)j->height * (size_t)j->width;
  WK_RETURN_IF_ERROR(
      wk_heatmap_resize(mask, j->width, j->height, one, j->cam->width, j->cam->height, WK_FILTER_BILINEAR, err));
  double low, high;
  wk_heatmap_range(&low, &high, mask, pixels);
  const float scale = high > low ? (float)(1 / (high - low)) : 0;
  for (size_t i = 0; i < pixels; i++)
    for (size_t c = 0; c < 3; c++)
      seen[3 * i + c] = j->input[3 * i + c] * (mask[i] - (float)low) * scale;
  WK_RETURN_IF_ERROR(wk_diff_classifier_forward(s->pool.classifier[worker], seen, 1, err));
  s->score[index] = (double)wk_diff_classifier_scores(s->pool.classifier[worker])[j->o->target];
  wk_progress_add(j->progress, 1);
  return WK_OK;
}

/* The channels that vary most, and how many: without those that do not vary at all. */
static int pick(ranked *channel, const float *a, size_t positions, size_t channels, int most) {
  int varied = 0;
  for (size_t c = 0; c < channels; c++) {
    double sum = 0, square = 0;
    for (size_t i = 0; i < positions; i++) {
      double v = (double)a[i * channels + c];
      sum += v;
      square += v * v;
    }
    double variance = square / (double)positions - sum / (double)positions * (sum / (double)positions);
    channel[c] = (ranked){variance > 0 ? variance : 0, (int)c};
    varied += variance > 0;
  }
  qsort(channel, channels, sizeof *channel, more_varied);
  return most && varied > most ? most : varied;
}

/* The weighted sum, with the softmax of the scores as weights. */
static void add_up(float *map, const score_job *s, int count) {
  double top = -INFINITY, norm = 0;
  for (int k = 0; k < count; k++)
    top = fmax(top, s->score[k]);
  for (int k = 0; k < count; k++)
    norm += exp(s->score[k] - top);
  for (int k = 0; k < count; k++) {
    float w = (float)(exp(s->score[k] - top) / norm);
    for (size_t i = 0; i < s->positions; i++)
      map[i] += w * s->activation[i * s->channels + (size_t)s->channel[k].channel];
  }
  for (size_t i = 0; i < s->positions; i++)
    map[i] = map[i] > 0 ? map[i] : 0;
}

wk_status wk_attribution_from_score_cam(wk_attribution_job *j, wk_error *err) {
  wk_status st = WK_OK;
  wk_node_info info;
  score_job s = {.j = j};
  ranked *channel = NULL;
  float *kept = NULL;
  wk_diff_classifier_options lo;
  wk_diff_classifier_options_init(&lo);
  lo.layer = &j->cam->layer;
  lo.layers = 1;
  lo.no_input = true;
  WK_TRY(wk_graph_node(&info, j->model->backbone->graph, j->cam->layer, j->height, j->width, err));
  WK_TRY(wk_classifier_pool_create(&s.pool, j->model, &lo, wk_context_threads(j->ctx), err));
  s.positions = (size_t)j->cam->height * (size_t)j->cam->width;
  s.channels = (size_t)info.shape.channels;
  s.stride = s.positions + (size_t)j->height * (size_t)j->width + j->n;
  channel = wk_calloc(s.channels, sizeof *channel);
  kept = wk_alloc_array(s.positions * s.channels, sizeof *kept);
  s.work = wk_calloc((size_t)s.pool.workers * s.stride, sizeof *s.work);
  s.score = wk_calloc(s.channels, sizeof *s.score);
  WK_FAIL_IF(!channel || !kept || !s.work || !s.score, err, WK_ERR_MEMORY, "out of memory for %d channels",
             info.shape.channels);
  WK_TRY(wk_diff_classifier_forward(s.pool.classifier[0], j->input, 1, err));
  wk_attribution_note_score(j, s.pool.classifier[0]);
  memcpy(kept, wk_diff_classifier_layer(s.pool.classifier[0], 0), s.positions * s.channels * sizeof *kept);
  s.activation = kept;
  int count = pick(channel, kept, s.positions, s.channels, j->o->channels);
  s.channel = channel;
  WK_TRY(wk_parallel(j->ctx, s.pool.workers, (size_t)count, one_channel, &s, err));
  add_up(j->cam->map, &s, count);
  j->cam->steps = count + 1;
done:
  wk_free(channel);
  wk_free(kept);
  wk_free(s.work);
  wk_free(s.score);
  wk_classifier_pool_free(&s.pool);
  return st;
}
