/* option_tables.h - the tables of explaining's options, for those that hold others inside them. */
#ifndef WK_EXPLAIN_OPTION_TABLES_H
#define WK_EXPLAIN_OPTION_TABLES_H

#include "whisker/options.h"

extern const wk_option_table wk_attribution_table, wk_occlusion_table, wk_activation_max_table, wk_visualize_table, wk_embedding_map_table;

#endif
