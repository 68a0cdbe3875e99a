/* onnx_quant.c - ONNX's operations on quantised numbers (QLinearConv, QLinearMatMul, and those of ONNX Runtime's own
 * set) as what they stand for: the plain operation, and a rounding to what its output can hold. Numbers are real ones
 * throughout: a stored weight becomes real where it is used, and what is computed already is. */
#include <string.h>

#include "import/reader.h"

/* An operand: a value, its scale and its zero. */
typedef struct operand {
  int value, scale, zero;
} operand;

static operand operand_at(const wk_ir_op *op, int i) {
  return (operand){i < op->ins ? op->in[i] : -1, i + 1 < op->ins ? op->in[i + 1] : -1,
                   i + 2 < op->ins ? op->in[i + 2] : -1};
}

static wk_status broken(const wk_ir *ir, int op, wk_error *err) {
  return WK_FAIL(err, WK_ERR_FORMAT, "node '%.100s' (%.60s) lacks an input", ir->op[op].name, ir->op[op].type);
}

/* A constant becomes real; what is computed is. */
static wk_status real_of(int *out, wk_ir *ir, operand a, int axis, wk_error *err) {
  wk_ir_op *op = NULL;
  if (!ir->value[a.value].data) {
    *out = a.value;
    return WK_OK;
  }
  WK_RETURN_IF_ERROR(wk_ir_add_value(out, ir, &(wk_ir_value){.name = ir->value[a.value].name, .ndim = -1}, err));
  WK_RETURN_IF_ERROR(wk_ir_add_op(&op, ir, "DequantizeLinear", "", a.zero < 0 ? 2 : 3, 1, err));
  op->in[0] = a.value;
  op->in[1] = a.scale;
  if (a.zero >= 0)
    op->in[2] = a.zero;
  op->out[0] = *out;
  return wk_ir_add_int(ir, op, "axis", axis, err);
}

/* The bias is whole numbers of the product of both scales. */
static wk_status real_bias(int *out, wk_ir *ir, int bias, int in_scale, int weight_scale, wk_error *err) {
  const int64_t *whole = NULL;
  const float *x = NULL, *w = NULL;
  float *real = NULL;
  if (!ir->value[bias].data || !ir->value[in_scale].data || !ir->value[weight_scale].data)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "bias '%.100s' or its scale is computed", ir->value[bias].name);
  WK_RETURN_IF_ERROR(wk_ir_read_ints(&whole, ir, bias, err));
  WK_RETURN_IF_ERROR(wk_ir_read_floats(&x, ir, in_scale, err));
  WK_RETURN_IF_ERROR(wk_ir_read_floats(&w, ir, weight_scale, err));
  const int64_t n = wk_ir_count(&ir->value[bias]), scales = wk_ir_count(&ir->value[weight_scale]);
  if (wk_ir_count(&ir->value[in_scale]) != 1 || (scales != 1 && scales != n))
    return WK_FAIL(err, WK_ERR_FORMAT, "bias '%.100s' has other than its %lld scales", ir->value[bias].name,
                   (long long)n);
  WK_RETURN_IF_ERROR(wk_ir_floats(out, &real, ir, ir->value[bias].name, 1, &n, err));
  for (int64_t i = 0; i < n; i++)
    real[i] = (float)((double)whole[i] * (double)*x * (double)w[scales == 1 ? 0 : i]);
  return WK_OK;
}

/* Gives the operation its plain name and inputs; its output is rounded to (scale, zero). */
static wk_status become(wk_ir *ir, int op, const char *type, const int *in, int ins, int scale, int zero,
                        wk_error *err) {
  void *memory = NULL;
  int before = -1;
  wk_ir_op *round = NULL;
  if (scale < 0)
    return broken(ir, op, err);
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, ir, (size_t)ins, sizeof *in, err));
  memcpy(memory, in, (size_t)ins * sizeof *in);
  WK_RETURN_IF_ERROR(
      wk_ir_add_value(&before, ir, &(wk_ir_value){.name = ir->value[ir->op[op].out[0]].name, .ndim = -1}, err));
  const int made = ir->op[op].out[0];
  ir->op[op].type = type;
  ir->op[op].in = memory;
  ir->op[op].ins = ins;
  ir->op[op].out[0] = before;
  WK_RETURN_IF_ERROR(wk_ir_add_op(&round, ir, "QuantizeLinear", ir->op[op].name, zero < 0 ? 2 : 3, 1, err));
  round->in[0] = before;
  round->in[1] = scale;
  if (zero >= 0)
    round->in[2] = zero;
  round->out[0] = made;
  return WK_OK;
}

/* x, its scale and zero, w, its scale and zero, scale and zero of the output, bias. */
static wk_status convolution(wk_ir *ir, int op, wk_error *err) {
  const operand x = operand_at(&ir->op[op], 0), w = operand_at(&ir->op[op], 3);
  const int bias = ir->op[op].ins > 8 ? ir->op[op].in[8] : -1;
  int in[3] = {0};
  if (ir->op[op].ins < 8 || x.value < 0 || w.value < 0 || x.scale < 0 || w.scale < 0)
    return broken(ir, op, err);
  const int scale = ir->op[op].in[6], zero = ir->op[op].in[7];
  WK_RETURN_IF_ERROR(real_of(&in[0], ir, x, 1, err));
  WK_RETURN_IF_ERROR(real_of(&in[1], ir, w, 0, err));
  if (bias >= 0)
    WK_RETURN_IF_ERROR(real_bias(&in[2], ir, bias, x.scale, w.scale, err));
  return become(ir, op, "Conv", in, bias >= 0 ? 3 : 2, scale, zero, err);
}

/* a and b, each with scale and zero, then those of the output; QGemm has the bias before them. */
static wk_status product(wk_ir *ir, int op, bool gemm, wk_error *err) {
  const operand a = operand_at(&ir->op[op], 0), b = operand_at(&ir->op[op], 3);
  const int ins = ir->op[op].ins, at = gemm ? 7 : 6, bias = gemm && ins > 6 ? ir->op[op].in[6] : -1;
  int in[3] = {0};
  if (ins < at + 1 || a.value < 0 || b.value < 0 || a.scale < 0 || b.scale < 0)
    return broken(ir, op, err);
  const int scale = ir->op[op].in[at], zero = ins > at + 1 ? ir->op[op].in[at + 1] : -1;
  const bool turned = gemm && wk_ir_int(&ir->op[op], "transB", 0) != 0;
  WK_RETURN_IF_ERROR(real_of(&in[0], ir, a, 1, err));
  WK_RETURN_IF_ERROR(real_of(&in[1], ir, b, turned ? 0 : 1, err));
  if (bias >= 0)
    WK_RETURN_IF_ERROR(real_bias(&in[2], ir, bias, a.scale, b.scale, err));
  return become(ir, op, gemm ? "Gemm" : "MatMul", in, bias >= 0 ? 3 : 2, scale, zero, err);
}

/* Two operands, each with scale and zero, then those of the output. */
static wk_status of_two(wk_ir *ir, int op, const char *type, wk_error *err) {
  const operand a = operand_at(&ir->op[op], 0), b = operand_at(&ir->op[op], 3);
  int in[2] = {0};
  if (ir->op[op].ins < 7 || a.value < 0 || b.value < 0 || a.scale < 0 || b.scale < 0)
    return broken(ir, op, err);
  const int scale = ir->op[op].in[6], zero = ir->op[op].ins > 7 ? ir->op[op].in[7] : -1;
  WK_RETURN_IF_ERROR(real_of(&in[0], ir, a, 1, err));
  WK_RETURN_IF_ERROR(real_of(&in[1], ir, b, 1, err));
  return become(ir, op, type, in, 2, scale, zero, err);
}

/* One operand with scale and zero, then those of the output. */
static wk_status of_one(wk_ir *ir, int op, const char *type, wk_error *err) {
  const operand x = operand_at(&ir->op[op], 0);
  if (ir->op[op].ins < 4 || x.value < 0)
    return broken(ir, op, err);
  const int zero = ir->op[op].ins > 4 ? ir->op[op].in[4] : -1;
  return become(ir, op, type, &x.value, 1, ir->op[op].in[3], zero, err);
}

/* Scale and zero of the output, then any number of operands. */
static wk_status concatenation(wk_ir *ir, int op, wk_error *err) {
  enum { MOST = 256 };
  int in[MOST], n = 0;
  if (ir->op[op].ins < 5 || (ir->op[op].ins - 2) % 3 || ir->op[op].ins > 3 * MOST)
    return broken(ir, op, err);
  const int scale = ir->op[op].in[0], zero = ir->op[op].in[1];
  for (int i = 2; i + 2 < ir->op[op].ins; i += 3) {
    const operand x = operand_at(&ir->op[op], i);
    if (x.value < 0 || x.scale < 0)
      return broken(ir, op, err);
    WK_RETURN_IF_ERROR(real_of(&in[n++], ir, x, 1, err));
  }
  return become(ir, op, "Concat", in, n, scale, zero, err);
}

wk_status wk_onnx_plain(wk_ir *ir, int op, wk_error *err) {
  static const struct {
    const char *type, *plain;
    int operands;
  } known[] = {{"QLinearAdd", "Add", 2},
               {"QLinearMul", "Mul", 2},
               {"QLinearGlobalAveragePool", "GlobalAveragePool", 1},
               {"QLinearAveragePool", "AveragePool", 1},
               {"QLinearLeakyRelu", "LeakyRelu", 1},
               {"QLinearSigmoid", "Sigmoid", 1},
               {"QLinearSoftmax", "Softmax", 1}};
  const char *type = ir->op[op].type;
  if (ir->op[op].outs != 1 || *type != 'Q')
    return WK_OK;
  if (strcmp(type, "QLinearConv") == 0)
    return convolution(ir, op, err);
  if (strcmp(type, "QLinearMatMul") == 0 || strcmp(type, "QGemm") == 0)
    return product(ir, op, type[1] == 'G', err);
  if (strcmp(type, "QLinearConcat") == 0)
    return concatenation(ir, op, err);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(type, known[i].type) == 0)
      return known[i].operands == 2 ? of_two(ir, op, known[i].plain, err) : of_one(ir, op, known[i].plain, err);
  return WK_OK;
}
