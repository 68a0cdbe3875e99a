bats_require_minimum_version 1.5.0
load support

# Of the fixture's networks, the one that has more than 3x3 convolutions of stride 1.
setup_file() {
  export SHARED_FIXTURE="$BATS_FILE_TMPDIR/fixture"
  "$FIXTURE" "$SHARED_FIXTURE"
  "$FIXTURE" --mobilenet "$SHARED_FIXTURE"
}

train() { w train "$F/photos" -b "$F/mobilenet_v2.safetensors" --size 64 -o m.whisker "$@"; }

@test "int8: what it costs is told, the model keeps it, and every command computes so" {
  train --precision int8 --json
  [ "$status" -eq 0 ]
  [ "$(json '["precision"]["used"]')" = int8 ]
  [ "$(json '["precision"]["photos"] >= 30')" = True ]
  [ "$(json '["precision"]["right"] > 0')" = True ]
  [ "$(json '["precision"]["float32_right"] > 0')" = True ]
  w info m.whisker --json
  [ "$(json '["precision"]')" = int8 ]
  w eval m.whisker "$F/photos" --json
  [ "$status" -eq 0 ]
  [ "$(json '["images"] > 0')" = True ]
  w predict m.whisker "$F/photos/dots/00.png" --json
  [ "$status" -eq 0 ]
  w embed m.whisker "$F/photos" -o low.npy
  train -o exact.whisker
  w embed exact.whisker "$F/photos" -o exact.npy
  run cmp low.npy exact.npy
  [ "$status" -ne 0 ]
}

@test "int8: one line says both figures" {
  ordinary_build_only "the same run as with --json"
  train --precision int8
  [[ "$output" == *"precision   int8: "*" photos right, left out in turn; float32: "* ]]
}

@test "int8: the same bytes for any number of threads, with and without kept features" {
  ordinary_build_only "test_precision compares them"
  train --precision int8 -j 1 --no-cache
  mv m.whisker one.whisker
  for j in 1 2 3; do
    train --precision int8 -j $j
    cmp m.whisker one.whisker
  done
  train --precision int8 -j 2 --no-cache
  cmp m.whisker one.whisker
}

@test "int8: where no layer gains by it, float32 is used" {
  w train "$F/photos" -b "$F/backbone.safetensors" -o m.whisker --precision int8
  [ "$status" -eq 0 ]
  contains "$output" "precision   float32: no layer of simple_cnn is faster in int8"
}

@test "auto: few photos are not worth it, and then the model is that of float32" {
  train
  mv m.whisker exact.whisker
  train --precision auto --json
  [ "$status" -eq 0 ]
  [ "$(json '["precision"]["used"]')" = float32 ]
  cmp m.whisker exact.whisker
}

@test "int8 and bf16 do not go with what trains the network" {
  for how in "--tune last" "--from-scratch -b simple_cnn" "--adversarial 4"; do
    for p in int8 bf16; do
      w train "$F/photos" -b "$F/backbone.safetensors" -o m.whisker --precision $p $how
      [ "$status" -eq 2 ]
      [[ "$stderr" == *"--precision $p"*float32* ]]
    done
  done
}

@test "bench: int8 names its kernels, and gradients have none" {
  w bench "$F/mobilenet_v2.safetensors" --size 64 --precision int8 --layers --batch-size 2 --json
  [ "$status" -eq 0 ]
  [ "$(json '["rows"][-3]["kernel"]')" = "int8 product" ]
  w bench "$F/mobilenet_v2.safetensors" --size 64 --precision int8 --seconds 0.01 --json
  [ "$status" -eq 0 ]
  [ "$(json '["rows"].__len__()')" = 2 ]
  [ "$(json '["rows"][0]["precision"]')" = int8 ]
  w bench "$F/mobilenet_v2.safetensors" --size 64 --precision int8 --mode train
  [ "$status" -eq 2 ]
}

@test "auto: with many photos both are tried, and what is used is said" {
  ordinary_build_only "a thousand photos"
  # Photos that are nearly the same, but not copies, which would count once: each ends with a byte more than the one before.
  mkdir many
  for i in $(seq 46); do
    tail="$tail."
    for f in "$F"/photos/*/*.png; do
      k=${f%/*}
      mkdir -p "many/${k##*/}"
      { cat "$f" && printf %s "$tail"; } >"many/${k##*/}/$i-${f##*/}"
    done
  done
  w train many -b "$F/mobilenet_v2.safetensors" --size 64 -o m.whisker --precision auto --val 0.005 --json
  [ "$status" -eq 0 ]
  [ "$(json '["precision"]["asked"]')" = auto ]
  [ "$(json '["precision"]["photos"] >= 390')" = True ]
  used=$(json '["precision"]["used"]')
  lost=$(($(json '["precision"]["float32_right"]') - $(json '["precision"]["right"]')))
  [ $((1000 * lost > 3 * $(json '["precision"]["photos"]'))) -eq "$([ "$used" = float32 ] && echo 1 || echo 0)" ]
  w info m.whisker --json
  [ "$(json '["precision"]')" = "$used" ]
}

has_bf16() { grep -qw avx512_bf16 /proc/cpuinfo; }

@test "bf16: a processor without it says so in one line" {
  has_bf16 && skip "skipped: this processor has AVX512_BF16"
  train --precision bf16
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "this processor has no AVX512_BF16, which bf16 needs: use float32 or int8"
  [ ! -e m.whisker ]
  w bench "$F/mobilenet_v2.safetensors" --size 64 --precision bf16
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" AVX512_BF16
}

@test "bf16: what it costs is told, the model keeps it, and bench names its kernels" {
  has_bf16 || skip "skipped: this processor has no AVX512_BF16"
  train --precision bf16 --json
  [ "$status" -eq 0 ]
  [ "$(json '["precision"]["used"]')" = bf16 ]
  [ "$(json '["precision"]["photos"] >= 30')" = True ]
  mv m.whisker one.whisker
  train --precision bf16 -j 3 --no-cache
  cmp m.whisker one.whisker
  w info m.whisker --json
  [ "$(json '["precision"]')" = bf16 ]
  w eval m.whisker "$F/photos" --json
  [ "$status" -eq 0 ]
  w bench "$F/mobilenet_v2.safetensors" --size 64 --precision bf16 --layers --batch-size 2 --json
  [ "$status" -eq 0 ]
  [ "$(json '["rows"][-3]["kernel"]')" = "bf16 product" ]
}
