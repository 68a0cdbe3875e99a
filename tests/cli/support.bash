# support.bash - what the command-line tests share. WHISKER is the command, FIXTURE the program that makes their files.
: "${WHISKER:?the whisker command to test}" "${FIXTURE:?the fixture program}"

# One set of pictures and weights a test file; every test has a home and a working folder of its own.
setup_file() {
  export SHARED_FIXTURE="$BATS_FILE_TMPDIR/fixture"
  "$FIXTURE" "$SHARED_FIXTURE"
}

setup() { enter; }

# F: the fixture's files. What a file's own setup begins with.
enter() {
  F="$SHARED_FIXTURE"
  export WHISKER_HOME="$BATS_TEST_TMPDIR/home"
  cd "$BATS_TEST_TMPDIR" || return 1
}

# ordinary_build_only REASON: what repeats work to compare its results is left out where sanitizers have seen that code already.
ordinary_build_only() { [ -z "${WHISKER_SANITIZED:-}" ] || skip "skipped under sanitizers: $1"; }

# Runs whisker; $output is standard output, $stderr the rest (bats 1.5 and later).
w() { run --separate-stderr "$WHISKER" "$@"; }

# trained FILE [ARGS...]: a model of the fixture's photos there, trained once for all tests of a file.
trained() {
  local out=$1 kept
  shift
  kept="$F/trained-$(tr -c 'a-z0-9\n' - <<<"$*").whisker"
  [ -e "$kept" ] || "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" -o "$kept" -q "$@"
  cp "$kept" "$out"
}

# json EXPRESSION: a value from $output, e.g. json '["classes"]'
json() { python3 -c "import json,sys; print(json.load(sys.stdin)$1)" <<<"$output"; }

# An error is one line that begins "whisker: ".
one_clear_line() {
  [ "$(grep -c '^whisker' <<<"$stderr")" -eq 1 ] || { echo "stderr: $stderr"; return 1; }
}

contains() { [[ "$1" == *"$2"* ]] || { echo "'$2' is not in: $1"; return 1; }; }

# data FILE: its path among the fetched data; skips the test where that is absent.
data() {
  local base="${WHISKER_TEST_DATA:-$BATS_TEST_DIRNAME/../../../shared/data}"
  [ -e "$base/$1" ] || skip "skipped: $1 is not here (set WHISKER_TEST_DATA)"
  DATA="$base/$1"
}

# picture FILE WIDTH HEIGHT [HASH]: it has that size (0: any), is not blank, and looks as it should (tests/support.h).
picture() { "$FIXTURE" --picture "$@"; }

# pictures: the same for every line of standard input; tells of all that are wrong at once.
pictures() {
  local file width height hash wrong=0
  while read -r file width height hash; do
    picture "$file" "$width" "$height" "$hash" || wrong=1
  done
  return $wrong
}
