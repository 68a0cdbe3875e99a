/* test_real_photos.c - real weights on real photos: top-1 and top-5 of 650 ImageNet validation photos must be what
 * PyTorch gets from the same weights, within 2 photos (0.31 points): enough for the pixels that decoders and resizers
 * round differently, too little for any mistake. The photos here are 227 x 227 already and are only cropped. */
#include <stdatomic.h>

#include "golden/zoo_weights.h"

enum { PHOTOS = 650 };

typedef struct photo_list {
  char path[PHOTOS][1024];
  int label[PHOTOS];
} photo_list;

static void read_list(photo_list *list, const char *csv) {
  FILE *f = fopen(csv, "r");
  assert_non_null(f);
  char line[512], name[256];
  int n = 0;
  assert_non_null(fgets(line, sizeof line, f)); /* file,class */
  while (n < PHOTOS && fgets(line, sizeof line, f)) {
    assert_int_equal(sscanf(line, "%255[^,],%d", name, &list->label[n]), 2);
    snprintf(list->path[n], sizeof list->path[n], "%.*s/images/%s", (int)(strrchr(csv, '/') - csv), csv, name);
    n++;
  }
  assert_int_equal(n, PHOTOS);
  fclose(f);
}

typedef struct job {
  const photo_list *list;
  const wk_backbone *b;
  wk_exec *exec[64];
  uint8_t *rgb[64];
  float *input[64];
  atomic_int top1, top5;
} job;

static wk_status classify(void *user, size_t i, int worker, wk_error *err) {
  job *j = user;
  wk_file_view file = {0};
  wk_status st = WK_OK;
  WK_TRY(wk_file_map(&file, j->list->path[i], err));
  WK_TRY(wk_preprocess_bytes(j->rgb[worker], file.data, file.size, &j->b->preprocess, err));
  wk_preprocess_normalise(j->input[worker], j->rgb[worker], &j->b->preprocess);
  WK_TRY(wk_exec_run(j->exec[worker], j->input[worker], 1, err));
  const float *score = wk_exec_output(j->exec[worker], 0);
  int better = 0;
  for (int c = 0; c < j->b->class_count; c++)
    better += score[c] > score[j->list->label[i]];
  atomic_fetch_add(&j->top1, better < 1);
  atomic_fetch_add(&j->top5, better < 5);
done:
  wk_file_unmap(&file);
  return st;
}

/* top1, top5: how many of the 650 PyTorch gets right. */
static void check(const char *weights, const char *arch, int top1, int top5) {
  TEST_NEEDS(csv, "photos/imagenet/labels.csv");
  wk_error err = {0};
  photo_list *list = test_malloc(sizeof *list);
  read_list(list, csv);
  job *j = test_calloc(1, sizeof *j);
  j->list = list;
  wk_backbone *b = NULL;
  assert_ok(wk_backbone_open(&b, weights, arch, NULL, NULL, &err), &err);
  assert_int_equal(b->class_count, 1000);
  j->b = b;
  wk_node logits = wk_graph_logits(b->graph);
  wk_plan_options o;
  wk_plan_options_init(&o);
  o.batch = 1;
  o.output = &logits;
  o.outputs = 1;
  wk_plan *plan = NULL;
  assert_ok(wk_plan_create(&plan, b->graph, b->weights, &o, &err), &err);
  int threads = wk_context_threads(NULL);
  threads = threads < 64 ? threads : 64;
  size_t pixels = (size_t)b->preprocess.width * (size_t)b->preprocess.height;
  for (int i = 0; i < threads; i++) {
    assert_ok(wk_exec_create(&j->exec[i], plan, &err), &err);
    j->rgb[i] = wk_alloc(pixels * 3);
    j->input[i] = wk_alloc(pixels * 3 * sizeof(float));
    assert_true(j->rgb[i] && j->input[i]);
  }
  assert_ok(wk_parallel(NULL, threads, PHOTOS, classify, j, &err), &err);
  printf("%s: top-1 %.2f%%, top-5 %.2f%% of %d photos\n", arch, 100.0 * j->top1 / PHOTOS, 100.0 * j->top5 / PHOTOS,
         PHOTOS);
  assert_in_range(j->top1, top1 - 2, top1 + 2);
  assert_in_range(j->top5, top5 - 2, top5 + 2);
  for (int i = 0; i < threads; i++) {
    wk_exec_free(j->exec[i]);
    wk_free(j->rgb[i]);
    wk_free(j->input[i]);
  }
  wk_plan_free(plan);
  wk_backbone_free(b);
  test_free(j);
  test_free(list);
}

static void resnet18(void **state) {
  (void)state;
  TEST_NEEDS(weights, "weights/resnet18.safetensors");
  check(weights, "resnet18", 491, 611);
}

static void resnet50(void **state) {
  (void)state;
  TEST_NEEDS(weights, "weights/resnet50.safetensors");
  check(weights, "resnet50", 504, 612);
}

static void mobilenet_v2(void **state) {
  (void)state;
  TEST_NEEDS(weights, "weights/mobilenet_v2.safetensors");
  check(weights, "mobilenet_v2", 516, 621);
}

/* Its weights are wherever `whisker pull` keeps them. */
static void check_pulled(const char *arch, int top1, int top5) {
  const char *home = getenv("WHISKER_HOME"), *user = getenv("HOME");
  char folder[1024];
  if (home && *home)
    snprintf(folder, sizeof folder, "%s/weights", home);
  else
    snprintf(folder, sizeof folder, "%s/.cache/whisker/weights", user ? user : "");
  char *path = wk_weights_path(wk_arch_find(arch), folder);
  if (!path) {
    printf("skipped: %s is not in %s (whisker pull %s)\n", arch, folder, arch);
    skip();
  }
  check(path, arch, top1, top5);
  wk_free(path);
}

static void efficientnet_lite0(void **state) {
  (void)state;
  check_pulled("efficientnet_lite0", 542, 630);
}

static void efficientnet_lite1(void **state) {
  (void)state;
  check_pulled("efficientnet_lite1", 543, 631);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(resnet18), cmocka_unit_test(resnet50),
                                     cmocka_unit_test(mobilenet_v2), cmocka_unit_test(efficientnet_lite0),
                                     cmocka_unit_test(efficientnet_lite1)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
