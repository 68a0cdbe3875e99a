/* studio.h - a local page for a folder of photos: sort them, train, see what came of it, try it. The server listens on
 * this machine alone; docs/studio.md says what it answers, how it keeps strangers out, and what lies on the disk.
 *
 *   wk_studio_options o;
 *   wk_studio_options_init(&o);
 *   o.folder = "photos";
 *   o.program = "/usr/bin/whisker";
 *   if (wk_studio_open(&studio, session, &o, &err) == WK_OK) {
 *     printf("%s\n", wk_studio_url(studio));
 *     wk_studio_serve(studio);   // until the session's `cancelled` says stop
 *     wk_studio_close(studio);
 *   }
 */
#ifndef WHISKER_STUDIO_H
#define WHISKER_STUDIO_H

#include "whisker/options.h"
#include "whisker/session.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wk_studio_options {
  /* Photos, or a project; default NULL: the project "whisker-studio", which is made where it is missing. */
  const char *folder;
  const char *project; /* where the project lies or is made; default NULL: FOLDER.studio beside the photos */
  int port;            /* default 0: any that is free */
  /* That trainings begin with and the doctor looks through, a name or a weight file; default NULL: theirs. The page may
   * name another of the networks that are known by name. */
  const char *backbone;
  /* The whisker command, which long jobs run in a process of its own; default NULL: there are no jobs. */
  const char *program;
  char *const *environment; /* of those; default NULL: empty */
} wk_studio_options;

WK_API void wk_studio_options_init(wk_studio_options *o);
WK_API wk_status wk_studio_options_validate(const wk_studio_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_studio_options_table(void);

typedef struct wk_studio wk_studio;

/* Opens or makes the project and listens. WK_ERR_UNSUPPORTED: libmicrohttpd is not installed, or another studio has the
 * project. The session must outlive the studio. */
WK_API wk_status wk_studio_open(wk_studio **out, wk_session *s, const wk_studio_options *o, wk_error *err) WK_NODISCARD;
/* The page's address, with the secret that lets its reader in: not for logs. As long as the studio lives. */
WK_API const char *wk_studio_url(const wk_studio *s);
/* The folder of the project. */
WK_API const char *wk_studio_project(const wk_studio *s);
/* Returns when the session's `cancelled` says so. */
WK_API void wk_studio_serve(wk_studio *s);
/* Ends what runs, and keeps what was done. */
WK_API void wk_studio_close(wk_studio *s);

/* A line of JSON about how far a job is. */
typedef void (*wk_studio_tell_fn)(void *user, const char *line);

/* Carries out one job of a project: what FOLDER/job.json asks for. The studio runs each in a process of its own,
 * `whisker studio --job FOLDER`, so that a job which needs too much memory ends alone. A cancelled training keeps its
 * best epoch. */
WK_API wk_status wk_studio_job(wk_session *s, const char *folder, wk_studio_tell_fn tell, void *user,
                               wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
