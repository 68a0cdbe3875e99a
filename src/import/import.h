/* import.h (internal) - what the files of this room share beyond readers and lowering. */
#ifndef WK_IMPORT_INTERNAL_H
#define WK_IMPORT_INTERNAL_H

#include "base/base.h"
#include "whisker/import.h"

/* The layers that g's features depend on, in a graph that is still being built; *features is theirs there. */
wk_status wk_graph_copy_features(wk_graph *to, wk_node *features, const wk_graph *g, wk_error *err);

#endif
