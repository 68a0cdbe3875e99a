/* cmd_bench.c - `whisker bench`: how fast this machine runs the networks. Throughput gives every thread photos of its
 * own; latency gives all threads one photo. What needs gradients is in cmd_bench_train.c. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cmd_bench.h"
#include "whisker/clock.h"

typedef struct runner {
  wk_exec *exec;
  const float *input;
  int batch;
  double until;
  uint64_t photos;
  wk_status status;
  wk_error err;
} runner;

static void *run_until(void *user) {
  runner *r = user;
  do {
    r->status = wk_exec_run(r->exec, r->input, r->batch, &r->err);
    r->photos += (uint64_t)r->batch;
  } while (r->status == WK_OK && wk_clock_seconds() < r->until);
  return NULL;
}

/* Photos a second over about `seconds`, with `count` threads that each run `batch` photos at a time. */
static wk_status measure(double *rate, runner *r, int count, double seconds, wk_error *err) {
  pthread_t *thread = calloc((size_t)count, sizeof *thread);
  if (!thread)
    return cli_no_memory(err);
  double start = wk_clock_seconds();
  wk_status st = WK_OK;
  int started = 1;
  for (int i = 0; i < count; i++) {
    r[i].photos = 0;
    r[i].until = start + seconds;
  }
  for (; started < count; started++)
    if (pthread_create(&thread[started], NULL, run_until, &r[started])) {
      st = cli_error(err, WK_ERR_INTERNAL, "a thread could not be started");
      break;
    }
  run_until(&r[0]);
  uint64_t photos = r[0].photos;
  for (int i = 1; i < started; i++) {
    pthread_join(thread[i], NULL);
    photos += r[i].photos;
  }
  *rate = (double)photos / (wk_clock_seconds() - start);
  for (int i = 0; i < started && st == WK_OK; i++)
    if ((st = r[i].status) != WK_OK)
      *err = r[i].err;
  free(thread);
  return st;
}

/* Class scores of a ramp from -1 to 1 over (channel, row, column), for comparing with others that compute the same. */
static wk_status check(cli_bench_figure *out, wk_exec *exec, wk_shape scores, int height, int width, wk_error *err) {
  size_t pixels = (size_t)height * (size_t)width;
  float *ramp = malloc(3 * pixels * sizeof *ramp);
  if (!ramp)
    return cli_no_memory(err);
  for (size_t i = 0; i < 3 * pixels; i++)
    ramp[i % pixels * 3 + i / pixels] = (float)(2.0 * (double)i / (double)(3 * pixels - 1) - 1);
  wk_status st = wk_exec_run(exec, ramp, 1, err);
  int n = scores.channels < CLI_BENCH_SCORES ? scores.channels : CLI_BENCH_SCORES;
  for (int i = 0; st == WK_OK && i < n; i++)
    out->score[i] = wk_exec_output(exec, 0)[i];
  out->scores = st == WK_OK ? n : 0;
  free(ramp);
  return st;
}

/* Forward passes: image-parallel, or with all threads on one photo. */
static wk_status forward(cli_bench_figure *out, const cli_bench_job *job, bool latency, wk_error *err) {
  const wk_backbone *b = job->backbone;
  wk_plan_options o;
  wk_plan_options_init(&o);
  int threads = wk_context_threads(job->ctx), workers = latency ? 1 : threads;
  wk_node node = wk_graph_logits(b->graph) >= 0 ? wk_graph_logits(b->graph) : wk_graph_features(b->graph);
  o.height = job->height;
  o.width = job->width;
  o.batch = job->batch;
  o.threads = latency ? threads : 1;
  o.precision = job->precision;
  o.ranges = job->ranges;
  o.output = &node;
  o.outputs = 1;
  wk_plan *plan = NULL;
  size_t floats = (size_t)job->batch * (size_t)job->height * (size_t)job->width * 3;
  float *input = malloc(floats * sizeof *input);
  runner *r = calloc((size_t)workers, sizeof *r);
  wk_status st = input && r ? wk_plan_create(&plan, b->graph, b->weights, &o, err) : cli_no_memory(err);
  wk_rng rng;
  wk_rng_init(&rng, job->ctx->seed, 0);
  for (size_t i = 0; st == WK_OK && i < floats; i++)
    input[i] = (float)(wk_rng_uniform(&rng) * 2 - 1);
  for (int i = 0; i < workers && st == WK_OK; i++) {
    r[i].input = input;
    r[i].batch = job->batch;
    st = wk_exec_create(&r[i].exec, plan, err);
  }
  double rate = 0;
  if (st == WK_OK)
    st = check(out, r[0].exec, wk_plan_output_shape(plan, 0), job->height, job->width, err);
  if (st == WK_OK)
    st = measure(&rate, r, workers, job->seconds / 4, err); /* warms up */
  if (st == WK_OK)
    st = measure(&rate, r, workers, job->seconds, err);
  if (st == WK_OK) {
    out->calls_per_second = rate / job->batch;
    out->bytes = wk_plan_weight_bytes(plan) + (size_t)workers * wk_plan_exec_bytes(plan);
  }
  for (int i = 0; r && i < workers; i++)
    wk_exec_free(r[i].exec);
  wk_plan_free(plan);
  free(r);
  free(input);
  return st;
}

enum { ALL, THROUGHPUT, LATENCY, TRAIN, INPUT, MODES };
static const char *const modes[] = {"all", "throughput", "latency", "train", "input", NULL};
/* Multiply-adds of a photo in terms of a forward pass: each gradient costs as much again. */
static const double passes[] = {0, 1, 1, 3, 2};

/* One row of the table. */
static wk_status row(cli *c, json_t *rows, const cli_bench_job *of, int mode, wk_error *err) {
  cli_bench_job job = *of;
  cli_bench_figure f = {0};
  if (mode == LATENCY || mode == INPUT)
    job.batch = 1;
  wk_status st = mode == TRAIN   ? cli_bench_train(&f, &job, err)
                 : mode == INPUT ? cli_bench_input(&f, &job, err)
                                 : forward(&f, &job, mode == LATENCY, err);
  if (st != WK_OK)
    return st;
  const char *net = job.backbone->arch->name;
  int threads = wk_context_threads(job.ctx);
  double rate = f.calls_per_second * job.batch, ms = 1000 / f.calls_per_second;
  double gflops = 2e-9 * (double)job.backbone->arch->macs * passes[mode] * rate;
  cli_say(c, "%-20s %-10s %5d %7d %9.1f %9.2f %8.0f %9s\n", net, modes[mode], job.batch, threads, rate, ms, gflops,
          cli_bytes(f.bytes));
  json_t *one = json_pack("{s:s,s:s,s:s,s:i,s:i,s:f,s:f,s:f,s:I}", "net", net, "mode", modes[mode], "precision",
                          wk_precision_name(job.precision), "batch", job.batch, "threads", threads, "images_per_second",
                          rate, "ms", ms, "gflops", gflops, "bytes", (json_int_t)f.bytes);
  if (f.scores) {
    json_t *scores = json_array();
    for (int i = 0; i < f.scores; i++)
      json_array_append_new(scores, cli_json_number((double)f.score[i]));
    json_object_set_new(one, "check", scores);
  }
  json_array_append_new(rows, one);
  return WK_OK;
}

int cli_bench(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const precisions[] = {"float32", "int8", "bf16", NULL};
  int mode = ALL, batch = 8, size = 0, precision = 0;
  double seconds = 2;
  bool layers = false;
  const char *arch = NULL;
  const cli_flag flags[] = {
      {"mode", 0, CLI_CHOICE, &mode, "MODE",
       "photos in parallel, one photo on all threads, training steps, or input gradients of one photo", 0, 0, modes},
      {"batch-size", 0, CLI_INT, &batch, "N", "photos in each call of a thread (throughput) or in each step (train)", 1,
       1024, NULL},
      {"precision", 0, CLI_CHOICE, &precision, "KIND", "arithmetic of forward passes", 0, 0, precisions},
      {"seconds", 0, CLI_DOUBLE, &seconds, "S", "duration of each measurement", 0.01, 3600, NULL},
      {"size", 0, CLI_INT, &size, "PIXELS", "side of the network's input; 0: the backbone's own", 0, 4096, NULL},
      {"layers", 0, CLI_BOOL, &layers, NULL,
       "every step of the network on one thread instead, beside plain sums", 0, 0, NULL},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 0, 100, argc, argv)
  const bool low = precision != WK_PRECISION_FLOAT32;
  if (low && (mode == TRAIN || mode == INPUT))
    return cli_usage_error(self, "--precision %s is for forward passes: gradients are float32", precisions[precision]);
  wk_error err = {0};
  if (wk_precision_check((wk_precision)precision, &err) != WK_OK)
    return cli_fail(c, &err);
  static char fallback[] = "efficientnet_lite0";
  char *only[] = {fallback};
  char **name = n ? argv : only;
  n = n ? n : 1;
  json_t *rows = json_array();
  wk_status st = WK_OK;
  const double peak = cli_bench_peak();
  if (!layers)
    cli_say(c, "%-20s %-10s %5s %7s %9s %9s %8s %9s\n", "network", "mode", "batch", "threads", "photos/s", "ms/call",
            "GFLOP/s", "memory");
  for (int i = 0; i < n && st == WK_OK; i++) {
    wk_backbone *b = NULL;
    st = wk_backbone_open(&b, name[i], arch, &c->pull, &c->ctx, &err);
    if (st == WK_OK) {
      cli_bench_job job = {.precision = (wk_precision)precision,
                           .backbone = b,
                           .ctx = &c->ctx,
                           .height = size ? size : b->preprocess.height,
                           .width = size ? size : b->preprocess.width,
                           .batch = batch,
                           .seconds = seconds};
      if (precision == WK_PRECISION_INT8)
        st = cli_bench_ranges(&job.ranges, &job, &err);
      if (layers && st == WK_OK)
        st = cli_bench_layers(c, rows, &job, peak, &err);
      for (int m = ALL + 1; m < MODES && !layers && st == WK_OK; m++)
        if ((mode == ALL && !(low && m >= TRAIN)) || mode == m)
          st = row(c, rows, &job, m, &err);
      wk_tensors_free(job.ranges);
    }
    wk_backbone_free(b);
  }
  int rc = st == WK_OK ? cli_print_json(c, json_pack("{s:f,s:O}", "peak_gflops", 1e-9 * peak, "rows", rows))
                       : cli_fail(c, &err);
  json_decref(rows);
  return rc;
}
