bats_require_minimum_version 1.5.0
load support

@test "from scratch" {
  w train "$F/photos" -b simple_cnn --from-scratch --size 32 --epochs 6 --batch-size 8 -o s.whisker --json
  [ "$status" -eq 0 ]
  [ "$(json '["val_top1"] > 0.7')" = True ]
}

@test "from scratch has defaults of its own, and looks at the photos" {
  ordinary_build_only "four trainings like the one above"
  w train --help
  contains "$output" "[12; from scratch: 30]"
  contains "$output" "[cosine; from scratch: onecycle]"
  scratch() { w train "$F/few" -b simple_cnn --from-scratch --epochs 2 "$@"; }
  scratch -o s.whisker
  [ "$status" -eq 0 ]
  contains "$output" "input 64 x 64"
  scratch -o same.whisker --sched onecycle --norm batch --smoothing 0.1 --layer-decay 1 --warmup-epochs 0 --patience 0
  cmp s.whisker same.whisker
  scratch -o other.whisker --smoothing 0
  run ! cmp -s s.whisker other.whisker
}

@test "tricks: every row, and a picture" {
  w tricks "$F/few" --size 16 --epochs 1 --seeds 1 -o tricks.svg --json
  [ "$status" -eq 0 ]
  [ "$(json '["rows"].__len__()')" -gt 20 ]
  grep -q "<svg" tricks.svg
  grep -q ">chance " tricks.svg
  [ "$(json '["rows"][0]["verdict"]')" = base ]
  # What the base recipe does already is the same, to the bit.
  json '["rows"]' | grep -q "'same'"
}
