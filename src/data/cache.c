/* cache.c - the kept features: one append-only file a key (backbone, preprocessing and layer).
 *
 *   header, 128 bytes       magic, version, columns, key, checksum
 *   record, record_bytes    photo hash (32), row (4 * columns), checksum (8)
 *   record ...
 *
 * Numbers are in the machine's byte order; a file from a machine of the other order is refused by its version.
 *
 * Several processes share a file: whoever appends holds an flock and writes whole records at the end. A process that
 * dies while it writes leaves a torn record, which the next one that holds the lock cuts off. Anything else that goes
 * wrong inside a record fails its checksum when it is asked for, and is as if it were not there.
 *
 * Hashes are read once, at opening, through a mapping that moves along the file; rows are read with pread when asked
 * for. So the whole file is never resident, and a file that someone cuts short meanwhile is a miss, not a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "base/mapped.h"
#include "whisker/data.h"

#define CACHE_VERSION 1
#define HASH_BYTES WK_SHA256_BYTES
#define HEADER_BYTES 128
#define SCAN_BYTES ((size_t)4 << 20)    /* of the mapping that moves along the file */
#define PENDING_BYTES ((size_t)1 << 20) /* written at once */
#define PENDING_SECONDS 2
#define LOCK_MS 5000
#define RECORDS_MAX (UINT32_MAX / 2 - 1)

typedef struct header {
  char magic[8]; /* its line ends reveal a file that was copied as text */
  uint32_t version;
  uint32_t columns;
  uint8_t key[HASH_BYTES];
  uint8_t unused[HEADER_BYTES - 8 - 4 - 4 - HASH_BYTES - 8];
  uint64_t checksum; /* of all that precedes it */
} header;
_Static_assert(sizeof(header) == HEADER_BYTES, "the header has no gaps");

/* Where a photo's record is. The hash itself stays in the file; 64 bits of it find it. */
typedef struct slot {
  uint64_t print;
  uint32_t where; /* 0: free; else number + 1 of a record in the file, or PENDING + number + 1 */
} slot;
#define PENDING 0x80000000u

struct wk_cache {
  wk_context ctx;
  char *path;
  int fd; /* -1: nothing is kept */
  int columns;
  size_t record_bytes;
  uint32_t opened; /* records that were there at opening */

  pthread_mutex_t mutex; /* guards all below */
  bool writable;
  slot *slot;
  size_t slots, used;
  uint8_t *pending; /* records not yet written */
  size_t pending_count, pending_cap;
  time_t flushed;
  char trouble[256]; /* to be told once, outside the mutex */
};

/* ---- checksums and the index ------------------------------------------------------------------ */

/* Four lanes of multiply and shift. Every step is a bijection of the lane, so no change of a single word goes
 * unnoticed; it guards against accidents, not against forgery. */
static uint64_t checksum(const uint8_t start[HASH_BYTES], const void *bytes, size_t n) {
  const uint64_t m = 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio, odd */
  uint64_t lane[4];
  memcpy(lane, start, sizeof lane);
  const uint8_t *at = bytes;
  for (; n >= sizeof lane; n -= sizeof lane, at += sizeof lane) {
    uint64_t word[4];
    memcpy(word, at, sizeof word);
    for (int i = 0; i < 4; i++) {
      lane[i] = (lane[i] ^ word[i]) * m;
      lane[i] ^= lane[i] >> 32;
    }
  }
  for (; n; n--)
    lane[0] = (lane[0] ^ *at++) * m;
  uint64_t sum = 0;
  for (int i = 0; i < 4; i++) {
    sum = (sum ^ lane[i]) * m;
    sum ^= sum >> 29;
  }
  return sum;
}

static uint64_t print_of(const uint8_t photo[HASH_BYTES]) {
  uint64_t print;
  memcpy(&print, photo, sizeof print);
  return print;
}

/* The slot with this print, or the free one where it belongs. Never full: see reserve. */
static slot *find_slot(const wk_cache *c, uint64_t print) {
  size_t mask = c->slots - 1, at = (print * 0x9e3779b97f4a7c15u >> 20) & mask;
  while (c->slot[at].where && c->slot[at].print != print)
    at = (at + 1) & mask;
  return &c->slot[at];
}

/* Room for `more` further prints at a load of at most a half. */
static bool reserve(wk_cache *c, size_t more) {
  size_t slots = c->slots ? c->slots : 64;
  while (slots / 2 < c->used + more)
    slots *= 2;
  if (slots == c->slots)
    return true;
  slot *fresh = wk_calloc(slots, sizeof *fresh), *old = c->slot;
  if (!fresh)
    return false;
  size_t count = c->slots;
  c->slot = fresh;
  c->slots = slots;
  for (size_t i = 0; i < count; i++)
    if (old[i].where)
      *find_slot(c, old[i].print) = old[i];
  wk_free(old);
  return true;
}

/* The later of two records of one photo wins: the earlier one was found damaged. */
static void point_to(wk_cache *c, uint64_t print, uint32_t where) {
  slot *s = find_slot(c, print);
  c->used += !s->where;
  *s = (slot){print, where};
}

/* ---- the file --------------------------------------------------------------------------------- */

static off_t offset_of(const wk_cache *c, size_t record) {
  return (off_t)(HEADER_BYTES + (uint64_t)record * c->record_bytes);
}

/* Waits for others, who hold the lock for milliseconds; gives up on one that was stopped while it held it. */
static bool lock_file(int fd) {
  for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) != 0;) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return false;
    if (waited++ >= LOCK_MS)
      return false;
    nanosleep(&(struct timespec){0, 1000000}, NULL);
  }
  return true;
}

static bool cut(int fd, off_t size) { return ftruncate(fd, size) == 0; }

static bool write_all(int fd, const void *bytes, size_t n) {
  for (const uint8_t *at = bytes; n;) {
    ssize_t w = write(fd, at, n);
    if (w < 0 && errno == EINTR)
      continue;
    if (w <= 0) {
      errno = w == 0 ? ENOSPC : errno;
      return false;
    }
    at += w;
    n -= (size_t)w;
  }
  return true;
}

static void make_header(header *h, const uint8_t key[HASH_BYTES], int columns) {
  *h = (header){.magic = "WKFEAT\r\n", .version = CACHE_VERSION, .columns = (uint32_t)columns};
  memcpy(h->key, key, HASH_BYTES);
  h->checksum = checksum(key, h, offsetof(header, checksum));
}

static bool same_file(int fd, const char *path) {
  struct stat a, b;
  return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Moves a file that is not this cache's out of the way, under a name that is free: it is never overwritten. */
static bool move_aside(const wk_cache *c) {
  for (int i = 1; i <= 9; i++) {
    char *aside = wk_asprintf("%s.aside%d", c->path, i);
    if (!aside)
      return false;
    bool moved = renameat2(AT_FDCWD, c->path, AT_FDCWD, aside, RENAME_NOREPLACE) == 0;
    int reason = errno;
    if (moved)
      wk_warn(
          &c->ctx,
          "%s: this is not a file of kept features of this version, or it is damaged. It is now %s; a new one is begun",
          c->path, aside);
    wk_free(aside);
    if (moved || reason != EEXIST)
      return moved;
  }
  return false;
}

typedef enum look { LOOK_GOOD, LOOK_FOREIGN, LOOK_FAILED } look;

/* Under the lock: is this our file? Writes the header of a new one, cuts off what a crash left at the end. */
static look look_at(wk_cache *c, const header *want) {
  struct stat s;
  header have;
  if (fstat(c->fd, &s) != 0)
    return LOOK_FAILED;
  if (!S_ISREG(s.st_mode))
    return LOOK_FOREIGN;
  ssize_t n = pread(c->fd, &have, sizeof have, 0);
  if (n < 0)
    return LOOK_FAILED;
  if (memcmp(&have, want, (size_t)n) != 0)
    return LOOK_FOREIGN;
  if ((size_t)n < sizeof have) { /* new, or its very first write was cut short */
    if (!c->writable)
      return LOOK_FAILED;
    if (cut(c->fd, 0) && write_all(c->fd, want, sizeof *want))
      return LOOK_GOOD;
    int reason = errno;
    cut(c->fd, 0); /* where even that fails, a beginning of the header is left, and mended at the next opening */
    errno = reason;
    return LOOK_FAILED;
  }
  uint64_t records = ((uint64_t)s.st_size - HEADER_BYTES) / c->record_bytes;
  off_t end = offset_of(c, records);
  if (end != s.st_size && c->writable && !cut(c->fd, end))
    return LOOK_FAILED;
  c->opened = records < RECORDS_MAX ? (uint32_t)records : RECORDS_MAX;
  return LOOK_GOOD;
}

static void close_file(wk_cache *c) {
  if (c->fd >= 0)
    close(c->fd);
  c->fd = -1;
}

/* Opens, creates or replaces the file; c->fd stays -1 where that cannot be. */
static void open_file(wk_cache *c, const char *folder, const header *want) {
  wk_error err = {0};
  bool foreign = false;
  const char *why = "another program keeps it locked";
  int reason = 0;
  if (wk_mkdir_p(folder, &err) != WK_OK) {
    wk_warn(&c->ctx, "%s. Features are not kept", err.message);
    return;
  }
  /* Again when the file was moved away between opening and locking it, by us or another process. */
  for (int attempt = 0; attempt < 4; attempt++) {
    foreign = false;
    reason = 0;
    c->writable = true;
    c->fd = open(c->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666);
    if (c->fd < 0) {
      reason = errno;
      c->writable = false;
      c->fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
      if (c->fd < 0)
        break;
    }
    bool locked = lock_file(c->fd);
    if (locked && !same_file(c->fd, c->path)) {
      close_file(c);
      continue;
    }
    c->writable = c->writable && locked;
    errno = 0;
    look seen = look_at(c, want);
    if (seen == LOOK_FAILED && !reason)
      reason = errno;
    if (locked && seen == LOOK_GOOD)
      flock(c->fd, LOCK_UN);
    if (seen == LOOK_GOOD)
      break;
    bool again = seen == LOOK_FOREIGN && c->writable && move_aside(c);
    close_file(c); /* which unlocks */
    foreign = seen == LOOK_FOREIGN;
    if (!again)
      break;
  }
  if (c->fd >= 0 && c->writable)
    return;
  if (foreign)
    why = "a file of that name that is not a whisker cache is in the way";
  else if (reason)
    why = strerror(reason);
  wk_warn(&c->ctx, "%s: cannot be written (%s). %s", c->path, why,
          c->fd >= 0 ? "The features in it are used, new ones are not kept" : "Features are not kept");
}

/* Reads the hash of every record that was there under the lock into the index. */
static bool scan(wk_cache *c) {
  uint64_t count = c->opened;
  if (!reserve(c, count))
    return false;
  size_t page = (size_t)sysconf(_SC_PAGESIZE), step = SCAN_BYTES / c->record_bytes;
  step = step ? step : 1;
  for (uint64_t k = 0; k < count; k += step) {
    uint64_t last = k + step < count ? k + step : count;
    off_t begin = offset_of(c, k), from = begin / (off_t)page * (off_t)page;
    size_t length = (size_t)(offset_of(c, last - 1) - from) + HASH_BYTES;
    const uint8_t *map = mmap(NULL, length, PROT_READ, MAP_SHARED, c->fd, from);
    if (map == MAP_FAILED)
      return false;
    wk_mapped_note(map, length, c->path);
    const uint8_t *at = map + (begin - from);
    for (uint64_t i = k; i < last; i++, at += c->record_bytes)
      point_to(c, print_of(at), (uint32_t)i + 1);
    wk_mapped_forget(map);
    munmap((void *)(uintptr_t)map, length);
  }
  return true;
}

/* ---- opening and closing ---------------------------------------------------------------------- */

wk_status wk_cache_open(wk_cache **out, const char *folder, const uint8_t key[32], int columns, const wk_context *ctx,
                        wk_error *err) {
  wk_status st = WK_OK;
  if (columns < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a cache needs at least one column, not %d", columns);
  wk_cache *c = wk_calloc(1, sizeof *c);
  if (!c)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the cache of features");
  c->fd = -1;
  c->columns = columns;
  c->record_bytes = HASH_BYTES + sizeof(float) * (size_t)columns + sizeof(uint64_t);
  if (ctx)
    c->ctx = *ctx;
  else
    wk_context_init(&c->ctx);
  pthread_mutex_init(&c->mutex, NULL);
  if (folder) {
    char name[17];
    header want;
    wk_hex(name, key, 8);
    make_header(&want, key, columns);
    c->path = wk_asprintf("%s/%s.wkf", folder, name);
    c->pending_cap = PENDING_BYTES / c->record_bytes;
    c->pending_cap = c->pending_cap ? c->pending_cap : 1;
    WK_FAIL_IF(!c->path, err, WK_ERR_MEMORY, "out of memory for the cache of features");
    open_file(c, folder, &want);
    WK_FAIL_IF(c->fd >= 0 && !scan(c), err, WK_ERR_MEMORY, "%s: out of memory for its index", c->path);
    c->flushed = time(NULL);
  }
  *out = c;
  c = NULL;
done:
  wk_cache_close(c);
  return st;
}

/* ---- looking up ------------------------------------------------------------------------------- */

static bool read_record(const wk_cache *c, uint32_t record, const uint8_t photo[HASH_BYTES], float *row) {
  uint8_t hash[HASH_BYTES];
  uint64_t sum;
  size_t row_bytes = sizeof(float) * (size_t)c->columns;
  struct iovec part[3] = {{hash, sizeof hash}, {row, row_bytes}, {&sum, sizeof sum}};
  ssize_t n;
  do
    n = preadv(c->fd, part, 3, offset_of(c, record));
  while (n < 0 && errno == EINTR);
  return n == (ssize_t)c->record_bytes && memcmp(hash, photo, sizeof hash) == 0 &&
         checksum(photo, row, row_bytes) == sum;
}

bool wk_cache_get(wk_cache *c, const uint8_t photo[32], float *row) {
  if (c->fd < 0)
    return false;
  bool found = false;
  pthread_mutex_lock(&c->mutex);
  uint32_t where = find_slot(c, print_of(photo))->where;
  if (where > PENDING && where - PENDING - 1 < c->pending_count) {
    const uint8_t *record = c->pending + c->record_bytes * (where - PENDING - 1);
    found = memcmp(record, photo, HASH_BYTES) == 0;
    if (found)
      memcpy(row, record + HASH_BYTES, sizeof(float) * (size_t)c->columns);
  }
  pthread_mutex_unlock(&c->mutex);
  return found || (where && where < PENDING && read_record(c, where - 1, photo, row));
}

/* ---- keeping ---------------------------------------------------------------------------------- */

/* Appends what is pending; false with errno when it cannot. */
static bool append(wk_cache *c, uint32_t *first) {
  struct stat s;
  if (!lock_file(c->fd)) {
    errno = EWOULDBLOCK;
    return false;
  }
  bool ok = fstat(c->fd, &s) == 0;
  if (ok && s.st_size < HEADER_BYTES) { /* someone emptied it */
    errno = ESTALE;
    ok = false;
  }
  if (ok) {
    uint64_t records = ((uint64_t)s.st_size - HEADER_BYTES) / c->record_bytes;
    off_t end = offset_of(c, records);
    *first = (uint32_t)records;
    if (records + c->pending_count > RECORDS_MAX) {
      errno = EFBIG;
      ok = false;
    }
    /* A process that died meanwhile may have left a torn record. */
    ok = ok && (end == s.st_size || cut(c->fd, end));
    if (ok && !write_all(c->fd, c->pending, c->pending_count * c->record_bytes)) {
      int reason = errno;
      cut(c->fd, end); /* where even that fails, the next who holds the lock does it */
      errno = reason;
      ok = false;
    }
  }
  int reason = errno;
  flock(c->fd, LOCK_UN);
  errno = reason;
  return ok;
}

/* Under the mutex. */
static void flush(wk_cache *c) {
  uint32_t first;
  if (!c->pending_count)
    return;
  if (append(c, &first)) {
    for (size_t i = 0; i < c->pending_count; i++) {
      slot *s = find_slot(c, print_of(c->pending + i * c->record_bytes));
      if (s->where == PENDING + i + 1)
        s->where = first + (uint32_t)i + 1;
    }
  } else {
    c->writable = false;
    snprintf(c->trouble, sizeof c->trouble, "%s",
             errno == EWOULDBLOCK ? "another program keeps it locked" : strerror(errno));
  }
  c->pending_count = 0;
  c->flushed = time(NULL);
}

static void tell_trouble(wk_cache *c) {
  char trouble[sizeof c->trouble];
  pthread_mutex_lock(&c->mutex);
  memcpy(trouble, c->trouble, sizeof trouble);
  c->trouble[0] = 0;
  pthread_mutex_unlock(&c->mutex);
  if (*trouble)
    wk_warn(&c->ctx, "%s: features can no longer be kept (%s). The work goes on; what was kept stays", c->path,
            trouble);
}

void wk_cache_put(wk_cache *c, const uint8_t photo[32], const float *row) {
  if (c->fd < 0)
    return;
  size_t row_bytes = sizeof(float) * (size_t)c->columns;
  uint64_t sum = checksum(photo, row, row_bytes), print = print_of(photo);
  pthread_mutex_lock(&c->mutex);
  if (!c->pending)
    c->pending = wk_alloc_array(c->pending_cap, c->record_bytes);
  uint32_t where = find_slot(c, print)->where;
  /* Put since the opening: the same photo twice. One that was there before and is put again was damaged. */
  bool have = where > c->opened;
  if (c->writable && !have && c->pending && reserve(c, 1)) {
    uint8_t *to = c->pending + c->pending_count * c->record_bytes;
    memcpy(to, photo, HASH_BYTES);
    memcpy(to + HASH_BYTES, row, row_bytes);
    memcpy(to + HASH_BYTES + row_bytes, &sum, sizeof sum);
    point_to(c, print, PENDING + (uint32_t)++c->pending_count);
    if (c->pending_count == c->pending_cap || time(NULL) - c->flushed >= PENDING_SECONDS)
      flush(c);
  }
  pthread_mutex_unlock(&c->mutex);
  tell_trouble(c);
}

void wk_cache_close(wk_cache *c) {
  if (!c)
    return;
  flush(c);
  tell_trouble(c);
  close_file(c);
  pthread_mutex_destroy(&c->mutex);
  wk_free(c->pending);
  wk_free(c->slot);
  wk_free(c->path);
  wk_free(c);
}
