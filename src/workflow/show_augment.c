/* show_augment.c - `train --show-augment`: some photos as the network will see them, changed as --augment, --mixup and
 * --cutmix say, side by side on one picture: whether a cat is still a cat is best judged by eye. */
#include <stdlib.h>
#include <string.h>

#include "whisker/draw.h"
#include "workflow/workflow.h"

enum { MOST_PHOTOS = 6, VIEWS = 6 }; /* the first view is the photo itself */

/* Photos from the beginning to the end of the list, so that most classes have one. */
static size_t photo_of(size_t photos, size_t shown, size_t row) { return photos * row / shown; }

static wk_status view_of(wk_image *out, const wk_image *photo, const wk_preprocess *p, const wk_augment *a,
                         const wk_augment_key *key, wk_error *err) {
  if (!key->epoch)
    return wk_preprocess_pixels(out, photo, p, err);
  wk_status st = wk_image_alloc(out, p->width, p->height, err);
  return st == WK_OK ? wk_augment_pixels(out->pixels, photo, p, a, key, err) : st;
}

/* Mixes the photos of one column as a batch of training is. */
static wk_status mix_column(wk_image *const *column, int rows, int epoch, const wk_mix_options *o, uint64_t seed,
                            wk_error *err) {
  int width = column[0]->width, height = column[0]->height;
  size_t each = (size_t)width * (size_t)height * 3;
  float *batch = wk_alloc((size_t)rows * each * sizeof *batch);
  if (!batch)
    return wk_no_memory(err);
  for (int r = 0; r < rows; r++)
    for (size_t i = 0; i < each; i++)
      batch[(size_t)r * each + i] = column[r]->pixels[i];
  wk_mix m = wk_mix_draw(o, height, width, seed, (uint64_t)epoch, 0);
  wk_mix_pictures(batch, rows, height, width, 3, &m);
  for (int r = 0; r < rows; r++)
    for (size_t i = 0; i < each; i++)
      column[r]->pixels[i] = (uint8_t)(batch[(size_t)r * each + i] + 0.5f);
  wk_free(batch);
  return WK_OK;
}

static wk_status fill(wk_image *cell, int rows, const wk_holdout *s, const wk_preprocess *p,
                      const wk_finetune_options *o, uint64_t seed, wk_error *err) {
  size_t learn = s->photos.count - s->held_count;
  for (int r = 0; r < rows; r++) {
    size_t photo = photo_of(learn, (size_t)rows, (size_t)r);
    wk_image whole = {0};
    wk_status st = wk_photo_load(&whole, s->photos.paths[photo], NULL, err);
    for (int v = 0; v < VIEWS && st == WK_OK; v++) {
      wk_augment_key key = {.seed = seed, .epoch = (uint64_t)v, .photo = photo};
      st = view_of(&cell[r * VIEWS + v], &whole, p, &o->augment, &key, err);
    }
    wk_image_free(&whole);
    if (st != WK_OK)
      return st;
  }
  for (int v = 1; v < VIEWS && (o->mix.mixup > 0 || o->mix.cutmix > 0); v++) {
    wk_image *column[MOST_PHOTOS] = {0};
    for (int r = 0; r < rows; r++)
      column[r] = &cell[r * VIEWS + v];
    wk_status st = mix_column(column, rows, v, &o->mix, seed, err);
    if (st != WK_OK)
      return st;
  }
  return WK_OK;
}

wk_status wk_show_augment(wk_call *call, const wk_holdout *s, const wk_preprocess *p, const wk_finetune_options *o,
                          const char *path, wk_error *err) {
  size_t learn = s->photos.count - s->held_count;
  int rows = learn < MOST_PHOTOS ? (int)learn : MOST_PHOTOS;
  wk_image cell[MOST_PHOTOS * VIEWS] = {0}, sheet = {0};
  const char *label[MOST_PHOTOS * VIEWS] = {0};
  char number[VIEWS][16], title[256];
  wk_status st = wk_augment_is_off(&o->augment) && !(o->mix.mixup > 0) && !(o->mix.cutmix > 0)
                     ? WK_FAIL(err, WK_ERR_ARGUMENT,
                               "--show-augment: no change is asked for; give some with --augment, such as --augment "
                               "standard")
                     : fill(cell, rows, s, p, o, call->ctx.seed, err);
  char *text = st == WK_OK ? wk_augment_text(&o->augment) : NULL;
  if (st == WK_OK && !text)
    st = wk_no_memory(err);
  if (st == WK_OK) {
    for (int v = 1; v < VIEWS; v++)
      snprintf(number[v], sizeof number[v], "epoch %d", v);
    for (int r = 0; r < rows; r++)
      for (int v = 0; v < VIEWS; v++)
        label[r * VIEWS + v] =
            v ? number[v] : s->data->classes[s->photos.labels[photo_of(learn, (size_t)rows, (size_t)r)]];
    snprintf(title, sizeof title, "%s", *text ? text : "mixed photos");
    wk_sheet look;
    wk_sheet_init(&look);
    look.columns = VIEWS;
    look.frame = (wk_frame){.title = "What the network sees of these photos while it learns",
                            .subtitle = title,
                            .note = "Can you still tell what is in each of them? If not, the changes are too strong."};
    st = wk_sheet_draw(&sheet, cell, label, rows * VIEWS, &look, err);
  }
  if (st == WK_OK)
    st = wk_image_save_png(&sheet, path, err);
  if (st == WK_OK)
    wk_call_note(call, "What the network will see of %d photos is in %s", rows, path);
  wk_free(text);
  wk_image_free(&sheet);
  for (int i = 0; i < MOST_PHOTOS * VIEWS; i++)
    wk_image_free(&cell[i]);
  return st;
}
