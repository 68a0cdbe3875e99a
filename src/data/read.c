/* read.c - a photo's bytes into memory that is used again for the next one. A photo that lies uncompressed among others
 * in one file, and a frame of a film, come as a BMP, so that nobody further on needs to know. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/packed.h"
#include "whisker/image.h"

/* Far above any photo; below what would make a wrong file eat all memory. */
#define PHOTO_BYTES_MAX ((size_t)1 << 30)

/* ---- one photo among others ------------------------------------------------------------------- */

#define BMP_HEADER 54

static size_t bmp_row(int width) { return ((size_t)width * 3 + 3) / 4 * 4; }

static size_t bmp_size(int width, int height) { return BMP_HEADER + bmp_row(width) * (size_t)height; }

static void little_endian(uint8_t *to, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; i++)
    to[i] = (uint8_t)(value >> 8 * i);
}

/* Pixels `step` bytes apart, the colours of one `plane` bytes (0: grey), as 24-bit BMP from the lowest row up. */
static void write_bmp(uint8_t *to, const uint8_t *pixels, int width, int height, size_t step, size_t plane) {
  size_t row = bmp_row(width);
  memset(to, 0, bmp_size(width, height));
  memcpy(to, "BM", 2);
  little_endian(to + 2, (uint32_t)bmp_size(width, height), 4);
  little_endian(to + 10, BMP_HEADER, 4);
  little_endian(to + 14, 40, 4);
  little_endian(to + 18, (uint32_t)width, 4);
  little_endian(to + 22, (uint32_t)height, 4);
  little_endian(to + 26, 1, 2);
  little_endian(to + 28, 24, 2);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      uint8_t *at = to + BMP_HEADER + row * (size_t)(height - 1 - y) + (size_t)x * 3;
      size_t from = ((size_t)y * (size_t)width + (size_t)x) * step;
      for (int c = 0; c < 3; c++) /* blue first */
        at[c] = pixels[from + plane * (size_t)(2 - c)];
    }
}

static bool open_packed(wk_photo_file *f, const char *path) {
  char *file;
  struct stat s;
  wk_photo_file p = {.fd = -1};
  if (!wk_packed_path(&file, &p.at, &p.width, &p.height, &p.channels, path))
    return false;
  p.fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  wk_free(file);
  uint64_t bytes = (uint64_t)p.width * (uint64_t)p.height * (uint64_t)p.channels;
  if (p.fd < 0 || fstat(p.fd, &s) != 0 || !S_ISREG(s.st_mode) || p.at + bytes > (uint64_t)s.st_size ||
      bmp_size(p.width, p.height) > PHOTO_BYTES_MAX) {
    wk_photo_close(&p);
    return false;
  }
  p.size = (size_t)bytes;
  *f = p;
  return true;
}

static wk_status make_room(wk_buffer *b, size_t size, wk_error *err) {
  if (b->cap >= size)
    return WK_OK;
  size_t cap = size + size / 4;
  wk_free(b->data); /* first: two large photos need not fit at once */
  b->cap = 0;
  b->data = wk_alloc(cap);
  if (!b->data)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a photo of %zu bytes", size);
  b->cap = cap;
  return WK_OK;
}

/* ---- one frame -------------------------------------------------------------------------------- */

static bool open_frame(wk_status *st, wk_photo_file *f, const char *path, wk_error *err) {
  char *file;
  int frame;
  if (!wk_frame_path_parse(&file, &frame, path))
    return false;
  *st = wk_photo_open(f, file, err);
  if (*st == WK_OK)
    f->frame = frame + 1;
  wk_free(file);
  return true;
}

/* The bytes of a film become those of one frame. */
static wk_status take_frame(wk_buffer *b, int frame, wk_error *err) {
  wk_image image = {0};
  wk_decode_options o;
  wk_decode_options_init(&o);
  o.frame = frame;
  WK_RETURN_IF_ERROR(wk_image_decode(&image, b->data, b->size, &o, err));
  const size_t size = bmp_size(image.width, image.height);
  wk_status st = make_room(b, size, err);
  if (st == WK_OK) {
    write_bmp(b->data, image.pixels, image.width, image.height, 3, 1);
    b->size = size;
  }
  wk_image_free(&image);
  return st;
}

/* ---- any photo -------------------------------------------------------------------------------- */

wk_status wk_photo_open(wk_photo_file *f, const char *path, wk_error *err) {
  /* O_NONBLOCK: opening a pipe must not wait for someone to write to it. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  wk_status st = WK_OK;
  const int why = errno;
  if (fd < 0 && why == ENOTDIR && (open_packed(f, path) || open_frame(&st, f, path, err)))
    return st;
  if (fd < 0)
    return WK_FAIL(err, why == ENOENT ? WK_ERR_NOT_FOUND : WK_ERR_IO, "cannot be opened: %s", strerror(why));
  struct stat s;
  if (fstat(fd, &s) != 0)
    st = WK_FAIL(err, WK_ERR_IO, "cannot be opened: %s", strerror(errno));
  else if (!S_ISREG(s.st_mode))
    st =
        WK_FAIL(err, WK_ERR_FORMAT, "is %s, not a photo", S_ISDIR(s.st_mode) ? "a folder" : "a device, pipe or socket");
  else if (s.st_size == 0)
    st = WK_FAIL(err, WK_ERR_FORMAT, "the file is empty (0 bytes)");
  else if ((uint64_t)s.st_size > PHOTO_BYTES_MAX)
    st = WK_FAIL(err, WK_ERR_FORMAT, "%lld bytes are too many for a photo (at most %zu)", (long long)s.st_size,
                 PHOTO_BYTES_MAX);
  if (st != WK_OK) {
    close(fd);
    return st;
  }
  posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
  *f = (wk_photo_file){.fd = fd, .size = (size_t)s.st_size};
  return WK_OK;
}

/* The pixels are read to the end of the room that the BMP needs with them behind it, and written from there to its
 * beginning. */
wk_status wk_photo_read(wk_buffer *b, wk_photo_file *f, wk_error *err) {
  wk_status st = WK_OK;
  size_t before = f->channels ? bmp_size(f->width, f->height) : 0, got = 0;
  b->size = 0;
  WK_TRY(make_room(b, before + f->size, err));
  while (got < f->size) {
    ssize_t n = pread(f->fd, b->data + before + got, f->size - got, (off_t)(f->at + got));
    if (n < 0 && errno == EINTR)
      continue;
    WK_FAIL_IF(n < 0, err, WK_ERR_IO, "cannot be read: %s", strerror(errno));
    WK_FAIL_IF(n == 0, err, WK_ERR_IO, "the file became shorter while it was read");
    got += (size_t)n;
  }
  if (f->channels)
    write_bmp(b->data, b->data + before, f->width, f->height, 1,
              f->channels == 3 ? (size_t)f->width * (size_t)f->height : 0);
  b->size = f->channels ? before : got;
  if (f->frame)
    WK_TRY(take_frame(b, f->frame - 1, err));
done:
  wk_photo_close(f);
  return st;
}

wk_status wk_photo_load(wk_image *out, const char *path, const wk_decode_options *o, wk_error *err) {
  wk_photo_file file;
  wk_buffer bytes = {0};
  wk_status st = wk_photo_open(&file, path, err);
  if (st == WK_OK)
    st = wk_photo_read(&bytes, &file, err);
  if (st == WK_OK)
    st = wk_image_decode(out, bytes.data, bytes.size, o, err);
  wk_buffer_free(&bytes);
  return st == WK_OK ? st : wk_error_prefix(err, st, "%s", path);
}

void wk_photo_close(wk_photo_file *f) {
  if (f->fd >= 0)
    close(f->fd);
  f->fd = -1;
}

void wk_buffer_free(wk_buffer *b) {
  wk_free(b->data);
  *b = (wk_buffer){0};
}
