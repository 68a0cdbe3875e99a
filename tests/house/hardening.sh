#!/bin/sh
# hardening.sh COMMAND SHARED BUILD_TYPE - the command and the shared library have what cmake/hardening.cmake asks for.
set -eu
bad=0
if ! command -v readelf >/dev/null || ! command -v nm >/dev/null; then
  echo "skipped: readelf and nm are not here"
  exit 77
fi

# needs FILE WHAT PATTERN TEXT: the pattern is in the text.
needs() {
  printf '%s\n' "$4" | grep -qE "$3" || {
    echo "$1: no $2"
    bad=1
  }
}

for file in "$1" "$2"; do
  headers=$(readelf -W -h -l -d "$file")
  calls=$(nm -D --undefined-only "$file")
  needs "$file" "address of its own choosing (position-independent)" 'Type: +DYN' "$headers"
  needs "$file" "tables that are read-only once linked (relro)" 'GNU_RELRO' "$headers"
  needs "$file" "binding at the start (now)" 'BIND_NOW|Flags:.* NOW' "$headers"
  needs "$file" "stack without execution" 'GNU_STACK .* RW +0x' "$headers"
  needs "$file" "canaries (stack protector)" ' __stack_chk_fail' "$calls"
  [ "$3" = Debug ] || needs "$file" "checked copies (fortify)" ' __memcpy_chk|__snprintf_chk|__read_chk' "$calls"
done
exit $bad
