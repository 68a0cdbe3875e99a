/* op.c - a call of a kernel, by one thread or by a crew. Every part writes what no other does, so how a call is
 * shared changes nothing. */
#include "nn/ops/op.h"

int wk_call_chunks(int64_t most, int64_t work, int threads) {
  enum { LEAST = 1 << 20 }; /* work of a part, multiply-adds: some 20 microseconds, against one for taking it */
  const int64_t parts = (work / LEAST < most ? work / LEAST : most) / threads;
  return threads * (threads == 1 || parts < 1 ? 1 : parts < WK_TEAM_CHUNKS ? (int)parts : WK_TEAM_CHUNKS);
}

typedef struct forward {
  const wk_kernel *kernel;
  wk_call call;
} forward;

static void forward_part(void *user, wk_chunk chunk) {
  const forward *f = user;
  f->kernel->share(&f->call, chunk);
}

wk_status wk_kernel_run(const wk_kernel *kernel, const wk_call *call, wk_thread_team *crew, wk_error *err) {
  if (!kernel->share)
    return kernel->run(call, err);
  forward f = {kernel, *call};
  const int stages = kernel->stages ? kernel->stages(call) : 1;
  for (f.call.stage = 0; f.call.stage < stages; f.call.stage++)
    wk_thread_team_run(crew, kernel->chunks ? kernel->chunks(&f.call) : call->threads, forward_part, &f);
  return WK_OK;
}

typedef struct backward {
  const wk_data_kernel *kernel;
  wk_data_call call;
} backward;

static void backward_part(void *user, wk_chunk chunk) {
  const backward *b = user;
  b->kernel->share(&b->call, chunk);
}

wk_status wk_data_kernel_run(const wk_data_kernel *kernel, const wk_data_call *call, wk_thread_team *crew,
                             wk_error *err) {
  if (!kernel->share)
    return kernel->run(call, err);
  backward b = {kernel, *call};
  const int stages = kernel->stages ? kernel->stages(call) : 1;
  for (b.call.stage = 0; b.call.stage < stages; b.call.stage++)
    wk_thread_team_run(crew, kernel->chunks ? kernel->chunks(&b.call) : call->threads, backward_part, &b);
  return WK_OK;
}
