/* tape_builder.c - a tape's list of instructions and values as it grows. */
#include "nn/compile/tape.h"

wk_instr *wk_tape_add(wk_tape *p, wk_instr_kind kind) {
  if (p->instrs == p->capacity) {
    int capacity = p->capacity ? 2 * p->capacity : 256;
    wk_instr *grown = wk_grow(p->instr, sizeof *grown * (size_t)p->instrs, sizeof *grown * (size_t)capacity);
    if (!grown)
      return NULL;
    p->instr = grown;
    p->capacity = capacity;
  }
  wk_instr *in = &p->instr[p->instrs++];
  *in = (wk_instr){.kind = kind, .op = -1, .x = -1, .f = -1, .y = -1, .dy = -1, .dx = -1, .index = -1};
  return in;
}

int wk_tape_value(wk_tape *p, wk_shape shape) {
  wk_plan *plan = p->plan;
  if (plan->values == p->value_capacity) {
    int capacity = 2 * p->value_capacity;
    wk_value *grown = wk_grow(plan->value, sizeof *grown * (size_t)plan->values, sizeof *grown * (size_t)capacity);
    if (!grown)
      return -1;
    plan->value = grown;
    p->value_capacity = capacity;
  }
  plan->value[plan->values] = (wk_value){.shape = shape, .first = -1, .last = -1, .storage = -1};
  return plan->values++;
}

const wk_plan_op *wk_param_group_op(const wk_tape *p, int group) {
  const wk_param_group *g = &p->group[group];
  const wk_plan_op *s = &p->plan->op[g->op];
  return g->sub_op < 0 ? s : &s->sub_op[g->sub_op];
}
