bats_require_minimum_version 1.5.0
load support

@test "compare: a row for every backbone and head, and a picture" {
  w compare "$F/photos" -b "$F/backbone.safetensors" --heads linear,knn,mean -o c.svg --json
  [ "$status" -eq 0 ]
  [ "$(json '["rows"].__len__()')" = 3 ]
  [ "$(json '["rows"][0]["top1"] > 0.6')" = True ]
  grep -q "<svg" c.svg
}

@test "compare: two equal networks are said to be the same, and what is not told apart is not called worse" {
  ordinary_build_only "the same code as the first comparison"
  cp "$F/backbone.safetensors" twin.safetensors
  w compare "$F/photos" -b "$F/backbone.safetensors,twin.safetensors" -o twins.svg
  [ "$status" -eq 0 ]
  [[ "$output" == *"The same as it, photo by photo: twin.safetensors, linear"* ]]
  [[ "$output" != *"Worse than it"* ]]
  grep -q ">chance " twins.svg
  grep -q "url(#hatch)" twins.svg
  w compare "$F/photos" -b "$F/backbone.safetensors,twin.safetensors" --json
  [ "$(json '["rows"][0]["verdict"]')" = best ]
  [ "$(json '["rows"][1]["verdict"]')" = same ]
  [ "$(json '["rows"][1]["p_value"]')" = 1.0 ]
}

@test "compare: a head that is not there is a usage error" {
  w compare "$F/photos" -b "$F/backbone.safetensors" --heads nonsense
  [ "$status" -eq 2 ]
}

@test "compare: a network that is not there is told before the first is computed" {
  w compare "$F/photos" -b "$F/backbone.safetensors,$F/nothing.safetensors"
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" nothing.safetensors
  [ -z "$output" ]
}

@test "check: broken photos are told with the reason, twins and wrong endings too" {
  cp -r "$F/photos" mixed
  cp "$F"/bad/*.jpg "$F"/bad/*.png mixed/dots/
  cp mixed/dots/01.png mixed/stripes/same.png
  cp mixed/dots/02.png mixed/dots/wrong.jpg
  w check mixed --no-labels --json
  [ "$status" -eq 0 ]
  [ "$(json '["files"]')" = "$(($(json '["usable"]') + 4))" ]
  [ "$(json '["duplicates"].__len__()')" = 2 ]
  [ "$(json '["classes"]["stripes"]')" = 25 ]
  contains "$output" wrong.jpg
}

@test "an archive is read like a folder" {
  tar czf photos.tar.gz -C "$F" photos
  w train photos.tar.gz -b "$F/backbone.safetensors" -o m.whisker --json
  [ "$status" -eq 0 ]
  [ "$(json '["classes"]')" = 2 ]
}

@test "compare: depths of fine-tuning beside the heads" {
  w compare "$F/photos" -b "$F/backbone.safetensors" --depths head,all --epochs 2 -o c.svg --json
  [ "$status" -eq 0 ]
  [ "$(json '["rows"].__len__()')" = 3 ]
  [ "$(json '["rows"][2]["head"]')" = "tuned all" ]
  [ "$(json '["rows"][2]["interval"].__len__()')" = 2 ]
  w compare "$F/photos" -b "$F/backbone.safetensors" --depths nonsense
  [ "$status" -eq 1 ]
  one_clear_line
}
