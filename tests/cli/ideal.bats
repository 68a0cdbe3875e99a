bats_require_minimum_version 1.5.0
load support

setup() {
  enter
  "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" -o m.whisker -q
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
  w ideal m.whisker --class stripes --steps 40 -o best.png
  picture best.png 32 32 fc00fc00fc00fc40fc40fe20fc00fe00fe00fe00fe00fd00fc80fc80fc80fc00
  picture lesson.png 32 32 674d26cd9b3dab297659d54a2448d1322932dc1528dcca96ea313115524b4b09
  picture best-steps.png 120 168 c718e718c718e718c738c718e718e718e718c738c718c718c718c738c7388518
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
