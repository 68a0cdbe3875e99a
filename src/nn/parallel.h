/* parallel.h (internal) - sharing the loop of a layer among the threads of a call. Every iteration writes what no
 * other does, so how they are shared out changes nothing. */
#ifndef WK_NN_PARALLEL_H
#define WK_NN_PARALLEL_H

#define WK_PRAGMA(x) _Pragma(#x)
#define WK_PARALLEL_FOR(threads) WK_PRAGMA(omp parallel for schedule(static) num_threads(threads) if ((threads) > 1))

#endif
