/* answer.c - answers, with the headers that every one has: see server.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server_parts.h"

/* Scripts, styles and pictures of our own alone; nothing may put the page into a frame. */
#define POLICY                                                                                                         \
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; media-src "      \
  "blob:; "                                                                                                            \
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static void headers(wk_request *r, const char *type) {
  const wk_http_library *http = &r->server->http;
  http->add_response_header(r->answer, "Content-Type", type);
  http->add_response_header(r->answer, "Content-Security-Policy", POLICY);
  http->add_response_header(r->answer, "X-Content-Type-Options", "nosniff");
  http->add_response_header(r->answer, "Referrer-Policy", "no-referrer");
  http->add_response_header(r->answer, "Permissions-Policy", "camera=(self), microphone=(), geolocation=()");
  http->add_response_header(r->answer, "Cross-Origin-Resource-Policy", "same-origin");
  http->add_response_header(r->answer, "Cross-Origin-Opener-Policy", "same-origin");
  http->add_response_header(r->answer, "Cache-Control", "no-store");
}

static void take(wk_request *r, int status, const char *type, struct MHD_Response *answer) {
  if (r->answer)
    r->server->http.destroy_response(r->answer);
  r->answer = answer;
  r->status = status;
  if (answer)
    headers(r, type);
}

static void text(wk_request *r, int status, const char *type, char *bytes, size_t size) {
  take(r, status, type, r->server->http.create_response_from_buffer(size, bytes, MHD_RESPMEM_MUST_FREE));
  if (!r->answer)
    free(bytes);
}

void wk_answer_json(wk_request *r, int status, json_t *json) {
  char *bytes = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(json);
  if (bytes) {
    text(r, status, "application/json", bytes, strlen(bytes));
    return;
  }
  static const char lacking[] =
      "{\"error\":{\"code\":\"memory\",\"key\":\"memory\",\"text\":\"out of memory\",\"file\":null,\"fix\":null}}";
  take(r, 500, "application/json",
       r->server->http.create_response_from_buffer(sizeof lacking - 1, (void *)(uintptr_t)lacking,
                                                   MHD_RESPMEM_PERSISTENT));
}

void wk_answer_fault(wk_request *r, const wk_fault *f) { wk_answer_json(r, f->http, wk_fault_json(f)); }

void wk_answer_bytes(wk_request *r, const char *type, void *bytes, size_t size, const char *save_as) {
  text(r, 200, type, bytes, size);
  char offered[300];
  if (!save_as)
    return;
  snprintf(offered, sizeof offered, "attachment; filename=\"%s\"", save_as);
  wk_answer_header(r, "Content-Disposition", offered);
}

void wk_answer_header(wk_request *r, const char *name, const char *value) {
  if (r->answer)
    r->server->http.add_response_header(r->answer, name, value);
}

void wk_answer_stream(wk_request *r, const char *type, ssize_t (*read)(void *user, uint64_t at, char *out, size_t room),
                      void *user, void (*release)(void *user)) {
  take(r, 200, type, r->server->http.create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read, user, release));
  if (!r->answer)
    release(user);
}

int wk_request_socket(const wk_request *r) {
  const union MHD_ConnectionInfo *info =
      r->server->http.get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info ? info->connect_fd : -1;
}

bool wk_request_gone(int socket) {
  struct pollfd p = {.fd = socket, .events = POLLRDHUP};
  return poll(&p, 1, 0) > 0 && p.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

const char *wk_request_query(const wk_request *r, const char *name) {
  return r->server->http.lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *wk_request_header(const wk_request *r, const char *name) {
  return r->server->http.lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

bool wk_number_of(uint64_t *out, const char *text_, uint64_t most) {
  char *end = NULL;
  errno = 0;
  const unsigned long long n = strtoull(text_, &end, 10);
  if (*text_ < '0' || *text_ > '9' || *end || errno || n > most)
    return false;
  *out = n;
  return true;
}

const char *wk_request_leading_number(uint64_t *out, const wk_request *r, uint64_t most) {
  char number[24] = "";
  const size_t digits = strspn(r->rest, "0123456789");
  if (digits < sizeof number)
    memcpy(number, r->rest, digits);
  if (!wk_number_of(out, number, most))
    *out = 0;
  return r->rest + digits;
}

bool wk_request_number(uint64_t *out, wk_request *r, const char *name, uint64_t missing, uint64_t most) {
  const char *given = wk_request_query(r, name);
  *out = missing;
  if (!given || wk_number_of(out, given, most))
    return true;
  wk_fault f;
  wk_fault_set(&f, 400, "argument", WK_ERR_ARGUMENT, "%s must be a whole number from 0 to %llu (got '%.40s')", name,
               (unsigned long long)most, given);
  wk_answer_fault(r, &f);
  return false;
}
