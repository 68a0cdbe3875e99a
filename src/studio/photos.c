/* photos.c - photos for the page: as columns of numbers, as one picture, and as sheets of small ones. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "photo_list.h"
#include "studio_parts.h"
#include "whisker/image.h"

enum { SHEET = 40, SHEET_COLUMNS = 8, THUMB = 96, LARGEST_SIDE = 4096, USUAL_SIDE = 1024, MOST_PHOTO = 1 << 30 };

/* ---- columns ----------------------------------------------------------------------------------- */

void wk_route_photos(void *user, wk_request *r) {
  wk_studio *s = user;
  wk_photo_filter filter;
  wk_fault f;
  uint64_t from, count;
  if (!wk_request_number(&from, r, "from", 0, UINT32_MAX) ||
      !wk_request_number(&count, r, "count", UINT32_MAX, UINT32_MAX))
    return;
  pthread_mutex_lock(&s->project->lock);
  char *text = NULL;
  size_t size = 0;
  wk_status st =
      wk_photo_filter_read(&filter, s->project, wk_request_query(r, "filter"), wk_request_query(r, "class"), &f);
  if (st == WK_OK)
    st = wk_photo_columns(&text, &size, s->project, &filter, from, count, &f);
  pthread_mutex_unlock(&s->project->lock);
  if (st == WK_OK)
    wk_answer_bytes(r, "application/json", text, size, NULL);
  else
    wk_answer_fault(r, &f);
}

/* ---- one photo --------------------------------------------------------------------------------- */

/* Decoded at no less than `side` where it is that large; the project's lock is held only until the file is open. */
static wk_status load(wk_image *out, wk_project *p, uint64_t id, int side, wk_fault *f) {
  char name[256] = "", *bytes = NULL;
  size_t size = 0;
  pthread_mutex_lock(&p->lock);
  const int fd = wk_project_photo_fd(p, id, f);
  if (fd >= 0)
    snprintf(name, sizeof name, "%s", p->photos[id - 1].file);
  pthread_mutex_unlock(&p->lock);
  if (fd < 0)
    return WK_ERR_NOT_FOUND;
  wk_decode_options o;
  wk_decode_options_init(&o);
  o.min_width = o.min_height = side;
  wk_status st = wk_read_fd(&bytes, &size, fd, MOST_PHOTO, name, f);
  close(fd);
  if (st == WK_OK) {
    st = wk_fault_of(f, wk_image_decode(out, bytes, size, &o, &f->error), name);
    if (st != WK_OK)
      f->fix = "remove it from the project, or replace the file";
  }
  free(bytes);
  return st;
}

static wk_status fit(wk_image *out, const wk_image *in, int side, wk_fault *f) {
  const int longer = in->width > in->height ? in->width : in->height;
  const double scale = longer > side ? (double)side / longer : 1;
  const int width = (int)(in->width * scale + 0.5), height = (int)(in->height * scale + 0.5);
  return wk_fault_of(
      f, wk_image_resize(out, in, width > 0 ? width : 1, height > 0 ? height : 1, WK_FILTER_BILINEAR, NULL, &f->error),
      NULL);
}

static wk_status jpeg(char **out, size_t *size, const wk_image *picture, int quality, wk_fault *f) {
  uint8_t *bytes = NULL;
  wk_status st = wk_fault_of(f, wk_image_encode_jpeg(&bytes, size, picture, quality, &f->error), NULL);
  if (st != WK_OK)
    return st;
  *out = malloc(*size + 1);
  if (*out)
    memcpy(*out, bytes, *size);
  wk_free(bytes);
  return *out ? WK_OK : wk_fault_memory(f);
}

wk_status wk_picture_jpeg(char **out, size_t *size, const wk_image *picture, int side, int quality, wk_fault *f) {
  wk_image small = {0};
  wk_status st = fit(&small, picture, side, f);
  if (st == WK_OK)
    st = jpeg(out, size, &small, quality, f);
  wk_image_free(&small);
  return st;
}

void wk_route_photo(void *user, wk_request *r) {
  wk_studio *s = user;
  wk_fault f;
  wk_image photo = {0};
  char *bytes = NULL;
  size_t size = 0;
  uint64_t id, side;
  if (!wk_request_number(&side, r, "side", USUAL_SIDE, LARGEST_SIDE))
    return;
  if (!wk_number_of(&id, r->rest, UINT32_MAX))
    id = 0;
  if (side < 16)
    side = 16;
  wk_status st = load(&photo, s->project, id, (int)side, &f);
  if (st == WK_OK)
    st = wk_picture_jpeg(&bytes, &size, &photo, (int)side, 90, &f);
  if (st == WK_OK)
    wk_answer_bytes(r, "image/jpeg", bytes, size, NULL);
  else
    wk_answer_fault(r, &f);
  wk_image_free(&photo);
}

/* ---- sheets ------------------------------------------------------------------------------------ */

/* The middle of the photo at its place of the sheet; one that cannot be read leaves grey. */
static void place(wk_image *sheet, wk_project *p, uint64_t id, int at) {
  wk_image photo = {0}, small = {0};
  wk_fault f;
  const int x = at % SHEET_COLUMNS * THUMB, y = at / SHEET_COLUMNS * THUMB;
  bool drawn = false;
  if (load(&photo, p, id, THUMB, &f) == WK_OK) {
    const double w = photo.width, h = photo.height, side = w < h ? w : h;
    const double box[4] = {(w - side) / 2, (h - side) / 2, (w + side) / 2, (h + side) / 2};
    drawn = wk_image_resize(&small, &photo, THUMB, THUMB, WK_FILTER_BILINEAR, box, &f.error) == WK_OK;
  }
  for (int row = 0; row < THUMB; row++) {
    uint8_t *to = sheet->pixels + ((size_t)(y + row) * (size_t)sheet->width + (size_t)x) * 3;
    if (drawn)
      memcpy(to, small.pixels + (size_t)row * THUMB * 3, (size_t)THUMB * 3);
    else
      memset(to, 160, (size_t)THUMB * 3);
  }
  wk_image_free(&photo);
  wk_image_free(&small);
}

static wk_status draw_sheet(char **out, size_t *size, wk_project *p, uint64_t first, int count, wk_fault *f) {
  wk_image sheet = {0};
  wk_status st =
      wk_fault_of(f, wk_image_alloc(&sheet, SHEET_COLUMNS * THUMB, SHEET / SHEET_COLUMNS * THUMB, &f->error), NULL);
  for (int i = 0; st == WK_OK && i < count; i++)
    place(&sheet, p, first + (uint64_t)i, i);
  if (st == WK_OK)
    st = jpeg(out, size, &sheet, 80, f);
  wk_image_free(&sheet);
  return st;
}

/* A picture that could not be kept is made again the next time: nothing is told. */
static void keep(const wk_project *p, const char *name, const char *bytes, size_t size) {
  char beside[96];
  snprintf(beside, sizeof beside, "%s.%d", name, gettid());
  const int fd = openat(p->folder_fd, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return;
  const bool written = wk_write_fd(fd, bytes, size);
  close(fd);
  if (!written || renameat(p->folder_fd, beside, p->folder_fd, name))
    unlinkat(p->folder_fd, beside, 0);
}

void wk_route_thumbs(void *user, wk_request *r) {
  wk_studio *s = user;
  wk_project *p = s->project;
  wk_fault f;
  char number[16] = "", name[64], *bytes = NULL;
  size_t size = 0;
  uint64_t sheet;
  const size_t digits = strspn(r->rest, "0123456789");
  if (digits && digits < sizeof number && !strcmp(r->rest + digits, ".jpg"))
    memcpy(number, r->rest, digits);
  pthread_mutex_lock(&p->lock);
  const size_t total = p->photo_count;
  const bool known = wk_number_of(&sheet, number, UINT32_MAX) && sheet * SHEET < total;
  const size_t first = known ? (size_t)sheet * SHEET : 0;
  const int count = total - first < SHEET ? (int)(total - first) : SHEET;
  int missing = 0;
  for (int i = 0; known && i < count; i++)
    missing += p->photos[first + (size_t)i].missing;
  pthread_mutex_unlock(&p->lock);
  if (!known) {
    wk_fault_set(&f, 404, "not_found", WK_ERR_NOT_FOUND, "there is no such sheet");
    wk_answer_fault(r, &f);
    return;
  }
  snprintf(name, sizeof name, "thumbs/%d-%zu-%d-%d.jpg", THUMB, (size_t)sheet, count, missing);
  const int fd = openat(p->folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  wk_status st = fd < 0 ? WK_ERR_NOT_FOUND : wk_read_fd(&bytes, &size, fd, MOST_PHOTO, name, &f);
  if (fd >= 0)
    close(fd);
  if (st != WK_OK) {
    st = draw_sheet(&bytes, &size, p, first + 1, count, &f);
    if (st == WK_OK)
      keep(p, name, bytes, size);
  }
  if (st == WK_OK)
    wk_answer_bytes(r, "image/jpeg", bytes, size, NULL);
  else
    wk_answer_fault(r, &f);
}
