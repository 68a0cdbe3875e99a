bats_require_minimum_version 1.5.0
load support

setup() {
  enter
  trained m.whisker
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
  picture a-change.png 1456 0 4000d400a304d1b2d592d312d1f6d352d492d132d3d2d75286b2240088000000
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
  [ "$status" -eq 2 ]
  one_clear_line
  contains "$stderr" "--eps must be above 0 and at most 255 (got 0)"
  w attack m.whisker "$F/photos/dots/03.png" -o a.jpg
  [ "$status" -eq 2 ]
  contains "$stderr" PNG
  w attack m.whisker nowhere.png -o a.png
  [ "$status" -eq 1 ]
  contains "$stderr" nowhere.png
  w attack m.whisker "$F/photos/dots/03.png" --full --method patch --patch 100 -o a.png
  [ "$status" -eq 1 ]
  contains "$stderr" "83 x 72"
  trained k.whisker --head knn
  w attack k.whisker "$F/photos/dots/03.png" -o a.png
  [ "$status" -eq 1 ]
  contains "$stderr" "nearest neighbours"
  [ ! -e a.png ]
}

@test "robust: accuracy never grows with the strength, for any number of threads" {
  ordinary_build_only "test_attack compares them"
  w robust m.whisker "$F/photos" --photos 6 --eps 0,4,16,64 --steps 5 --no-damage -o r.svg --json
  [ "$status" -eq 0 ]
  one=$(grep -v '"seconds"' <<<"$output")
  [ "$(python3 -c "import json,sys; a=json.load(sys.stdin)['accuracy']; print(a == sorted(a, reverse=True))" <<<"$output")" = True ]
  grep -q "<svg" r.svg
  [ ! -e r-damage.svg ]
  w robust m.whisker "$F/photos" --photos 6 --eps 0,4,16,64 --steps 5 --no-damage -o r.svg --json -j 1
  [ "$(grep -v '"seconds"' <<<"$output")" = "$one" ]
}

@test "robust: ordinary damage as a table and a picture" {
  w robust m.whisker "$F/photos" --photos 3 --eps 0 -o d.svg --json
  [ "$status" -eq 0 ]
  [ "$(json '["damage"].__len__()')" = 6 ]
  [ "$(json '["damage"]["noise"].__len__()')" = 5 ]
  [ "$(json '["damage_out"]')" = d-damage.svg ]
  grep -q rotation d-damage.svg
}

@test "train --adversarial: the tuned network withstands more than the plain classifier" {
  ordinary_build_only "test_finetune has such a training"
  local class
  for class in "$F"/photos/*/; do # half of the photos; the others are those that no model here has seen
    mkdir -p "some/$(basename "$class")"
    find "$class" -type f | sort | awk 'NR % 2' | xargs -I '{}' cp '{}' "some/$(basename "$class")"
  done
  w train some -b "$F/backbone.safetensors" --adversarial 12 --epochs 12 --batch-size 8 --lr 0.002 -o hard.whisker --json
  [ "$status" -eq 0 ]
  [ "$(json '["tuned"]')" = True ]
  [ "$(json '["adversarial"]["eps_255"]')" = 12.0 ]
  before=$(json '["adversarial"]["before"]')
  [ "$(json "['adversarial']['after'] > $before")" = True ]
  grep -q "attacked" hard.svg
  w train some -b "$F/backbone.safetensors" -o plain.whisker
  w robust plain.whisker "$F/photos" --photos 12 --eps 0,12 --steps 6 --no-damage --json
  plain=$(json '["accuracy"][1]')
  w robust hard.whisker "$F/photos" --photos 12 --eps 0,12 --steps 6 --no-damage --json
  [ "$(json "['accuracy'][1] > $plain")" = True ]
}

@test "train --adversarial: with --tune and --from-scratch, in words, and what cannot be" {
  w train "$F/photos" -b "$F/backbone.safetensors" --adversarial 2 --tune head --epochs 1 -o h.whisker
  [ "$status" -eq 0 ]
  contains "$output" "Attacked by up to 2/255"
  contains "$output" "nothing of them is computed once"
  w train "$F/photos" -b simple_cnn --from-scratch --adversarial 2 --epochs 1 -o s.whisker --json
  [ "$status" -eq 0 ]
  [ "$(json '["adversarial"]["photos"] > 0')" = True ]
  for bound in -1 300 much; do
    w train "$F/photos" -b "$F/backbone.safetensors" --adversarial $bound -o no.whisker
    [ "$status" -eq 2 ]
    contains "$stderr" "--adversarial"
  done
  w train "$F/photos" -b "$F/backbone.safetensors" --adversarial 1 --head knn -o no.whisker
  [ "$status" -eq 2 ]
  contains "$stderr" "linear head"
  [ ! -e no.whisker ]
}

@test "attack, ideal and look: no picture of the user's is overwritten, nor one beside" {
  sed "s/whisker/another/" "$F/photos/dots/00.png" >mine.png # a photo that something else has made
  cp mine.png x-change.png && cp mine.png x-steps.png && cp mine.png x-flat.png && cp mine.png x-sanity.png
  cp mine.png y-0.png && echo mine >x-damage.svg
  sha256sum -- *.png x-damage.svg >before
  for line in "attack m.whisker mine.png -o mine.png" "attack m.whisker mine.png -o x.png" \
    "ideal m.whisker --class dots -o x.png" "ideal m.whisker --class all -o y.png" \
    "look features m.whisker mine.png -o x.png" "look cam m.whisker mine.png --sanity -o x.png" \
    "robust m.whisker $F/few -o x.svg"; do
    w $line
    [ "$status" -eq 1 ]
    one_clear_line
    contains "$stderr" "stays as it is"
  done
  sha256sum --quiet -c before
  [ ! -e x.png ]
}
