/* test_options.c - tables of options: defaults, bounds and their messages, values from text, JSON there and back, what
 * goes with a choice, and that every table of the library keeps its promises. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/option_field.h"
#include "support.h"
#include "train/finetune/finetune_parts.h"
#include "whisker/whisker.h"

typedef enum way { WAY_SGD = 0, WAY_ADAM } way;
typedef struct inner {
  way way;
  double momentum, eps;
} inner;
typedef struct outer {
  int epochs;
  double decay;
  float drop;
  bool balance;
  size_t memory;
  uint64_t seed;
  const char *depth;
  inner optim, second;
} outer;

static const char *const ways[] = {"sgd", "adam", NULL};
static const wk_option_value adam[] = {{"momentum", 0.5, NULL}, {0}};
static const wk_option_value *const with_way[] = {[WAY_ADAM] = adam};
static const wk_option inner_rows[] = {
    {.name = "opt", WK_ROW_CHOICE(inner, way, ways), .with = with_way, .help = "optimiser"},
    {.name = "momentum",
     WK_ROW_DOUBLE(inner, momentum),
     .value = 0.9,
     .max = 1,
     .flags = WK_OPTION_BELOW_MAX,
     .help = "m"},
    {.name = "opt-eps",
     WK_ROW_DOUBLE(inner, eps),
     .value = 1e-8,
     .max = INFINITY,
     .flags = WK_OPTION_ABOVE_MIN,
     .help = "e"},
    {0}};
static const wk_option_table inner_table = {"inner", sizeof(inner), inner_rows, NULL};
static const wk_option_value second_preset[] = {{"opt", WAY_ADAM, NULL}, {0}};

static wk_status check_outer(const void *options, wk_error *err) {
  const outer *o = options;
  return o->balance && !o->depth ? wk_error_set(err, WK_ERR_ARGUMENT, "test", "balance needs a depth") : WK_OK;
}

static const wk_option outer_rows[] = {
    {.name = "epochs",
     WK_ROW_INT(outer, epochs),
     .value = 12,
     .min = 1,
     .max = 1000,
     .flags = WK_OPTION_FINGERPRINT,
     .help = "e"},
    {.name = "layer-decay",
     WK_ROW_DOUBLE(outer, decay),
     .value = 0.8,
     .max = 1,
     .old_names = "ld stage-decay",
     .flags = WK_OPTION_ABOVE_MIN | WK_OPTION_FINGERPRINT,
     .help = "d"},
    {.name = "drop",
     WK_ROW_FLOAT(outer, drop),
     .value = -1,
     .max = 1,
     .flags = WK_OPTION_BELOW_MAX,
     .automatic = "the network's own",
     .help = "p"},
    {.name = "balance", WK_ROW_BOOL(outer, balance), .help = "b"},
    {.name = "memory",
     WK_ROW_SIZE(outer, memory),
     .value = 1 << 30,
     .min = 1 << 20,
     .max = INFINITY,
     .unit = 1 << 20,
     .help = "m"},
    {.name = "seed", WK_ROW_U64(outer, seed), .value = 42, .help = "s"},
    {.name = "tune", WK_ROW_TEXT(outer, depth), .text = "last:2", .help = "t"},
    {WK_ROW_PART(outer, optim, &inner_table)},
    {.name = "second", WK_ROW_PART(outer, second, &inner_table), .preset = second_preset},
    {0}};
static const wk_option_table table = {"outer", sizeof(outer), outer_rows, check_outer};

static void test_defaults(void **state) {
  (void)state;
  outer o;
  memset(&o, 0xff, sizeof o);
  wk_options_init(&o, &table);
  assert_int_equal(o.epochs, 12);
  assert_true(o.decay == 0.8 && o.drop == -1.0f && !o.balance && o.memory == 1u << 30 && o.seed == 42);
  assert_string_equal(o.depth, "last:2");
  assert_true(o.optim.way == WAY_SGD && o.optim.momentum == 0.9 && o.optim.eps == 1e-8);
  assert_true(o.second.way == WAY_ADAM && o.second.momentum == 0.5);
  assert_int_equal(wk_options_validate(&o, &table, NULL), WK_OK);
}

static void says(wk_status st, const wk_error *err, const char *message) {
  assert_int_not_equal(st, WK_OK);
  assert_string_equal(err->message, message);
}

static void test_bounds(void **state) {
  (void)state;
  outer o;
  wk_error err = {0};
  wk_options_init(&o, &table);
  o.epochs = 0;
  says(wk_options_validate(&o, &table, &err), &err, "epochs must be at least 1 (got 0)");
  o.epochs = 1001;
  says(wk_options_validate(&o, &table, &err), &err, "epochs must be at most 1000 (got 1001)");
  wk_options_init(&o, &table);
  o.decay = 0;
  says(wk_options_validate(&o, &table, &err), &err, "layer_decay must be above 0 and at most 1 (got 0)");
  o.decay = (double)NAN;
  assert_int_equal(wk_options_validate(&o, &table, &err), WK_ERR_ARGUMENT);
  wk_options_init(&o, &table);
  o.drop = -7; /* below the bounds: what the default stands for */
  assert_int_equal(wk_options_validate(&o, &table, NULL), WK_OK);
  o.drop = 1;
  says(wk_options_validate(&o, &table, &err), &err, "drop must be at least 0 and below 1, or auto (got 1)");
  wk_options_init(&o, &table);
  o.memory = 0;
  says(wk_options_validate(&o, &table, &err), &err, "memory must be at least 1 (got 0)");
  wk_options_init(&o, &table);
  o.second.eps = (double)INFINITY;
  says(wk_options_validate(&o, &table, &err), &err, "opt_eps must be above 0 (got inf)");
  o.second.eps = 1;
  o.second.way = (way)2;
  says(wk_options_validate(&o, &table, &err), &err, "opt must be one of sgd, adam (got number 2)");
  wk_options_init(&o, &table);
  o.balance = true;
  o.depth = NULL;
  says(wk_options_validate(&o, &table, &err), &err, "balance needs a depth");
}

static void test_set(void **state) {
  (void)state;
  outer o;
  wk_error err = {0};
  wk_options_init(&o, &table);
  assert_int_equal(wk_options_set(&o, &table, "epochs", "30", &err), WK_OK);
  assert_int_equal(wk_options_set(&o, &table, "layer_decay", "0.5", &err), WK_OK);
  assert_int_equal(wk_options_set(&o, &table, "drop", "0.25", &err), WK_OK);
  assert_int_equal(wk_options_set(&o, &table, "balance", "true", &err), WK_OK);
  assert_int_equal(wk_options_set(&o, &table, "memory", "512", &err), WK_OK);
  assert_int_equal(wk_options_set(&o, &table, "seed", "18446744073709551615", &err), WK_OK);
  assert_int_equal(wk_options_set(&o, &table, "second.momentum", "0.25", &err), WK_OK);
  assert_true(o.epochs == 30 && o.decay == 0.5 && o.drop == 0.25f && o.balance && o.memory == 512u << 20);
  assert_true(o.seed == UINT64_MAX && o.second.momentum == 0.25 && o.optim.momentum == 0.9);
  assert_int_equal(wk_options_set(&o, &table, "drop", "auto", &err), WK_OK);
  assert_true(o.drop == -1.0f);
  assert_int_equal(wk_options_set(&o, &table, "stage-decay", "0.75", &err), WK_OK); /* an old name */
  assert_true(o.decay == 0.75);
  says(wk_options_set(&o, &table, "epochs", "ten", &err), &err, "epochs must be a whole number (got 'ten')");
  says(wk_options_set(&o, &table, "epochs", "1.5", &err), &err, "epochs must be a whole number (got '1.5')");
  says(wk_options_set(&o, &table, "epochs", "", &err), &err, "epochs must be a whole number (got '')");
  says(wk_options_set(&o, &table, "epochs", "0", &err), &err, "epochs must be at least 1 (got 0)");
  says(wk_options_set(&o, &table, "layer-decay", "nan", &err), &err, "layer-decay must be a number (got 'nan')");
  says(wk_options_set(&o, &table, "seed", "-1", &err), &err,
       "seed must be a whole number from 0 to 18446744073709551615 (got '-1')");
  says(wk_options_set(&o, &table, "opt", "adan", &err), &err,
       "opt must be one of sgd, adam (got 'adan'; did you mean adam?)");
  says(wk_options_set(&o, &table, "opt", "zzzzzzzz", &err), &err, "opt must be one of sgd, adam (got 'zzzzzzzz')");
  says(wk_options_set(&o, &table, "balance", "perhaps", &err), &err, "balance must be true or false (got 'perhaps')");
  says(wk_options_set(&o, &table, "epoch", "1", &err), &err, "there is no option epoch; did you mean epochs?");
  says(wk_options_set(&o, &table, "quux", "1", &err), &err, "there is no option quux");
  assert_int_equal(o.epochs, 30);
}

/* What goes with a choice comes with it, once: said again it changes nothing. */
static void test_with(void **state) {
  (void)state;
  outer o;
  wk_error err = {0};
  wk_options_init(&o, &table);
  o.optim.eps = 3;
  assert_int_equal(wk_options_set(&o, &table, "opt", "adam", &err), WK_OK);
  assert_true(o.optim.way == WAY_ADAM && o.optim.momentum == 0.5 && o.optim.eps == 3);
  o.optim.momentum = 0.75;
  assert_int_equal(wk_options_set(&o, &table, "opt", "ADAM", &err), WK_OK);
  assert_true(o.optim.momentum == 0.75);
  assert_int_equal(wk_options_set(&o, &table, "opt", "sgd", &err), WK_OK);
  assert_true(o.optim.momentum == 0.9);
}

static void test_json(void **state) {
  (void)state;
  outer o, back;
  wk_error err = {0};
  char *texts = NULL;
  wk_options_init(&o, &table);
  char *json = wk_options_json(&o, &table);
  assert_string_equal(json,
                      "{\"epochs\":12,\"layer_decay\":0.8,\"drop\":\"auto\",\"balance\":false,\"memory\":1073741824,"
                      "\"seed\":42,\"tune\":\"last:2\",\"opt\":\"sgd\",\"momentum\":0.9,\"opt_eps\":1e-8,"
                      "\"second\":{\"opt\":\"adam\",\"momentum\":0.5,\"opt_eps\":1e-8}}");
  wk_free(json);
  o.drop = 0.1f;
  o.depth = NULL;
  o.memory = 3u << 20;
  o.second.momentum = 1.0 / 3;
  json = wk_options_json(&o, &table);
  wk_options_init(&back, &table);
  assert_int_equal(wk_options_from_json(&back, &table, json, &texts, &err), WK_OK);
  assert_true(back.drop == o.drop && !back.depth && back.memory == o.memory);
  assert_true(fabs(back.second.momentum - o.second.momentum) < 1e-15);
  wk_free(texts);
  wk_free(json);
  /* The choice counts first, wherever it stands. */
  wk_options_init(&back, &table);
  assert_int_equal(
      wk_options_from_json(&back, &table, "{\"momentum\":0.125,\"opt\":\"adam\",\"tune\":\"all\"}", &texts, &err),
      WK_OK);
  assert_true(back.optim.way == WAY_ADAM && back.optim.momentum == 0.125);
  assert_string_equal(back.depth, "all");
  wk_free(texts);
  static const char *const bad[][2] = {{"{\"epochs\":\"x\"}", "epochs must be a number (got a text)"},
                                       {"{\"epochs\":1.5}", "epochs must be a whole number (got '1.5')"},
                                       {"{\"epochs\":0}", "epochs must be at least 1 (got 0)"},
                                       {"{\"epocks\":1}", "there is no option epocks; did you mean epochs?"},
                                       {"{\"balance\":1}", "balance must be true or false (got a number)"},
                                       {"{\"second\":3}", "second must be an object (got a number)"},
                                       {"[]", "options are a JSON object, not a list"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    says(wk_options_from_json(&back, &table, bad[i][0], &texts, &err), &err, bad[i][1]);
  assert_int_equal(wk_options_from_json(&back, &table, "{", &texts, &err), WK_ERR_FORMAT);
}

static void test_words(void **state) {
  (void)state;
  static const char *const expected[] = {"at least 1 and at most 1000",
                                         "above 0 and at most 1",
                                         "at least 0 and below 1, or auto",
                                         "",
                                         "at least 1",
                                         "",
                                         "",
                                         "one of sgd, adam"};
  outer o;
  wk_options_init(&o, &table);
  wk_option row;
  for (int i = 0; i < 8; i++) {
    assert_true(wk_options_row(&row, &table, i));
    char *text = wk_option_bounds(&row);
    assert_string_equal(text, expected[i]);
    wk_free(text);
  }
  assert_true(wk_options_find(&row, &table, "memory"));
  char *text = wk_option_text(&o, &row);
  assert_string_equal(text, "1024");
  wk_free(text);
  assert_true(wk_options_row(&row, &table, 10));
  assert_string_equal(row.name, "second");
  assert_false(wk_options_row(&row, &table, 11));
}

static void test_fingerprint(void **state) {
  (void)state;
  outer o;
  wk_options_init(&o, &table);
  o.decay = 0.5;
  wk_text t = {0};
  wk_options_format(&t, "{epochs} and {layer_decay}, {opt}\n", &o, &table);
  assert_string_equal(t.data, "12 and 0x1p-1, sgd\n");
  wk_text_free(&t);
  o.epochs = 13;
  wk_options_fingerprint(&t, "{epochs}", &o, &table);
  assert_string_equal(t.data, "layer-decay 0x1p-1\n");
  wk_text_free(&t);
  wk_options_format(&t, "{nothing}", &o, &table);
  assert_true(t.failed);
  wk_text_free(&t);
}

/* ---- tables of the library --------------------------------------------------------------------- */

/* Defaults are within bounds, every row says what it is, and JSON leads back to the same JSON. */
static void test_library(void **state) {
  (void)state;
  const wk_option_table *const all[] = {wk_optim_options_table(),
                                        wk_schedule_options_table(),
                                        wk_loss_options_table(),
                                        wk_mix_options_table(),
                                        wk_probe_options_table(),
                                        wk_finetune_options_table(),
                                        wk_features_options_table(),
                                        wk_check_options_table(),
                                        wk_check_data_options_table(),
                                        wk_attack_options_table(),
                                        wk_robust_options_table(),
                                        wk_attribution_options_table(),
                                        wk_occlusion_options_table(),
                                        wk_visualize_options_table(),
                                        wk_activation_max_options_table(),
                                        wk_tsne_options_table(),
                                        wk_embedding_map_options_table(),
                                        wk_train_options_table(),
                                        wk_explain_options_table(),
                                        wk_explain_occlusion_options_table(),
                                        wk_explain_features_options_table(),
                                        wk_explain_filters_options_table(),
                                        wk_explain_map_options_table(),
                                        wk_explain_nearest_options_table(),
                                        wk_ideal_options_table(),
                                        wk_robustness_options_table(),
                                        wk_predict_options_table(),
                                        wk_embed_options_table(),
                                        wk_compare_options_table(),
                                        wk_gallery_options_table(),
                                        wk_attack_photo_options_table(),
                                        wk_session_options_table()};
  for (size_t t = 0; t < sizeof all / sizeof *all; t++) {
    char *options = calloc(1, all[t]->size), *back = calloc(1, all[t]->size), *texts = NULL;
    wk_error err = {0};
    wk_option row;
    wk_options_init(options, all[t]);
    for (int i = 0; wk_options_row(&row, all[t], i); i++) {
      assert_non_null(row.name);
      assert_true(row.type == WK_OPTION_PART || (row.help && *row.help));
      assert_true(row.type == WK_OPTION_BOOL || row.type == WK_OPTION_PART || (row.flags & WK_OPTION_NO_FLAG) ||
                  row.placeholder);
      if (row.type < WK_OPTION_TEXT && row.type != WK_OPTION_BOOL && strcmp(row.name, "lr") != 0)
        assert_ok(wk_option_check(&row, row.name, wk_option_number(options, &row), &err), &err);
    }
    char *json = wk_options_json(options, all[t]);
    wk_options_init(back, all[t]);
    if (!strstr(json, "\"lr\":0.0")) /* fine-tuning's stands for the optimiser's own, a schedule must have one */
      assert_ok(wk_options_from_json(back, all[t], json, &texts, &err), &err);
    char *again = wk_options_json(back, all[t]);
    assert_string_equal(json, again);
    wk_free(json);
    wk_free(again);
    wk_free(texts);
    free(options);
    free(back);
  }
}

/* The form of the first version, whose hash is in checkpoints. */
static void first_form(wk_text *t, const wk_finetune_options *o, double lr) {
  wk_text_add(t, "epochs %d batch %d x %d, %s %a %a %a %a %a, %s %a %a %a %a %a %a\n", o->epochs, o->batch,
              o->accumulate, wk_optim_name(o->optim.kind), o->optim.momentum, o->optim.beta1, o->optim.beta2,
              o->optim.eps, o->optim.weight_decay, wk_schedule_name(o->schedule.kind), lr, o->schedule.min_lr,
              o->schedule.gamma, o->schedule.step_epochs, o->schedule.warmup_epochs, o->schedule.warmup_factor);
  wk_text_add(t, "%a %a %a %d %a, %a %a %d, %a %d, %a %a %a %a\n", o->schedule.one_cycle_start,
              o->schedule.one_cycle_div, o->schedule.one_cycle_final_div, o->schedule.patience, o->schedule.threshold,
              o->head_lr, o->layer_decay, o->l2_sp, o->loss.smoothing, o->balance, o->mix.mixup, o->mix.cutmix,
              o->mix.probability, o->mix.switching);
  wk_text_add(t, "%a %a %d, %a %a, %d %a %a %d\n", (double)o->dropout, (double)o->stochastic_depth, (int)o->norm,
              o->clip_norm, o->clip_value, (int)o->average, o->ema_decay, o->swa_start, o->patience);
}

static void assert_first_form(const wk_finetune_options *o) {
  wk_text old = {0}, now = {0};
  first_form(&old, o, wk_finetune_learning_rate(o, 300));
  wk_finetune_add_settings(&now, o, 300);
  wk_finetune_add_more_settings(&now, o);
  assert_false(now.failed);
  assert_string_equal(now.data, old.data);
  wk_text_free(&old);
  wk_text_free(&now);
}

static void test_checkpoints_stay(void **state) {
  (void)state;
  wk_finetune_options o;
  wk_finetune_options_init(&o);
  assert_first_form(&o);
  o.dropout = 0.25f;
  o.schedule.lr = 1e-3;
  o.norm = WK_NORM_BATCH;
  o.optim.kind = WK_OPTIM_LION;
  o.mix.cutmix = 1.0 / 3;
  assert_first_form(&o);
  wk_finetune_options_scratch(&o);
  assert_first_form(&o);
  wk_finetune_options_adversarial(&o, 2);
  assert_first_form(&o);
}

/* Another value of the row, within its bounds. */
static void change(wk_finetune_options *o, const wk_option *row) {
  static const double candidate[] = {1, 0.5, 2, 3, 0.25};
  const double v = wk_option_number(o, row);
  if (row->type == WK_OPTION_BOOL || row->type == WK_OPTION_CHOICE) {
    wk_option_put(o, row, v > 0 ? 0 : 1, NULL);
    return;
  }
  for (size_t i = 0; i < sizeof candidate / sizeof *candidate; i++)
    if (candidate[i] != v && wk_option_check(row, row->name, candidate[i], NULL) == WK_OK) {
      wk_option_put(o, row, candidate[i], NULL);
      return;
    }
  fail_msg("%s: no other value is allowed", row->name);
}

/* Whatever the weights depend on, a checkpoint must agree with. */
static void test_what_counts(void **state) {
  (void)state;
  /* These stand in another part of the fingerprint. */
  static const char elsewhere[] =
      " distill distill-temperature find-lr adversarial adversarial-steps adversarial-share ";
  wk_option row;
  int counted = 0;
  for (int i = 0; wk_options_row(&row, wk_finetune_options_table(), i); i++) {
    if (!(row.flags & WK_OPTION_FINGERPRINT) || strstr(elsewhere, row.name))
      continue;
    wk_finetune_options o;
    wk_text before = {0}, after = {0};
    wk_finetune_options_init(&o);
    o.schedule.lr = 0.125;
    wk_finetune_add_settings(&before, &o, 300);
    wk_finetune_add_more_settings(&before, &o);
    change(&o, &row);
    wk_finetune_add_settings(&after, &o, 300);
    wk_finetune_add_more_settings(&after, &o);
    if (!strcmp(before.data, after.data))
      fail_msg("%s changes nothing of the fingerprint", row.name);
    wk_text_free(&before);
    wk_text_free(&after);
    counted++;
  }
  assert_true(counted > 30);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_defaults),    cmocka_unit_test(test_bounds),  cmocka_unit_test(test_set),
      cmocka_unit_test(test_with),        cmocka_unit_test(test_json),    cmocka_unit_test(test_words),
      cmocka_unit_test(test_fingerprint), cmocka_unit_test(test_library), cmocka_unit_test(test_checkpoints_stay),
      cmocka_unit_test(test_what_counts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
