bats_require_minimum_version 1.5.0
load support

# damage FILE OUT: the same weights, of which one is not a number
damage() {
  python3 - "$1" "$2" <<'PY'
import struct, sys
b = bytearray(open(sys.argv[1], "rb").read())
at = 8 + struct.unpack("<Q", b[:8])[0]
b[at:at + 4] = struct.pack("<f", float("nan"))
open(sys.argv[2], "wb").write(b)
PY
}

# prefixed FILE OUT PREFIX...: the tensors of FILE once for each prefix before their names
prefixed() {
  python3 - "$@" <<'PY'
import json, struct, sys
b = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", b[:8])[0]
head, data, out, size = json.loads(b[8:8 + n]), b[8 + n:], {}, len(b) - 8 - n
head.pop("__metadata__", None)
for i, prefix in enumerate(sys.argv[3:]):
    for k, v in head.items():
        out[prefix + k] = {**v, "data_offsets": [o + i * size for o in v["data_offsets"]]}
text = json.dumps(out).encode()
text += b" " * (-len(text) % 8)
open(sys.argv[2], "wb").write(struct.pack("<Q", len(text)) + text + data * len(sys.argv[3:]))
PY
}

@test "weights that are not finite: one clear line and no answer, with their own classifier and with a head" {
  damage "$F/imagenet.safetensors" nan.safetensors
  w predict nan.safetensors "$F/photos/dots/01.png"
  [ "$status" -eq 1 ]
  [ -z "$output" ]
  one_clear_line
  contains "$stderr" "may be damaged"
  cp "$F/backbone.safetensors" mine.safetensors
  w train "$F/few" -b mine.safetensors --head-only -o m.whisker
  w predict m.whisker "$F/photos/dots/01.png"
  [ "$status" -eq 0 ]
}

@test "a head alone on a weight file of one's own opens again, there or beside it, and says so when it is gone" {
  cp "$F/backbone.safetensors" mine.safetensors
  w train "$F/few" -b mine.safetensors --head-only -o m.whisker
  [ "$status" -eq 0 ]
  [ "$(stat -c %s m.whisker)" -lt 60000 ]
  w train "$F/few" -b mine.safetensors -o whole.whisker
  w predict whole.whisker "$F/photos/dots/01.png" --csv
  local whole=$output
  w predict m.whisker "$F/photos/dots/01.png" --csv
  [ "$status" -eq 0 ]
  [ "$output" = "$whole" ]
  mkdir moved
  mv m.whisker mine.safetensors moved/
  w predict moved/m.whisker "$F/photos/dots/01.png" --csv
  [ "$output" = "$whole" ]
  mv moved/mine.safetensors moved/other
  w predict moved/m.whisker "$F/photos/dots/01.png"
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "mine.safetensors"
  cp "$F/no-classes.safetensors" moved/mine.safetensors
  damage moved/mine.safetensors moved/mine.safetensors
  w predict moved/m.whisker "$F/photos/dots/01.png"
  [ "$status" -eq 1 ]
  contains "$stderr" "trained on weights"
}

@test "two networks in one file: asked about, or told, and --weights-key says which" {
  prefixed "$F/imagenet.safetensors" two.safetensors student. teacher.
  w predict two.safetensors "$F/photos/dots/01.png"
  [ "$status" -eq 1 ]
  contains "$stderr" "student."
  contains "$stderr" "--weights-key"
  w predict two.safetensors "$F/photos/dots/01.png" --weights-key teacher --csv
  [ "$status" -eq 0 ]
  local one=$output
  w predict "$F/imagenet.safetensors" "$F/photos/dots/01.png" --csv
  [ "$output" = "$one" ]
  prefixed "$F/imagenet.safetensors" ema.safetensors ema_model. model.
  w predict ema.safetensors "$F/photos/dots/01.png" --csv
  [ "$output" = "$one" ]
  contains "$stderr" "another network in it, under ema_model"
  w predict ema.safetensors "$F/photos/dots/01.png" --weights-key nothing
  [ "$status" -eq 1 ]
  contains "$stderr" "nothing is under the key nothing"
}

@test "--pixels and --labels reach the network" {
  w predict "$F/one-class.safetensors" "$F/photos/dots/01.png" --labels none.txt
  [ "$status" -eq 1 ]
  seq -f "name %g" 0 9 >names.txt
  w predict "$F/backbone.safetensors" "$F/photos/dots/01.png" --labels names.txt
  [ "$status" -eq 0 ]
  contains "$output" "name "
  w predict "$F/backbone.safetensors" "$F/photos/dots/01.png" --csv
  local before=$output
  w predict "$F/backbone.safetensors" "$F/photos/dots/01.png" --csv --pixels caffe
  [ "$status" -eq 0 ]
  [ "$output" != "$before" ]
  w predict "$F/backbone.safetensors" "$F/photos/dots/01.png" --pixels hsv
  [ "$status" -eq 1 ]
  one_clear_line
}
