/* frames.c - one frame or page of a photo file as a photo: it has the path FILE/frame@NUMBER, as photos that lie among
 * others have (packed.h), and is read as the picture it is, so that nobody further on needs to know. */
#include <stdio.h>
#include <string.h>

#include "data/packed.h"
#include "whisker/image.h"

#define FRAMES_MAX                                                                                                     \
  4096 /* each of a film is drawn over those before it: the work grows with the square of their number */

char *wk_frame_path(const char *file, int frame) { return wk_asprintf("%s/frame@%d", file, frame); }

bool wk_frame_path_parse(char **file, int *frame, const char *path) {
  const char *base = wk_path_base(path);
  int used = 0;
  if (base == path || sscanf(base, "frame@%d%n", frame, &used) != 1 || base[used] || *frame < 0)
    return false;
  *file = wk_strndup(path, (size_t)(base - path) - 1);
  return *file != NULL;
}

wk_status wk_photo_frames(int *count, const char *path, wk_error *err) {
  wk_photo_file file;
  wk_buffer bytes = {0};
  *count = 1;
  wk_status st = wk_photo_open(&file, path, err);
  if (st == WK_OK)
    st = wk_photo_read(&bytes, &file, err);
  if (st == WK_OK)
    st = wk_image_frames(count, bytes.data, bytes.size, err);
  wk_buffer_free(&bytes);
  if (st == WK_OK && *count > FRAMES_MAX)
    st = WK_FAIL(err, WK_ERR_FORMAT,
                 "it has %d frames, more than the %d that are looked at; take out those that you want", *count,
                 FRAMES_MAX);
  return st == WK_OK ? st : wk_error_prefix(err, st, "%s", path);
}
