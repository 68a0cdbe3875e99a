/* http_server.h - a web server for tests, on a port of this machine, that serves one file and misbehaves to order. */
#ifndef WK_TEST_HTTP_SERVER_H
#define WK_TEST_HTTP_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

typedef struct http_server {
  /* What it serves; to be changed between requests only. */
  const char *content;
  size_t size;
  const char *etag;     /* NULL: none, and no ranges either */
  int status;           /* of every answer; 0: as it should be */
  size_t cut_after;     /* bytes of a body after which the connection breaks; 0: never */
  int cuts;             /* how many answers are cut */
  int stall_ms;         /* pause in the middle of the body */
  bool wrong_range;     /* answers a range with another one */
  bool dribble;         /* 40 bytes a second */
  const char *redirect; /* where every answer leads; NULL: nowhere */
  /* What it saw. */
  atomic_int requests, ranges;
  /* Its own. */
  int socket, port;
  pthread_t thread;
  atomic_bool stop;
} http_server;

static inline void http_send(int to, const void *bytes, size_t n) {
  for (const char *p = bytes; n;) {
    ssize_t sent = send(to, p, n, MSG_NOSIGNAL);
    if (sent <= 0)
      return;
    p += sent;
    n -= (size_t)sent;
  }
}

static inline void http_answer(http_server *s, int to) {
  char request[4096], head[512];
  size_t n = 0;
  while (n < sizeof request - 1) {
    ssize_t got = recv(to, request + n, sizeof request - 1 - n, 0);
    if (got <= 0)
      return;
    n += (size_t)got;
    request[n] = 0;
    if (strstr(request, "\r\n\r\n"))
      break;
  }
  atomic_fetch_add(&s->requests, 1);
  if (s->status) {
    n = (size_t)snprintf(head, sizeof head, "HTTP/1.1 %d No\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnone",
                         s->status);
    http_send(to, head, n);
    return;
  }
  if (s->redirect) {
    n = (size_t)snprintf(head, sizeof head,
                         "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                         s->redirect);
    http_send(to, head, n);
    return;
  }
  /* A range counts only if the client has this very version. */
  size_t from = 0;
  char *range = strcasestr(request, "\r\nRange: bytes="), *only_if = strcasestr(request, "\r\nIf-Range: ");
  if (s->etag && range && only_if && strncmp(only_if + 12, s->etag, strlen(s->etag)) == 0)
    from = strtoul(range + 15, NULL, 10);
  if (from >= s->size)
    from = 0;
  n = (size_t)snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n",
                       from ? "206 Partial Content" : "200 OK", s->size - from);
  if (s->etag)
    n += (size_t)snprintf(head + n, sizeof head - n, "ETag: %s\r\n", s->etag);
  if (from) {
    atomic_fetch_add(&s->ranges, 1);
    n += (size_t)snprintf(head + n, sizeof head - n, "Content-Range: bytes %zu-%zu/%zu\r\n", from + s->wrong_range,
                          s->size - 1, s->size);
  }
  n += (size_t)snprintf(head + n, sizeof head - n, "\r\n");
  http_send(to, head, n);
  size_t rest = s->size - from;
  if (s->cut_after && s->cuts > 0) {
    s->cuts--;
    rest = rest < s->cut_after ? rest : s->cut_after;
  }
  if (s->dribble) {
    for (size_t i = 0; i < rest && i < 400 && !atomic_load(&s->stop); i += 2, poll(NULL, 0, 50))
      http_send(to, s->content + from + i, 2);
  } else if (s->stall_ms) {
    http_send(to, s->content + from, rest / 2);
    for (int ms = s->stall_ms; ms > 0 && !atomic_load(&s->stop); ms -= 20)
      poll(NULL, 0, 20);
    http_send(to, s->content + from + rest / 2, rest - rest / 2);
  } else
    http_send(to, s->content + from, rest);
}

static inline void *http_serve(void *user) {
  http_server *s = user;
  while (!atomic_load(&s->stop)) {
    struct pollfd p = {.fd = s->socket, .events = POLLIN};
    if (poll(&p, 1, 20) <= 0)
      continue;
    int to = accept(s->socket, NULL, NULL);
    if (to < 0)
      continue;
    http_answer(s, to);
    shutdown(to, SHUT_WR);
    close(to);
  }
  return NULL;
}

static inline void http_start(http_server *s) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  s->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(s->socket >= 0);
  assert_int_equal(bind(s->socket, (struct sockaddr *)&address, size), 0);
  assert_int_equal(getsockname(s->socket, (struct sockaddr *)&address, &size), 0);
  assert_int_equal(listen(s->socket, 8), 0);
  s->port = ntohs(address.sin_port);
  assert_int_equal(pthread_create(&s->thread, NULL, http_serve, s), 0);
}

static inline void http_stop(http_server *s) {
  atomic_store(&s->stop, true);
  pthread_join(s->thread, NULL);
  close(s->socket);
}

#endif
