#!/bin/sh
# headers.sh CC - every public header compiles alone, in C and in C++, under strict warnings; whisker.h has them all.
# Every internal header compiles alone in C.
set -eu
cc=$1
bad=0
strict="-Wall -Wextra -Wpedantic -Wshadow -Werror -fsyntax-only -Iinclude"

# try INCLUDE COMPILER...: the header first, then something to compile, for a header may be macros alone.
try() {
  included=$1
  shift
  printf '#include "%s"\nint wk_something;\n' "$included" | "$@" - || bad=1
}

cxx=
for candidate in c++ g++ clang++; do
  if command -v "$candidate" >/dev/null; then
    cxx=$candidate
    break
  fi
done
[ -n "$cxx" ] || echo "no C++ compiler here: headers are tried in C only"

for header in include/whisker/*.h; do
  name=whisker/${header##*/}
  for standard in c11 c17; do
    # shellcheck disable=SC2086 # a list of flags
    try "$name" "$cc" -x c -std=$standard $strict
  done
  if [ -n "$cxx" ]; then
    # shellcheck disable=SC2086
    try "$name" "$cxx" -x c++ -std=c++11 $strict
  fi
  if [ "$name" != whisker/whisker.h ] && ! grep -qF "#include \"$name\"" include/whisker/whisker.h; then
    echo "include/whisker/whisker.h: does not include $name"
    bad=1
  fi
done
for header in src/*/*.h src/*/*/*.h src/*/*/*/*.h; do
  [ -f "$header" ] || continue
  # shellcheck disable=SC2086
  try "${header#src/}" "$cc" -x c -std=c17 -D_GNU_SOURCE $strict -Isrc
done
exit $bad
