/* winograd_ops.c - see winograd_ops.h. */
#include "nn/ops/winograd_ops.h"

#include "nn/ops/op.h"

bool wk_winograd_on_the_fly_pays(const wk_winograd *w, int batch) {
  enum { MOST_TILES = 6, FAR = 1 << 20 }; /* FAR: floats */
  const int side = w->m + 2, across = (w->out_w + w->m - 1) / w->m, down = (w->out_h + w->m - 1) / w->m;
  return w->m == 4 && (int64_t)across * down * batch <= MOST_TILES && (int64_t)side * side * w->in_c * w->out_c >= FAR;
}

size_t wk_winograd_weights(const wk_microkernels *kn, const wk_winograd *w) {
  return w->on_the_fly ? kn->winograd_packed_taps(w->in_c, w->out_c) : kn->winograd_packed(w->m, w->in_c, w->out_c);
}

void wk_winograd_weights_pack(const wk_microkernels *kn, const wk_winograd *w, float *packed, const float *weight,
                              bool back) {
  const ptrdiff_t stride_in = back ? (ptrdiff_t)9 * w->out_c : 9, stride_out = back ? 9 : (ptrdiff_t)9 * w->in_c;
  if (w->on_the_fly)
    kn->winograd_pack_taps(packed, weight, w->in_c, w->out_c, stride_in, stride_out, back);
  else
    kn->winograd_pack(packed, weight, w->m, w->in_c, w->out_c, stride_in, stride_out, back);
}

static bool staged(const wk_winograd_sizes *size, int threads) { return threads > 1 && size->tiles <= size->block; }

int wk_winograd_stages(const wk_microkernels *kn, const wk_winograd *w, int threads) {
  const wk_winograd_sizes size = kn->winograd_shape(w);
  return staged(&size, threads) ? 2 : 1;
}

int wk_winograd_chunks(const wk_microkernels *kn, const wk_winograd *w, int threads, int stage) {
  const wk_winograd_sizes size = kn->winograd_shape(w);
  const bool two = staged(&size, threads);
  const int side = w->m + 2;
  if (two && stage == 0)
    return threads;
  /* Without stages every part that has channels alone would transform the whole input: only tiles are cut finer. */
  return wk_call_chunks(two ? w->out_c / (2 * kn->gemm_shape().panel) : size.tiles / size.block,
                        (int64_t)size.tiles * w->in_c * w->out_c * side * side, threads);
}

wk_winograd_range wk_winograd_chunk(const wk_microkernels *kn, const wk_winograd *w, int threads, int stage,
                                    float *scratch, size_t each, wk_chunk chunk) {
  const wk_winograd_sizes size = kn->winograd_shape(w);
  const int panel = kn->gemm_shape().panel;
  float *own = scratch + each * (size_t)chunk.worker;
  const wk_winograd_range columns = {0, size.tiles, (int)wk_chunk_begin(w->out_c, panel, chunk),
                                     (int)wk_chunk_end(w->out_c, panel, chunk)};
  if (staged(&size, threads)) { /* the input lies in the first thread's scratch, for all */
    if (stage == 0) {
      kn->winograd_input(w, (int)wk_chunk_begin(size.tiles, 1, chunk), (int)wk_chunk_end(size.tiles, 1, chunk),
                         scratch);
      return (wk_winograd_range){0};
    }
    kn->winograd_output(w, columns.col0, columns.col1, scratch, own + size.input);
    return columns;
  }
  if (size.tiles < size.block * threads) {
    kn->winograd(w, 0, size.tiles, columns.col0, columns.col1, own);
    return columns;
  }
  const wk_winograd_range tiles = {(int)wk_chunk_begin(size.tiles, size.block, chunk),
                                   (int)wk_chunk_end(size.tiles, size.block, chunk), 0, w->out_c};
  kn->winograd(w, tiles.tile0, tiles.tile1, 0, w->out_c, own);
  return tiles;
}
