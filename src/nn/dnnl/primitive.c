/* primitive.c - see primitive.h and engine.h. */
#include "nn/dnnl/primitive.h"

#include <omp.h>

wk_status wk_dnnl_fail(dnnl_status_t status, const char *what, wk_error *err) {
  if (status == dnnl_out_of_memory)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer '%s'", what);
  return WK_FAIL(err, WK_ERR_INTERNAL, "oneDNN cannot do layer '%s' (status %d)", what, (int)status);
}

wk_status wk_dnnl_engine_create(wk_dnnl_engine **out, wk_error *err) {
  wk_status st = WK_OK;
  wk_dnnl_engine *e = wk_calloc(1, sizeof *e);
  WK_FAIL_IF(!e, err, WK_ERR_MEMORY, "out of memory for oneDNN's engine");
  WK_DNNL_TRY(dnnl_engine_create(&e->engine, dnnl_cpu, 0), "engine", err);
  *out = e;
  e = NULL;
done:
  wk_free(e);
  return st;
}

void wk_dnnl_engine_free(wk_dnnl_engine *engine) {
  if (!engine)
    return;
  dnnl_engine_destroy(engine->engine);
  wk_free(engine);
}

int wk_dnnl_threads(int threads) {
  int before = omp_get_max_threads();
  if (before != threads)
    omp_set_num_threads(threads);
  return before;
}

/* ---- primitives ---------------------------------------------------------------------------------- */

void wk_dnnl_op_begin(wk_dnnl_op *op, const wk_dnnl_engine *engine, const char *name) {
  *op = (wk_dnnl_op){.engine = engine->engine};
  snprintf(op->name, sizeof op->name, "%s", name);
}

void wk_dnnl_op_arg(wk_dnnl_op *op, int arg, dnnl_query_t query, int index, void *fixed) {
  op->arg[op->args].arg = arg;
  op->arg[op->args].md = dnnl_primitive_desc_query_md(op->pd, query, index);
  op->arg[op->args].fixed = fixed;
  op->args++;
}

size_t wk_dnnl_op_arg_bytes(const wk_dnnl_op *op, int index) { return dnnl_memory_desc_get_size(op->arg[index].md); }

static wk_md_ref scratch_md(const wk_dnnl_op *op) {
  return dnnl_primitive_desc_query_md(op->pd, dnnl_query_scratchpad_md, 0);
}

wk_status wk_dnnl_op_finish(wk_dnnl_op *op, wk_error *err) {
  wk_status st = WK_OK;
  op->scratch_bytes = dnnl_memory_desc_get_size(scratch_md(op));
  WK_DNNL_TRY(dnnl_primitive_create(&op->primitive, op->pd), op->name, err);
done:
  return st;
}

void wk_dnnl_op_end(wk_dnnl_op *op) {
  if (op->primitive)
    dnnl_primitive_destroy(op->primitive);
  if (op->pd)
    dnnl_primitive_desc_destroy(op->pd);
  op->primitive = NULL;
  op->pd = NULL;
}

/* ---- running ------------------------------------------------------------------------------------ */

struct wk_dnnl_call {
  const wk_dnnl_op *op;
  dnnl_stream_t stream;
  dnnl_memory_t memory[WK_DNNL_ARGS + 1]; /* the last is the scratchpad */
};

wk_status wk_dnnl_call_create(wk_dnnl_call **out, const wk_dnnl_op *op, wk_error *err) {
  wk_status st = WK_OK;
  wk_dnnl_call *call = wk_calloc(1, sizeof *call);
  WK_FAIL_IF(!call, err, WK_ERR_MEMORY, "out of memory for layer '%s'", op->name);
  call->op = op;
  WK_DNNL_TRY(dnnl_stream_create(&call->stream, op->engine, dnnl_stream_default_flags), op->name, err);
  for (int i = 0; i < op->args; i++)
    WK_DNNL_TRY(dnnl_memory_create(&call->memory[i], op->arg[i].md, op->engine,
                                   op->arg[i].fixed ? op->arg[i].fixed : DNNL_MEMORY_NONE),
                op->name, err);
  WK_DNNL_TRY(dnnl_memory_create(&call->memory[WK_DNNL_ARGS], scratch_md(op), op->engine, DNNL_MEMORY_NONE), op->name,
              err);
  *out = call;
  call = NULL;
done:
  wk_dnnl_call_free(call);
  return st;
}

void wk_dnnl_call_free(wk_dnnl_call *call) {
  if (!call)
    return;
  for (int i = 0; i <= WK_DNNL_ARGS; i++)
    if (call->memory[i])
      dnnl_memory_destroy(call->memory[i]);
  if (call->stream)
    dnnl_stream_destroy(call->stream);
  wk_free(call);
}

wk_status wk_dnnl_call_run(wk_dnnl_call *call, void *const *data, void *scratch, wk_error *err) {
  const wk_dnnl_op *op = call->op;
  wk_status st = WK_OK;
  dnnl_exec_arg_t args[WK_DNNL_ARGS + 1];
  for (int i = 0; i < op->args; i++) {
    if (!op->arg[i].fixed)
      WK_DNNL_TRY(dnnl_memory_set_data_handle(call->memory[i], data[i]), op->name, err);
    args[i] = (dnnl_exec_arg_t){op->arg[i].arg, call->memory[i]};
  }
  WK_DNNL_TRY(dnnl_memory_set_data_handle(call->memory[WK_DNNL_ARGS], scratch), op->name, err);
  args[op->args] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, call->memory[WK_DNNL_ARGS]};
  WK_DNNL_TRY(dnnl_primitive_execute(op->primitive, call->stream, op->args + 1, args), op->name, err);
  WK_DNNL_TRY(dnnl_stream_wait(call->stream), op->name, err);
done:
  return st;
}

wk_status wk_dnnl_reorder_init(wk_dnnl_op *op, const wk_dnnl_engine *engine, const char *name, wk_md_ref from,
                               wk_md_ref to, wk_error *err) {
  wk_status st = WK_OK;
  wk_dnnl_op_begin(op, engine, name);
  WK_DNNL_TRY(wk_reorder_pd(&op->pd, from, to, op->engine), name, err);
  wk_dnnl_op_arg(op, DNNL_ARG_FROM, dnnl_query_src_md, 0, NULL);
  wk_dnnl_op_arg(op, DNNL_ARG_TO, dnnl_query_dst_md, 0, NULL);
  WK_TRY(wk_dnnl_op_finish(op, err));
done:
  return st;
}

wk_status wk_dnnl_reorder_run(const wk_dnnl_op *op, const void *from, void *to, wk_error *err) {
  wk_status st = WK_OK;
  int before = wk_dnnl_threads(1);
  wk_dnnl_call *call = NULL;
  void *scratch = wk_alloc(op->scratch_bytes);
  WK_FAIL_IF(!scratch, err, WK_ERR_MEMORY, "out of memory for layer '%s'", op->name);
  WK_TRY(wk_dnnl_call_create(&call, op, err));
  WK_TRY(wk_dnnl_call_run(call, (void *[]){(void *)from, to}, scratch, err));
done:
  wk_dnnl_call_free(call);
  wk_free(scratch);
  wk_dnnl_threads(before);
  return st;
}
