/* microhttpd.h (internal) - libmicrohttpd, loaded when a studio opens: nothing else of whisker needs it. */
#ifndef WK_STUDIO_MICROHTTPD_H
#define WK_STUDIO_MICROHTTPD_H

#include <microhttpd.h>

#include "fault.h"

/* Of the library: MHD_NAME is called as http.NAME. */
#define WK_HTTP_FUNCTIONS(X)                                                                                           \
  X(start_daemon)                                                                                                      \
  X(stop_daemon)                                                                                                       \
  X(create_response_from_buffer)                                                                                       \
  X(create_response_from_callback)                                                                                     \
  X(add_response_header)                                                                                               \
  X(queue_response)                                                                                                    \
  X(destroy_response)                                                                                                  \
  X(lookup_connection_value)                                                                                           \
  X(get_connection_info)                                                                                               \
  X(http_unescape)

typedef struct wk_http_library {
#define FIELD(name) __typeof__(&MHD_##name) name;
  WK_HTTP_FUNCTIONS(FIELD)
#undef FIELD
} wk_http_library;

/* WK_ERR_UNSUPPORTED where it is not installed; it stays loaded until the process ends. */
wk_status wk_http_load(wk_http_library *out, wk_fault *f);

#endif
