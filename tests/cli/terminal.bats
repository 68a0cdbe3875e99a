# What a terminal gets: its width, and what it can do.
bats_require_minimum_version 1.5.0
load support

# in_terminal COLUMNS TERM COMMAND...: $output is what came there, as a Python string
in_terminal() {
  python3 -c 'import pty; pty.openpty()' 2>/dev/null || skip "skipped: this machine gives no pseudo-terminals"
  run python3 "$BATS_TEST_DIRNAME/terminal.py" "$@"
}

@test "progress overwrites itself in a narrow terminal, and leaves nothing behind" {
  local columns
  for columns in 80 40 25 12; do
    in_terminal $columns xterm "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" --no-cache -o m.whisker
    [ "$status" -eq 0 ]
    python3 - "$columns" "$output" <<'PY'
import ast, re, sys
columns, text = int(sys.argv[1]), ast.literal_eval(sys.argv[2])
drawn = re.findall(r"\r\x1b\[K([^\r\n]*)", text)
progress = [piece for piece in drawn if re.match(r"(copies|features|classifier) .*\d/\d", piece)]
assert progress, text
# what a bar does not leave room for is left out; the least is a stage and its count
least = max(len(re.match(r"\S+ +(?:[█·]+ )?", piece)[0].split()[0].ljust(12) + re.search(r"[\d,]+/[\d,]+", piece)[0]) for piece in progress)
assert all(len(piece) < max(columns, least + 1) for piece in progress), progress
assert any("█" in piece for piece in progress) == (columns >= 80), progress
# every line that stays is a sentence or a finished stage
for line in re.sub(r"[^\r\n]*\r\x1b\[K", "", text).split("\r\n"):
    count = re.search(r" ([\d,]+)/([\d,]+)", line)
    assert not (count and re.match(r"(copies|features|classifier) ", line)) or count[1] == count[2], line
PY
  done
}

@test "a dumb terminal and a file get lines without escapes" {
  in_terminal 80 dumb "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" --no-cache -o m.whisker
  [ "$status" -eq 0 ]
  run ! grep -F 'x1b' <<<"$output"
  w train "$F/photos" -b "$F/backbone.safetensors" --no-cache -o m.whisker
  run ! grep $'\x1b' <<<"$stderr"
}

@test "a download that begins slowly does not promise half an hour" {
  cat >server.py <<'PY'
import pathlib, socket, time
server = socket.create_server(("127.0.0.1", 0))
pathlib.Path("port.part").write_text(str(server.getsockname()[1]))
pathlib.Path("port.part").rename("port")
to, _ = server.accept()
to.recv(4096)
to.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 600000\r\nConnection: close\r\n\r\n")
for size in 20, 20, 20, 599940:
    to.sendall(bytes(size))
    time.sleep(0.3)
to.close()
PY
  python3 server.py 3>&- &
  for ((i = 0; i < 100; i++)); do
    [ -e port ] && break
    sleep 0.05
  done
  in_terminal 80 xterm "$WHISKER" predict "$F/backbone.safetensors" "http://127.0.0.1:$(cat port)/a.jpg"
  contains "$output" "of 600.0 kB"
  run ! grep "min left" <<<"$output"
}

@test "./run: long work says every few seconds what it is doing, and returns what it returned" {
  cat >work.sh <<'SH'
set -eu
. "$1"
watch_every=1
work() {
  for i in 1 2 3; do
    echo "step $i"
    sleep 1.2
  done
  head -c 3000000 /dev/zero >grows
  sleep 1.2
  return "$1"
}
watched log grows work "$2"
SH
  run --separate-stderr sh work.sh "$BATS_TEST_DIRNAME/../../tools/watched.sh" 0
  [ "$status" -eq 0 ]
  contains "$output" "1 s: step 1"
  contains "$output" "MB so far"
  [ "${#lines[@]}" -ge 3 ]
  [ "$(cat log)" = $'step 1\nstep 2\nstep 3' ]
  run sh work.sh "$BATS_TEST_DIRNAME/../../tools/watched.sh" 7
  [ "$status" -eq 7 ]
}
