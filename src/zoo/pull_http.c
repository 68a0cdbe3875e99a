/* pull_http.c - one file by https, through libcurl. A broken connection is taken up again where it broke, in this call
 * or in a later one, under If-Range: the server sends the rest only if it still has the very same file, else all of it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "zoo/curl.h"
#include "zoo/fetch.h"

/* Bytes a second: what comes slower than this for a while will not be waited for. */
#define SLOWEST 512L

void wk_http_options_init(wk_http_options *o) {
  *o = (wk_http_options){.connect_seconds = 20, .stall_seconds = 30, .tries = 3, .pause_ms = 1000};
}

/* One request. */
typedef struct transfer {
  const wk_curl *api;
  CURL *curl;
  const char *url, *host;
  const wk_part_file *part;
  const wk_context *ctx;
  wk_error *err;
  wk_status st; /* a failure inside a callback */
  int fd;
  bool plain;     /* http from anywhere */
  uint64_t at;    /* bytes in the part file */
  bool begun;     /* the body's first byte is here: the answer was looked at */
  bool restarted; /* the old bytes were of no use */
  char etag[256], modified[64];
  long long range_from; /* Content-Range's first byte; -1: none */
  wk_progress progress;
} transfer;

/* ---- the address ------------------------------------------------------------------------------ */

/* An address of this machine: a name that only begins like one is not. */
static bool is_here(const char *host) {
  struct in_addr address;
  return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
         (inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

/* The host of a url that may be fetched: https from anywhere, http only from this machine, unless `plain`. With `from`,
 * the url is what the answer from there leads to, and may lack what it shares with it. host may be NULL. */
static wk_status check_url(char **host, const wk_curl *api, const char *from, const char *url, bool plain,
                           wk_error *err) {
  CURLU *u = api->url();
  char *scheme = NULL, *name = NULL;
  wk_status st = WK_OK;
  WK_FAIL_IF(!u, err, WK_ERR_MEMORY, "out of memory");
  WK_FAIL_IF((from && api->url_set(u, CURLUPART_URL, from, 0) != CURLUE_OK) ||
                 api->url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
                 api->url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
                 api->url_get(u, CURLUPART_HOST, &name, 0) != CURLUE_OK,
             err, WK_ERR_ARGUMENT, "%s: not an address that can be fetched", url);
  WK_FAIL_IF(strcmp(scheme, "https") != 0 && !(strcmp(scheme, "http") == 0 && (is_here(name) || plain)), err,
             WK_ERR_UNSUPPORTED, "%s%s%s: files are fetched by https only (or by http from this machine)",
             from ? from : "", from ? " leads to " : "", url);
  if (host)
    WK_FAIL_IF(!(*host = wk_strdup(name)), err, WK_ERR_MEMORY, "out of memory");
done:
  api->free(scheme);
  api->free(name);
  api->url_cleanup(u);
  return st;
}

/* ---- callbacks -------------------------------------------------------------------------------- */

/* Copies the value of "Name: value" if the line has that name. */
static bool header_value(char *out, size_t cap, const char *line, size_t n, const char *name) {
  size_t length = strlen(name);
  if (n <= length || strncasecmp(line, name, length) != 0 || line[length] != ':')
    return false;
  const char *from = line + length + 1, *end = line + n;
  while (from < end && (*from == ' ' || *from == '\t'))
    from++;
  while (end > from && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
    end--;
  snprintf(out, cap, "%.*s", (int)((size_t)(end - from) < cap ? (size_t)(end - from) : 0), from);
  return true;
}

/* An answer from this machine must not lead to another one without encryption: who is in between could give any file.
 */
static wk_status check_redirect(const transfer *t, const char *line, size_t n) {
  const char *from = NULL;
  char *to = wk_alloc(n + 1);
  if (!to)
    return WK_FAIL(t->err, WK_ERR_MEMORY, "out of memory");
  t->api->easy_getinfo(t->curl, CURLINFO_EFFECTIVE_URL, &from);
  header_value(to, n + 1, line, n, "Location");
  wk_status st = check_url(NULL, t->api, from ? from : t->url, to, t->plain, t->err);
  wk_free(to);
  return st;
}

static size_t on_header(char *line, size_t size, size_t count, void *user) {
  transfer *t = user;
  size_t n = size * count;
  char range[128];
  if (n > 5 && strncasecmp(line, "HTTP/", 5) == 0) { /* a new answer, after a redirect */
    t->etag[0] = t->modified[0] = 0;
    t->range_from = -1;
  } else if (header_value(range, sizeof range, line, n, "Content-Range")) {
    unsigned long long from;
    if (sscanf(range, "bytes %llu-", &from) == 1)
      t->range_from = (long long)from;
  } else if (n > 9 && strncasecmp(line, "Location:", 9) == 0) {
    t->st = check_redirect(t, line, n);
    return t->st == WK_OK ? n : 0;
  } else if (!header_value(t->etag, sizeof t->etag, line, n, "ETag"))
    header_value(t->modified, sizeof t->modified, line, n, "Last-Modified");
  return n;
}

/* Looks at the answer when its body begins: is it the rest, or all of it, and of the right size? */
static wk_status begin_body(transfer *t, long code) {
  wk_status st = WK_OK;
  if (code == 206)
    WK_FAIL_IF(t->range_from != (long long)t->at, t->err, WK_ERR_NETWORK,
               "%s: the server sent bytes that were not asked for", t->url);
  else if (t->at) {
    WK_FAIL_IF(ftruncate(t->fd, 0) != 0 || lseek(t->fd, 0, SEEK_SET) != 0, t->err, WK_ERR_IO,
               "%s: cannot be written: %s", t->part->path, strerror(errno));
    t->at = 0;
    t->restarted = true;
  }
  curl_off_t length = -1;
  t->api->easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  uint64_t total = length >= 0 ? t->at + (uint64_t)length : 0;
  WK_FAIL_IF(total > wk_part_limit(t->part) && !t->part->bytes, t->err, WK_ERR_FORMAT,
             "%s: the file there has %llu bytes, more than the %llu that are allowed", t->url,
             (unsigned long long)total, (unsigned long long)wk_part_limit(t->part));
  WK_FAIL_IF(total && t->part->bytes && total != t->part->bytes, t->err, WK_ERR_FORMAT,
             "%s: the file there has %llu bytes, %llu were expected", t->url, (unsigned long long)total,
             (unsigned long long)t->part->bytes);
  /* A weak ETag (W/...) promises the same meaning, not the same bytes. */
  const char *mark = t->etag[0] == '"' ? t->etag : t->modified[0] ? t->modified : NULL;
  WK_TRY(wk_part_set_origin(t->part, t->url, mark, t->err));
  WK_TRY(wk_progress_begin(&t->progress, t->ctx, t->part->stage, total ? total : t->part->bytes, t->err));
  wk_progress_add(&t->progress, t->at);
  t->begun = true;
done:
  return st;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user) {
  transfer *t = user;
  size_t n = size * count;
  long code = 0;
  t->api->easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
  if (code != 200 && code != 206)
    return n; /* an error page */
  if (!t->begun)
    t->st = begin_body(t, code);
  if (t->st == WK_OK && t->at + n > wk_part_limit(t->part))
    t->st = WK_FAIL(t->err, WK_ERR_FORMAT, "%s: more comes than the %llu bytes that %s", t->url,
                    (unsigned long long)wk_part_limit(t->part), t->part->bytes ? "were expected" : "are allowed");
  if (t->st == WK_OK)
    t->st = wk_part_write(t->fd, bytes, n, t->part, t->err);
  if (t->st != WK_OK)
    return CURL_WRITEFUNC_ERROR;
  t->at += n;
  wk_progress_add(&t->progress, n);
  return n;
}

static int on_progress(void *user, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up) {
  (void)down_total, (void)down, (void)up_total, (void)up;
  const transfer *t = user;
  return wk_cancelled(t->ctx);
}

/* ---- one try ---------------------------------------------------------------------------------- */

static const char *hint(const transfer *t) { return t->part->hint ? t->part->hint : WK_FETCH_HINT; }

/* What a failed transfer means to the user; *again: another try may help. */
static wk_status explain(bool *again, const transfer *t, CURLcode code, const char *detail) {
  const char *why = detail[0] ? detail : t->api->easy_strerror(code);
  switch (code) {
  case CURLE_ABORTED_BY_CALLBACK:
    return WK_FAIL(t->err, WK_ERR_CANCELLED, "stopped while fetching %s; what has come is kept", t->url);
  case CURLE_OUT_OF_MEMORY:
    return WK_FAIL(t->err, WK_ERR_MEMORY, "out of memory");
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_RESOLVE_PROXY:
  case CURLE_COULDNT_CONNECT:
    return WK_FAIL(t->err, WK_ERR_NETWORK, "could not reach %s: %s; %s", t->host, why, hint(t));
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_CONNECT_ERROR:
    return WK_FAIL(t->err, WK_ERR_NETWORK, "could not reach %s safely: %s (are ca-certificates installed?); %s",
                   t->host, why, hint(t));
  case CURLE_TOO_MANY_REDIRECTS:
  case CURLE_UNSUPPORTED_PROTOCOL:
    return WK_FAIL(t->err, WK_ERR_NETWORK, "%s: the server leads elsewhere: %s", t->url, why);
  default:
    *again = true;
    if (!t->begun)
      return WK_FAIL(t->err, WK_ERR_NETWORK, "could not reach %s: %s; %s", t->host, why, hint(t));
    return WK_FAIL(t->err, WK_ERR_NETWORK, "%s: the connection broke after %llu bytes: %s", t->url,
                   (unsigned long long)t->at, why);
  }
}

static wk_status explain_answer(bool *again, const transfer *t, long code) {
  *again = code >= 500 || code == 429 || code == 408;
  const char *meaning = code == 404 || code == 410   ? "it has no such file"
                        : code == 401 || code == 403 ? "it does not give this file to everyone"
                        : code == 416                ? "it has another file than before"
                        : *again                     ? "it is out of order or busy"
                                                     : "unexpected";
  return WK_FAIL(t->err, WK_ERR_NETWORK, "%s: the server answers %ld: %s; %s", t->url, code, meaning, hint(t));
}

/* Everything that a request needs; false: out of memory. */
static bool set_up(transfer *t, char *detail, const wk_http_options *o, struct curl_slist **headers, const char *mark) {
  const wk_curl *api = t->api;
  CURL *c = t->curl;
  const char *allowed = strncasecmp(t->url, "https:", 6) == 0 ? "https" : "https,http"; /* never back to http */
  bool ok = api->easy_setopt(c, CURLOPT_URL, t->url) == CURLE_OK &&
            api->easy_setopt(c, CURLOPT_PROTOCOLS_STR, allowed) == CURLE_OK &&
            api->easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, allowed) == CURLE_OK &&
            api->easy_setopt(c, CURLOPT_USERAGENT, "whisker/" WK_VERSION) == CURLE_OK;
  api->easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
  api->easy_setopt(c, CURLOPT_MAXREDIRS, 10L);
  api->easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  api->easy_setopt(c, CURLOPT_ERRORBUFFER, detail);
  api->easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)o->connect_seconds);
  api->easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, SLOWEST);
  api->easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)o->stall_seconds);
  api->easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
  api->easy_setopt(c, CURLOPT_HEADERDATA, t);
  api->easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
  api->easy_setopt(c, CURLOPT_WRITEDATA, t);
  api->easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
  api->easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
  api->easy_setopt(c, CURLOPT_XFERINFODATA, t);
  if (ok && mark) {
    char text[512];
    snprintf(text, sizeof text, "If-Range: %s", mark);
    *headers = api->slist_append(NULL, text);
    snprintf(text, sizeof text, "%llu-", (unsigned long long)t->at);
    ok = *headers && api->easy_setopt(c, CURLOPT_HTTPHEADER, *headers) == CURLE_OK &&
         api->easy_setopt(c, CURLOPT_RANGE, text) == CURLE_OK;
  }
  return ok;
}

/* One request for what is still missing. *again: it failed in a way that another try may cure. */
static wk_status try_once(transfer *t, bool *again, const wk_http_options *o, wk_error *err) {
  char detail[CURL_ERROR_SIZE] = "";
  struct curl_slist *headers = NULL;
  char *mark = NULL;
  wk_status st = WK_OK;
  *again = false;
  t->err = err;
  t->st = WK_OK;
  t->begun = false;
  t->range_from = -1;
  t->curl = t->api->easy_init();
  t->fd = open(t->part->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  WK_FAIL_IF(t->fd < 0, err, WK_ERR_IO, "%s: cannot be opened: %s", t->part->path, strerror(errno));
  off_t size = lseek(t->fd, 0, SEEK_END);
  mark = size > 0 ? wk_part_origin(t->part, t->url) : NULL;
  if (!mark && size > 0) {
    WK_FAIL_IF(ftruncate(t->fd, 0) != 0 || lseek(t->fd, 0, SEEK_SET) != 0, err, WK_ERR_IO, "%s: cannot be written: %s",
               t->part->path, strerror(errno));
    size = 0;
    t->restarted = true;
  }
  t->at = (uint64_t)size;
  if (mark && t->part->bytes && t->at == t->part->bytes)
    goto done; /* all is here, only the check was missing */
  WK_FAIL_IF(!t->curl || !set_up(t, detail, o, &headers, mark), err, WK_ERR_MEMORY, "out of memory");
  CURLcode code = t->api->easy_perform(t->curl);
  long answer = 0;
  t->api->easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &answer);
  if (t->st != WK_OK)
    st = t->st;
  else if (code != CURLE_OK)
    st = explain(again, t, code, detail);
  else if (answer != 200 && answer != 206) {
    st = explain_answer(again, t, answer);
    if (answer == 416 && t->at) { /* our beginning is not of the server's file */
      wk_part_discard(t->part);
      t->restarted = *again = true;
    }
  } else if (!t->begun)
    st = WK_FAIL(err, WK_ERR_NETWORK, "%s: the server sent an empty file", t->url);
done:
  wk_progress_end(&t->progress);
  t->progress = (wk_progress){0};
  if (t->fd >= 0)
    close(t->fd);
  t->api->slist_free_all(headers);
  t->api->easy_cleanup(t->curl);
  wk_free(mark);
  return st;
}

/* ---- all tries -------------------------------------------------------------------------------- */

static void pause_between(int ms, const wk_context *ctx) {
  for (; ms > 0 && !wk_cancelled(ctx); ms -= 50)
    nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
}

wk_status wk_http_fetch(bool *resumed, const char *url, const wk_part_file *part, const wk_http_options *o,
                        const wk_context *ctx, wk_error *err) {
  char *host = NULL;
  wk_curl api;
  WK_RETURN_IF_ERROR(wk_curl_open(&api, err));
  wk_status st = check_url(&host, &api, NULL, url, o->plain, err);
  if (st != WK_OK) {
    wk_curl_close(&api);
    return st;
  }
  struct stat info;
  bool old_bytes = stat(part->path, &info) == 0 && info.st_size > 0;
  transfer t = {.api = &api, .url = url, .host = host, .part = part, .ctx = ctx, .plain = o->plain};
  uint64_t furthest = 0;
  bool again = true;
  st = WK_ERR_NETWORK;
  /* Ends: each round either reaches well further, which the limit bounds, or is counted. */
  for (int fruitless = 0; again && fruitless < o->tries; fruitless++) {
    if (fruitless || furthest)
      pause_between(o->pause_ms, ctx);
    if (wk_cancelled(ctx)) {
      st = WK_FAIL(err, WK_ERR_CANCELLED, "stopped while fetching %s; what has come is kept", url);
      break;
    }
    st = try_once(&t, &again, o, err);
    if (st == WK_OK)
      break;
    if (t.at > furthest) {
      if (t.at - furthest >= (uint64_t)SLOWEST * (uint64_t)o->stall_seconds)
        fruitless = 0;
      furthest = t.at;
    }
  }
  *resumed = old_bytes && !t.restarted;
  wk_free(host);
  wk_curl_close(&api);
  return st;
}
