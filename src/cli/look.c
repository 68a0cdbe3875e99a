/* look.c - what the ways of looking share: opening, writing pictures, ending. */
#include <stdlib.h>
#include <string.h>

#include "look.h"

static bool is_png(const char *path) {
  size_t n = strlen(path);
  return n > 4 && !strcmp(path + n - 4, ".png");
}

wk_status cli_look_begin(cli_looking *l, cli *c, const char *model, const char *arch, const char *photo,
                         const char *out, wk_error *err) {
  *l = (cli_looking){.cli = c, .began = cli_seconds()};
  l->images = json_array();
  if (!is_png(out))
    return cli_error(err, WK_ERR_ARGUMENT, "%s: pictures are written as PNG; give a name that ends in .png with -o",
                     out);
  wk_status st = cli_check_output(out, false, err);
  if (st == WK_OK)
    st = wk_model_open(&l->model, model, arch, &c->pull, &c->ctx, err);
  if (st == WK_OK && photo)
    st = wk_view_open(&l->view, photo, &l->model->backbone->preprocess, err);
  return st;
}

wk_status cli_look_save(cli_looking *l, const wk_image *picture, const char *path, const char *shows, wk_error *err) {
  wk_status st = wk_image_save_png(picture, path, err);
  if (st == WK_OK)
    json_array_append_new(l->images,
                          json_pack("{s:o,s:o,s:i,s:i}", "out", cli_json_text(path), "shows", cli_json_text(shows),
                                    "width", picture->width, "height", picture->height));
  return st;
}

int cli_look_end(cli_looking *l, wk_status st, const wk_error *err, json_t *more) {
  int rc;
  if (st == WK_OK) {
    json_t *all = more ? json_incref(more) : json_object();
    json_object_set(all, "images", l->images);
    json_object_set_new(all, "seconds", cli_json_number(cli_seconds() - l->began));
    json_object_set(all, "warnings", l->cli->warnings);
    rc = cli_print_json(l->cli, all);
  } else {
    rc = cli_fail(l->cli, err);
  }
  json_decref(more);
  json_decref(l->images);
  wk_view_free(&l->view);
  wk_model_free(l->model);
  return rc;
}

char *cli_look_beside(const char *path, const char *ending) {
  size_t n = strlen(path) - (is_png(path) ? 4 : 0);
  char *beside = malloc(n + strlen(ending) + 1);
  if (!beside)
    return NULL;
  memcpy(beside, path, n);
  strcpy(beside + n, ending);
  return beside;
}
