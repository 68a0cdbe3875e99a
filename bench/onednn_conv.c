/* onednn_conv.c - see onednn_conv.h. */
#include "onednn_conv.h"

#include <stdio.h>
#include <stdlib.h>

#include "onednn_shim.h"

enum { ARGS = 5 };

struct onednn_conv {
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  dnnl_primitive_desc_t pd, hint;
  dnnl_primitive_t primitive;
  dnnl_exec_arg_t arg[ARGS];
  void *memory[ARGS];
  int args;
  md src, weight, bias, dst;
};

static void must(dnnl_status_t status, const char *what) {
  if (status == dnnl_success)
    return;
  fprintf(stderr, "oneDNN cannot do this %s (status %d)\n", what, (int)status);
  exit(1);
}

static void add(onednn_conv *c, int arg, dnnl_query_t query, int index) {
  md_ref m = dnnl_primitive_desc_query_md(c->pd, query, index);
  size_t bytes = dnnl_memory_desc_get_size(m);
  float *x = NULL;
  if (posix_memalign((void **)&x, 64, bytes + 64))
    exit(1);
  for (size_t i = 0; i < bytes / sizeof *x; i++)
    x[i] = (float)((unsigned)i * 2654435761u >> 16) / 32768 - 1;
  c->memory[c->args] = x;
  c->arg[c->args].arg = arg;
  must(dnnl_memory_create(&c->arg[c->args].memory, m, c->engine, x), "memory");
  c->args++;
}

static dnnl_primitive_attr_t attributes(onednn_kind kind) {
  dnnl_primitive_attr_t attr;
  must(dnnl_primitive_attr_create(&attr), "attribute");
  if (kind == ONEDNN_FORWARD) {
    dnnl_post_ops_t ops;
    must(dnnl_post_ops_create(&ops), "attribute");
    must(post_relu(ops), "activation");
    must(dnnl_primitive_attr_set_post_ops(attr, ops), "activation");
    dnnl_post_ops_destroy(ops);
  }
  return attr;
}

onednn_conv *onednn_conv_create(const onednn_shape *s, onednn_kind kind) {
  onednn_conv *c = calloc(1, sizeof *c);
  if (!c)
    exit(1);
  const dnnl_dims_t src = {s->batch, s->in_c, s->in_h, s->in_w}, dst = {s->batch, s->out_c, s->out_h, s->out_w},
                    bias = {s->out_c}, strides = {s->stride_h, s->stride_w},
                    dilates = {s->dilation_h - 1, s->dilation_w - 1}, before = {s->pad_top, s->pad_left},
                    after = {s->pad_bottom, s->pad_right};
  dnnl_dims_t weight;
  int n = 0;
  if (s->groups > 1)
    weight[n++] = s->groups;
  weight[n++] = s->out_c / s->groups, weight[n++] = s->in_c / s->groups;
  weight[n++] = s->kernel_h, weight[n++] = s->kernel_w;
  must(dnnl_engine_create(&c->engine, dnnl_cpu, 0), "engine");
  must(dnnl_stream_create(&c->stream, c->engine, dnnl_stream_default_flags), "stream");
  must(md_init(&c->src, 4, src, dnnl_nhwc), "description");
  must(md_init(&c->dst, 4, dst, dnnl_nhwc), "description");
  must(md_init(&c->weight, n, weight, dnnl_format_tag_any), "description");
  if (kind != ONEDNN_DATA)
    must(md_init(&c->bias, 1, bias, dnnl_a), "description");
  dnnl_primitive_attr_t attr = attributes(kind), plain = attributes(ONEDNN_DATA);
  const bool forward = kind == ONEDNN_FORWARD;
  must(conv_forward(forward ? &c->pd : &c->hint, c->engine, forward ? dnnl_forward_inference : dnnl_forward_training,
                    &c->src, &c->weight, &c->bias, &c->dst, strides, dilates, before, after, forward ? attr : plain),
       "convolution");
  if (kind == ONEDNN_DATA)
    must(conv_data(&c->pd, c->engine, &c->src, &c->weight, &c->dst, strides, dilates, before, after, c->hint, plain),
         "gradient");
  if (kind == ONEDNN_WEIGHTS)
    must(conv_weights(&c->pd, c->engine, &c->src, &c->weight, &c->bias, &c->dst, strides, dilates, before, after,
                      c->hint, plain),
         "gradient");
  add(c, kind == ONEDNN_DATA ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC,
      kind == ONEDNN_DATA ? dnnl_query_diff_src_md : dnnl_query_src_md, 0);
  add(c, forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, forward ? dnnl_query_dst_md : dnnl_query_diff_dst_md, 0);
  add(c, kind == ONEDNN_WEIGHTS ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS,
      kind == ONEDNN_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
  if (kind != ONEDNN_DATA)
    add(c, forward ? DNNL_ARG_BIAS : DNNL_ARG_DIFF_BIAS, forward ? dnnl_query_weights_md : dnnl_query_diff_weights_md,
        1);
  must(dnnl_primitive_create(&c->primitive, c->pd), "convolution");
  dnnl_primitive_attr_destroy(attr);
  dnnl_primitive_attr_destroy(plain);
  return c;
}

void onednn_conv_run(onednn_conv *c) {
  must(dnnl_primitive_execute(c->primitive, c->stream, c->args, c->arg), "convolution");
  must(dnnl_stream_wait(c->stream), "convolution");
}

void onednn_conv_free(onednn_conv *c) {
  for (int i = 0; i < c->args; i++) {
    dnnl_memory_destroy(c->arg[i].memory);
    free(c->memory[i]);
  }
  dnnl_primitive_destroy(c->primitive);
  dnnl_primitive_desc_destroy(c->pd);
  if (c->hint)
    dnnl_primitive_desc_destroy(c->hint);
  md_end(&c->src), md_end(&c->weight), md_end(&c->bias), md_end(&c->dst);
  dnnl_stream_destroy(c->stream);
  dnnl_engine_destroy(c->engine);
  free(c);
}
