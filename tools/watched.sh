# watched.sh - read in by ./run: long work that keeps its output in a log says every few seconds what it is doing.
# shellcheck shell=sh

watch_every=3 # seconds

# doing SECONDS LOG GROWS: one line. GROWS is a file that the work fills; empty: the log's last line tells more.
doing() {
  said=
  if [ -n "$3" ] && [ -f "$3" ]; then
    said="$(($(wc -c <"$3") / 1000000)) MB so far"
  elif [ -s "$2" ]; then
    said=$(tail -c 2000 "$2" | tr '\r\t' '\n ' | grep -v '^ *$' | tail -n 1 | cut -c 1-64)
  fi
  printf '      %s s%s\n' "$1" "${said:+: $said}"
}

# watched LOG GROWS COMMAND...: runs it, its output in LOG, and returns what it returned. A terminal has one line that is
# overwritten; anything else gets lines.
watched() {
  watched_log=$1 watched_grows=$2
  shift 2
  over=
  if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then over=$(printf '\r\033[K'); fi
  : >"$watched_log"
  "$@" >"$watched_log" 2>&1 </dev/null &
  watched_pid=$!
  trap 'kill "$watched_pid" 2>/dev/null; exit 130' INT TERM # what runs in the background does not hear Ctrl-C
  watched_seconds=0 watched_drawn=
  while kill -0 "$watched_pid" 2>/dev/null; do
    sleep 1
    watched_seconds=$((watched_seconds + 1))
    [ $((watched_seconds % watch_every)) = 0 ] && kill -0 "$watched_pid" 2>/dev/null || continue
    line=$(doing "$watched_seconds" "$watched_log" "$watched_grows")
    if [ -n "$over" ]; then
      printf '%s%s' "$over" "$line"
      watched_drawn=yes
    else
      printf '%s\n' "$line"
    fi
  done
  [ -z "$watched_drawn" ] || printf '%s' "$over"
  watched_status=0
  wait "$watched_pid" || watched_status=$?
  trap - INT TERM
  return "$watched_status"
}
