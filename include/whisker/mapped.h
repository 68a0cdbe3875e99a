/* mapped.h - files are read through memory maps: one that another program cuts short meanwhile ends in SIGBUS. A program that
 * handles the signal can ask here which file it was. */
#ifndef WHISKER_MAPPED_H
#define WHISKER_MAPPED_H

#include "whisker/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The file of this process that is mapped where `address` points (siginfo_t's si_addr): its name, cut to 4,095 bytes, until it is
 * unmapped; NULL: none, or one of more than 256 at a time. May be called from a signal handler. */
WK_API const char *wk_mapped_file(const void *address);

#ifdef __cplusplus
}
#endif
#endif
