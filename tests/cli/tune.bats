bats_require_minimum_version 1.5.0
load support

tune() { w train "$F/photos" -b "$F/backbone.safetensors" --tune all --epochs 3 --batch-size 8 -o t.whisker "$@"; }

@test "fine-tuning: a model, its history and its curve; the checkpoint is gone" {
  tune --json
  [ "$status" -eq 0 ]
  [ "$(json '["val_top1"] > 0.4')" = True ]
  [ -s t.json ] && grep -q "<svg" t.svg
  [ ! -e t.checkpoint ]
  w eval t.whisker "$F/photos" --json
  [ "$status" -eq 0 ]
}

@test "fine-tuning: the same bytes for any number of threads" {
  tune --keep tuned -j 1
  mv t.whisker one.whisker
  tune --keep tuned -j 2
  cmp t.whisker one.whisker
}

@test "from scratch" {
  w train "$F/photos" -b simple_cnn --from-scratch --epochs 12 --batch-size 8 -o s.whisker --json
  [ "$status" -eq 0 ]
  [ "$(json '["val_top1"] > 0.7')" = True ]
}

@test "fine-tuning: clear words for what cannot be" {
  w train "$F/photos" -b "$F/backbone.safetensors" --tune nonsense -o t.whisker
  [ "$status" -eq 1 ]
  one_clear_line
  w train "$F/photos" -b "$F/backbone.safetensors" --tune all --lr -1 -o t.whisker
  [ "$status" -eq 2 ]
  [ ! -e t.whisker ]
}

@test "fine-tuning: augmentation, and a learning rate that is looked for" {
  tune --augment scale=0.7:1,hflip=0.5 --augment-views 2 --lr auto --json
  [ "$status" -eq 0 ]
  grep -q "<svg" t-rates.svg
  tune --augment nonsense=1
  [ "$status" -eq 2 ]
}

@test "tricks: every row, and a picture" {
  w tricks "$F/photos" --epochs 1 --seeds 1 -o tricks.svg --json
  [ "$status" -eq 0 ]
  [ "$(json '["rows"].__len__()')" -gt 20 ]
  grep -q "<svg" tricks.svg
}
