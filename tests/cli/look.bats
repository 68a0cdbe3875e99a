bats_require_minimum_version 1.5.0
load support

setup() {
  F="$SHARED_FIXTURE"
  P="$F/photos/dots/03.png"
  export WHISKER_HOME="$BATS_TEST_TMPDIR/home"
  cd "$BATS_TEST_TMPDIR" || return 1
}

@test "look: lists the ways of looking, and knows no others" {
  w look --help
  [ "$status" -eq 0 ]
  contains "$output" features
  w look
  [ "$status" -eq 2 ]
  w look paint m.whisker
  [ "$status" -eq 2 ]
  contains "$stderr" "paint"
  for way in features; do
    w look $way --help
    [ "$status" -eq 0 ]
    contains "$output" "usage: whisker look $way"
    [ "$(grep -c "^  whisker look $way" <<<"$output")" -eq 2 ]
  done
}

@test "look features: a ladder, a layer, its values" {
  w look features "$F/backbone.safetensors" "$P" --json
  [ "$status" -eq 0 ]
  [ "$(json '["images"].__len__()')" -eq 2 ]
  [ "$(json '["layers"][0]["layer"]')" = block1.pool ]
  picture features.png 1280 0
  picture features-flat.png 1280 0
  w look features "$F/backbone.safetensors" "$P" --layer block2.conv2 --own-scale -o one.png --raw one.npy
  [ "$status" -eq 0 ]
  contains "$output" "block2.conv2"
  picture one.png 1280 0
  [ "$(python3 -c "import ast; f=open('one.npy','rb'); f.read(10); print(len(ast.literal_eval(f.readline().decode())['shape']))")" -eq 3 ]
}

@test "look features: clear words for what cannot be" {
  w look features "$F/backbone.safetensors" "$P" --layer block7
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "block2.conv2"
  w look features "$F/backbone.safetensors" "$F/bad/truncated.png"
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" truncated.png
  w look features "$F/backbone.safetensors" "$P" -o picture.jpg
  [ "$status" -eq 1 ]
  contains "$stderr" ".png"
  [ ! -e picture.jpg ]
}
