/* optim.c - gradient descent in nine ways. Arithmetic is in float as PyTorch's, with coefficients made in double. Every
 * element is updated on its own, so cutting the array into jobs changes nothing; only LAMB looks at whole tensors. */
#include <math.h>
#include <string.h>

#include "base/choice.h"
#include "train/optim/adam.h"
#include "train/option_tables.h"

#define CHUNK 65536 /* floats a job */
#define MAX_STATES 2

static const char *const names[WK_OPTIM_COUNT + 1] = {"sgd",  "momentum", "nesterov", "adagrad", "rmsprop",
                                                      "adam", "adamw",    "lamb",     "lion",    NULL};

const char *wk_optim_name(wk_optim_kind kind) { return (unsigned)kind < WK_OPTIM_COUNT ? names[kind] : "unknown"; }

wk_status wk_optim_parse(wk_optim_kind *out, const char *name, wk_error *err) {
  int kind = 0;
  WK_RETURN_IF_ERROR(wk_choice_parse(&kind, "optimiser", name, names, WK_OPTIM_COUNT, err));
  *out = (wk_optim_kind)kind;
  return WK_OK;
}

/* What an optimiser has other than the rows below say: PyTorch's defaults, or its paper's. */
static const wk_option_value
    adagrad[] = {{"opt-eps", 1e-10, NULL}, {0}},
    rmsprop[] = {{"momentum", 0, NULL}, {"opt-beta2", 0.99, NULL}, {"suggested-lr", 1e-4, NULL}, {0}},
    adam[] = {{"suggested-lr", 1e-4, NULL}, {0}},
    adamw[] = {{"weight-decay", 0.01, NULL}, {"suggested-lr", 1e-4, NULL}, {0}},
    lamb[] = {{"opt-eps", 1e-6, NULL}, {"weight-decay", 0.01, NULL}, {"suggested-lr", 1e-3, NULL}, {0}},
    lion[] = {{"opt-beta2", 0.99, NULL}, {"suggested-lr", 3e-5, NULL}, {0}};
static const wk_option_value *const with_kind[WK_OPTIM_COUNT] = {
    [WK_OPTIM_ADAGRAD] = adagrad, [WK_OPTIM_RMSPROP] = rmsprop, [WK_OPTIM_ADAM] = adam,
    [WK_OPTIM_ADAMW] = adamw,     [WK_OPTIM_LAMB] = lamb,       [WK_OPTIM_LION] = lion};

static const wk_option option_rows[] = {{.name = "opt",
                                  WK_ROW_CHOICE(wk_optim_options, kind, names),
                                  .with = with_kind,
                                  .flags = WK_OPTION_FINGERPRINT,
                                  .placeholder = "NAME",
                                  .help = "optimiser"},
                                 {.name = "momentum",
                                  WK_ROW_DOUBLE(wk_optim_options, momentum),
                                  .value = 0.9,
                                  .min = 0,
                                  .max = 1,
                                  .flags = WK_OPTION_BELOW_MAX | WK_OPTION_FINGERPRINT,
                                  .placeholder = "M",
                                  .help = "momentum of momentum, nesterov and rmsprop"},
                                 {.name = "opt-beta1",
                                  WK_ROW_DOUBLE(wk_optim_options, beta1),
                                  .value = 0.9,
                                  .min = 0,
                                  .max = 1,
                                  .flags = WK_OPTION_BELOW_MAX | WK_OPTION_FINGERPRINT | WK_OPTION_NO_FLAG,
                                  .help = "decay of the mean gradient"},
                                 {.name = "opt-beta2",
                                  WK_ROW_DOUBLE(wk_optim_options, beta2),
                                  .value = 0.999,
                                  .min = 0,
                                  .max = 1,
                                  .flags = WK_OPTION_BELOW_MAX | WK_OPTION_FINGERPRINT | WK_OPTION_NO_FLAG,
                                  .help = "decay of the mean squared gradient"},
                                 {.name = "opt-eps",
                                  WK_ROW_DOUBLE(wk_optim_options, eps),
                                  .value = 1e-8,
                                  .min = 0,
                                  .max = INFINITY,
                                  .flags = WK_OPTION_ABOVE_MIN | WK_OPTION_FINGERPRINT | WK_OPTION_NO_FLAG,
                                  .help = "added to the denominator of adaptive optimisers"},
                                 {.name = "weight-decay",
                                  WK_ROW_DOUBLE(wk_optim_options, weight_decay),
                                  .min = 0,
                                  .max = INFINITY,
                                  .flags = WK_OPTION_FINGERPRINT,
                                  .placeholder = "W",
                                  .help = "weight decay"},
                                 {.name = "suggested-lr",
                                  WK_ROW_DOUBLE(wk_optim_options, suggested_lr),
                                  .value = 1e-2,
                                  .min = 0,
                                  .max = INFINITY,
                                  .flags = WK_OPTION_NO_FLAG,
                                  .help = "a sensible learning rate for fine-tuning with this optimiser"},
                                 {0}};
const wk_option_table wk_optim_table = {"optim_options", sizeof(wk_optim_options), option_rows, NULL};
const wk_option_table *wk_optim_options_table(void) { return &wk_optim_table; }

void wk_optim_options_init(wk_optim_options *o, wk_optim_kind kind) {
  wk_options_init(o, &wk_optim_table);
  if ((unsigned)kind < WK_OPTIM_COUNT)
    wk_options_preset(o, &wk_optim_table, (const wk_option_value[]){{"opt", kind, NULL}, {0}});
  o->kind = kind;
}

wk_status wk_optim_options_validate(const wk_optim_options *o, wk_error *err) {
  return wk_options_validate(o, &wk_optim_table, err);
}

/* ---- the object -------------------------------------------------------------------------------- */

typedef struct chunk {
  int slot;
  size_t offset, count;
} chunk;

struct wk_optim {
  wk_optim_options o;
  wk_optim_slot *slot;
  int slots;
  chunk *chunks;
  size_t chunk_count;
  size_t size;
  float *state[MAX_STATES];
  int states;
  uint64_t steps;
  float *direction; /* LAMB: updates before they are scaled */
};

static int states_of(const wk_optim_options *o) {
  switch (o->kind) {
  case WK_OPTIM_SGD:
    return 0;
  case WK_OPTIM_MOMENTUM:
  case WK_OPTIM_NESTEROV:
  case WK_OPTIM_ADAGRAD:
  case WK_OPTIM_LION:
    return 1;
  case WK_OPTIM_RMSPROP:
    return o->momentum > 0 ? 2 : 1;
  default:
    return 2;
  }
}

static wk_status check_slots(const wk_optim_slot *slot, int slots, size_t size, wk_error *err) {
  for (int i = 0; i < slots; i++) {
    if (slot[i].offset > size || slot[i].count > size - slot[i].offset)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "slot %d (%zu floats at %zu) does not lie within %zu floats", i,
                     slot[i].count, slot[i].offset, size);
    if (!isfinite(slot[i].lr_scale) || !isfinite(slot[i].decay_scale))
      return WK_FAIL(err, WK_ERR_ARGUMENT, "slot %d has a scale that is not finite", i);
  }
  return WK_OK;
}

static void cut(wk_optim *o, const wk_optim_slot *slot, int slots) {
  size_t n = 0;
  for (int i = 0; i < slots; i++)
    for (size_t at = 0; at < slot[i].count; at += CHUNK) {
      size_t left = slot[i].count - at;
      if (o->chunks)
        o->chunks[n] = (chunk){i, slot[i].offset + at, left < CHUNK ? left : CHUNK};
      n++;
    }
  o->chunk_count = n;
}

wk_status wk_optim_create(wk_optim **out, const wk_optim_options *options, const wk_optim_slot *slot, int slots,
                          size_t size, wk_error *err) {
  WK_RETURN_IF_ERROR(wk_optim_options_validate(options, err));
  WK_RETURN_IF_ERROR(check_slots(slot, slots, size, err));
  wk_status st = WK_OK;
  wk_optim *o = wk_calloc(1, sizeof *o);
  WK_FAIL_IF(!o, err, WK_ERR_MEMORY, "out of memory for an optimiser of %zu parameters", size);
  o->o = *options;
  o->slots = slots;
  o->size = size;
  o->slot = wk_alloc_array((size_t)slots, sizeof *o->slot);
  cut(o, slot, slots); /* counts */
  o->chunks = wk_alloc_array(o->chunk_count, sizeof *o->chunks);
  WK_FAIL_IF(!o->slot || !o->chunks, err, WK_ERR_MEMORY, "out of memory for an optimiser of %zu parameters", size);
  memcpy(o->slot, slot, (size_t)slots * sizeof *slot);
  cut(o, slot, slots); /* fills */
  for (; o->states < states_of(options); o->states++) {
    o->state[o->states] = wk_calloc(size, sizeof(float));
    WK_FAIL_IF(!o->state[o->states], err, WK_ERR_MEMORY, "out of memory for an optimiser of %zu parameters", size);
  }
  if (options->kind == WK_OPTIM_LAMB) {
    o->direction = wk_alloc_array(size, sizeof *o->direction);
    WK_FAIL_IF(!o->direction, err, WK_ERR_MEMORY, "out of memory for an optimiser of %zu parameters", size);
  }
  *out = o;
  o = NULL;
done:
  wk_optim_free(o);
  return st;
}

void wk_optim_free(wk_optim *o) {
  if (!o)
    return;
  wk_free(o->slot);
  wk_free(o->chunks);
  for (int i = 0; i < MAX_STATES; i++)
    wk_free(o->state[i]);
  wk_free(o->direction);
  wk_free(o);
}

int wk_optim_state_count(const wk_optim *o) { return o->states; }
float *wk_optim_state(wk_optim *o, int index) { return index >= 0 && index < o->states ? o->state[index] : NULL; }
uint64_t wk_optim_steps(const wk_optim *o) { return o->steps; }
void wk_optim_set_steps(wk_optim *o, uint64_t steps) { o->steps = steps; }

/* ---- the rules --------------------------------------------------------------------------------- */

typedef struct step {
  wk_optim *o;
  float *params;
  const float *gradient, *towards;
  double lr;
} step;

/* What a rule sees: n elements. `pull` is the point that weight decay pulls to. */
typedef struct span {
  size_t n;
  float *p;
  const float *g, *pull;
  float *a, *b; /* states */
  float lr, decay;
} span;

/* The gradient with weight decay as part of it. */
static inline float decayed(const span *s, size_t i) {
  return s->decay != 0 ? s->g[i] + s->decay * (s->pull ? s->p[i] - s->pull[i] : s->p[i]) : s->g[i];
}

/* Decoupled weight decay: the parameter itself shrinks first. */
static inline float shrunk(const span *s, size_t i) {
  return s->decay != 0 ? s->p[i] - s->lr * s->decay * (s->pull ? s->p[i] - s->pull[i] : s->p[i]) : s->p[i];
}

static void rule_sgd(const span *s) {
  for (size_t i = 0; i < s->n; i++)
    s->p[i] -= s->lr * decayed(s, i);
}

static void rule_momentum(const span *s, const wk_optim *o) {
  /* PyTorch starts the average with the first gradient itself; from zeros that is the same. */
  float momentum = (float)o->o.momentum;
  bool nesterov = o->o.kind == WK_OPTIM_NESTEROV;
  for (size_t i = 0; i < s->n; i++) {
    float g = decayed(s, i);
    float v = s->a[i] = momentum * s->a[i] + g;
    s->p[i] -= s->lr * (nesterov ? g + momentum * v : v);
  }
}

static void rule_adagrad(const span *s, const wk_optim *o) {
  float eps = (float)o->o.eps;
  for (size_t i = 0; i < s->n; i++) {
    float g = decayed(s, i);
    s->a[i] += g * g;
    s->p[i] -= s->lr * (g / (sqrtf(s->a[i]) + eps));
  }
}

static void rule_rmsprop(const span *s, const wk_optim *o) {
  float alpha = (float)o->o.beta2, rest = (float)(1 - o->o.beta2), eps = (float)o->o.eps;
  float momentum = (float)o->o.momentum;
  for (size_t i = 0; i < s->n; i++) {
    float g = decayed(s, i);
    s->a[i] = alpha * s->a[i] + rest * g * g;
    float d = g / (sqrtf(s->a[i]) + eps);
    if (s->b)
      d = s->b[i] = momentum * s->b[i] + d;
    s->p[i] -= s->lr * d;
  }
}

static wk_adam moments_of(const wk_optim *o) { return wk_adam_at(o->o.beta1, o->o.beta2, o->o.eps, (double)o->steps); }

static void rule_adam(const span *s, const wk_optim *o) {
  wk_adam m = moments_of(o);
  for (size_t i = 0; i < s->n; i++)
    s->p[i] -= s->lr * wk_adam_direction(&s->a[i], &s->b[i], decayed(s, i), &m);
}

static void rule_adamw(const span *s, const wk_optim *o) {
  wk_adam m = moments_of(o);
  for (size_t i = 0; i < s->n; i++)
    s->p[i] = shrunk(s, i) - s->lr * wk_adam_direction(&s->a[i], &s->b[i], s->g[i], &m);
}

static void rule_lion(const span *s, const wk_optim *o) {
  float beta1 = (float)o->o.beta1, rest1 = (float)(1 - o->o.beta1);
  float beta2 = (float)o->o.beta2, rest2 = (float)(1 - o->o.beta2);
  for (size_t i = 0; i < s->n; i++) {
    float d = beta1 * s->a[i] + rest1 * s->g[i];
    s->p[i] = shrunk(s, i) - s->lr * (float)((d > 0) - (d < 0));
    s->a[i] = beta2 * s->a[i] + rest2 * s->g[i];
  }
}

static void rule_lamb_direction(const span *s, const wk_optim *o, float *direction) {
  wk_adam m = moments_of(o);
  for (size_t i = 0; i < s->n; i++) {
    float decay = s->decay != 0 ? s->decay * (s->pull ? s->p[i] - s->pull[i] : s->p[i]) : 0;
    direction[i] = wk_adam_direction(&s->a[i], &s->b[i], s->g[i], &m) + decay;
  }
}

static wk_status chunk_job(void *user, size_t index, int worker, wk_error *err) {
  (void)worker, (void)err;
  const step *t = user;
  wk_optim *o = t->o;
  const chunk *c = &o->chunks[index];
  const wk_optim_slot *slot = &o->slot[c->slot];
  if (slot->lr_scale == 0)
    return WK_OK;
  span s = {.n = c->count,
            .p = t->params + c->offset,
            .g = t->gradient + c->offset,
            .pull = t->towards ? t->towards + c->offset : NULL,
            .a = o->state[0] ? o->state[0] + c->offset : NULL,
            .b = o->state[1] ? o->state[1] + c->offset : NULL,
            .lr = (float)(t->lr * slot->lr_scale),
            .decay = (float)(o->o.weight_decay * slot->decay_scale)};
  switch (o->o.kind) {
  case WK_OPTIM_SGD:
    rule_sgd(&s);
    break;
  case WK_OPTIM_MOMENTUM:
  case WK_OPTIM_NESTEROV:
    rule_momentum(&s, o);
    break;
  case WK_OPTIM_ADAGRAD:
    rule_adagrad(&s, o);
    break;
  case WK_OPTIM_RMSPROP:
    rule_rmsprop(&s, o);
    break;
  case WK_OPTIM_ADAM:
    rule_adam(&s, o);
    break;
  case WK_OPTIM_ADAMW:
    rule_adamw(&s, o);
    break;
  case WK_OPTIM_LION:
    rule_lion(&s, o);
    break;
  default:
    rule_lamb_direction(&s, o, o->direction + c->offset);
    break;
  }
  return WK_OK;
}

/* LAMB's second half: each tensor moves by its own length over its direction's, times the learning rate. */
static wk_status lamb_job(void *user, size_t index, int worker, wk_error *err) {
  (void)worker, (void)err;
  const step *t = user;
  const wk_optim_slot *slot = &t->o->slot[index];
  float *p = t->params + slot->offset;
  const float *d = t->o->direction + slot->offset;
  if (slot->lr_scale == 0)
    return WK_OK;
  double trust = 1;
  if (slot->decay_scale != 0) {
    double length = wk_norm(p, slot->count), direction = wk_norm(d, slot->count);
    if (length > 0 && direction > 0)
      trust = length / direction;
  }
  float lr = (float)(t->lr * slot->lr_scale * trust);
  for (size_t i = 0; i < slot->count; i++)
    p[i] -= lr * d[i];
  return WK_OK;
}

wk_status wk_optim_step(wk_optim *o, float *params, const float *gradient, double lr, const float *towards,
                        const wk_context *ctx, wk_error *err) {
  if (!isfinite(lr))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the learning rate is %g", lr);
  step t = {o, params, gradient, towards, lr};
  /* A step is never half made: nobody asks here whether to stop. */
  wk_context quiet;
  wk_context_init(&quiet);
  quiet.threads = wk_context_threads(ctx);
  o->steps++;
  WK_RETURN_IF_ERROR(wk_parallel(&quiet, 0, o->chunk_count, chunk_job, &t, err));
  return o->o.kind == WK_OPTIM_LAMB ? wk_parallel(&quiet, 0, (size_t)o->slots, lamb_job, &t, err) : WK_OK;
}
