/* thread.h (internal) - starting threads that the program does not know of. */
#ifndef WK_BASE_THREAD_H
#define WK_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* False where the system has none left. Signals are for the program's own threads, so this one gets none. */
bool wk_thread_start(pthread_t *thread, void *(*body)(void *), void *arg);

#endif
