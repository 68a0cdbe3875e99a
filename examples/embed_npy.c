/* embed_npy.c - what a pretrained network sees in photos, as an array for NumPy: numpy.load("features.npy").
 *
 *   embed_npy NETWORK FEATURES.npy PHOTOS...      NETWORK: resnet18, or a weight file; PHOTOS: files and folders */
#include <stdio.h>

#include "whisker/whisker.h"

int main(int argc, char **argv) {
  wk_session *session = NULL;
  wk_model *network = NULL;
  wk_embedding *embedding = NULL;
  wk_error err = {0};
  wk_embed_options o;
  if (argc < 4) {
    fprintf(stderr, "usage: embed_npy NETWORK FEATURES.npy PHOTOS...\n");
    return 2;
  }
  wk_embed_options_init(&o);
  o.out = argv[2];
  int failed = wk_session_open(&session, NULL, &err) || wk_open(&network, session, argv[1], &err) ||
               wk_embed(&embedding, session, network, (const char *const *)argv + 3, (size_t)argc - 3, &o, &err);
  if (failed) {
    fprintf(stderr, "%s\n", err.message);
  } else {
    const wk_features *f = embedding->features;
    for (size_t i = 0; i < f->rows; i++)
      printf("%s: %.3f %.3f %.3f ...\n", embedding->files[i], (double)f->row[i * (size_t)f->columns],
             (double)f->row[i * (size_t)f->columns + 1], (double)f->row[i * (size_t)f->columns + 2]);
    printf("%s: %zu rows of %d columns\n", embedding->out, f->rows, f->columns);
  }
  wk_embedding_free(embedding);
  wk_model_free(network);
  wk_session_close(session);
  return failed;
}
