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
  picture features.png 1748 0 9000c4008800800080009c44dffc9f54de5c9ec49e44daccdeac9c6280008000
  picture features-flat.png 1748 0 0000e500aac0848080008080d494d49494949d949d949dd098929814a5100000
  w look features "$F/backbone.safetensors" "$P" --layer block2.conv2 --own-scale -o one.png --raw one.npy
  [ "$status" -eq 0 ]
  contains "$output" "block2.conv2"
  picture one.png 1748 0 c400900080008448c540c518c558c45495528450d542c546d088d1b8d0b88000
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
  trained m.whisker
  for method in gradcam gradcam++ scorecam hirescam gradinput smoothgrad ig; do
    w look cam m.whisker "$P" --method $method --samples 4 --steps 18 --channels 20 -o $method.png --json
    [ "$status" -eq 0 ]
    [ "$(json '["method"]')" = $method ]
  done
  pictures <<'END'
gradcam.png 960 0 a940d1488e00ea94ea94ea94ea94ea94ea84ea94ea84ea94ea84ea948850c000
gradcam++.png 960 0 a940d1a08e00ea94ea94ea94ea94ea94ea10ea94fa10ea94ea94ea948850c000
scorecam.png 960 0 a940d1288e00ea94ea94ea94ea94ea94ea84ea94fa04ea94ea94ea948850c000
hirescam.png 960 0 a940d1488e00ea94ea94ea94ea94ea94ea94ea94ea44ea94ea94ea948850c000
gradinput.png 960 0 a940c290a600d210ea94ca94ea94ea94ea94eab4ea94ea94ea94ea948850c000
smoothgrad.png 960 0 a940d9288e00ea94ea94eab4eab4eaa4eaa4ea94caa4ea94ea94ea948850c000
ig.png 960 0 a940c048a600d210ea94ca94ea94ea94ea94eab4ea94ea94ea94ea948850c000
END
  [ "$(json '["classes"][0]["completeness"]["error"] < 0.2')" = True ]
}

@test "look cam: two classes side by side, and the sanity check" {
  trained m.whisker
  w look cam m.whisker "$P" --class dots,stripes --layer block2 --sanity -o two.png --json
  [ "$status" -eq 0 ]
  [ "$(json '["layer"]')" = block2.pool ]
  [ "$(json '["classes"][1]["class"]')" = stripes ]
  [ "$(json '["sanity"][-1]["shuffled"]')" = everything ]
  [ "$(json '["images"].__len__()')" -eq 2 ]
  picture two.png 1056 0 94a0929094809c00ccd8c8e4cce4d4e4d4e4c8e4cce4cccac180c2a090088000
  picture two-sanity.png 1552 0 a4088440b010951295149712951697148500d700c700d700c700d70085008000
  w look cam m.whisker "$P" -o one.png
  [ "$status" -eq 0 ]
  contains "$output" "of the evidence in one region"
}

@test "look occlusion: the probability that hiding places costs, for every head" {
  trained k.whisker --head knn
  w look occlusion k.whisker "$P" --class dots --patch 8 --json
  [ "$status" -eq 0 ]
  [ "$(json '["drops"].__len__()')" -eq 7 ]
  [ "$(json '["largest_drop"]')" = 0.0 ] # all neighbours are dots, whatever is hidden: no heat, where rounding would be
  [ "$(json '["evidence"]["place"]')" = nowhere ]
  picture occlusion.png 960 0 b59095287d008800ea94ea94ea94ea94ea94ea94ea94ea94ea94ea94ea948000
  trained m.whisker
  w look occlusion m.whisker "$P" --class dots --patch 8 -o sure.png
  picture sure.png 960 0 b590c2907d008800eab4eab4ead4ea34ea94ea44ea94ea94ea94ea94ea848000
}

@test "look cam and occlusion: clear words for what cannot be" {
  trained k.whisker --head knn
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
  picture filters.png 960 0 b2809120aa00aa0caa84a954aaa4aab40954aac4aab4aa94aab4ab44a8a88880
  w look filters "$F/backbone.safetensors" "$F/photos" --layer block2 --channel 3,40 --steps 12 --photos 20 -o channels.png --json
  [ "$status" -eq 0 ]
  [ "$(json '["channels"][1]["channel"]')" -eq 40 ]
  [ "$(json '["channels"][0]["places"].__len__()')" -eq 6 ]
  [ "$(json '["channels"][0]["rise"] > 0')" = True ]
  picture channels.png 2008 0 9000a620a342a14ab14aa158a14aa34480459d4db54db54d9d4da25580000000
  w look filters "$F/backbone.safetensors" "$F/photos" --layer block3 --no-ideal --photos 10 -o places.png
  [ "$status" -eq 0 ]
  contains "$output" "block3.pool"
  picture places.png 1828 0 a800f0d2f0d2f0d2f0d2f0d2f0d2f0d2e752e752f0d2f0d2f0d2e752e7528000
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
