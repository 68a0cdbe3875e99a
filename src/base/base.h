/* base.h (internal) - what the rooms of whisker share and users do not see. */
#ifndef WK_BASE_INTERNAL_H
#define WK_BASE_INTERNAL_H

#include <stdarg.h>
#include <stdio.h>

#include "whisker/base.h"

/* ---- errors ----------------------------------------------------------------------------------- */

/* Fills err (if any) and returns code, so that a failing function can `return WK_FAIL(...)`. */
wk_status wk_error_set(wk_error *err, wk_status code, const char *where, const char *fmt, ...) WK_PRINTF(4, 5);
/* Puts "prefix: " before the message that is already there. Returns err's code (or `code` without err). */
wk_status wk_error_prefix(wk_error *err, wk_status code, const char *fmt, ...) WK_PRINTF(3, 4);

/* Control characters become '?': a file may be called anything, and a message is one line that moves no cursor. Done for
 * errors and warnings. */
void wk_one_line(char *text);

#define WK_FAIL(err, code, ...) wk_error_set((err), (code), __func__, __VA_ARGS__)
/* In functions with a `done:` label and a local `wk_status st`. */
#define WK_FAIL_IF(cond, err, code, ...)                                                            \
  do {                                                                                             \
    if (cond) {                                                                                    \
      st = wk_error_set((err), (code), __func__, __VA_ARGS__);                                     \
      goto done;                                                                                   \
    }                                                                                              \
  } while (0)
#define WK_TRY(expr)                                                                               \
  do {                                                                                             \
    st = (expr);                                                                                   \
    if (st != WK_OK)                                                                               \
      goto done;                                                                                   \
  } while (0)
/* For functions that own nothing yet. */
#define WK_RETURN_IF_ERROR(expr)                                                                   \
  do {                                                                                             \
    wk_status wk_st_ = (expr);                                                                     \
    if (wk_st_ != WK_OK)                                                                           \
      return wk_st_;                                                                               \
  } while (0)

/* ---- memory ----------------------------------------------------------------------------------- */

void *wk_alloc(size_t bytes);                       /* uninitialised, 64-byte aligned; bytes 0 is 1 */
void *wk_calloc(size_t count, size_t size);         /* zeroed; NULL too when count * size overflows */
void *wk_alloc_array(size_t count, size_t size);    /* uninitialised; NULL when it overflows */
void *wk_grow(void *block, size_t old_bytes, size_t new_bytes); /* moves; NULL leaves block as it was */
/* The ending of a plural: "%zu photo%s", n, WK_S(n). */
#define WK_S(n) ((n) == 1 ? "" : "s")

char *wk_strdup(const char *s);
char *wk_strndup(const char *s, size_t n);
char *wk_asprintf(const char *fmt, ...) WK_PRINTF(1, 2);
bool wk_mul_overflow(size_t *out, size_t a, size_t b);

/* A text that grows; `failed` sticks, so one check at the end is enough. */
typedef struct wk_text {
  char *data; /* always NUL-terminated once something was added; wk_free() it, or wk_text_free() */
  size_t len, cap;
  bool failed;
} wk_text;
void wk_text_add(wk_text *t, const char *fmt, ...) WK_PRINTF(2, 3);
void wk_text_append(wk_text *t, const void *bytes, size_t n);
void wk_text_free(wk_text *t);

/* ---- threads ---------------------------------------------------------------------------------- */

/* Runs job(user, index, worker) for index 0..count-1 on `threads` workers (0..threads-1, the caller is
 * worker 0). Indices are handed out in order. The first failure or a cancel stops the hand-out; its
 * status and error are returned. threads < 1 means wk_context_threads(ctx). */
typedef wk_status (*wk_job_fn)(void *user, size_t index, int worker, wk_error *err);
wk_status wk_parallel(const wk_context *ctx, int threads, size_t count, wk_job_fn job, void *user, wk_error *err);

bool wk_cancelled(const wk_context *ctx);
/* Safe from any worker: serialises the callback, and drops calls that come too fast (20 a second),
 * but never the first or the last. Zero-initialise the struct with wk_progress_begin. */
typedef struct wk_progress {
  const wk_context *ctx;
  const char *stage;
  uint64_t total;
  struct wk_progress_state *state;
} wk_progress;
wk_status wk_progress_begin(wk_progress *p, const wk_context *ctx, const char *stage, uint64_t total, wk_error *err);
void wk_progress_add(wk_progress *p, uint64_t n);
void wk_progress_end(wk_progress *p); /* reports done = total reached so far and frees; fine on a zeroed struct */
void wk_warn(const wk_context *ctx, const char *fmt, ...) WK_PRINTF(2, 3); /* serialised */

/* ---- processor -------------------------------------------------------------------------------- */

typedef enum wk_isa { WK_ISA_C = 0, WK_ISA_AVX2 = 1, WK_ISA_AVX512 = 2 } wk_isa;
/* The best set this processor and operating system can run; AVX2 means AVX2+FMA, AVX512 means F+BW+DQ+VL. */
wk_isa wk_cpu_isa(void);
bool wk_cpu_has_vnni(void); /* beside AVX-512: products of bytes summed in 32 bits */
bool wk_cpu_has_bf16(void); /* beside AVX-512: products of bfloat16 summed in float32 */
const char *wk_isa_name(wk_isa isa);

/* ---- files ------------------------------------------------------------------------------------ */

/* A read-only view of a whole file by mmap (empty files give size 0 and data non-NULL). */
typedef struct wk_file_view {
  const uint8_t *data;
  size_t size;
} wk_file_view;
wk_status wk_file_map(wk_file_view *out, const char *path, wk_error *err);
void wk_file_unmap(wk_file_view *view);
/* What was read of it need not stay in this process's memory; it comes back when it is read again. */
void wk_file_release_pages(const wk_file_view *view);
/* Reads a whole file of at most `limit` bytes. *out is NUL-terminated past its end. */
wk_status wk_file_read(uint8_t **out, size_t *size, const char *path, size_t limit, wk_error *err);

/* Atomic writing: bytes go to a temporary file beside `path`; commit does fsync, rename, fsync of the
 * folder. Anything but a successful commit leaves what stood at `path` untouched. */
typedef struct wk_writer wk_writer;
wk_status wk_writer_open(wk_writer **out, const char *path, wk_error *err);
wk_status wk_writer_write(wk_writer *w, const void *bytes, size_t n, wk_error *err);
wk_status wk_writer_commit(wk_writer *w, wk_error *err); /* frees w in any case */
/* Removes temporary files for `path` that no writer holds a lock on and that have not changed for `seconds`: what a
 * killed one left. wk_writer_open does it with 10 seconds, for a file that was only just made may not be locked yet. */
void wk_writer_sweep(const char *path, int seconds);
void wk_writer_abort(wk_writer *w); /* frees w, removes the temporary file */
wk_status wk_file_write(const char *path, const void *bytes, size_t n, wk_error *err); /* the three in one */

/* `bytes` zeros in a file without a name below `folder`, mapped; it goes away with the mapping, or the process. `what` it
 * will hold is for the message. wk_scratch_unmap frees it. */
wk_status wk_scratch_map(void **out, const char *folder, size_t bytes, const char *what, wk_error *err);
void wk_scratch_unmap(void *room, size_t bytes);
/* What lies there, in such a room and nowhere else, need not stay in this process's memory; it is read from the file when it
 * is looked at again. */
void wk_scratch_release_pages(const void *begin, const void *end);

wk_status wk_mkdir_p(const char *path, wk_error *err);
bool wk_path_is_dir(const char *path);
bool wk_path_exists(const char *path);
char *wk_path_join(const char *a, const char *b);   /* new string; b alone if absolute */
const char *wk_path_base(const char *path);         /* part after the last '/' */
char *wk_path_beside(const char *path, const char *name); /* new string: name in the folder that path is in */

/* ---- hashes ----------------------------------------------------------------------------------- */

#define WK_SHA256_BYTES 32
void wk_sha256(uint8_t out[WK_SHA256_BYTES], const void *bytes, size_t n);
typedef struct wk_sha256_state wk_sha256_state;
wk_sha256_state *wk_sha256_begin(void); /* NULL: out of memory */
void wk_sha256_add(wk_sha256_state *s, const void *bytes, size_t n);
void wk_sha256_end(wk_sha256_state *s, uint8_t out[WK_SHA256_BYTES]); /* frees s; out may be NULL */
wk_status wk_sha256_file(uint8_t out[WK_SHA256_BYTES], const char *path, wk_error *err);
void wk_hex(char *out, const uint8_t *bytes, size_t n); /* out holds 2n + 1 */

/* ---- names ------------------------------------------------------------------------------------ */

/* Edit distance (Damerau-Levenshtein, case-folded), for "did you mean". */
int wk_edit_distance(const char *a, const char *b);

/* The whole text as a number with a point, whatever the locale; false: it is none. */
bool wk_parse_double(double *out, const char *text);

#endif
