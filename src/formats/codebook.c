/* codebook.c - weights that were clustered: for each layer NAME_W_q, one byte a weight, NAME_W_table, the value that
 * each byte stands for, and NAME_b, the bias. That is how a converted Keras VGG is published; Keras's layer names
 * become torchvision's on the way, its layouts are PyTorch's already. */
#include <string.h>

#include "formats/torch.h"

#define CODES "_W_q"
#define TABLE "_W_table"
#define BIAS "_b"

enum { NAME_LIMIT = 256 };

/* The length of a layer's name, if this tensor holds codes; else 0. */
static size_t layer_of(const wk_tensor *t) {
  size_t n = strlen(t->name), tail = strlen(CODES);
  return n > tail && n < NAME_LIMIT && strcmp(t->name + n - tail, CODES) == 0 ? n - tail : 0;
}

static const wk_tensor *part(const wk_tensors *in, const wk_tensor *codes, const char *tail) {
  char name[NAME_LIMIT + 16];
  snprintf(name, sizeof name, "%.*s%s", (int)layer_of(codes), codes->name, tail);
  return wk_tensors_find(in, name);
}

bool wk_codebook_is(const wk_tensors *in) {
  size_t layers = 0;
  for (size_t i = 0; i < wk_tensors_size(in); i++) {
    const wk_tensor *t = wk_tensors_at(in, i);
    if (layer_of(t) && part(in, t, TABLE) && part(in, t, BIAS))
      layers++;
  }
  return layers && layers * 3 == wk_tensors_size(in);
}

/* How many convolutions a block of Keras's VGG has. */
static int convolutions(const wk_tensors *in, int block) {
  char name[64];
  int n = 0;
  do
    snprintf(name, sizeof name, "block%d_conv%d" CODES, block, n + 1);
  while (wk_tensors_find(in, name) && ++n < 9);
  return n;
}

/* "block2_conv1" is torchvision's "features.5": it counts every convolution, activation and pooling. */
static void layer_name(char out[NAME_LIMIT], const wk_tensors *in, const wk_tensor *codes) {
  int block, convolution, end = 0, index = 0;
  size_t n = layer_of(codes);
  if (sscanf(codes->name, "block%1d_conv%1d%n", &block, &convolution, &end) == 2 && (size_t)end == n && block > 0 &&
      convolution > 0) {
    for (int b = 1; b < block; b++)
      index += 2 * convolutions(in, b) + 1;
    snprintf(out, NAME_LIMIT, "features.%d", index + 2 * (convolution - 1));
  } else {
    snprintf(out, NAME_LIMIT, "%.*s", (int)n, codes->name);
  }
}

static wk_status check_layer(const wk_tensor *codes, const wk_tensor *table, const wk_tensor *bias, wk_error *err) {
  bool ok = codes->dtype == WK_U8 && codes->ndim >= 1 && table->dtype == WK_F32 && table->ndim == 1 &&
            bias->dtype == WK_F32 && bias->ndim == 1 && bias->shape[0] == codes->shape[0];
  const uint8_t *code = codes->data;
  for (size_t i = 0; ok && i < codes->bytes; i++)
    ok = code[i] < table->shape[0];
  return ok ? WK_OK
            : WK_FAIL(err, WK_ERR_FORMAT, "the clustered weights %.200s do not fit their table and bias", codes->name);
}

static wk_status expand_layer(wk_tensors *out, const wk_tensors *in, const wk_tensor *codes, wk_error *err) {
  const wk_tensor *table = part(in, codes, TABLE), *bias = part(in, codes, BIAS);
  char layer[NAME_LIMIT], name[NAME_LIMIT + 16];
  float *weight = NULL;
  WK_RETURN_IF_ERROR(check_layer(codes, table, bias, err));
  layer_name(layer, in, codes);

  snprintf(name, sizeof name, "%s.weight", layer);
  WK_RETURN_IF_ERROR(wk_tensors_add_zeros(out, &weight, name, codes->ndim, codes->shape, err));
  const uint8_t *code = codes->data, *value = table->data; /* which may be unaligned */
  for (size_t i = 0; i < codes->bytes; i++)
    memcpy(&weight[i], value + code[i] * sizeof *weight, sizeof *weight);

  wk_tensor renamed = *bias;
  snprintf(name, sizeof name, "%s.bias", layer);
  renamed.name = name;
  return wk_tensors_add(out, &renamed, err);
}

wk_status wk_codebook_expand(wk_tensors **out, const wk_tensors *in, size_t budget, wk_error *err) {
  wk_tensors *t = NULL;
  wk_status st;
  WK_TRY(wk_tensors_create(&t, err));
  for (size_t i = 0; i < wk_tensors_size(in); i++) {
    const wk_tensor *codes = wk_tensors_at(in, i);
    if (!layer_of(codes))
      continue;
    /* A byte becomes a float; tensors may share their bytes in the file, but not here. */
    WK_FAIL_IF(codes->bytes > budget / sizeof(float), err, WK_ERR_FORMAT,
               "the file unpacks to far more than its own size");
    budget -= codes->bytes * sizeof(float);
    WK_TRY(expand_layer(t, in, codes, err));
  }
  *out = t;
  t = NULL;
done:
  wk_tensors_free(t);
  return st;
}
