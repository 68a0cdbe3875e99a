bats_require_minimum_version 1.5.0
load support

fails() { # fails TEXT ARGS...: exit 1, one clear line that holds TEXT
  local text=$1
  shift
  w "$@"
  [ "$status" -eq 1 ] || { echo "exit $status: $output $stderr"; return 1; }
  one_clear_line
  contains "$stderr" "$text"
}

@test "data that is not there, empty, without classes, with one class, with an empty class" {
  fails nowhere train nowhere -o m.whisker
  mkdir empty one one/dots hollow hollow/dots hollow/none
  fails empty train empty -o m.whisker
  cp "$F"/photos/dots/0*.png one/dots/
  fails one train one -o m.whisker
  cp "$F"/photos/dots/0*.png hollow/dots/
  fails hollow train hollow -o m.whisker
  [ ! -e m.whisker ]
}

@test "photos that cannot be read are named, counted and left out" {
  cp -r "$F/photos" mixed
  cp "$F"/bad/*.jpg "$F"/bad/*.png mixed/dots/
  w train mixed -b "$F/backbone.safetensors" -o m.whisker --json
  [ "$status" -eq 0 ]
  [ "$(json '["broken"]')" = 4 ]
  for name in text.jpg empty.jpg truncated.png bomb.png; do contains "$stderr$output" "$name"; done
}

@test "predict: a photo that cannot be read is named, the others are predicted, exit 1" {
  w train "$F/photos" -b "$F/backbone.safetensors" -o m.whisker
  w predict m.whisker "$F/bad/truncated.png" "$F/photos/dots/01.png" --json
  [ "$status" -eq 1 ]
  contains "$stderr" truncated.png
  [ "$(json '["predictions"][0]["top"][0]["label"]')" = dots ]
}

@test "weight files: cut short, hostile, not one at all" {
  fails short.safetensors train "$F/photos" -b "$F/bad/short.safetensors" -o m.whisker
  fails hostile.safetensors train "$F/photos" -b "$F/bad/hostile.safetensors" -o m.whisker
  fails text.jpg predict "$F/bad/text.jpg" "$F/photos/dots/01.png"
}

@test "a model by a later version" {
  w train "$F/photos" -b "$F/backbone.safetensors" -o m.whisker
  [ "$status" -eq 0 ]
  sed 's/\("whisker.version":"\)[0-9]*/\19/' m.whisker >later.whisker
  fails later predict later.whisker "$F/photos/dots/01.png"
}

@test "outputs: a folder that is not there, a file that is no model stays as it was" {
  fails nowhere/m.whisker train "$F/photos" -b "$F/backbone.safetensors" -o nowhere/m.whisker
  cp "$F/photos/dots/00.png" precious.png
  fails precious.png train "$F/photos" -b "$F/backbone.safetensors" -o precious.png
  cmp precious.png "$F/photos/dots/00.png"
}

@test "a full disk: the old model stays" {
  w train "$F/photos" -b "$F/backbone.safetensors" -o m.whisker
  cp m.whisker before
  run --separate-stderr bash -c "ulimit -f 4; trap '' XFSZ; exec '$WHISKER' train '$F/photos' -b '$F/backbone.safetensors' -o m.whisker --seed 5"
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" m.whisker
  cmp m.whisker before
  [ "$(ls | grep -c whisker)" -eq 1 ]
}

@test "a cache that cannot be written: a remark, and the work goes on" {
  touch file
  w train "$F/photos" -b "$F/backbone.safetensors" -o m.whisker --cache file/cache
  [ "$status" -eq 0 ]
  contains "$stderr" "Features are not kept"
}

@test "no network: one clear line" {
  https_proxy=http://127.0.0.1:9 http_proxy=http://127.0.0.1:9 ALL_PROXY=http://127.0.0.1:9 fails "could not reach" pull resnet18
}

@test "Ctrl-C: exit 130, nothing half written" {
  mkdir -p many/{a,b}
  for i in $(seq 60); do for k in a b; do ln -s "$F/photos/dots/0$((i % 10)).png" many/$k/$i.png; done; done
  "$WHISKER" train many -b "$F/backbone.safetensors" --size 900 -o m.whisker 2>err & pid=$!
  sleep 0.7
  kill -INT $pid || skip "the run was over before it could be stopped"
  rc=0; wait $pid || rc=$?
  [ "$rc" -eq 130 ] || [ "$rc" -eq 0 ]
  [ "$rc" -eq 0 ] || [ ! -e m.whisker ]
}
