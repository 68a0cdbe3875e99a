bats_require_minimum_version 1.5.0
load support

setup() {
  enter
  G="$BATS_TEST_DIRNAME/../golden"
}

@test "import: a network of any file as one model, which answers as the file did" {
  for file in import/nested.keras import/functional.h5 import/shuffle.onnx onnx/qlinear.onnx; do
    w import "$G/$file" -o m.whisker --pixels tf
    [ "$status" -eq 0 ]
    contains "$output" "m.whisker: "
    contains "$output" "classes"
    contains "$output" "pixels: x / 127.5 - 1, as asked for"
    w predict "$G/$file" "$F/photos/dots/01.png" --pixels tf --csv
    [ "$status" -eq 0 ]
    local before=$output
    w predict m.whisker "$F/photos/dots/01.png" --csv
    [ "$status" -eq 0 ]
    [ "$output" = "$before" ]
    rm m.whisker
  done
}

@test "import: what has no classifier, no name or no file" {
  w import "$F/no-classes.safetensors" -o m.whisker
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "has no classifier"
  [ ! -e m.whisker ]
  w import "$F/backbone.safetensors"
  [ "$status" -eq 2 ]
  w import nowhere.onnx -o m.whisker
  [ "$status" -eq 1 ]
  cp "$F/photos/dots/00.png" precious.png
  w import "$F/backbone.safetensors" -o precious.png
  [ "$status" -eq 1 ]
  cmp precious.png "$F/photos/dots/00.png"
}

@test "train, look, ideal and attack on an imported network work" {
  w train "$F/few" -b "$G/import/functional.keras" --pixels tf -o m.whisker
  [ "$status" -eq 0 ]
  w predict m.whisker "$F/photos/dots/01.png"
  [ "$status" -eq 0 ]
  cp "$G/import/functional.keras" mine.keras
  w train "$F/few" -b mine.keras --pixels tf --head-only -o light.whisker
  [ "$status" -eq 0 ]
  w predict m.whisker "$F/photos/dots/01.png" --csv
  local whole=$output
  w predict light.whisker "$F/photos/dots/01.png" --csv
  [ "$output" = "$whole" ]
  w attack m.whisker "$F/photos/dots/01.png" -o a.png
  [ "$status" -eq 0 ] || contains "$stderr" "whisker: "
  w look cam m.whisker "$F/photos/dots/01.png" -o c.png
  [ "$status" -eq 0 ] || one_clear_line
  w ideal m.whisker --class dots --steps 4 -o i.png
  [ "$status" -eq 0 ] || one_clear_line
}

@test "info: what a file is and how photos are prepared; a drawing; where two networks differ" {
  w info "$G/import/nested.keras"
  [ "$status" -eq 0 ]
  contains "$output" "file: Keras"
  contains "$output" "input: 16 x 16 RGB, the whole photo"
  contains "$output" "pixels: x / 127.5 - 1, as"
  w info "$G/import/functional.keras" --json
  [ "$(json '["assumed"]')" = True ]
  w info "$G/import/functional.keras" --graph g.svg
  [ "$status" -eq 0 ]
  python3 -c "import xml.dom.minidom; d = xml.dom.minidom.parse('g.svg'); assert len(d.getElementsByTagName('circle')) > 10"
  cp g.svg again.svg
  w info "$G/import/functional.keras" --graph g.svg
  cmp g.svg again.svg
  echo mine >other.svg
  w info "$G/import/functional.keras" --graph other.svg
  [ "$status" -eq 1 ]
  [ "$(cat other.svg)" = mine ]
  w info --diff "$G/import/nested.h5" "$G/import/nested.keras"
  [ "$status" -eq 0 ]
  contains "$output" "weights: 0 of"
  w info --diff "$F/imagenet.safetensors" "$F/one-class.safetensors" --json
  [ "$status" -eq 0 ]
  [ "$(json '["other"]["classes"]')" = "['1000', '1']" ]
  [ "$(json '["layers"][0]["name"]')" = fc ] || [ "$(json '["layers"][0]["name"]')" != "" ]
  w info --diff "$G/import/nested.h5"
  [ "$status" -eq 2 ]
  w info a b
  [ "$status" -eq 2 ]
}

@test "models by size, licence and what is here; pull from a folder" {
  w models --max-macs 0.06 --json
  [ "$status" -eq 0 ]
  [ "$(json '["models"].__len__()')" -ge 2 ]
  python3 -c "import json,sys; assert all(m['macs'] <= 6e7 for m in json.load(sys.stdin)['models'])" <<<"$output"
  w models --licence mit --json
  python3 -c "import json,sys; l = json.load(sys.stdin)['models']; assert l and all('mit' in m['licence'].lower() for m in l)" <<<"$output"
  w models --here
  contains "$output" "none of the"
  mkdir weights
  echo nothing >weights/resnet18-f37072fd.pth
  w pull resnet18 --from weights
  [ "$status" -eq 1 ]
  one_clear_line
}
