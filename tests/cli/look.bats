bats_require_minimum_version 1.5.0
load support

setup() {
  enter
  P="$F/photos/dots/03.png"
}

@test "look: lists the ways of looking, and knows no others" {
  w look --help
  [ "$status" -eq 0 ]
  contains "$output" features
  w look
  [ "$status" -eq 2 ]
  w look paint m.whisker
  [ "$status" -eq 2 ]
  contains "$stderr" "paint"
  for way in features filters cam occlusion; do
    w look $way --help
    [ "$status" -eq 0 ]
    contains "$output" "usage: whisker look $way"
    [ "$(grep -c "^  whisker look $way" <<<"$output")" -eq 2 ]
  done
}

@test "look features: a ladder, a layer, its values" {
  w look features "$F/backbone.safetensors" "$P" --json
  [ "$status" -eq 0 ]
  [ "$(json '["images"].__len__()')" -eq 2 ]
  [ "$(json '["layers"][0]["layer"]')" = block1.pool ]
  picture features.png 1280 560 00024002820280029c6a9fd89dd81f709eda9ecc9ec61f429ae89eac5cfa0000
  picture features-flat.png 1280 304 0000a000d528d148db08d374d150db58da789178d368d2e8917499749aec0000
  w look features "$F/backbone.safetensors" "$P" --layer block2.conv2 --own-scale -o one.png --raw one.npy
  [ "$status" -eq 0 ]
  contains "$output" "block2.conv2"
  picture one.png 1280 1061 8c028802c54a85428508c55ac4548452a4589452c5228400d1b8e1b8e0b8a098
  [ "$(python3 -c "import ast; f=open('one.npy','rb'); f.read(10); print(len(ast.literal_eval(f.readline().decode())['shape']))")" -eq 3 ]
}

@test "look features: clear words for what cannot be" {
  w look features "$F/backbone.safetensors" "$P" --layer block7
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "block2.conv2"
  w look features "$F/backbone.safetensors" "$F/bad/truncated.png"
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" truncated.png
  w look features "$F/backbone.safetensors" "$P" -o picture.jpg
  [ "$status" -eq 1 ]
  contains "$stderr" ".png"
  [ ! -e picture.jpg ]
}

@test "look cam: every method lays its map over the photo at the photo's own size" {
  "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" -o m.whisker -q
  local -A looks=(
    [gradcam]=40054ad44ad44ad44ad4c1844ad44ad4c1c04ad05ad84ad04ad4c0844ad44ad4
    [gradcam++]=40014ad44ad45ad45ad47e105a545a507e185ad05a105a105ad45e005ad44ad5
    [scorecam]=400d4ad45a545a145ad47c005ad45a5478005ad45a905a145ad448044ad44ad4
    [hirescam]=42714ad44a544ad45ad4f0e85ad44ad4f1e04ad44a544a544ad4c99c4ad44ad4
    [gradinput]=52114ad44adc5ad44ad4d1cc4ad45ad472104ad45ad44ad44ad4c28c4ad44ad4
    [smoothgrad]=51854ad44a544ad44ad4c9305a545ad461a04ad44a945ad45ad440044ad44ad4
    [ig]=52114ad44adc5ad44ad4d1cc4ad45ad472104ad45ad44ad44ad4c28c4ad44ad4
  )
  for method in gradcam gradcam++ scorecam hirescam gradinput smoothgrad ig; do
    w look cam m.whisker "$P" --method $method --samples 4 --steps 18 --channels 20 -o $method.png --json
    [ "$status" -eq 0 ]
    [ "$(json '["method"]')" = $method ]
    picture $method.png 83 72 "${looks[$method]}"
  done
  [ "$(json '["classes"][0]["completeness"]["error"] < 0.2')" = True ]
}

@test "look cam: two classes side by side, and the sanity check" {
  "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" -o m.whisker -q
  w look cam m.whisker "$P" --class dots,stripes --layer block2 --sanity -o two.png --json
  [ "$status" -eq 0 ]
  [ "$(json '["layer"]')" = block2.pool ]
  [ "$(json '["classes"][1]["class"]')" = stripes ]
  [ "$(json '["sanity"][-1]["shuffled"]')" = everything ]
  [ "$(json '["images"].__len__()')" -eq 2 ]
  picture two.png 636 300 00008282d8d8c8f0c8e4d8f4d4f4cce4d4e4c8e4e4f4d8f4d0ca80ce81808180
  picture two-sanity.png 948 588 0000a71aa71aa718a71aa71aa7180c30c600c700e700c700e700e700c7000c00
  w look cam m.whisker "$P" -o one.png
  [ "$status" -eq 0 ]
  contains "$output" "of the evidence in one region"
}

@test "look occlusion: the probability that hiding places costs, for every head" {
  "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" --head knn -o k.whisker -q
  w look occlusion k.whisker "$P" --class dots --patch 8 --json
  [ "$status" -eq 0 ]
  [ "$(json '["drops"].__len__()')" -eq 7 ]
  [ "$(json '["largest_drop"]')" = 0.0 ] # all neighbours are dots, whatever is hidden: no heat, where rounding would be
  [ "$(json '["evidence"]["place"]')" = nowhere ]
  picture occlusion.png 83 72 40014ad44ad44ad44ad4c0004ad44ad4c4004ad45ad44ad44ad4c0004ad44ad4
  "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" -o m.whisker -q
  w look occlusion m.whisker "$P" --class dots --patch 8 -o sure.png
  picture sure.png 83 72 43314ad44a144a545ad4f83c5ad45a54e44c4ad45a144a544ad4c0004ad44ad5
}

@test "look cam and occlusion: clear words for what cannot be" {
  "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" --head knn -o k.whisker -q
  w look cam k.whisker "$P" -o a.png
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "nearest neighbours"
  w look occlusion k.whisker "$P" --class zebra -o a.png
  [ "$status" -eq 1 ]
  contains "$stderr" stripes
  w look cam "$F/backbone.safetensors" "$P" --layer avgpool -o a.png
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "block3.relu2"
  w look cam "$F/backbone.safetensors" "$P" --layer block2 --method ig -o a.png
  [ "$status" -eq 2 ]
  w look cam "$F/backbone.safetensors" "$F/bad/empty.jpg" -o a.png
  [ "$status" -eq 1 ]
  contains "$stderr" empty.jpg
  w look occlusion "$F/backbone.safetensors" "$P" --patch 99 -o a.png
  [ "$status" -eq 1 ]
  one_clear_line
  [ ! -e a.png ]
}

@test "look filters: the first layer, painted channels, places in photos" {
  w look filters "$F/backbone.safetensors" --json
  [ "$status" -eq 0 ]
  [ "$(json '["filters"]')" -eq 32 ]
  picture filters.png 636 416 a900a2a6a2aaaaaa552aa2aaa2aabaa988aaaaaaaaaa6aaae2aaa2aa8aaa55aa
  w look filters "$F/backbone.safetensors" "$F/photos" --layer block2 --channel 3,40 --steps 12 --photos 20 -o channels.png --json
  [ "$status" -eq 0 ]
  [ "$(json '["channels"][1]["channel"]')" -eq 40 ]
  [ "$(json '["channels"][0]["places"].__len__()')" -eq 6 ]
  [ "$(json '["channels"][0]["rise"] > 0')" = True ]
  picture channels.png 1244 488 000080008000a148b14ab14aa158b14aa14a80459d4db54db54db54d884d0a14
  w look filters "$F/backbone.safetensors" "$F/photos" --layer block3 --no-ideal --photos 10 -o places.png
  [ "$status" -eq 0 ]
  contains "$output" "block3.pool"
  picture places.png 1140 1240 8000f852f852f8d2f852f8d2f8d2f852e152e752e752f852f852e752e752e752
}

@test "look filters: clear words for what cannot be" {
  w look filters "$F/backbone.safetensors" --layer block2 --channel 64
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "0 to 63"
  w look filters "$F/backbone.safetensors" --channel 3
  [ "$status" -eq 2 ]
  w look filters "$F/backbone.safetensors" --layer nowhere
  [ "$status" -eq 1 ]
  one_clear_line
  w look filters "$F/backbone.safetensors" "$F/nothing" --layer block2
  [ "$status" -eq 1 ]
  one_clear_line
  [ ! -e filters.png ]
}
