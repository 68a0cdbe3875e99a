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
  tune --epochs 1 # over what whisker itself has written
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

@test "fine-tuning: a teacher is heard, and one of other classes is refused" {
  tune --keep tuned --json
  mv t.whisker teacher.whisker
  tune --teacher teacher.whisker --distill 0.7 --json
  [ "$status" -eq 0 ]
  mkdir -p other/a other/b other/c
  cp "$F"/photos/dots/0*.png other/a; cp "$F"/photos/stripes/0*.png other/b; cp "$F"/photos/stripes/1*.png other/c
  w train other -b "$F/backbone.safetensors" --tune head --epochs 1 --teacher teacher.whisker -o o.whisker
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "train it on the same folders"
}

@test "fine-tuning: every average of the weights" {
  for kind in none ema swa checkpoints; do
    tune --average $kind --norm batch --json
    [ "$status" -eq 0 ]
  done
}

@test "changed photos are drawn, with training and without" {
  w train "$F/photos" -b "$F/backbone.safetensors" --augment standard --mixup 0.2 --show-augment a.png --json
  [ "$status" -eq 0 ]
  picture a.png 0 0
  [ ! -e photos.whisker ]
  tune --augment light --augment-views 2 --show-augment b.png --json
  [ "$status" -eq 0 ]
  [ -s t.whisker ]
  picture b.png 0 0
  w train "$F/photos" -b "$F/backbone.safetensors" --show-augment c.png
  [ "$status" -eq 1 ]
  one_clear_line
}

@test "flags of fine-tuning mean nothing to a classifier, and are not swallowed" {
  w train "$F/photos" -b "$F/backbone.safetensors" --epochs 3 -o p.whisker
  [ "$status" -eq 2 ]
  contains "$stderr" "--epochs goes with --tune"
}

@test "from scratch has defaults of its own, and looks at the photos" {
  w train --help
  contains "$output" "[12; from scratch: 30]"
  contains "$output" "[cosine; from scratch: onecycle]"
  scratch() { w train "$F/photos" -b simple_cnn --from-scratch --epochs 2 "$@"; }
  scratch -o s.whisker
  [ "$status" -eq 0 ]
  contains "$output" "input 64 x 64"
  scratch -o same.whisker --sched onecycle --norm batch --smoothing 0.1 --layer-decay 1 --warmup-epochs 0 --patience 0
  cmp s.whisker same.whisker
  scratch -o other.whisker --smoothing 0
  ! cmp -s s.whisker other.whisker
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

@test "resume: a checkpoint of another network is refused before any work" {
  "$WHISKER" train "$F/photos" -b simple_cnn --from-scratch --size 32 --epochs 1000 -o s.whisker -q &
  local pid=$!
  for _ in $(seq 600); do [ -e s.checkpoint ] && break; sleep 0.05; done
  kill -9 $pid
  wait $pid || true
  w train "$F/photos" -b resnet18 --from-scratch --resume -o s.whisker
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "s.checkpoint: this checkpoint is of a run of simple_cnn, and this one trains resnet18"
  [ -e s.checkpoint ]
}

# Killed at any time, a run goes on from its last whole epoch to the same bytes.
@test "killed and resumed: the same bytes" {
  long() { "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" --tune all --epochs 8 --batch-size 4 --keep tuned --patience 0 -q "$@"; }
  long -o whole.whisker
  long -o k.whisker &
  local pid=$! times=0
  while [ $times -lt 6 ] && ! [ -e whole.done ]; do
    # A checkpoint that is newer than the last kill: then somewhere in the middle of what follows.
    for _ in $(seq 200); do [ k.checkpoint -nt mark ] && break; kill -0 $pid 2>/dev/null || break; sleep 0.01; done
    sleep 0.0$((times * 2))
    kill -9 $pid 2>/dev/null || touch whole.done
    wait $pid || true
    touch mark
    times=$((times + 1))
    long --resume -o k.whisker &
    pid=$!
  done
  wait $pid
  cmp whole.whisker k.whisker
}
