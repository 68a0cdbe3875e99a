/* look.h - the sub-commands of `whisker look`, each in a file of its own (cmd_look_NAME.c). */
#ifndef WK_CLI_LOOK_H
#define WK_CLI_LOOK_H

#include "cli.h"

#endif
