/* main.c - the command line's entry. */
#include "whisker/whisker.h"

int main(void) { return 0; }
