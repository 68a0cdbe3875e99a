#!/bin/sh
# symbols.sh STATIC SHARED sanitizers=LIST - what the two libraries show and use: only names with wk_ are visible, each once, nothing
# prints, ends the process or reads the environment, and no variable can change but the three that are named below.
set -eu
static=$1 shared=$2 sanitizers=${3#sanitizers=}
bad=0
if ! command -v nm >/dev/null || ! command -v objdump >/dev/null; then
  echo "skipped: nm and objdump are not here"
  exit 77
fi

complain() {
  printf '%s\n%s\n' "$1" "$2"
  bad=1
}

exported=$(nm -D --defined-only "$shared" | awk '{ print $NF }' | sed 's/@.*//' | grep -vE '^(wk_|__odr_asan|__asan)' || true)
[ -z "$exported" ] || complain "libwhisker.so exports names without wk_:" "$exported"
nm -D --defined-only "$shared" | grep -q ' wk_version$' || complain "libwhisker.so does not export" wk_version

visible=$(nm --defined-only --extern-only "$static" | awk 'NF == 3 { print $3 }' | grep -vE '^(wk_|__odr_asan|__asan|DW\.ref)' || true)
[ -z "$visible" ] || complain "libwhisker.a has non-static names without wk_:" "$visible"

twice=$(nm --defined-only --extern-only "$static" | awk 'NF == 3 && $2 ~ /[TDRB]/ { print $3 }' | sort | uniq -d)
[ -z "$twice" ] || complain "libwhisker.a defines more than once:" "$twice"

# Sanitizers add calls and variables of their own; the ordinary build is the one to look at.
if [ -z "$sanitizers" ]; then
  forbidden='exit|abort|quick_exit|printf|vprintf|puts|putchar|perror|stdout|stderr|getenv|secure_getenv|setenv|putenv|rand|srand|random|setlocale|system|__printf_chk|__vprintf_chk|__assert_fail'
  used=$(nm --undefined-only -A "$static" | awk '{ print $1, $NF }' | grep -E " ($forbidden)\$" || true)
  [ -z "$used" ] || complain "the library must not use:" "$used"

  # The allocator hook (see wk_set_allocator), the lock that keeps callbacks apart, and the list of mapped files, which a
  # signal handler must reach.
  allowed='alloc.c.o: hook|pool.c.o: callback_lock|mapped.c.o: files'
  writable=$(objdump -t "$static" 2>/dev/null |
    awk '/file format/ { file = $1 }
         $3 == "O" && $4 ~ /^\.(t?data|t?bss)/ && $4 !~ /^\.data\.rel\.ro/ { print file, $NF }' |
    grep -vE "^($allowed)\$" || true)
  [ -z "$writable" ] || complain "variables that can change (make them const, or part of an object made per call):" "$writable"
fi
exit $bad
