/* option_tables.h - the tables of attacks' options, for those that hold others inside them. */
#ifndef WK_ATTACK_OPTION_TABLES_H
#define WK_ATTACK_OPTION_TABLES_H

#include "whisker/options.h"

extern const wk_option_table wk_attack_table, wk_robust_table;

#endif
