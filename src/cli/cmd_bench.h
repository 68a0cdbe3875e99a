/* cmd_bench.h - what the files of `whisker bench` share. */
#ifndef WK_CLI_CMD_BENCH_H
#define WK_CLI_CMD_BENCH_H

#include "cli.h"

/* One network to measure. */
typedef struct cli_bench_job {
  const wk_backbone *backbone;
  const wk_context *ctx;
  int height, width, batch;
  wk_precision precision;
  wk_tensors *ranges; /* for int8 */
  double seconds;     /* at least so long, and at least one call */
} cli_bench_job;

enum { CLI_BENCH_SCORES = 10 };

typedef struct cli_bench_figure {
  double calls_per_second; /* a call: `batch` photos; input: one */
  size_t bytes;            /* weights and working memory */
  int scores;
  float score[CLI_BENCH_SCORES]; /* the first class scores of a ramp; forward only */
} cli_bench_figure;

/* Forward, backward to all parameters with batch norm frozen, and an update by SGD; the micro-batches of the batch in
 * parallel. */
wk_status cli_bench_train(cli_bench_figure *out, const cli_bench_job *job, wk_error *err);
/* Step by step on one thread, beside plain sums: prints a table, and adds a row a step to `rows`. */
wk_status cli_bench_layers(cli *c, json_t *rows, const cli_bench_job *job, double peak, wk_error *err);
/* What a plan in int8 needs; wk_tensors_free it. */
wk_status cli_bench_ranges(wk_tensors **out, const cli_bench_job *job, wk_error *err);
/* Floating-point operations a second of one thread at most, measured. */
double cli_bench_peak(void);
/* One photo on all threads: forward, and backward to its pixels alone. */
wk_status cli_bench_input(cli_bench_figure *out, const cli_bench_job *job, wk_error *err);

#endif
