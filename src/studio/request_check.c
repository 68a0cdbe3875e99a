/* request_check.c - see request_check.h. */
#include "request_check.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool wk_host_is_ours(const char *host, int port) {
  static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
  for (size_t i = 0; host && i < sizeof names / sizeof *names; i++) {
    char ours[64];
    snprintf(ours, sizeof ours, "%s:%d", names[i], port);
    if (!strcasecmp(host, ours))
      return true;
  }
  return false;
}

bool wk_origin_is_ours(const char *origin, const char *host) {
  static const char scheme[] = "http://";
  return origin && !strncmp(origin, scheme, sizeof scheme - 1) && !strcasecmp(origin + sizeof scheme - 1, host);
}

bool wk_secret_is(const char *given, const char *secret) {
  const size_t n = strlen(secret);
  if (strlen(given) != n)
    return false;
  unsigned char different = 0;
  for (size_t i = 0; i < n; i++)
    different |= (unsigned char)(given[i] ^ secret[i]);
  return !different;
}

bool wk_cookie_is(const char *cookies, const char *name, const char *value) {
  const size_t n = strlen(name), m = strlen(value);
  char given[256];
  while (cookies && *cookies) {
    cookies += strspn(cookies, "; ");
    const size_t length = strcspn(cookies, ";");
    if (length == n + 1 + m && m < sizeof given && !strncmp(cookies, name, n) && cookies[n] == '=') {
      memcpy(given, cookies + n + 1, m);
      given[m] = 0;
      if (wk_secret_is(given, value))
        return true;
    }
    cookies += length;
  }
  return false;
}

bool wk_type_is(const char *header, const char *type) {
  const size_t n = strlen(type);
  return header && !strncasecmp(header, type, n) &&
         (!header[n] || header[n] == ';' || header[n] == ' ' || type[n - 1] == '/');
}

int wk_json_depth(const char *text, size_t size) {
  int depth = 0, deepest = 0;
  bool quoted = false;
  for (size_t i = 0; i < size; i++) {
    const char c = text[i];
    if (quoted && c == '\\')
      i++;
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted && (c == '[' || c == '{'))
      deepest = ++depth > deepest ? depth : deepest;
    else if (!quoted && (c == ']' || c == '}'))
      depth--;
  }
  return deepest;
}
