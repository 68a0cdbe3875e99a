bats_require_minimum_version 1.5.0
load support

# classes NAME...: five photos each of the fixture's, in folders below `all`, and for all but the last below `old`, that below `new`.
classes() {
  local k=0 name last="${*: -1}"
  for name in "$@"; do
    mkdir -p "all/$name"
    for ((i = 0; i < 5; i++)); do
      cp "$F/photos/$([ $((k % 2)) = 0 ] && echo stripes || echo dots)/$(printf %02d $((5 * (k / 2) + i))).png" "all/$name/$i.png"
    done
    k=$((k + 1))
  done
  mkdir old new
  cp -r all/* old/
  mv "old/$last" new/
}

@test "train --add: a class more is the same as training anew, though the photos are gone" {
  classes ant bee cat
  "$WHISKER" train all -b "$F/backbone.safetensors" -o all.whisker -q
  "$WHISKER" train old -b "$F/backbone.safetensors" -o old.whisker -q
  rm -r old all
  w train new --add old.whisker -o added.whisker --json
  [ "$status" -eq 0 ]
  [ "$(json '["labels"]')" = "['ant', 'bee', 'cat']" ]
  cmp added.whisker all.whisker
  # and once more, in place: what was added is on record as well
  mkdir -p more/cat
  cp "$F/photos/dots/20.png" more/cat/new.png
  w train more --add added.whisker
  [ "$status" -eq 0 ]
  contains "$output$stderr" "15 photos of 3 classes; 1 more photos, 0 new in place of old ones, 0 new classes"
}

@test "train --add says what it needs" {
  classes ant bee cat
  "$WHISKER" train old -b "$F/backbone.safetensors" -o old.whisker -q
  w train new --add old.whisker -b "$F/backbone.safetensors" -o x.whisker
  [ "$status" -eq 2 ]
  contains "$stderr" "--backbone does not go with --add"
  rm "$WHISKER_HOME"/features/*.wkf # the features, not the record
  mv old elsewhere
  w train new --add old.whisker -o x.whisker
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "of 10 of the photos that it learned from neither the features are kept nor the files are there"
  [ ! -e x.whisker ]
  mv elsewhere old
  w train new --add old.whisker -o x.whisker
  [ "$status" -eq 0 ]
  rm "$WHISKER_HOME"/features/model-*.json
  w train new --add old.whisker -o y.whisker
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "which photos it learned from is not on record here"
}

@test "model rename, merge, remove" {
  classes ant bee cat
  "$WHISKER" train all -b "$F/backbone.safetensors" -o m.whisker -q
  w model rename m.whisker bee "honey bee" -o renamed.whisker
  [ "$status" -eq 0 ]
  contains "$output" '"bee" is now called "honey bee"'
  w info renamed.whisker --json
  [ "$(json '["labels"]')" = "['ant', 'honey bee', 'cat']" ]
  w model merge renamed.whisker ant cat --as animal -o merged.whisker --json
  [ "$status" -eq 0 ]
  w info merged.whisker --json
  [ "$(json '["labels"]')" = "['animal', 'honey bee']" ]
  w model remove m.whisker ant --json
  [ "$status" -eq 0 ]
  w info m.whisker --json
  [ "$(json '["labels"]')" = "['bee', 'cat']" ]
  contains "$output" 'class \"ant\" is gone'
  w predict m.whisker all/cat/0.png --json
  [ "$(json '["predictions"][0]["top"].__len__()')" = 2 ]
}

@test "model: what cannot be done is said, and the model stays" {
  classes ant bee cat
  "$WHISKER" train all -b "$F/backbone.safetensors" -o m.whisker -q
  cp m.whisker before.whisker
  w model rename m.whisker wasp hornet
  [ "$status" -eq 1 ]
  one_clear_line
  w model rename m.whisker ant bee
  [ "$status" -eq 1 ]
  contains "$stderr" "has a class \"bee\" already"
  w model merge m.whisker ant bee cat
  [ "$status" -eq 1 ]
  contains "$stderr" "these are all classes"
  w model remove "$F/backbone.safetensors" ant
  [ "$status" -eq 1 ]
  one_clear_line
  cmp m.whisker before.whisker
  "$WHISKER" model remove m.whisker ant -o two.whisker
  w model remove two.whisker bee
  [ "$status" -eq 1 ]
  contains "$stderr" "at least two, so none can go"
  w model melt m.whisker
  [ "$status" -eq 2 ]
}
