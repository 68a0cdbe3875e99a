/* precision_choice.c - `whisker train --precision`: what the features are computed in, and what that costs and gains,
 * told on a sample of the photos that are learned from. */
#include <string.h>

#include "workflow/workflow.h"

const char *wk_precision_choice_name(int precision) {
  if (precision == WK_PRECISION_AUTO)
    return "auto";
  return precision >= 0 && precision < WK_PRECISION_COUNT ? wk_precision_name((wk_precision)precision) : NULL;
}

enum { RANGE_PHOTOS = 64, SAMPLE = 400, WORTH = 2000 }; /* WORTH: photos that the check is a fifth of, at most */

static wk_status set_low(wk_backbone *b, wk_precision p, const char *const *path, size_t n, const wk_context *ctx,
                         wk_error *err) {
  wk_status st = WK_OK;
  if (p == WK_PRECISION_INT8)
    st = wk_ranges_measure(&b->ranges, b, path, n, RANGE_PHOTOS, ctx, err);
  if (st == WK_OK)
    b->precision = p;
  return st;
}

/* Is anything before the features computed so? Winograd's transform saves as much as int8 where it applies. */
static wk_status lowers(bool *any, const wk_backbone *b, wk_error *err) {
  wk_plan_options o;
  wk_plan_options_init(&o);
  o.height = b->preprocess.height, o.width = b->preprocess.width;
  o.precision = b->precision, o.ranges = b->ranges;
  wk_plan *plan = NULL;
  wk_status st = wk_plan_create(&plan, b->graph, b->weights, &o, err);
  *any = false;
  for (int i = 0; st == WK_OK && i < wk_plan_ops(plan); i++) {
    wk_op_info s;
    wk_plan_op_at(&s, plan, i);
    *any |= s.precision != WK_PRECISION_FLOAT32;
  }
  wk_plan_free(plan);
  return st;
}

static void set_float32(wk_backbone *b) {
  wk_tensors_free(b->ranges);
  b->ranges = NULL;
  b->precision = WK_PRECISION_FLOAT32;
}

/* Without a check: two classes of two photos are the least that can be compared. */
static bool comparable(const wk_holdout *s, size_t n) {
  int enough = 0;
  for (int k = 0; k < s->data->class_count && enough < 2; k++) {
    size_t have = 0;
    for (size_t i = 0; i < n; i++)
      have += s->photos.labels[i] == k;
    enough += have >= 2;
  }
  return enough == 2;
}

static void note_compared(const wk_call *call, const char *name, const wk_precision_report *r) {
  char speeds[80] = "";
  if (r->speed > 0 && r->float32_speed > 0)
    snprintf(speeds, sizeof speeds, ". %.0f photos/s against %.0f", r->speed, r->float32_speed);
  wk_call_note(call, "precision   %s: %zu of %zu photos right, left out in turn; float32: %zu%s", name, r->right,
               r->photo_count, r->float32_right, speeds);
}

/* ACCURATE: as float32 is, within what is allowed; UNKNOWN: there are too few photos to tell. */
typedef enum verdict { ACCURATE, WORSE, UNKNOWN, NO_LAYER } verdict;

/* Sets the backbone to `p`, and compares that with float32. */
static wk_status attempt(verdict *found, wk_precision_outcome *out, wk_call *call, wk_backbone *b, wk_precision p,
                         const wk_holdout *s, const wk_features_options *o, wk_error *err) {
  const size_t n = s->photos.count - s->held_count;
  const char *const *path = s->photos.paths;
  bool any = false;
  wk_status st = set_low(b, p, path, n, &call->ctx, err);
  if (st == WK_OK)
    st = lowers(&any, b, err);
  *found = !any ? NO_LAYER : UNKNOWN;
  if (st != WK_OK || !any || !comparable(s, n))
    return st;
  st = wk_precision_compare(&out->report, b, path, s->photos.labels, n, s->data->class_count, SAMPLE, o, &call->ctx,
                            err);
  if (st != WK_OK)
    return st;
  out->compared = true;
  note_compared(call, wk_precision_name(p), &out->report);
  *found = wk_precision_accurate(&out->report) ? ACCURATE : WORSE;
  return WK_OK;
}

static wk_status choose(wk_precision_outcome *out, wk_call *call, wk_backbone *b, int asked, const wk_holdout *s,
                        const wk_features_options *o, wk_error *err) {
  const size_t n = s->photos.count - s->held_count;
  const bool automatic = asked == WK_PRECISION_AUTO;
  wk_precision way[WK_PRECISION_COUNT];
  int ways = 0;
  *out = (wk_precision_outcome){.asked = asked};
  if (asked == WK_PRECISION_FLOAT32)
    return WK_OK;
  for (int p = WK_PRECISION_FLOAT32 + 1; p < WK_PRECISION_COUNT; p++) /* int8 first: the fewer bits, the faster */
    if (automatic ? wk_precision_gains((wk_precision)p) : p == asked)
      way[ways++] = (wk_precision)p;
  if (!ways) {
    wk_call_note(call, "precision   float32: this processor computes nothing faster");
    return WK_OK;
  }
  if (automatic && n < WORTH) {
    wk_call_note(call,
                 "precision   float32: with %s photos, trying another takes longer than it saves (from %s on it pays)",
                 wk_figure_count(n).text, wk_figure_count(WORTH).text);
    return WK_OK;
  }
  for (int i = 0; i < ways; i++) {
    const char *name = wk_precision_name(way[i]);
    verdict found;
    wk_status st = attempt(&found, out, call, b, way[i], s, o, err);
    if (st != WK_OK || found == ACCURATE || (found == UNKNOWN && !automatic))
      return st;
    if (found == WORSE && !automatic) {
      wk_call_note(call, "  ! %s is more than 0.3 points worse here; --precision auto would not use it", name);
      return WK_OK;
    }
    set_float32(b);
    const bool last = i + 1 == ways;
    if (found == WORSE)
      wk_call_note(call, "  ! %s is %s: %s is more than 0.3 points worse",
                   last ? "float32" : wk_precision_name(way[i + 1]), last ? "used" : "tried", name);
    else if (found == NO_LAYER && last)
      wk_call_note(call, "precision   float32: no layer of %s is faster in %s", b->arch->name, name);
  }
  return WK_OK;
}

wk_status wk_precision_choose(wk_precision_outcome *out, wk_call *call, wk_backbone *b, int asked, const wk_holdout *s,
                              const wk_features_options *o, wk_error *err) {
  wk_status st = choose(out, call, b, asked, s, o, err);
  out->used = b->precision;
  return st;
}

json_t *wk_precision_outcome_json(const wk_precision_outcome *p) {
  const wk_precision_report *r = &p->report;
  json_t *j = json_pack("{s:s,s:s}", "asked", wk_precision_choice_name(p->asked), "used", wk_precision_name(p->used));
  if (p->compared) {
    json_object_set_new(j, "photos", json_integer((json_int_t)r->photo_count));
    json_object_set_new(j, "right", json_integer((json_int_t)r->right));
    json_object_set_new(j, "float32_right", json_integer((json_int_t)r->float32_right));
    json_object_set_new(j, "photos_per_second", r->speed > 0 ? json_real(r->speed) : json_null());
    json_object_set_new(j, "float32_photos_per_second",
                        r->float32_speed > 0 ? json_real(r->float32_speed) : json_null());
  }
  return j;
}
