bats_require_minimum_version 1.5.0
load support

export_it() { w export "$F/backbone.safetensors" "$@"; }

@test "export: read back, with what lies beside it" {
  export_it -o net.onnx
  [ "$status" -eq 0 ]
  contains "$output" "net.onnx: ONNX, opset 17"
  contains "$output" "read back: the largest difference of the logits is"
  for file in net.preprocess.py net.preprocess.js net.selftest.png net.selftest.json; do
    [ -s "$file" ]
  done
  w predict net.onnx "$F/photos/dots/00.png" --json
  [ "$status" -eq 0 ]
  kept=$(json '["predictions"][0]["top"][0]["label"]')
  w predict "$F/backbone.safetensors" "$F/photos/dots/00.png" --json
  [ "$(json '["predictions"][0]["top"][0]["label"]')" = "$kept" ]
}

@test "export: --json" {
  export_it -o net.tflite --json
  [ "$status" -eq 0 ]
  [ "$(json '["format"]')" = tflite ]
  [ "$(json '["compared"]')" = True ]
  [ "$(json '["labels_same"]')" = True ]
  [ "$(json '["max_rel_diff"] < 1e-4')" = True ]
}

@test "export: the same model gives the same bytes" {
  for ending in onnx tflite pth safetensors; do
    export_it -o "a.$ending"
    export_it -o "b.$ending" -j 1
    cmp "a.$ending" "b.$ending"
  done
}

@test "export: what lies beside and is not whisker's own stays" {
  echo '{"mine": 1}' >config.json
  echo mine >net.weights
  sha256sum config.json net.weights >before
  export_it -o net.safetensors
  [ "$status" -eq 1 ]
  contains "$stderr" "config.json: is there already and not whisker's own"
  export_it -o net.h
  [ "$status" -eq 1 ]
  contains "$stderr" "net.weights: is there already and not whisker's own"
  sha256sum -c --quiet before
  rm config.json net.weights
  for again in 1 2; do
    export_it -o net.safetensors
    [ "$status" -eq 0 ]
    export_it -o net.h
    [ "$status" -eq 0 ]
  done
}

@test "export: int8 asks for photos, and takes them" {
  export_it -o small.tflite --precision int8
  [ "$status" -eq 1 ]
  contains "$stderr" "--calibrate"
  export_it -o small.tflite --precision int8 --calibrate "$F/photos"
  [ "$status" -eq 0 ]
  contains "$output" "ranges found on"
}

@test "export: an ending that says nothing, a format that is none, a file of somebody else's" {
  export_it
  [ "$status" -eq 2 ]
  export_it -o net.weights
  [ "$status" -eq 1 ]
  contains "$stderr" "onnx (.onnx)"
  one_clear_line
  export_it -o net.weights --format tensorflow
  [ "$status" -eq 1 ]
  one_clear_line
  echo mine >net.onnx
  export_it -o net.onnx
  [ "$status" -eq 1 ]
  [ "$(cat net.onnx)" = mine ]
  echo mine >other.preprocess.py
  export_it -o other.onnx
  [ "$status" -eq 1 ]
  [ ! -e other.onnx ]
}

# A photo of 150 x 110 with edges, as PPM, which needs no library to write.
photo() {
  { printf 'P6\n150 110\n255\n'; awk 'BEGIN { for (y = 0; y < 110; y++) for (x = 0; x < 150; x++)
      printf "%c%c%c", 32 + (x * y) % 90, (x > 70) ? 120 : 40, 33 + (y * 7) % 80 }'; } >photo.ppm
}

@test "export: the lines of JavaScript make the input that the network sees" {
  command -v node >/dev/null || skip "skipped: node is not here"
  photo
  export_it -o net.tflite
  w embed "$F/backbone.safetensors" photo.ppm --layer input -o input.npy
  [ "$status" -eq 0 ]
  run node -e '
    const fs = require("fs"), ppm = fs.readFileSync("photo.ppm"), npy = fs.readFileSync("input.npy");
    const rgb = ppm.subarray(ppm.length - 3 * 150 * 110), rgba = new Uint8Array(4 * 150 * 110);
    for (let i = 0; i < 150 * 110; i++) for (let c = 0; c < 3; c++) rgba[4 * i + c] = rgb[3 * i + c];
    const have = require("./net.preprocess.js")(rgba, 150, 110), begin = npy.length - 4 * have.length;
    const step = 1 / Math.min(...JSON.parse(fs.readFileSync("net.selftest.json")).preprocess.std);
    let most = 0, sum = 0;
    for (let i = 0; i < have.length; i++) {
      const d = Math.abs(have[i] - npy.readFloatLE(begin + 4 * i)) / step;
      most = Math.max(most, d), sum += d;
    }
    console.log(most.toFixed(2), (sum / have.length).toFixed(3));
    process.exit(most < 1.6 && sum / have.length < 0.1 ? 0 : 1);'
  echo "$output"
  [ "$status" -eq 0 ]
}

@test "export: the lines of Python make the input that the network sees" {
  python3 -c 'import numpy, PIL' 2>/dev/null || skip "skipped: numpy and Pillow are not here"
  photo
  export_it -o net.onnx
  w embed "$F/backbone.safetensors" photo.ppm --layer input -o input.npy
  [ "$status" -eq 0 ]
  run python3 -c '
import importlib.util, json, numpy
spec = importlib.util.spec_from_file_location("preprocess", "net.preprocess.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
have = module.preprocess("photo.ppm")[0].transpose(1, 2, 0).ravel()
step = 1 / min(json.load(open("net.selftest.json"))["preprocess"]["std"])
d = abs(have - numpy.load("input.npy")[0]) / step
print(d.max(), d.mean())
assert d.max() < 1.6 and d.mean() < 0.1'
  echo "$output"
  [ "$status" -eq 0 ]
}

@test "export: other programs compute the same of it" {
  data weights/mobilenet_v2.safetensors
  weights=$DATA
  data photos/cats-dogs/test
  run python3 "$BATS_TEST_DIRNAME/../../tools/check_exports.py" "$WHISKER" "$weights" "$DATA" --most 6 --only onnx,tflite,torch,timm
  echo "$output"
  [ "$status" -eq 0 ]
  [[ "$output" != *skipped* ]] || skip "$(grep -m 1 skipped <<<"$output")"
}
