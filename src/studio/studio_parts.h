/* studio_parts.h (internal) - the studio and its routes. */
#ifndef WK_STUDIO_STUDIO_PARTS_H
#define WK_STUDIO_STUDIO_PARTS_H

#include "events.h"
#include "project.h"
#include "server.h"
#include "whisker/studio.h"

struct wk_studio {
  wk_session *session;
  wk_project *project;
  wk_server *server;
  wk_events events;
  char url[128];
};

/* Routes: `user` is the studio. */
void wk_route_photos(void *user, wk_request *r);
void wk_route_photo(void *user, wk_request *r);
void wk_route_thumbs(void *user, wk_request *r);
void wk_route_upload(void *user, wk_request *r);
void wk_route_edits(void *user, wk_request *r);
void wk_route_undo(void *user, wk_request *r);
void wk_route_redo(void *user, wk_request *r);

/* The files of the page; ends with a zeroed entry. Written when the library is built (CMakeLists.txt). */
extern const wk_page_file wk_page_files[];

/* Tells every page that the project has changed. With its lock held. */
void wk_studio_tell_rev(wk_studio *s);

#endif
