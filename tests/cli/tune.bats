bats_require_minimum_version 1.5.0
load support

tune() { w train "$F/few" -b "$F/backbone.safetensors" --tune all --epochs 3 --batch-size 8 -o t.whisker "$@"; }

@test "fine-tuning: a model, its history and its curve; the checkpoint is gone" {
  tune --json
  [ "$status" -eq 0 ]
  [ "$(json '["val_top1"] > 0.4')" = True ]
  [ -s t.json ] && grep -q "<svg" t.svg
  [ ! -e t.checkpoint ]
  w eval t.whisker "$F/photos" --json
  [ "$status" -eq 0 ]
  tune --epochs 1 # over what whisker itself has written
  [ "$status" -eq 0 ]
}

@test "fine-tuning: the same bytes for any number of threads" {
  ordinary_build_only "test_finetune compares them"
  tune --keep tuned -j 1
  mv t.whisker one.whisker
  tune --keep tuned -j 2
  cmp t.whisker one.whisker
}

@test "fine-tuning: clear words for what cannot be" {
  w train "$F/few" -b "$F/backbone.safetensors" --tune nonsense -o t.whisker
  [ "$status" -eq 1 ]
  one_clear_line
  w train "$F/few" -b "$F/backbone.safetensors" --tune all --lr -1 -o t.whisker
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

@test "fine-tuning: a teacher is heard, and one of other classes is refused" {
  ordinary_build_only "test_finetune has a teacher"
  tune --keep tuned --json
  mv t.whisker teacher.whisker
  tune --teacher teacher.whisker --distill 0.7 --json
  [ "$status" -eq 0 ]
  mkdir -p other/a other/b other/c
  cp "$F"/few/dots/*.png other/a; cp "$F"/few/stripes/*.png other/b; cp "$F"/photos/stripes/1*.png other/c
  w train other -b "$F/backbone.safetensors" --tune head --epochs 1 --teacher teacher.whisker -o o.whisker
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "train it on the same folders"
}

@test "fine-tuning: every average of the weights" {
  ordinary_build_only "test_optim averages"
  for kind in none ema swa checkpoints; do
    tune --average $kind --norm batch --json
    [ "$status" -eq 0 ]
  done
}

@test "changed photos are drawn, with training and without" {
  w train "$F/few" -b "$F/backbone.safetensors" --augment standard --mixup 0.2 --show-augment a.png --json
  [ "$status" -eq 0 ]
  picture a.png 2848 3250 94d8b4d894d8b388b3caac8c8c8cec8caadeaadeecce58ce48c6b47ab47aa06e
  [ ! -e few.whisker ]
  tune --epochs 1 --augment light --augment-views 2 --show-augment b.png --json
  [ "$status" -eq 0 ]
  [ -s t.whisker ]
  picture b.png 2848 3250 8082a68aa2aaa492b492a59094d2d592a6d2a6d2d69056985688a4d4a4d4a4d4
  w train "$F/few" -b "$F/backbone.safetensors" --show-augment c.png
  [ "$status" -eq 1 ]
  one_clear_line
}

@test "flags of fine-tuning mean nothing to a classifier, and are not swallowed" {
  w train "$F/photos" -b "$F/backbone.safetensors" --epochs 3 -o p.whisker
  [ "$status" -eq 2 ]
  contains "$stderr" "--epochs goes with --tune"
}

@test "what stands beside the model and is not whisker's stays, and no work is begun" {
  stays() { # stays FILE ARGS...
    local file=$1
    shift
    tune "$@"
    [ "$status" -eq 1 ]
    one_clear_line
    contains "$stderr" "$file: is there already"
    [ -z "$output" ]
    [ "$(cat "$file")" = mine ]
    rm "$file"
  }
  for file in t.json t.svg t.checkpoint; do
    echo mine >$file
    stays $file
  done
  echo mine >t-rates.svg
  stays t-rates.svg --lr auto
  mkdir t.json
  tune
  [ "$status" -eq 1 ]
  contains "$stderr" "t.json: a file is to be written there, but it is a folder"
  rmdir t.json
  cp "$F/backbone.safetensors" t.whisker
  tune
  [ "$status" -eq 1 ]
  contains "$stderr" "t.whisker: exists and is not a model"
  cmp t.whisker "$F/backbone.safetensors"
}

@test "what cannot be written beside the model costs the model nothing" {
  ordinary_build_only "it waits for a long training"
  "$WHISKER" train "$F/few" -b "$F/backbone.safetensors" --tune all --epochs 200 --patience 0 --batch-size 8 -o t.whisker \
    2>err &
  local pid=$!
  for ((i = 0; i < 600; i++)); do
    [ ! -e t.checkpoint ] || break
    sleep 0.05
  done
  mkdir t.json # while it trains
  local rc=0
  wait $pid || rc=$?
  [ "$rc" -eq 1 ]
  contains "$(cat err)" "t.json"
  [ -s t.whisker ]
  w eval t.whisker "$F/photos" --json
  [ "$status" -eq 0 ]
}

@test "class names that a model cannot keep are told before anything is trained" {
  mkdir -p odd/dots $'odd/str\xffipes'
  cp "$F"/few/dots/*.png odd/dots
  cp "$F"/few/stripes/*.png $'odd/str\xffipes'
  mkdir $'odd/a\tb'
  cp "$F"/photos/stripes/1*.png $'odd/a\tb'
  w train odd -b "$F/backbone.safetensors" --tune head --epochs 1 -o t.whisker --json
  [ "$status" -eq 0 ]
  contains "$stderr" "class name is not UTF-8"
  contains "$stderr" "control character"
  w info t.whisker --json
  [ "$status" -eq 0 ]
  contains "$output" "a b"
}
