bats_require_minimum_version 1.5.0
load support

# scenario NAME: of studio.py, which is the page's side; where the server's library is not installed, there is nothing to test.
scenario() {
  PATH=$PATH:/sbin:/usr/sbin ldconfig -p | grep -q 'libmicrohttpd\.so\.12' || skip "skipped: libmicrohttpd is not here"
  F="$F" run python3 "$BATS_TEST_DIRNAME/studio.py" "$1"
  echo "$output"
  [ "$status" -eq 0 ]
}

@test "studio: who gets in: host, origin, token, type, size, depth, path" { scenario door; }
@test "studio: edits, uploads, undo of everything, another day" { scenario edits; }
@test "studio: killed at any moment, nothing that was acknowledged is lost" { scenario killed; }
@test "studio: photos that go away, a full disk, a folder that moves, broken files" { scenario faults; }
@test "studio: train, judge, try, why, fool, map, export, compare" { scenario jobs; }
@test "studio: jobs that are stopped or die, and events" { scenario processes; }

@test "studio: a folder that is not there, flags that are wrong" {
  w studio nowhere --no-open
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "nowhere"
  [ ! -e nowhere.studio ]
  w studio --port 70000
  [ "$status" -eq 2 ]
  w studio --job nowhere
  [ "$status" -eq 1 ]
  [ "$(json '["event"]')" = error ]
}
