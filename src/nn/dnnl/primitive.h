/* primitive.h (internal to nn/dnnl) - a oneDNN primitive with a fixed list of arguments, and what one thread needs to
 * run it. The primitive is shared; the small memory objects that carry pointers belong to one thread each. */
#ifndef WK_NN_DNNL_PRIMITIVE_H
#define WK_NN_DNNL_PRIMITIVE_H

#include "nn/dnnl/dnnl_shim.h"
#include "nn/dnnl/engine.h"

struct wk_dnnl_engine {
  dnnl_engine_t engine;
};

enum { WK_DNNL_ARGS = 5 };

typedef struct wk_dnnl_op {
  dnnl_engine_t engine;
  dnnl_primitive_desc_t pd; /* set by the maker, then wk_dnnl_op_finish */
  dnnl_primitive_t primitive;
  struct {
    int arg;      /* DNNL_ARG_... */
    wk_md_ref md; /* belongs to pd */
    void *fixed;  /* memory that is always the same; NULL: given at each run */
  } arg[WK_DNNL_ARGS];
  int args;
  size_t scratch_bytes;
  char name[64]; /* of the layer, for messages */
} wk_dnnl_op;

void wk_dnnl_op_begin(wk_dnnl_op *op, const wk_dnnl_engine *engine, const char *name);
/* Adds an argument whose description is answer `index` to that query of pd. */
void wk_dnnl_op_arg(wk_dnnl_op *op, int arg, dnnl_query_t query, int index, void *fixed);
size_t wk_dnnl_op_arg_bytes(const wk_dnnl_op *op, int index);
wk_status wk_dnnl_op_finish(wk_dnnl_op *op, wk_error *err);
void wk_dnnl_op_end(wk_dnnl_op *op);

typedef struct wk_dnnl_call wk_dnnl_call;
wk_status wk_dnnl_call_create(wk_dnnl_call **out, const wk_dnnl_op *op, wk_error *err);
void wk_dnnl_call_free(wk_dnnl_call *call);
/* data[i] is read for argument i unless that is fixed. */
wk_status wk_dnnl_call_run(wk_dnnl_call *call, void *const *data, void *scratch, wk_error *err);

/* A reorder between two descriptions, and running it once. */
wk_status wk_dnnl_reorder_init(wk_dnnl_op *op, const wk_dnnl_engine *engine, const char *name, wk_md_ref from,
                               wk_md_ref to, wk_error *err);
wk_status wk_dnnl_reorder_run(const wk_dnnl_op *op, const void *from, void *to, wk_error *err);

#endif
