/* op.c - a call of a kernel, by one thread or by a team. Every chunk writes what no other does, so how a call is shared
 * changes nothing. */
#include "nn/ops/op.h"

int wk_call_chunks(int64_t most, int64_t work, int threads) {
  enum { LEAST = 1 << 20 }; /* work of a chunk, multiply-adds: some 20 microseconds, against one for taking it */
  const int64_t chunks = (work / LEAST < most ? work / LEAST : most) / threads;
  return threads * (threads == 1 || chunks < 1 ? 1 : chunks < WK_TEAM_CHUNKS ? (int)chunks : WK_TEAM_CHUNKS);
}

/* A 1 x 1 convolution of a single pixel is the same thing: the layers of squeeze-excite. */
bool wk_layer_is_linear(const wk_layer *l) {
  const wk_window *w = &l->window;
  if (l->op == WK_OP_LINEAR)
    return true;
  return l->op == WK_OP_CONV && !l->residual && l->groups == 1 && l->in.height == 1 && l->in.width == 1 &&
         w->kernel_h == 1 && w->kernel_w == 1 && !(w->pad_top | w->pad_bottom | w->pad_left | w->pad_right);
}

typedef struct shared {
  const wk_kernel *kernel;
  wk_call call;
} shared;

static void run_chunk(void *user, wk_chunk chunk) {
  const shared *s = user;
  s->kernel->share(&s->call, chunk);
}

void wk_kernel_run(const wk_kernel *kernel, const wk_call *call, wk_thread_team *team) {
  if (!kernel->share) {
    kernel->run(call);
    return;
  }
  shared s = {kernel, *call};
  const int stages = kernel->stages ? kernel->stages(call) : 1;
  for (s.call.stage = 0; s.call.stage < stages; s.call.stage++)
    wk_thread_team_run(team, kernel->chunks ? kernel->chunks(&s.call) : call->threads, run_chunk, &s);
}
