bats_require_minimum_version 1.5.0
load support

setup() {
  F="$SHARED_FIXTURE"
  export WHISKER_HOME="$BATS_TEST_TMPDIR/home"
  cd "$BATS_TEST_TMPDIR" || return 1
  "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" -o m.whisker -q
}

@test "attack: the saved picture is taken for the other class, and no value moved further than allowed" {
  w attack m.whisker "$F/photos/dots/03.png" --to stripes --eps 24 -o a.png --json
  [ "$status" -eq 0 ]
  [ "$(json '["success"]')" = True ]
  [ "$(json '["after_8bit"]["label"]')" = stripes ]
  [ "$(json '["linf_255"] <= 24')" = True ]
  w predict m.whisker a.png --json
  [ "$(json '["predictions"][0]["top"][0]["label"]')" = stripes ]
  [ -s a-change.png ]
}

@test "attack: --full keeps the photo's size, tells what JPEG leaves and what another model sees" {
  w attack m.whisker "$F/photos/dots/03.png" --to stripes --eps 24 --full --check-on m.whisker -o a.png --json
  [ "$status" -eq 0 ]
  [ "$(json '["width"]')" = 83 ] && [ "$(json '["height"]')" = 72 ]
  [ "$(json '["success"]')" = True ]
  [ "$(json '["linf_255"] <= 24')" = True ]
  [ "$(json '["check_on"]["transfers"]')" = True ] # the same model
  [ "$(json '["check_on"]["sees"]["label"]')" = stripes ]
  [ "$(json '["jpeg"].__len__()')" = 4 ]
  [ "$(json '["jpeg"][0]["survives"] in (True, False)')" = True ]
  picture a.png 83 72 43534ad64ad44ad64ad451845ad44ad458125ad64ad44ad45ad650844ad64ad4
  picture a-change.png 273 0 000095ba959a975a969a951a965a969a951a971a955a975a961aa4b2a6300110
  w predict m.whisker a.png --json
  [ "$(json '["predictions"][0]["top"][0]["label"]')" = stripes ]
}

@test "attack: every method gives a picture" {
  for method in pgd fgsm l2 plain deepfool cw patch; do
    w attack m.whisker "$F/photos/dots/03.png" --method $method --eps 24 --patch 16 --steps 20 -o $method.png --json
    [ "$status" -eq 0 ]
    [ -s $method.png ]
  done
}

@test "attack: clear words for what cannot be" {
  w attack m.whisker "$F/photos/dots/03.png" --to dots -o a.png
  [ "$status" -eq 1 ]
  one_clear_line
  w attack m.whisker "$F/photos/dots/03.png" --to zebra -o a.png
  [ "$status" -eq 1 ]
  contains "$stderr" stripes
  w attack m.whisker "$F/photos/dots/03.png" --eps 0 -o a.png
  [ "$status" -eq 1 ]
  one_clear_line
  w attack m.whisker "$F/photos/dots/03.png" -o a.jpg
  [ "$status" -eq 2 ]
  contains "$stderr" PNG
  w attack m.whisker nowhere.png -o a.png
  [ "$status" -eq 1 ]
  contains "$stderr" nowhere.png
  w attack m.whisker "$F/photos/dots/03.png" --full --method patch --patch 100 -o a.png
  [ "$status" -eq 1 ]
  contains "$stderr" "83 x 72"
  "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" --head knn -o k.whisker -q
  w attack k.whisker "$F/photos/dots/03.png" -o a.png
  [ "$status" -eq 1 ]
  contains "$stderr" "nearest neighbours"
  [ ! -e a.png ]
}

@test "robust: accuracy never grows with the strength, for any number of threads" {
  w robust m.whisker "$F/photos" --photos 6 --eps 0,4,16,64 --steps 5 --no-damage -o r.svg --json
  [ "$status" -eq 0 ]
  one=$output
  [ "$(python3 -c "import json,sys; a=json.load(sys.stdin)['accuracy']; print(a == sorted(a, reverse=True))" <<<"$output")" = True ]
  grep -q "<svg" r.svg
  [ ! -e r-damage.svg ]
  w robust m.whisker "$F/photos" --photos 6 --eps 0,4,16,64 --steps 5 --no-damage -o r.svg --json -j 1
  [ "$output" = "$one" ]
}

@test "robust: ordinary damage as a table and a picture" {
  w robust m.whisker "$F/photos" --photos 3 --eps 0 -o d.svg --json
  [ "$status" -eq 0 ]
  [ "$(json '["damage"].__len__()')" = 6 ]
  [ "$(json '["damage"]["noise"].__len__()')" = 5 ]
  [ "$(json '["damage_out"]')" = d-damage.svg ]
  grep -q rotation d-damage.svg
}

@test "train --adversarial: the head withstands more than the plain one" {
  "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" --l2 1 -o plain.whisker -q
  w train "$F/photos" -b "$F/backbone.safetensors" --l2 1 --adversarial 12 -o hard.whisker --json
  [ "$status" -eq 0 ]
  [ "$(json '["adversarial_eps_255"]')" = 12.0 ]
  w robust plain.whisker "$F/photos" --photos 12 --eps 0,12 --steps 6 --no-damage --json
  plain=$(json '["accuracy"][1]')
  w robust hard.whisker "$F/photos" --photos 12 --eps 0,12 --steps 6 --no-damage --json
  [ "$(json "['accuracy'][1] > $plain")" = True ]
  w train "$F/photos" -b "$F/backbone.safetensors" --adversarial 1 --tune head -o no.whisker
  [ "$status" -eq 2 ]
  contains "$stderr" "linear probe"
}

@test "ideal: both methods reach their class and draw it" {
  for method in best lesson; do
    steps=$([ $method = best ] && echo 100 || echo 20)
    w ideal m.whisker --class stripes --method $method --steps "$steps" -o $method.png --json
    [ "$status" -eq 0 ]
    [ -s $method.png ] && [ -s $method-steps.png ]
    [ "$(json '["p"] > 0.5')" = True ]
    [ "$(json '["losses"].__len__()')" = "$steps" ]
  done
  picture best.png 32 32
  picture lesson.png 32 32 674d26cd9b3dab297659d54a2448d1322932dc1528dcca96ea313115524b4b09
  picture best-steps.png 0 0
  picture lesson-steps.png 120 168 a614e794961aa694c738a614e7189612a610c7389492a714c6989610c7388512
  w ideal m.whisker --class all --steps 3 -o every.png
  picture every-0.png 32 32 c9208d3906308c600a601230202432263307130c9680331c84300c5c84a24818
  picture every-1.png 32 32 cda0cd30ce20cc40ca40be207c203b003b009700d680b700cc004c00cc800c00
}

@test "ideal: every way to paint, from a photo, as a film; the same for any number of threads" {
  for paint in pyramid fourier pixels; do
    w ideal m.whisker --class stripes --paint $paint --steps 6 --isotropic --l2 0.001 --blur 0.6 -o $paint.png -j 1 -q
    [ "$status" -eq 0 ]
    w ideal m.whisker --class stripes --paint $paint --steps 6 --isotropic --l2 0.001 --blur 0.6 -o again.png -j 2 -q
    cmp $paint.png again.png
  done
  picture pyramid-steps.png 120 168 8718e71cc718a718c738c718e71ce718e718c7388000e000e000e000a000a000
  picture pyramid.png 32 32 cd00cd00de00cc40da40be207e003a003b007700f680b700ec006c00cc804c00
  picture fourier.png 32 32 0000a04064c166e54267870e431e811e13730f3706370467046c0c7c006c04cc
  picture pixels.png 32 32 b108a92a96c6ad52ca669630373638e72af4552454aa372c84a230d56492f311
  w ideal m.whisker --class stripes --from "$F/photos/dots/03.png" --lr 0.002 --tv 0 --octaves 1 --steps 4 -o dream.png --animate dream.webp --json
  [ "$status" -eq 0 ]
  [ "$(json '["film"]')" = dream.webp ]
  picture dream.webp 32 32 5a4ad25ad24ad25ad25a9042d25ad25ad25ad25ad25ad24ad25a82c1d25ad25a
  w attack m.whisker "$F/photos/dots/03.png" --eps 1 --steps 1 -o seen.png -q
  picture dream.png 32 32 "$(picture seen.png 32 32 0 2>&1 | sed 's/.*its hash is //')" # still that photo
}

@test "ideal: clear words for what cannot be" {
  w ideal m.whisker --class zebra -o a.png
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" stripes
  w ideal m.whisker --class stripes --animate film.gif -o a.png
  [ "$status" -eq 2 ]
  contains "$stderr" webp
  w ideal m.whisker --class stripes --method lesson --from x.png -o a.png
  [ "$status" -eq 2 ]
  w ideal m.whisker --class stripes --from nowhere.png -o a.png
  [ "$status" -eq 1 ]
  contains "$stderr" nowhere.png
  [ ! -e a.png ]
}
