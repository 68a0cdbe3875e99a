/* activation_max.c - the picture that excites a channel most: gradient ascent on a canvas that the network sees through
 * a window at another place every step, so that what grows does not depend on single pixels. Channels go to threads. */
#include <math.h>
#include <string.h>

#include "explain/option_tables.h"
#include "explain/visualize/parameterization.h"
#include "nn/graph/graph.h"
#include "whisker/filters.h"
#include "whisker/train_nn.h"

enum { MARGIN = 12, SMALLEST = 96, LARGEST = 160 };

static const wk_option option_rows[] = {{.name = "steps",
                                  WK_ROW_INT(wk_activation_max_options, steps),
                                  .value = 96,
                                  .min = 1,
                                  .max = INFINITY,
                                  .placeholder = "N",
                                  .help = "optimisation steps of each synthesised picture"},
                                 {.name = "lr",
                                  WK_ROW_DOUBLE(wk_activation_max_options, rate),
                                  .value = 0.05,
                                  .min = 0,
                                  .max = INFINITY,
                                  .flags = WK_OPTION_ABOVE_MIN,
                                  .placeholder = "RATE",
                                  .help = "learning rate of each synthesised picture"},
                                 {.name = "size",
                                  WK_ROW_INT(wk_activation_max_options, size),
                                  .min = 0,
                                  .max = 4096,
                                  .automatic = "by the receptive field",
                                  .placeholder = "PIXELS",
                                  .help = "side of a synthesised picture"},
                                 {.name = "seed",
                                  WK_ROW_U64(wk_activation_max_options, seed),
                                  .value = 42,
                                  .flags = WK_OPTION_NO_FLAG,
                                  .help = "seed of the noise it starts from"},
                                 {0}};
const wk_option_table wk_activation_max_table = {"activation_max_options", sizeof(wk_activation_max_options), option_rows, NULL};
const wk_option_table *wk_activation_max_options_table(void) { return &wk_activation_max_table; }

void wk_activation_max_options_init(wk_activation_max_options *o) { wk_options_init(o, &wk_activation_max_table); }

typedef struct painting {
  const wk_backbone *b;
  const wk_activation_max_options *o;
  const int *channel;
  wk_shape shape; /* of the layer */
  int size;
  wk_grad_plan *plan;
  wk_grad_exec **exec; /* [workers] */
  wk_image *out;
  double *rise;
  const wk_context *ctx;
  wk_progress progress;
} painting;

/* What one channel's picture needs. */
typedef struct easel {
  wk_parameters canvas;
  float *input, *seed;
} easel;

/* Before activations and poolings, where a gradient can always be felt. */
static wk_node before_activation(const wk_graph *g, wk_node n) {
  for (;;) {
    const wk_op op = g->node[n].op;
    if (op != WK_OP_RELU && op != WK_OP_RELU6 && op != WK_OP_HARDSWISH && op != WK_OP_HARDSIGMOID && op != WK_OP_SILU &&
        op != WK_OP_SIGMOID && op != WK_OP_MAX_POOL && op != WK_OP_AVG_POOL && op != WK_OP_DROPOUT)
      return n;
    n = g->node[n].input[0];
  }
}

static size_t at_window(const easel *e, int row, int column, int left, int top) {
  return ((size_t)(top + row) * (size_t)e->canvas.width + (size_t)(left + column)) * 3;
}

/* The window's pixels, normalised. */
static void see(float *input, const painting *p, const easel *e, int left, int top) {
  const wk_preprocess *how = &p->b->preprocess;
  for (int row = 0; row < p->size; row++)
    for (int column = 0; column < p->size; column++, input += 3)
      for (int c = 0; c < 3; c++)
        input[c] = (e->canvas.rgb[at_window(e, row, column, left, top) + (size_t)(how->bgr ? 2 - c : c)] * 255 -
                    how->mean[c]) /
                   how->std[c];
}

/* The gradient of the window's pixels as that of the canvas; its mean size is 1, so that every layer learns as fast. */
static void feel(easel *e, const painting *p, const float *gradient, int left, int top) {
  const wk_preprocess *how = &p->b->preprocess;
  const size_t n = (size_t)p->size * (size_t)p->size * 3;
  double square = 0;
  for (size_t i = 0; i < n; i++)
    square += (double)gradient[i] * (double)gradient[i];
  const float scale = square > 0 ? (float)(1 / sqrt(square / (double)n)) : 0;
  memset(e->canvas.d, 0, (size_t)e->canvas.width * (size_t)e->canvas.height * 3 * sizeof *e->canvas.d);
  for (int row = 0; row < p->size; row++)
    for (int column = 0; column < p->size; column++, gradient += 3)
      for (int c = 0; c < 3; c++)
        e->canvas.d[at_window(e, row, column, left, top) + (size_t)(how->bgr ? 2 - c : c)] = scale * gradient[c];
}

static double mean_of(const float *a, const painting *p, int channel) {
  const size_t positions = (size_t)p->shape.height * (size_t)p->shape.width;
  double sum = 0;
  for (size_t i = 0; i < positions; i++)
    sum += (double)a[i * (size_t)p->shape.channels + (size_t)channel];
  return sum / (double)positions;
}

static wk_status paint(painting *p, easel *e, wk_grad_exec *exec, int channel, uint64_t stream, double *rise,
                       wk_error *err) {
  const double tv = 0.1;   /* against a gradient of mean size 1, */
  const float grey = 0.3f; /* and so is a pull towards grey, without which all becomes black or white */
  wk_rng rng;
  wk_rng_init(&rng, p->o->seed, stream);
  wk_parameters_noise(&e->canvas, &rng);
  for (size_t i = (size_t)channel; i < (size_t)p->shape.height * (size_t)p->shape.width * (size_t)p->shape.channels;
       i += (size_t)p->shape.channels)
    e->seed[i] = -1; /* descending */
  double first = 0;
  for (int step = 1; step <= p->o->steps + 1; step++) {
    const bool last = step > p->o->steps; /* only to see what came out, through the middle */
    const int left = last ? MARGIN : (int)wk_rng_below(&rng, 2 * MARGIN + 1);
    const int top = last ? MARGIN : (int)wk_rng_below(&rng, 2 * MARGIN + 1);
    if (wk_cancelled(p->ctx))
      return WK_FAIL(err, WK_ERR_CANCELLED, "stopped");
    wk_parameters_render(&e->canvas);
    see(e->input, p, e, left, top);
    WK_RETURN_IF_ERROR(wk_grad_forward(exec, e->input, 1, err));
    const double now = mean_of(wk_grad_output(exec, 0), p, channel);
    first = step == 1 ? now : first;
    *rise = now - first;
    if (last)
      break;
    const float *seed = e->seed;
    WK_RETURN_IF_ERROR(wk_grad_backward(exec, &seed, err));
    feel(e, p, wk_grad_result(exec, 0), left, top);
    for (size_t i = 0; i < (size_t)e->canvas.width * (size_t)e->canvas.height * 3; i++)
      e->canvas.d[i] += grey * (e->canvas.rgb[i] - 0.5f);
    wk_total_variation(e->canvas.d, e->canvas.rgb, e->canvas.height, e->canvas.width, tv);
    wk_parameters_backward(&e->canvas);
    wk_parameters_adam(&e->canvas, step, p->o->rate * (1 - 0.9 * step / p->o->steps));
    wk_progress_add(&p->progress, 1);
  }
  return WK_OK;
}

static wk_status take_picture(wk_image *out, const painting *p, const easel *e, wk_error *err) {
  WK_RETURN_IF_ERROR(wk_image_alloc(out, p->size, p->size, err));
  for (int row = 0; row < p->size; row++)
    for (int i = 0; i < 3 * p->size; i++) {
      const float v = e->canvas.rgb[at_window(e, row, 0, MARGIN, MARGIN) + (size_t)i];
      out->pixels[(size_t)row * (size_t)p->size * 3 + (size_t)i] = (uint8_t)(fminf(fmaxf(v, 0), 1) * 255 + 0.5f);
    }
  return WK_OK;
}

static wk_status one_channel(void *user, size_t index, int worker, wk_error *err) {
  painting *p = user;
  easel e = {0};
  wk_status st = WK_OK;
  e.input = wk_alloc_array((size_t)p->size * (size_t)p->size * 3, sizeof *e.input);
  e.seed = wk_calloc((size_t)p->shape.height * (size_t)p->shape.width * (size_t)p->shape.channels, sizeof *e.seed);
  WK_FAIL_IF(!e.input || !e.seed, err, WK_ERR_MEMORY, "out of memory for a picture of %d x %d", p->size, p->size);
  WK_TRY(wk_parameters_open(&e.canvas, WK_PARAMETERIZATION_FOURIER, p->size + 2 * MARGIN, p->size + 2 * MARGIN, err));
  WK_TRY(paint(p, &e, p->exec[worker], p->channel[index], index, &p->rise[index], err));
  WK_TRY(take_picture(&p->out[index], p, &e, err));
done:
  wk_parameters_close(&e.canvas);
  wk_free(e.input);
  wk_free(e.seed);
  return st;
}

/* Large enough for what a position sees, and no larger than is seen well. */
static wk_status choose_size(int *size, const wk_backbone *b, wk_node layer, const wk_activation_max_options *o,
                             wk_error *err) {
  const int input = b->preprocess.height < b->preprocess.width ? b->preprocess.height : b->preprocess.width;
  wk_receptive_field f;
  WK_RETURN_IF_ERROR(wk_layer_receptive_field(&f, b->graph, layer, 0, 0, err));
  int want = o->size;
  if (!want) {
    want = f.whole || f.height > LARGEST ? LARGEST : (f.height + 31) / 32 * 32;
    want = want < SMALLEST ? SMALLEST : want;
    want = want > input ? input : want;
  }
  *size = want;
  return WK_OK;
}

wk_status wk_activation_max_make(wk_image *out, double *rise, const wk_backbone *b, wk_node layer, const int *channel,
                                 int channels, const wk_activation_max_options *o, const wk_context *ctx,
                                 wk_error *err) {
  if (channels < 1 || o->steps < 1 || !(o->rate > 0) || o->size < 0)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "channels and steps must be at least 1, the rate above 0");
  const wk_node seed = before_activation(b->graph, layer);
  painting p = {.b = b, .o = o, .channel = channel, .out = out, .rise = rise, .ctx = ctx};
  const int workers = channels < wk_context_threads(ctx) ? channels : wk_context_threads(ctx);
  wk_status st = WK_OK;
  wk_node_info info;
  wk_grad_options go;
  WK_TRY(choose_size(&p.size, b, layer, o, err));
  WK_TRY(wk_graph_node(&info, b->graph, seed, p.size, p.size, err));
  p.shape = info.shape;
  for (int i = 0; i < channels; i++)
    WK_FAIL_IF(channel[i] < 0 || channel[i] >= info.shape.channels, err, WK_ERR_ARGUMENT,
               "%s has no channel number %d, only 0 to %d", info.name, channel[i], info.shape.channels - 1);
  wk_grad_options_init(&go);
  go.height = go.width = p.size;
  go.seed = &seed;
  go.seeds = 1;
  go.threads = channels == 1 ? wk_context_threads(ctx) : 1; /* one picture: threads share its layers */
  WK_TRY(wk_grad_plan_create(&p.plan, b->graph, b->weights, &go, err));
  p.exec = wk_calloc((size_t)workers, sizeof *p.exec);
  WK_FAIL_IF(!p.exec, err, WK_ERR_MEMORY, "out of memory");
  for (int i = 0; i < workers; i++)
    WK_TRY(wk_grad_exec_create(&p.exec[i], p.plan, err));
  WK_TRY(wk_progress_begin(&p.progress, ctx, "painting", (uint64_t)channels * (uint64_t)o->steps, err));
  st = wk_parallel(ctx, workers, (size_t)channels, one_channel, &p, err);
done:
  wk_progress_end(&p.progress);
  for (int i = 0; p.exec && i < workers; i++)
    wk_grad_exec_free(p.exec[i]);
  wk_free(p.exec);
  wk_grad_plan_free(p.plan);
  for (int i = 0; st != WK_OK && i < channels; i++)
    wk_image_free(&out[i]);
  return st;
}
