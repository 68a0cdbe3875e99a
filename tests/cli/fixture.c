/* fixture.c - makes what the command-line tests work on, so that they need no fetched data:
 *   OUT/photos/{stripes,dots}/N.png   two classes of drawn pictures, 24 each
 *   OUT/few/{stripes,dots}/N.png      the first 8 of each, for what is slow
 *   OUT/backbone.safetensors          a small network with seeded weights
 *   OUT/{no-classes,one-class,imagenet}.safetensors  the same without its classifier, with 1 class, with 1,000
 *   OUT/mobilenet_v2.safetensors      a larger one, with --mobilenet before OUT
 *   OUT/bad/NAME                      files that are not what their names say
 * And judges what they draw: fixture --picture FILE WIDTH HEIGHT [HASH] (tests/support.h) */
#include <sys/stat.h>

#include "support.h"

static wk_error err;

static void need(wk_status st) {
  if (st == WK_OK)
    return;
  fprintf(stderr, "fixture: %s\n", err.message);
  exit(1);
}

static const char *in(const char *out, const char *name) {
  static char path[4096];
  snprintf(path, sizeof path, "%s/%s", out, name);
  return path;
}

static void folder(const char *out, const char *name) {
  if (mkdir(in(out, name), 0777) && *name)
    perror(name);
}

static void draw(wk_image *im, bool stripes, wk_rng *rng) {
  int period = 6 + (int)wk_rng_below(rng, 6), shift = (int)wk_rng_below(rng, 12);
  uint8_t back = (uint8_t)wk_rng_below(rng, 90), front = (uint8_t)(160 + wk_rng_below(rng, 90));
  for (int y = 0; y < im->height; y++)
    for (int x = 0; x < im->width; x++) {
      bool on = (x + shift) / period % 2;
      if (!stripes)
        on = on && (y + shift) / period % 2;
      for (int c = 0; c < 3; c++)
        im->pixels[(y * im->width + x) * 3 + c] = (uint8_t)((on ? front : back) + wk_rng_below(rng, 16));
    }
}

static void photos(const char *out, const char *set, int each) {
  folder(out, set);
  for (int k = 0; k < 2; k++) {
    char name[64];
    snprintf(name, sizeof name, "%s/%s", set, k ? "dots" : "stripes");
    folder(out, name);
    for (int i = 0; i < each; i++) {
      wk_rng rng;
      wk_rng_init(&rng, 7, (uint64_t)(k * 100 + i));
      wk_image im;
      need(wk_image_alloc(&im, 80 + i, 72, &err));
      draw(&im, !k, &rng);
      snprintf(name, sizeof name, "%s/%s/%02d.png", set, k ? "dots" : "stripes", i);
      need(wk_image_save_png(&im, in(out, name), &err));
      wk_image_free(&im);
    }
  }
}

/* He initialisation; batch norms start as the identity. */
static void backbone(const char *out, const char *file, const char *arch, int classes) {
  const wk_arch *a = wk_arch_find(arch);
  wk_graph *g;
  wk_tensors *t;
  need(a->build(&g, classes, &err));
  need(wk_tensors_create(&t, &err));
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    float *w;
    need(wk_tensors_add_zeros(t, &w, p->name, p->ndim, p->shape, &err));
    int64_t n = wk_tensor_count(p->ndim, p->shape), fan = p->ndim > 1 ? n / p->shape[0] : 1;
    wk_rng rng;
    wk_rng_init(&rng, 1, (uint64_t)i);
    const char *last = strrchr(p->name, '.');
    bool one = p->ndim == 1 && (!strcmp(last, ".weight") || !strcmp(last, ".running_var"));
    for (int64_t j = 0; j < n; j++)
      w[j] = p->ndim > 1 ? (float)(wk_rng_normal(&rng) * sqrt(2.0 / (double)fan)) : one ? 1.0f : 0.0f;
  }
  need(wk_safetensors_write(in(out, file), t, &err));
  wk_tensors_free(t);
  wk_graph_free(g);
}

static void write_file(const char *path, const void *bytes, size_t n) {
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(bytes, 1, n, f) != n || fclose(f))
    perror(path);
}

/* The header of a 30,000 x 30,000 PNG. */
static void bomb(const char *path) {
  static const uint8_t head[] = {0x89, 'P',  'N',  'G', 13, 10,   26,   10, 0, 0, 0, 13, 'I',  'H',  'D',  'R', 0,
                                 0,    0x75, 0x30, 0,   0,  0x75, 0x30, 8,  2, 0, 0, 0,  0xCD, 0x4C, 0x09, 0x45};
  write_file(path, head, sizeof head);
}

static void bad(const char *out) {
  folder(out, "bad");
  write_file(in(out, "bad/text.jpg"), "not a photo\n", 12);
  write_file(in(out, "bad/empty.jpg"), "", 0);
  bomb(in(out, "bad/bomb.png"));
  char whole[64 * 1024];
  FILE *f = fopen(in(out, "photos/dots/00.png"), "rb");
  size_t n = f ? fread(whole, 1, sizeof whole, f) : 0;
  if (f)
    fclose(f);
  write_file(in(out, "bad/truncated.png"), whole, n / 2);
  f = fopen(in(out, "backbone.safetensors"), "rb");
  n = f ? fread(whole, 1, sizeof whole, f) : 0;
  if (f)
    fclose(f);
  write_file(in(out, "bad/short.safetensors"), whole, n * 3 / 4);
  write_file(in(out, "bad/hostile.safetensors"), "\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10);
}

static int judge_picture(char **argv, int argc) {
  wk_image im;
  need(wk_image_load(&im, argv[0], NULL, &err));
  const char *wrong = test_picture_wrong(&im, atoi(argv[1]), atoi(argv[2]), argc > 3 ? argv[3] : NULL);
  if (wrong)
    fprintf(stderr, "%s: %s\n", argv[0], wrong);
  wk_image_free(&im);
  return wrong != NULL;
}

int main(int argc, char **argv) {
  if (argc >= 5 && !strcmp(argv[1], "--picture"))
    return judge_picture(argv + 2, argc - 2);
  if (argc == 3 && !strcmp(argv[1], "--mobilenet")) {
    backbone(argv[2], "mobilenet_v2.safetensors", "mobilenet_v2", 10);
    return 0;
  }
  if (argc != 2)
    return 2;
  folder(argv[1], "");
  photos(argv[1], "photos", 24);
  photos(argv[1], "few", 8);
  backbone(argv[1], "backbone.safetensors", "simple_cnn", 10);
  backbone(argv[1], "no-classes.safetensors", "simple_cnn", 0);
  backbone(argv[1], "one-class.safetensors", "simple_cnn", 1);
  backbone(argv[1], "imagenet.safetensors", "simple_cnn", WK_IMAGENET_CLASSES);
  bad(argv[1]);
  return 0;
}
