bats_require_minimum_version 1.5.0
load support

setup() {
  enter
  trained m.whisker
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
  picture best.png 32 32 ff20fe20fe60fc60fe40fe20fe20fb00fb00ff00fe80ff00fe00fe80fe80fc80
  picture lesson.png 32 32 674d26cd9b3dab297659d54a2448d1322932dc1528dcca96ea313115524b4b09
  picture best-steps.png 1312 0 c8d0a59ce71ce71ce71cc518e71ce71ce718e718c700e700e700e700c700a020
  picture lesson-steps.png 1312 0 c8d0a514e71a849094528410a512a718d452b5108400d740848094408580a020
  w ideal m.whisker --class all --steps 3 -o every.png
  picture every-0.png 32 32 c9a0c93b96f08cf00a608670643032263307170c9686b71c84360c54c4a7cc3c
  picture every-1.png 32 32 cda0cd30dee0ccc0cae0be607e203b203b00f700f78037002c904ec0cea0ce90
}

@test "ideal: every way to paint, from a photo, as a film; the same for any number of threads" {
  for paint in pyramid fourier pixels; do
    w ideal m.whisker --class stripes --paint $paint --steps 6 --isotropic --l2 0.001 --blur 0.6 -o $paint.png -j 1 -q
    [ "$status" -eq 0 ]
    w ideal m.whisker --class stripes --paint $paint --steps 6 --isotropic --l2 0.001 --blur 0.6 -o again.png -j 2 -q
    cmp $paint.png again.png
  done
  picture pyramid-steps.png 1312 0 cad0a50ae51ce79ce71ce718e71cc518c718e79ce71ce718e71ce71c8420a000
  picture pyramid.png 32 32 cda0cd20dee0cdc0fb60fe607e203b203b007700f7803700bc806ec0ce80ce00
  picture fourier.png 32 32 01c017a40134c431c33be31ee31ef33eb337231d8317816fc46fc44f00ce309a
  picture pixels.png 32 32 b588a92a9666e9566b56923037123a6622f4552456ae37ac0da26a5554d24a1b
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
