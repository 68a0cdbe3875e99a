/* clock.h - how long something takes. */
#ifndef WHISKER_CLOCK_H
#define WHISKER_CLOCK_H

#include "whisker/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Seconds on a clock that only goes forward, for measuring how long something takes. */
WK_API double wk_clock_seconds(void);

#ifdef __cplusplus
}
#endif
#endif
