bats_require_minimum_version 1.5.0
load support

# What asks a network for its classes, with a network in place of MODEL and its files beside. The class that is named
# is one that no network here has.
asking() {
  cat <<'COMMANDS'
predict MODEL PHOTO
eval MODEL DATA
look cam MODEL PHOTO -o a.png
look cam MODEL PHOTO --class NAME -o a.png
look occlusion MODEL PHOTO -o a.png
look occlusion MODEL PHOTO --class NAME -o a.png
ideal MODEL --class NAME --steps 2 -o a.png
ideal MODEL --class 0 --steps 2 -o a.png
ideal MODEL --class all --steps 2 -o a.png
attack MODEL PHOTO --steps 2 -o a.png
attack MODEL PHOTO --to NAME --steps 2 -o a.png
attack MODEL PHOTO --to 0 --steps 2 -o a.png
robust MODEL DATA --photos 1 --eps 0,1 --no-corruptions
COMMANDS
}

# Those that look at features alone.
not_asking() {
  cat <<'COMMANDS'
embed MODEL PHOTO -o a.npy
info MODEL
look features MODEL PHOTO -o a.png
look filters MODEL -o a.png
look map MODEL DATA -o a.png --steps 5
look nearest MODEL PHOTO DATA -o a.png
train DATA -b MODEL -o a.whisker
COMMANDS
}

# try MODEL LINE CLASS: runs the line with the model
try() {
  local line="${2//MODEL/$F/$1}"
  line="${line//PHOTO/$F/photos/dots/03.png}"
  line="${line//DATA/$F/few}"
  line="${line//NAME/zebra}"
  # shellcheck disable=SC2086 # a word is an argument
  w $line
  [ "$status" -lt 126 ] || { echo "$line: $status $stderr"; return 1; }
}

@test "a network without classes: one clear line from whatever asks for them" {
  while read -r line; do
    try no-classes.safetensors "$line"
    [ "$status" -eq 1 ] || { echo "$line: $status $output $stderr"; return 1; }
    one_clear_line
    contains "$stderr" "have no classifier, so no classes: train a head for them" || { echo "$line"; return 1; }
    [ ! -e a.png ]
  done < <(asking)
}

@test "a network without classes: what looks at features alone works" {
  while read -r line; do
    try no-classes.safetensors "$line"
    [ "$status" -eq 0 ] || { echo "$line: $status $output $stderr"; return 1; }
  done < <(not_asking)
}

@test "a network with one class: an answer, or one clear line" {
  while read -r line; do
    try one-class.safetensors "$line"
    case "$line" in
    *NAME*)
      [ "$status" -eq 1 ] || { echo "$line: $status $output $stderr"; return 1; }
      contains "$stderr" "zebra: the model has no such class; its only class is class 0" ;;
    eval* | robust*) # the photos' classes are not the network's
      [ "$status" -eq 1 ] || { echo "$line: $status $output $stderr"; return 1; } ;;
    attack*) ;;
    *) [ "$status" -eq 0 ] || { echo "$line: $status $output $stderr"; return 1; } ;;
    esac
    [ "$status" -eq 0 ] || one_clear_line
  done < <(asking)
  while read -r line; do
    try one-class.safetensors "$line"
    [ "$status" -eq 0 ] || { echo "$line: $status $output $stderr"; return 1; }
  done < <(not_asking)
}

@test "a class that is not there: those that share the word, else those spelt alike" {
  w attack "$F/imagenet.safetensors" "$F/photos/dots/03.png" --to cat -o a.png
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "cat: the model has no such class. With that word: tiger cat, Persian cat, Siamese cat, Egyptian cat, Madagascar cat (of 1000"
  contains "$stderr" '"any cat" means one of 7'
  w ideal "$F/imagenet.safetensors" --class "siamise cat" -o a.png
  contains "$stderr" "Nearest: Siamese cat"
  w ideal "$F/imagenet.safetensors" --class "bear" -o a.png # no "polar bearing", and a word of another name comes last
  contains "$stderr" "With that word: brown bear"
  w ideal "$F/imagenet.safetensors" --class "Siamese" --steps 2 -o a.png # a synonym is a name
  [ "$status" -eq 0 ]
  contains "$output" "Siamese cat"
}

@test "any cat: kinds of things, by WordNet" {
  local photo="$F/photos/dots/03.png"
  w ideal "$F/imagenet.safetensors" --class "any domestic cat" --steps 2 -o a.png --json
  [ "$status" -eq 0 ] || { echo "$stderr"; return 1; }
  [ "$(python3 -c 'import json,sys; print("|".join(r["class"] for r in json.load(sys.stdin)["images"]))' <<<"$output")" = "tabby|tiger cat|Persian cat|Siamese cat|Egyptian cat" ]
  # the class of that kind that the photo is taken for most
  w predict "$F/imagenet.safetensors" "$photo" -k 64 --json
  w attack "$F/imagenet.safetensors" "$photo" --to "any dog" --steps 2 -o b.png --json
  [ "$status" -eq 0 ] || { echo "$stderr"; return 1; }
  local target
  target=$(json '["target"]["index"]')
  [ "$target" -ge 151 ] && [ "$target" -le 268 ]
  w look occlusion "$F/imagenet.safetensors" "$photo" --class "any bird" -o c.png
  [ "$status" -eq 0 ] || { echo "$stderr"; return 1; }
  w attack "$F/imagenet.safetensors" "$photo" --to "any unicorn" -o d.png
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "any unicorn: WordNet has no such kind of things among ImageNet's classes"
  "$WHISKER" train "$F/few" -b "$F/backbone.safetensors" -o m.whisker -q
  w attack m.whisker "$photo" --to "any cat" -o d.png
  [ "$status" -eq 1 ]
  contains "$stderr" "any cat: kinds of things are known for ImageNet's 1,000 classes alone"
}
