/* server.h (internal) - the studio's door: listens on this machine alone, lets in who has the token, checks each
 * request before any of it is read further, and hands it to a route. Knows nothing of photos. */
#ifndef WK_STUDIO_SERVER_H
#define WK_STUDIO_SERVER_H

#include <pthread.h>

#include "microhttpd.h"

enum {
  WK_SERVER_CONNECTIONS = 32, /* at once, of each address */
  WK_SERVER_HEADER_SECONDS = 10,
  WK_SERVER_BODY_SECONDS = 120,
  WK_SERVER_DRAIN_SECONDS = 2, /* of a body that was refused */
  WK_JSON_MOST = 1 << 20,      /* bytes of a JSON body */
  WK_JSON_DEPTH = 16,          /* of arrays and objects inside each other */
  WK_UPLOAD_MOST = 64 << 20    /* bytes of a photo */
};

typedef enum wk_method { WK_GET = 0, WK_POST, WK_PUT, WK_DELETE, WK_METHODS } wk_method;
typedef enum wk_body { WK_BODY_NONE = 0, WK_BODY_JSON, WK_BODY_IMAGE } wk_body;

typedef struct wk_server wk_server;

/* One request, and its answer as it is made: each route gives exactly one. */
typedef struct wk_request {
  wk_server *server;
  struct MHD_Connection *connection;
  wk_method method;
  const char *rest; /* of the path, where the route ends in a slash: "17" of /photo/17 */
  uint8_t *body;
  size_t size, room;
  json_t *json; /* of WK_BODY_JSON: an object */
  struct MHD_Response *answer;
  int status;
  bool early; /* answered before its body was read */
  const struct wk_route *route;
} wk_request;

typedef struct wk_route {
  wk_method method;
  const char *path; /* below /api/v1; one that ends in a slash takes all that begins so, but not itself */
  wk_body body;
  bool open; /* without the cookie */
  void (*answer)(void *user, wk_request *r);
} wk_route;

/* A file that is part of the page. */
typedef struct wk_page_file {
  const char *path; /* "/app.js" */
  const unsigned char *bytes;
  const unsigned long *size;
} wk_page_file;

typedef struct wk_server_options {
  int port;                  /* 0: any */
  double header_seconds;     /* for a header to arrive; 0: WK_SERVER_HEADER_SECONDS */
  const wk_route *routes;    /* ends with a zeroed entry */
  const wk_page_file *files; /* likewise */
  void *user;
} wk_server_options;

wk_status wk_server_start(wk_server **out, const wk_server_options *o, wk_fault *f);
int wk_server_port(const wk_server *s);
/* 256 bits as 64 hexadecimal digits: what the page's address carries. */
const char *wk_server_token(const wk_server *s);
void wk_server_stop(wk_server *s);

/* ---- what routes use --------------------------------------------------------------------------- */

/* A parameter of the address; NULL: not there. */
const char *wk_request_query(const wk_request *r, const char *name);
/* The same as a number of at most `most`; `missing` where it is not there. False: it is something else, and the answer
 * has been given. */
bool wk_request_number(uint64_t *out, wk_request *r, const char *name, uint64_t missing, uint64_t most);
/* The number that `rest` begins with, at most `most`; 0: there is none. Returns what stands behind its digits. */
const char *wk_request_leading_number(uint64_t *out, const wk_request *r, uint64_t most);
const char *wk_request_header(const wk_request *r, const char *name);
/* All of `text` as a decimal number of at most `most`. */
bool wk_number_of(uint64_t *out, const char *text, uint64_t most);

/* Each takes what it is given. */
void wk_answer_json(wk_request *r, int status, json_t *json);
void wk_answer_fault(wk_request *r, const wk_fault *f);
/* malloc'ed bytes; `save_as`: offered as a download of that name (NULL: shown). */
void wk_answer_bytes(wk_request *r, const char *type, void *bytes, size_t size, const char *save_as);
/* One more header on the answer that was given. */
void wk_answer_header(wk_request *r, const char *name, const char *value);
/* A text that never ends: `read` blocks until it has something, or returns -1 at its end. */
void wk_answer_stream(wk_request *r, const char *type, ssize_t (*read)(void *user, uint64_t at, char *out, size_t room),
                      void *user, void (*release)(void *user));
/* Is whoever sent this still there? For streams. */
bool wk_request_gone(int socket);
int wk_request_socket(const wk_request *r);
/* POST /login. */
void wk_server_login(wk_request *r);

#endif
