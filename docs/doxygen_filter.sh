#!/bin/sh
# doxygen_filter.sh HEADER - a header as Doxygen reads it: /* ... */ behind a declaration is about what stands before it,
# elsewhere about what follows; rulers between sections are nothing.
awk '
{ gsub(/@/, "\\@") }                                         # a name such as @eaDir is no command
/^\/\* ---- .* -+ \*\/$/ { print ""; next }                     # a ruler
NR == 1 && /^\/\*/ { sub(/^\/\*/, "/** @file\n *"); print; next } # what the header is for
/^[ \t]*\/\*/ { sub(/\/\*/, "/**"); print; next }
/;[ \t]*\/\*|,[ \t]*\/\*/ { sub(/\/\*/, "/**<"); print; next }
{ print }
' "$1"
