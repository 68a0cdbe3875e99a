/* request_check.h (internal) - what is wrong with a request, told from its headers alone: pure functions. */
#ifndef WK_STUDIO_REQUEST_CHECK_H
#define WK_STUDIO_REQUEST_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Is `host` (of the header; NULL: none) this machine by one of its three names, with our port? A page of another site
 * whose name was made to lead here says its own. */
bool wk_host_is_ours(const char *host, int port);
/* Is `origin` the page that was served under `host`, which is ours? */
bool wk_origin_is_ours(const char *origin, const char *host);
/* The value of cookie `name` among "a=1; b=2", as long as `value`, in a time that does not depend on where they differ.
 */
bool wk_cookie_is(const char *cookies, const char *name, const char *value);
bool wk_secret_is(const char *given, const char *secret);
/* "application/json; charset=utf-8" is "application/json". */
bool wk_type_is(const char *header, const char *type);
/* Arrays and objects inside each other in that text, as far as it is JSON. */
int wk_json_depth(const char *text, size_t size);

#endif
