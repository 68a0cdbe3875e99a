/* backward_block.c - the backward instruction of a block of layers: gradients of its input and of its parameters at
 * once. */
#include "nn/run/trainer.h"

wk_status wk_run_mbconv_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  wk_status st = WK_OK;
  wk_trainer *t = s->trainer;
  const bool learns = t && !t->input_gradient;
  wk_data_call call = wk_instr_data_call(in, s);
  for (int k = 0; learns && k < WK_MBCONV_OPS; k++)
    if (in->group[k] >= 0) {
      call.grad[k] = wk_sum_take(t, &t->group[in->group[k]].sum);
      WK_FAIL_IF(!call.grad[k], err, WK_ERR_MEMORY, "out of memory for the gradient of layer '%s'", call.layer->name);
    }
  WK_TRY(wk_data_kernel_run(in->data, &call, s->crew, err));
  for (int k = 0; k < WK_MBCONV_OPS; k++)
    if (call.grad[k]) {
      wk_sum_give(t, &t->group[in->group[k]].sum, call.grad[k], s->index, wk_trainer_micro_batches(t));
      call.grad[k] = NULL;
    }
done:
  for (int k = 0; k < WK_MBCONV_OPS; k++)
    wk_free(call.grad[k]); /* left only where it failed */
  return st;
}
