/* base.h - what every other room stands on: status and error, the context of a run, memory, random
 * numbers, files, hashes. Knows nothing about pictures or networks.
 *
 * Conventions of the whole library
 *   - A function that can fail returns wk_status and takes a `wk_error *err` last; err may be NULL.
 *   - Out-parameters come first. They are untouched on failure.
 *   - What a function creates, the caller frees with the matching wk_x_free(); wk_x_free(NULL) is fine.
 *   - The library never prints, never exits, and never reads the environment.
 *   - Functions are safe to call from several threads on different objects; an object that is shared
 *     must only be read, unless its header says otherwise.
 */
#ifndef WHISKER_BASE_H
#define WHISKER_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WK_API __attribute__((visibility("default")))
#define WK_NODISCARD __attribute__((warn_unused_result))
#define WK_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define WK_API
#define WK_NODISCARD
#define WK_PRINTF(fmt, args)
#endif

#define WK_VERSION_MAJOR 0
#define WK_VERSION_MINOR 1
#define WK_VERSION_PATCH 0
#define WK_VERSION "0.1.0"

/* The version of the library that is linked, which may differ from WK_VERSION of this header. */
WK_API const char *wk_version(void);

/* ---- status and error ------------------------------------------------------------------------- */

typedef enum wk_status {
  WK_OK = 0,
  WK_ERR_ARGUMENT,    /* the caller broke the function's contract */
  WK_ERR_MEMORY,      /* an allocation failed */
  WK_ERR_IO,          /* reading or writing failed; the message holds the system's reason */
  WK_ERR_NOT_FOUND,   /* a file, name, class or layer does not exist */
  WK_ERR_FORMAT,      /* bytes are not what they should be: truncated, hostile, wrong shape */
  WK_ERR_UNSUPPORTED, /* valid, but whisker cannot do it */
  WK_ERR_NETWORK,     /* a download failed */
  WK_ERR_CANCELLED,   /* the context's cancel callback said stop */
  WK_ERR_NUMERIC,     /* a value that must be finite is not */
  WK_ERR_INTERNAL     /* a bug in whisker or in a library under it */
} wk_status;

/* What went wrong. `message` is one line in plain English that names the file (or argument), what
 * was found, what was expected and what to do; it needs no prefix and ends without a newline. */
typedef struct wk_error {
  wk_status code;
  char message[1024];
  char where[64]; /* function that found it, for bug reports */
} wk_error;

/* A short name such as "format"; never NULL. */
WK_API const char *wk_status_name(wk_status status);

/* ---- the context of a run --------------------------------------------------------------------- */

/* Called from any thread, but never from two at once. `total` is 0 where it is not known. */
typedef void (*wk_progress_fn)(void *user, const char *stage, uint64_t done, uint64_t total);
/* One line for the user about something that was skipped or chosen (a photo that could not be read). */
typedef void (*wk_warn_fn)(void *user, const char *message);
/* Polled often, from any thread; true means stop: the call returns WK_ERR_CANCELLED soon. */
typedef bool (*wk_cancel_fn)(void *user);

/* Passed as `const wk_context *ctx` to everything that takes time; NULL means wk_context_init()'s. */
typedef struct wk_context {
  int threads;   /* worker threads; 0 = as many as this process may use */
  uint64_t seed; /* every random choice derives from it; default 42 */
  wk_progress_fn progress;
  wk_warn_fn warn;
  wk_cancel_fn cancelled;
  void *user; /* handed to the three callbacks */
} wk_context;

WK_API void wk_context_init(wk_context *ctx);
/* Threads that `ctx` stands for: at least 1. */
WK_API int wk_context_threads(const wk_context *ctx);

/* ---- memory ----------------------------------------------------------------------------------- */

/* The one hook for every allocation whisker itself makes. Process-wide: set it before any other call
 * and never again; tests use it to make any single allocation fail. Blocks need 64-byte alignment. */
typedef struct wk_allocator {
  void *(*alloc)(void *user, size_t bytes); /* NULL when out of memory */
  void (*free)(void *user, void *block);    /* block may be NULL */
  void *user;
} wk_allocator;

/* NULL restores the default. */
WK_API void wk_set_allocator(const wk_allocator *allocator);

/* Frees what the library handed out as a plain array or string. */
WK_API void wk_free(void *block);

/* ---- random numbers --------------------------------------------------------------------------- */

/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011):
 * 128 random bits as a pure function of key and counter. Streams are made by naming things
 * (seed, epoch, photo), so any thread can draw any number without order. */
WK_API void wk_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

/* A sequence drawn from stream (seed, stream). Copy the struct to fork it. */
typedef struct wk_rng {
  uint32_t key[2];
  uint32_t counter[4];
  uint32_t block[4];
  int used;
} wk_rng;

WK_API void wk_rng_init(wk_rng *rng, uint64_t seed, uint64_t stream);
WK_API uint32_t wk_rng_u32(wk_rng *rng);
WK_API uint32_t wk_rng_below(wk_rng *rng, uint32_t n); /* uniform in 0..n-1 without bias; n > 0 */
WK_API double wk_rng_uniform(wk_rng *rng);             /* [0, 1), 53 bits */
WK_API double wk_rng_normal(wk_rng *rng);              /* mean 0, deviation 1 */
/* Fisher-Yates over n indices. */
WK_API void wk_rng_shuffle(wk_rng *rng, uint32_t *index, size_t n);

#ifdef __cplusplus
}
#endif
#endif
