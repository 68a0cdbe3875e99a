/* import.h (internal) - what the files of this room share beyond readers and lowering. */
#ifndef WK_IMPORT_INTERNAL_H
#define WK_IMPORT_INTERNAL_H

#include "base/base.h"
#include "whisker/import.h"

#endif
