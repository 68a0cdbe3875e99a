bats_require_minimum_version 1.5.0
load support

# folders N: photos in N classes, five each, from the fixture's
folders() {
  for ((k = 0; k < $1; k++)); do
    mkdir -p "five/c$k"
    for ((i = 0; i < 4; i++)); do
      cp "$F/photos/stripes/$(printf %02d $((4 * k + i))).png" "five/c$k/$i.png"
    done
  done
}

@test "eval: among the best k is told only where it can be wrong" {
  folders 5
  "$WHISKER" train five -b "$F/backbone.safetensors" --val 0 -o m.whisker -q
  w eval m.whisker five --with-learned
  [ "$status" -eq 0 ]
  run ! grep -q "among the best" <<<"$output"
  w eval m.whisker five --with-learned -k 2
  contains "$output" "among the best 2 "
}

@test "one photo is one photo" {
  mkdir -p one/a
  cp "$F/photos/dots/00.png" one/a
  w check one --no-labels
  contains "$output" "1 file, 1 photo that can be read"
  w predict "$F/backbone.safetensors" "$F/bad/text.jpg"
  contains "$stderr" "1 of 1 photo could not be read"
}

@test "tricks: with one seed there is no deviation" {
  w tricks "$F/few" --size 8 --epochs 1 --seeds 1
  [ "$status" -eq 0 ]
  contains "$output" "1 epoch, 1 seed"
  run ! grep -q "±" <<<"$output"
}

@test "tricks: Ctrl-C keeps the rows that are finished, as a picture and as JSON" {
  "$WHISKER" tricks "$F/few" --size 16 --epochs 4 --seeds 1 -o t.svg >text 2>errors 3>&- &
  local pid=$!
  for ((i = 0; i < 600; i++)); do
    grep -q "base recipe" text && break
    sleep 0.1
  done
  kill -INT $pid
  local code=0
  wait $pid || code=$?
  [ "$code" -eq 130 ] || { echo "exit $code"; cat errors; return 1; }
  grep -q "stopped; [1-9][0-9]* of 40 rows are finished, and in the picture" errors
  grep -q "The picture is in t.svg" text
  grep -q "<svg" t.svg
}

@test "models: the columns stand below each other" {
  w models
  local at
  at=$(grep -b -o "licence" <<<"$(head -n 1 <<<"$output")" | head -n 1 | cut -d: -f1)
  # a space before the column and none at its start, in every row
  run ! grep -v "^.\{$((at - 1))\} [^ ]" <<<"$(grep -v "^A weight\|^$" <<<"$output")"
}

@test "info: how a model was trained, in lines" {
  "$WHISKER" train "$F/few" -b "$F/backbone.safetensors" -o m.whisker -q
  w info m.whisker
  [ "$status" -eq 0 ]
  contains "$output" "  made by "
  contains "$output" "  train images "
  run ! grep -q '[{}"]' <<<"$output"
}

@test "train --tune: what was kept when no epoch was better than the start" {
  w train "$F/photos" -b "$F/backbone.safetensors" --tune all --epochs 2 --lr 0.9 --opt sgd -o m.whisker
  [ "$status" -eq 0 ] || { echo "$stderr"; return 1; }
  [ "$(python3 -c 'import json; print(json.load(open("m.json"))["best"])')" = 0 ]
  contains "$output" "no epoch was better than its start (epoch 0): kept the plain one"
  run ! grep -q "Kept the tuned one" <<<"$output"
}

@test "train --tune --epochs 1: the warm-up leaves half of it to learn" {
  w train "$F/photos" -b "$F/backbone.safetensors" --tune all --epochs 1 --batch-size 8 --keep tuned -o m.whisker -q
  cp m.json default.json
  w train "$F/photos" -b "$F/backbone.safetensors" --tune all --epochs 1 --batch-size 8 --keep tuned --warmup-epochs 0.5 -o m.whisker -q
  loss() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["epochs"][1]["train_loss"])' "$1"; }
  [ "$(loss default.json)" = "$(loss m.json)" ]
}
