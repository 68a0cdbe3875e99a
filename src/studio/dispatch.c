/* dispatch.c - what a request has to pass before a route sees it, in the order in which less and less is trusted: see
 * server.h. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "request_check.h"
#include "server_parts.h"
#include "whisker/clock.h"

#define API "/api/v1"

static const char *const methods[WK_METHODS] = {"GET", "POST", "PUT", "DELETE"};

static bool refuse(wk_request *r, int http, const char *key, const char *message) {
  wk_fault f;
  wk_fault_set(&f, http, key, http == 404 ? WK_ERR_NOT_FOUND : WK_ERR_ARGUMENT, "%s", message);
  wk_answer_fault(r, &f);
  return false;
}

static const wk_route *find_route(const wk_server *s, const wk_request *r, const char *path, bool *known) {
  *known = false;
  for (const wk_route *o = s->o.routes; o->path; o++) {
    const size_t n = strlen(o->path);
    const bool here = o->path[n - 1] == '/' ? !strncmp(path, o->path, n) && path[n] : !strcmp(path, o->path);
    *known = *known || here;
    if (here && o->method == r->method)
      return o;
  }
  return NULL;
}

static const char *type_of(const char *path) {
  static const char *const types[][2] = {{".html", "text/html; charset=utf-8"},
                                         {".js", "text/javascript; charset=utf-8"},
                                         {".css", "text/css; charset=utf-8"},
                                         {".json", "application/json"},
                                         {".svg", "image/svg+xml"},
                                         {".txt", "text/plain; charset=utf-8"}};
  const char *ending = strrchr(path, '.');
  for (size_t i = 0; ending && i < sizeof types / sizeof *types; i++)
    if (!strcmp(ending, types[i][0]))
      return types[i][1];
  return "application/octet-stream";
}

static bool page_file(wk_request *r, const char *url) {
  if (r->method != WK_GET)
    return refuse(r, 405, "method", "only GET is understood here");
  if (!strcmp(url, "/"))
    url = "/index.html";
  for (const wk_page_file *p = r->server->o.files; p->path; p++)
    if (!strcmp(p->path, url)) {
      void *bytes = malloc(*p->size + 1);
      if (!bytes)
        return refuse(r, 500, "memory", "out of memory");
      memcpy(bytes, p->bytes, *p->size);
      wk_answer_bytes(r, type_of(p->path), bytes, *p->size, NULL);
      return false;
    }
  return refuse(r, 404, "not_found", "there is no such page");
}

static uint64_t largest_body(const wk_route *route) {
  return route->body == WK_BODY_JSON ? WK_JSON_MOST : route->body == WK_BODY_IMAGE ? WK_UPLOAD_MOST : 0;
}

static bool check_body(wk_request *r, const wk_route *route) {
  const char *type = wk_request_header(r, "Content-Type"), *length = wk_request_header(r, "Content-Length");
  uint64_t size = 0;
  if (route->body == WK_BODY_JSON && !wk_type_is(type, "application/json"))
    return refuse(r, 415, "type", "the body has to be JSON, and its Content-Type application/json");
  if (route->body == WK_BODY_IMAGE && !wk_type_is(type, "image/"))
    return refuse(r, 415, "type", "the body has to be a photo, and its Content-Type image/...");
  if (length && (!wk_number_of(&size, length, UINT64_MAX) || size > largest_body(route)))
    return refuse(r, 413, "too_large",
                  route->body == WK_BODY_IMAGE  ? "photos may have at most 64 MB"
                  : route->body == WK_BODY_JSON ? "JSON may have at most 1 MB"
                                                : "this takes no body");
  return true;
}

/* Everything that the headers tell. False: the answer has been given. */
static bool admit(wk_request *r, const char *url, const char *method) {
  wk_server *s = r->server;
  const char *host = wk_request_header(r, "Host");
  if (!wk_host_is_ours(host, s->port))
    return refuse(r, 403, "host", "the studio answers to 127.0.0.1, localhost and [::1] alone");
  for (r->method = 0; r->method < WK_METHODS && strcmp(method, methods[r->method]); r->method++) {
  }
  if (!strcmp(method, "HEAD"))
    r->method = WK_GET;
  if (r->method == WK_METHODS)
    return refuse(r, 405, "method", "GET, POST, PUT and DELETE are understood");
  if (r->method != WK_GET && !wk_origin_is_ours(wk_request_header(r, "Origin"), host))
    return refuse(r, 403, "origin", "only the studio's own page may change anything");
  if (strncmp(url, API "/", sizeof API))
    return page_file(r, url);
  bool known;
  r->route = find_route(s, r, url + sizeof API - 1, &known);
  if (!(r->route && r->route->open) && !wk_cookie_is(wk_request_header(r, "Cookie"), s->cookie_name, s->cookie))
    return refuse(r, 401, "login", "log in first: open the address that whisker studio printed");
  if (!r->route)
    return known ? refuse(r, 405, "method", "this cannot be done here by that method")
                 : refuse(r, 404, "not_found", "there is no such thing");
  r->rest = url + sizeof API - 1 + strlen(r->route->path);
  return check_body(r, r->route);
}

static bool append(wk_request *r, const char *bytes, size_t n) {
  if (n > largest_body(r->route) - r->size)
    return refuse(r, 413, "too_large", "the body is too large");
  if (r->size + n > r->room) {
    const size_t room = 2 * (r->size + n) + 4096;
    uint8_t *grown = realloc(r->body, room);
    if (!grown)
      return refuse(r, 500, "memory", "out of memory");
    r->body = grown;
    r->room = room;
  }
  memcpy(r->body + r->size, bytes, n);
  r->size += n;
  return true;
}

static bool read_json(wk_request *r) {
  if (wk_json_depth((const char *)r->body, r->size) > WK_JSON_DEPTH)
    return refuse(r, 400, "json", "JSON may have at most 16 arrays and objects inside each other");
  json_error_t why;
  r->json = json_loadb((const char *)r->body, r->size, JSON_REJECT_DUPLICATES, &why);
  if (json_is_object(r->json))
    return true;
  char message[300];
  snprintf(message, sizeof message, "the body has to be a JSON object (%.200s)",
           r->json ? "it is something else" : why.text);
  return refuse(r, 400, "json", message);
}

static enum MHD_Result send_answer(wk_request *r) {
  /* A stream lasts as long as its reader likes, an answer as long as it takes. */
  wk_slot_deadline(r->server, r->connection, 0);
  return r->answer ? r->server->http.queue_response(r->connection, (unsigned)r->status, r->answer) : MHD_NO;
}

enum MHD_Result wk_server_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                 const char *version, const char *upload, size_t *upload_size, void **request) {
  (void)version;
  wk_server *s = cls;
  wk_request *r = *request;
  if (!r) {
    r = calloc(1, sizeof *r);
    if (!r)
      return MHD_NO;
    *request = r;
    r->server = s;
    r->connection = connection;
    wk_slot_deadline(s, connection, WK_SERVER_BODY_SECONDS);
    if (admit(r, url, method))
      return MHD_YES;
    r->early = wk_request_header(r, "Content-Length") || wk_request_header(r, "Transfer-Encoding");
    return send_answer(r);
  }
  if (*upload_size) {
    /* What comes after a refusal is read and dropped: the answer can only be sent at the end of it. */
    if (!r->answer)
      append(r, upload, *upload_size);
    *upload_size = 0;
    return MHD_YES;
  }
  if (!r->answer && (r->route->body != WK_BODY_JSON || read_json(r)))
    r->route->answer(s->o.user, r);
  return send_answer(r);
}

/* Reads what still comes of a body that was refused by its header, for a moment: closed on unread bytes, the connection
 * would be reset, and the reason lost on its way. */
static void drain(const wk_request *r) {
  const double until = wk_clock_seconds() + WK_SERVER_DRAIN_SECONDS;
  struct pollfd p = {.fd = wk_request_socket(r), .events = POLLIN};
  char bytes[16384];
  while (p.fd >= 0 && wk_clock_seconds() < until && poll(&p, 1, 100) >= 0)
    if (p.revents && recv(p.fd, bytes, sizeof bytes, MSG_DONTWAIT) <= 0)
      break;
}

void wk_server_completed(void *cls, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode why) {
  (void)why;
  wk_server *s = cls;
  wk_request *r = *request;
  if (!r)
    return;
  if (r->early)
    drain(r);
  if (r->answer)
    s->http.destroy_response(r->answer);
  json_decref(r->json);
  free(r->body);
  free(r);
  *request = NULL;
  wk_slot_deadline(s, connection, s->o.header_seconds);
}

void wk_server_login(wk_request *r) {
  wk_server *s = r->server;
  const char *token = json_string_value(json_object_get(r->json, "token"));
  if (!token || !wk_secret_is(token, s->token)) {
    refuse(r, 403, "token",
           "this address is of another studio, or of one that has ended: open the one that whisker studio printed");
    return;
  }
  wk_answer_json(r, 200, json_pack("{s:b}", "ok", 1));
  char cookie[160];
  snprintf(cookie, sizeof cookie, "%s=%s; Path=/; HttpOnly; SameSite=Strict", s->cookie_name, s->cookie);
  wk_answer_header(r, "Set-Cookie", cookie);
}
