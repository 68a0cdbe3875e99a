/* server_parts.h (internal) - what the server's own files share. */
#ifndef WK_STUDIO_SERVER_PARTS_H
#define WK_STUDIO_SERVER_PARTS_H

#include "server.h"

/* A connection and the time by which what it is about has to be over: its header, then its body. */
typedef struct wk_slot {
  int socket;      /* -1: free */
  double deadline; /* wk_clock_seconds; 0: none */
} wk_slot;

struct wk_server {
  wk_http_library http;
  wk_server_options o;
  struct MHD_Daemon *daemon[2];
  int port;
  char token[65], cookie[65], cookie_name[32];
  pthread_mutex_t lock; /* of the slots and `over` */
  pthread_cond_t ending;
  wk_slot slot[2 * WK_SERVER_CONNECTIONS];
  pthread_t watch;
  bool watched, over;
};

/* For libmicrohttpd. */
enum MHD_Result wk_server_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                 const char *version, const char *upload, size_t *upload_size, void **request);
void wk_server_completed(void *cls, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode why);
/* The connection has so many seconds from now; 0: as long as it likes. */
void wk_slot_deadline(wk_server *s, struct MHD_Connection *connection, double seconds);

#endif
