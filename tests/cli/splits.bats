bats_require_minimum_version 1.5.0
load support

@test "train --folds: mean and deviation, kept in the model; the model is the same but for that" {
  w train "$F/photos" -b "$F/backbone.safetensors" --folds 4 -o m.whisker --json
  [ "$status" -eq 0 ]
  [ "$(json '["folds"]["folds"]')" = 4 ]
  [ "$(json '["folds"]["top1"] > 0.8')" = True ]
  [ "$(json '["folds"]["deviation"] >= 0')" = True ]
  cp m.whisker one.whisker
  w train "$F/photos" -b "$F/backbone.safetensors" --folds 4 -o m.whisker -j 1
  cmp m.whisker one.whisker
  contains "$output" "4  folds"
  w info m.whisker --json
  contains "$output" '"folds_deviation"'
  w train "$F/photos" -b "$F/backbone.safetensors" --folds 1 -o m.whisker
  [ "$status" -eq 2 ] || [ "$status" -eq 1 ]
  w train "$F/photos" -b "$F/backbone.safetensors" --folds 4 --head knn -o m.whisker
  [ "$status" -eq 1 ]
  one_clear_line
}

@test "train --group-by: what belongs together stays on one side" {
  # Six shots of each thing: a classifier is checked on all of a thing or on none of it.
  for k in dots stripes; do
    mkdir -p "d/$k"
    for i in $(seq 0 23); do cp "$F/photos/$k/$(printf %02d "$i").png" "d/$k/thing$((i / 6))-$i.png"; done
  done
  w train d -b "$F/backbone.safetensors" --group-by 'thing([0-9])' -o m.whisker --json
  [ "$status" -eq 0 ]
  [ "$(($(json '["val_images"]') % 6))" = 0 ]
  [ "$(json '["val_images"]')" -ge 6 ]
  w info m.whisker --json
  [ "$(json '["recipe"]["group_by"]')" = 'thing([0-9])' ] || contains "$output" 'thing([0-9])'
  w train d -b "$F/backbone.safetensors" --group-by 'nothing' -o n.whisker
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "no photo has that in its name"
  [ ! -e n.whisker ]
}

@test "sheet: some photos of every class; eval --sheet: what a model is surest of, wrong and right" {
  w sheet "$F/photos" -o s.png --each 4 --json
  [ "$status" -eq 0 ]
  [ "$(json '["width"] > 4 * 128')" = True ]
  picture s.png "$(json '["width"]')" "$(json '["height"]')"
  w sheet "$F/photos" -o two.png --each 4
  cmp s.png two.png
  w sheet "$F/photos" -o s.jpg
  [ "$status" -eq 1 ]
  one_clear_line
  cp -r "$F/photos" d
  mv d/dots/00.png d/stripes/x.png
  "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" -o m.whisker -q
  w eval m.whisker d --with-learned --sheet wrong.png
  [ "$status" -eq 0 ]
  contains "$output" "Drew what it got wrong, and what it was surest of and right about: wrong.png"
  picture wrong.png 0 0
  w eval m.whisker d --with-learned --json
  [ "$(json '["surest"].__len__()')" = 16 ]
  [ "$(python3 -c "
import json, sys
p = [m['p_truth'] for m in json.load(sys.stdin)['surest']]
print(p == sorted(p, reverse=True) and p[0] > 0.9)" <<<"$output")" = True ]
  w eval m.whisker "$F/photos" --with-learned --sheet right.png # nothing is wrong
  [ "$status" -eq 0 ]
  picture right.png 0 0
}
