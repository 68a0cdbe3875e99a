/* server.c - the sockets, the secrets, and the watch that ends connections which take too long: see server.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server_parts.h"
#include "whisker/clock.h"

static wk_status secret(char hex[65], wk_fault *f) {
  unsigned char bytes[32];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
    return wk_fault_io(f, "the system's random numbers", "read");
  for (size_t i = 0; i < sizeof bytes; i++)
    snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
  return WK_OK;
}

/* ---- connections ------------------------------------------------------------------------------- */

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what) {
  wk_server *s = cls;
  pthread_mutex_lock(&s->lock);
  if (what == MHD_CONNECTION_NOTIFY_CLOSED && *context) {
    *(wk_slot *)*context = (wk_slot){.socket = -1};
    *context = NULL;
  } else if (what == MHD_CONNECTION_NOTIFY_STARTED) {
    const union MHD_ConnectionInfo *info = s->http.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    for (int i = 0; info && i < 2 * WK_SERVER_CONNECTIONS && !*context; i++)
      if (s->slot[i].socket < 0) {
        s->slot[i] = (wk_slot){info->connect_fd, wk_clock_seconds() + s->o.header_seconds};
        *context = &s->slot[i];
      }
  }
  pthread_mutex_unlock(&s->lock);
}

void wk_slot_deadline(wk_server *s, struct MHD_Connection *connection, double seconds) {
  const union MHD_ConnectionInfo *info = s->http.get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  wk_slot *slot = info ? info->socket_context : NULL;
  if (!slot)
    return;
  pthread_mutex_lock(&s->lock);
  slot->deadline = seconds > 0 ? wk_clock_seconds() + seconds : 0;
  pthread_mutex_unlock(&s->lock);
}

/* A header that comes byte by byte is never idle for long, so that idleness tells nothing: the whole has a deadline. */
static void *watch(void *user) {
  wk_server *s = user;
  pthread_mutex_lock(&s->lock);
  while (!s->over) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    pthread_cond_timedwait(&s->ending, &s->lock, &until);
    const double now = wk_clock_seconds();
    for (int i = 0; i < 2 * WK_SERVER_CONNECTIONS; i++) {
      wk_slot *slot = &s->slot[i];
      if (slot->socket >= 0 && slot->deadline > 0 && now > slot->deadline) {
        shutdown(slot->socket, SHUT_RDWR);
        slot->deadline = 0;
      }
    }
  }
  pthread_mutex_unlock(&s->lock);
  return NULL;
}

/* ---- listening --------------------------------------------------------------------------------- */

/* Sets *port where it was 0. -1: see errno. */
static int listen_v4(int *port) {
  const int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in a = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof a;
  if (fd < 0)
    return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, WK_SERVER_CONNECTIONS) ||
      getsockname(fd, (struct sockaddr *)&a, &size)) {
    close(fd);
    return -1;
  }
  *port = ntohs(a.sin_port);
  return fd;
}

static int listen_v6(int port) {
  const int one = 1, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in6 a = {
      .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  if (fd < 0)
    return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, WK_SERVER_CONNECTIONS)) {
    close(fd);
    return -1;
  }
  return fd;
}

/* Both loopback addresses at one port; the second is -1 on a machine without IPv6. */
static wk_status listen_both(int fd[2], int *port, int asked, wk_fault *f) {
  for (int attempt = 0;; attempt++) {
    *port = asked;
    fd[0] = listen_v4(port);
    if (fd[0] < 0) {
      const int why = errno;
      wk_fault_set(f, 500, "port", WK_ERR_IO, "port %d of 127.0.0.1 cannot be listened on: %s%s", asked, strerror(why),
                   why == EADDRINUSE ? "; another program uses it: give another --port, or none" : "");
      return WK_ERR_IO;
    }
    fd[1] = listen_v6(*port);
    if (fd[1] >= 0 || errno != EADDRINUSE)
      return WK_OK;
    close(fd[0]); /* somebody else has the port at ::1: a page could be taken for ours there */
    if (asked || attempt == 16)
      return wk_fault_set(f, 500, "port", WK_ERR_IO,
                          "port %d of ::1 is used by another program; give another --port, or none", *port);
  }
}

/* A name that holds a zero byte would end there, and be taken for another one: it stays as it was written, which is the
 * name of nothing. */
static size_t unescape(void *cls, struct MHD_Connection *connection, char *text) {
  const wk_server *s = cls;
  (void)connection;
  return strstr(text, "%00") ? strlen(text) : s->http.http_unescape(text);
}

static struct MHD_Daemon *serve(wk_server *s, int fd) {
  return s->http.start_daemon(
      MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC, 0, NULL, NULL,
      wk_server_handle, s, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)WK_SERVER_CONNECTIONS,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)65536, MHD_OPTION_NOTIFY_COMPLETED, wk_server_completed, s,
      MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_UNESCAPE_CALLBACK, unescape, s, MHD_OPTION_END);
}

wk_status wk_server_start(wk_server **out, const wk_server_options *o, wk_fault *f) {
  int fd[2] = {-1, -1};
  wk_server *s = calloc(1, sizeof *s);
  if (!s)
    return wk_fault_memory(f);
  s->o = *o;
  if (!(s->o.header_seconds > 0))
    s->o.header_seconds = WK_SERVER_HEADER_SECONDS;
  pthread_mutex_init(&s->lock, NULL);
  pthread_cond_init(&s->ending, NULL);
  for (int i = 0; i < 2 * WK_SERVER_CONNECTIONS; i++)
    s->slot[i].socket = -1;
  wk_status st = wk_http_load(&s->http, f);
  if (st == WK_OK)
    st = secret(s->token, f);
  if (st == WK_OK)
    st = secret(s->cookie, f);
  if (st == WK_OK)
    st = listen_both(fd, &s->port, o->port, f);
  if (st != WK_OK)
    goto done;
  /* Cookies do not know ports: two studios have different ones. */
  snprintf(s->cookie_name, sizeof s->cookie_name, "whisker_%d", s->port);
  s->watched = !pthread_create(&s->watch, NULL, watch, s);
  for (int i = 0; i < 2 && fd[i] >= 0; i++) {
    s->daemon[i] = serve(s, fd[i]);
    if (!s->daemon[i] || !s->watched) {
      st = wk_fault_set(f, 500, "internal", WK_ERR_INTERNAL, "the server could not be started on port %d", s->port);
      goto done;
    }
    fd[i] = -1; /* it is the daemon's */
  }
  *out = s;
  return WK_OK;
done:
  for (int i = 0; i < 2; i++)
    if (fd[i] >= 0)
      close(fd[i]);
  wk_server_stop(s);
  return st;
}

void wk_server_stop(wk_server *s) {
  if (!s)
    return;
  for (int i = 0; i < 2; i++)
    if (s->daemon[i])
      s->http.stop_daemon(s->daemon[i]);
  pthread_mutex_lock(&s->lock);
  s->over = true;
  pthread_cond_broadcast(&s->ending);
  pthread_mutex_unlock(&s->lock);
  if (s->watched)
    pthread_join(s->watch, NULL);
  pthread_cond_destroy(&s->ending);
  pthread_mutex_destroy(&s->lock);
  free(s);
}

int wk_server_port(const wk_server *s) { return s->port; }
const char *wk_server_token(const wk_server *s) { return s->token; }
