bats_require_minimum_version 1.5.0
load support

train() { w train "$F/photos" -b "$F/backbone.safetensors" -o m.whisker "$@"; }

@test "train, eval, predict, embed, info go together" {
  train --json
  [ "$status" -eq 0 ]
  [ "$(json '["train_images"]')" -ge 38 ]
  learned="$(json '["train_images"]')" held="$(json '["val_images"]')"
  w eval m.whisker "$F/photos" --json
  [ "$status" -eq 0 ]
  [ "$(json '["images"]')" = "$held" ] # none that was learned from
  [ "$(json '["left_out_learned"]')" = "$learned" ]
  w eval m.whisker "$F/photos"
  contains "$output" "; $learned it learned from are left out"
  w eval m.whisker "$F/photos" --with-learned
  contains "$output" "; it had learned from $learned of these"
  w eval m.whisker "$F/photos" --with-learned --json
  [ "$(json '["images"]')" = 48 ]
  [ "$(json '["learned"]')" = "$learned" ]
  [ "$(json '["top1"] > 0.8')" = True ]
  w predict m.whisker "$F/photos/dots/00.png" "$F/photos/stripes/00.png" --json
  [ "$status" -eq 0 ]
  [ "$(json '["predictions"][0]["top"][0]["label"]')" = dots ]
  [ "$(json '["predictions"][1]["top"][0]["label"]')" = stripes ]
  w embed m.whisker "$F/photos" -o f.npy --json
  [ "$(json '["rows"]')" = 48 ]
  [ -s f.npy ]
  w info m.whisker --json
  [ "$(json '["labels"]')" = "['dots', 'stripes']" ]
}

@test "the same bytes for any number of threads, with and without kept features" {
  ordinary_build_only "test_probe and test_features compare them"
  train -j 1 --no-cache
  mv m.whisker one.whisker
  train -j 2 --no-cache
  cmp m.whisker one.whisker
  train -j 2
  cmp m.whisker one.whisker
  train -j 1
  cmp m.whisker one.whisker
}

@test "another seed is another split" {
  ordinary_build_only "two trainings like the first"
  train --seed 1 --json
  cp m.whisker a.whisker
  train --seed 2 --json
  run cmp a.whisker m.whisker
  [ "$status" -ne 0 ]
}

@test "the heads: linear, knn, mean" {
  for head in linear knn mean; do
    train --head $head
    [ "$status" -eq 0 ]
    w eval m.whisker "$F/photos" --json
    [ "$(json '["top1"] > 0.7')" = True ]
  done
}

@test "a light model needs its backbone and is small" {
  train
  big=$(stat -c %s m.whisker)
  train --light
  [ "$(stat -c %s m.whisker)" -lt "$big" ]
}

@test "a model opens elsewhere and gives the same probabilities" {
  train
  w predict m.whisker "$F/photos/dots/03.png" --json
  before=$(json '["predictions"][0]["top"]')
  mkdir far && mv m.whisker far/
  WHISKER_HOME="$BATS_TEST_TMPDIR/elsewhere" w predict far/m.whisker "$F/photos/dots/03.png" --json
  [ "$(json '["predictions"][0]["top"]')" = "$before" ]
}

@test "labels from names, from a CSV, from train/ val/ test/ folders" {
  mkdir flat parts parts/train parts/val parts/test
  for k in dots stripes; do
    mkdir parts/{train,val,test}/$k
    for i in 00 01 02 03 04 05 06 07; do cp "$F/photos/$k/$i.png" "flat/${k}_$i.png"; cp "$F/photos/$k/$i.png" parts/train/$k/; done
    for i in 10 11; do cp "$F/photos/$k/$i.png" parts/val/$k/; done
    for i in 12 13 14; do cp "$F/photos/$k/$i.png" parts/test/$k/; done
  done
  w train flat --labels-from name -b "$F/backbone.safetensors" -o a.whisker --json
  [ "$(json '["classes"]')" = 2 ]
  (echo file,label; for f in flat/*; do b=${f#flat/}; echo "$f,${b%_*}"; done) >list.csv
  w train list.csv -b "$F/backbone.safetensors" -o b.whisker --json
  [ "$(json '["labels"]')" = "['dots', 'stripes']" ]
  w train parts -b "$F/backbone.safetensors" -o c.whisker --json
  [ "$(json '["train_images"]')" = 16 ]
  [ "$(json '["val_images"]')" = 4 ]
  w eval c.whisker parts --json
  [ "$(json '["images"]')" = 6 ]
}

@test "train --balance and --head are for the probe as well" {
  w train "$F/photos" -b "$F/backbone.safetensors" --balance -o b.whisker --json
  [ "$status" -eq 0 ]
  w train "$F/photos" -b "$F/backbone.safetensors" --epochs 3 -o e.whisker
  [ "$status" -eq 2 ]
  contains "$stderr" "--epochs goes with --tune"
}
