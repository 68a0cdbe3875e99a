bats_require_minimum_version 1.5.0
load support

@test "no arguments: the help on stderr, exit 2" {
  w
  [ "$status" -eq 2 ]
  contains "$stderr" "usage: whisker COMMAND"
}

@test "--help: every command has usage, defaults and two examples" {
  for command in train predict eval embed compare check models pull info bench attack robust; do
    w $command --help
    [ "$status" -eq 0 ]
    contains "$output" "usage: whisker $command"
    [ "$(grep -c "^  whisker $command" <<<"$output")" -eq 2 ]
  done
}

@test "an unknown command or flag: exit 2 and how to go on" {
  w paint
  [ "$status" -eq 2 ]
  contains "$stderr" "no such command"
  w train photos --no-such-flag
  [ "$status" -eq 2 ]
  contains "$stderr" "--help"
  w train photos -j many
  [ "$status" -eq 2 ]
  w predict only-a-model
  [ "$status" -eq 2 ]
}

@test "models: a table, and the same as JSON" {
  w models
  [ "$status" -eq 0 ]
  contains "$output" efficientnet_lite0
  w models --json
  [ "$(json '["models"][0].keys() >= {"name","params","macs","input","features","licence","cached"}')" = True ]
}

@test "info: the parameters of VGG-16" {
  w info vgg16 --json
  [ "$(json '["params"]')" = 138357544 ]
  w info vgg16@keras --json # no classifier is counted that is not there
  [ "$(json '["params"]')" = 14714688 ]
}

@test "an unknown backbone: the nearest names, exit 1" {
  w predict resnet51 "$F/photos/dots/00.png"
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" resnet50
}

@test "JSON goes to standard output alone, one object" {
  w train "$F/photos" -b "$F/backbone.safetensors" -o m.whisker --json
  [ "$status" -eq 0 ]
  [ "$(json '["classes"]')" = 2 ]
  [ "$(json '["model"]')" = m.whisker ]
}

@test "misspelt commands, flags and values get a suggestion, and a value out of bounds a plain line" {
  w trian photos
  [ "$status" -eq 2 ]
  contains "$stderr" "did you mean train?"
  w train photos --epoch 3
  [ "$status" -eq 2 ]
  contains "$stderr" "did you mean --epochs?"
  w train photos --opt adan
  [ "$status" -eq 2 ]
  contains "$stderr" "one of sgd, momentum"
  contains "$stderr" "did you mean adam?"
  w train photos --epochs 0
  [ "$status" -eq 2 ]
  contains "$stderr" "--epochs must be at least 1 (got 0)"
  w look camm
  contains "$stderr" "did you mean cam?"
}

@test "flags that were called otherwise still work, and say what they are called now" {
  w robust "$F/no-model" "$F/photos" --no-damage
  [ "$status" -eq 1 ]
  contains "$stderr" "--no-damage is called --no-corruptions now"
  w train "$F/photos" -b "$F/backbone.safetensors" --light -o l.whisker --json
  [ "$status" -eq 0 ]
  contains "$stderr" "--light is called --head-only now"
}

@test "-q leaves out progress and remarks, not the answer" {
  w predict "$F/backbone.safetensors" "$F/photos/dots/00.png" -q
  [ "$status" -eq 0 ]
  contains "$output" "00.png"
  w train "$F/photos" -b "$F/backbone.safetensors" -o q.whisker -q
  [ "$status" -eq 0 ]
  contains "$output" "Saved q.whisker"
  run ! grep -q "to learn from" <<<"$output"
}

@test "a reader that goes away is no error" {
  set -o pipefail
  "$WHISKER" models | head -n 1
  "$WHISKER" models --json | head -n 1
  "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" -o p.whisker | true
  [ -s p.whisker ]
}
