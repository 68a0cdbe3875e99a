bats_require_minimum_version 1.5.0
load support

# labelled FOLDER: stripes and dots, of which one each is in the wrong class.
labelled() {
  cp -r "$F/photos" "$1"
  mv "$1/dots/00.png" "$1/stripes/wrong-dots.png"
  mv "$1/stripes/01.png" "$1/dots/wrong-stripes.png"
}

@test "check: wrong labels come first, and three lines say what to do" {
  labelled d
  w check d -b "$F/backbone.safetensors" --json
  [ "$status" -eq 0 ]
  [ "$(json '["verdict"].__len__()')" = 3 ]
  [ "$(json '["counts"]["mislabelled"] >= 2')" = True ]
  [ "$(json '["judged"]["photos"]')" = 48 ]
  [ "$(python3 -c "
import json, sys
found = [f['file'] for f in json.load(sys.stdin)['findings'] if f['kind'] == 'mislabelled'][:2]
print(*sorted(found))" <<<"$output")" = "d/dots/wrong-stripes.png d/stripes/wrong-dots.png" ]
  w check d -b "$F/backbone.safetensors"
  [ "$(head -3 <<<"$output" | grep -c '\.$')" = 3 ]
  contains "$output" "labels may be wrong"
}

@test "check: the second time nothing is computed, and the answer is the same" {
  labelled d
  w check d -b "$F/backbone.safetensors" --list one.csv --json
  [ "$(json '["judged"]["computed"]')" = 48 ]
  w check d -b "$F/backbone.safetensors" --list two.csv -j 1 --json
  [ "$(json '["judged"]["computed"]')" = 0 ]
  cmp one.csv two.csv
}

@test "check --list is what train --exclude takes" {
  labelled d
  cp d/dots/02.png d/dots/copy.png
  echo "not a photo" >d/dots/bad.jpg
  w check d -b "$F/backbone.safetensors" --list list.csv
  [ "$status" -eq 0 ]
  [ "$(head -1 list.csv)" = "file,kind,class,suggested,other,score,exclude,what" ]
  grep -q '^dots/copy.png,copy,dots,,dots/02.png,1.0000,yes,' list.csv
  grep -q '^dots/bad.jpg,unreadable,dots,,,1.0000,yes,' list.csv
  w train d -b "$F/backbone.safetensors" --exclude list.csv -o m.whisker --json
  [ "$status" -eq 0 ]
  out="$(cut -d , -f 1,7 list.csv | grep ',yes$' | sort -u | wc -l)"
  [ "$(($(json '["train_images"]') + $(json '["val_images"]')))" = "$((50 - out))" ]
  # the same as training on a folder without them
  cp -r d clean
  cut -d , -f 1,7 list.csv | sed -n 's/,yes$//p' | sort -u | while read -r photo; do rm "clean/$photo"; done
  w train clean -b "$F/backbone.safetensors" -o clean.whisker
  cmp m.whisker clean.whisker
}

@test "check --list and train --exclude: names that are not UTF-8, with commas and quotes" {
  cp -r "$F/photos" d
  cp d/dots/00.png "d/dots/"$'n\xfe,\"q.png'
  cp d/dots/01.png 'd/dots/z,"q.png'
  w check d --no-labels --list list.csv
  [ "$status" -eq 0 ]
  [ "$(grep -c ',yes,' list.csv)" = 2 ]
  w train d -b "$F/backbone.safetensors" --exclude list.csv -o m.whisker
  [ "$status" -eq 0 ]
  w train "$F/photos" -b "$F/backbone.safetensors" -o same.whisker
  cmp m.whisker same.whisker
}

@test "train --exclude: one name a line; what is not there is told" {
  printf 'dots/00.png\nstripes/nowhere.png\n' >list.txt
  w train "$F/photos" -b "$F/backbone.safetensors" --exclude list.txt -o m.whisker --json
  [ "$status" -eq 0 ]
  [ "$(($(json '["train_images"]') + $(json '["val_images"]')))" = 47 ]
  contains "$output" "1 of the 2 photos that it names is not in"
  contains "$output" "on line 2: stripes/nowhere.png"
  echo nowhere.png >list.txt
  w train "$F/photos" -b "$F/backbone.safetensors" --exclude list.txt -o other.whisker
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "none of the photos that it names is in"
  [ ! -e other.whisker ]
}

@test "train --labels corrects labels" {
  labelled d
  printf 'file,label\nstripes/wrong-dots.png,dots\ndots/wrong-stripes.png,stripes\n' >fixes.csv
  w train d -b "$F/backbone.safetensors" --labels fixes.csv -o m.whisker --json
  [ "$status" -eq 0 ]
  [ "$(json '["val_top1"]')" = 1.0 ]
  printf 'file,label\nstripes/wrong-dots.png,zebra\n' >fixes.csv
  w train d -b "$F/backbone.safetensors" --labels fixes.csv -o other.whisker
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "line 2: 'zebra' is no class of d"
}

@test "check --html: a page of its own, and nothing else is replaced" {
  labelled d
  w check d -b "$F/backbone.safetensors" --html page.html
  [ "$status" -eq 0 ]
  grep -q 'stripes/wrong-dots.png' page.html
  grep -q 'data:image/jpeg;base64,' page.html
  [ "$(grep -c '<!--' page.html)" = 0 ]
  echo "my own page" >mine.html
  w check d --no-labels --html mine.html
  [ "$status" -eq 1 ]
  one_clear_line
  [ "$(cat mine.html)" = "my own page" ]
}

@test "check: without a network the rest stands" {
  w check "$F/photos" -b nowhere.safetensors
  [ "$status" -eq 0 ]
  contains "$output" "48 photos that can be read"
  contains "$output" "Labels were not looked at: nowhere.safetensors"
}

@test "check: photos without labels, one class, many copies of one photo" {
  mkdir -p one/a flat
  cp "$F"/photos/dots/0*.png flat/
  w check flat
  [ "$status" -eq 0 ]
  contains "$output" "0 classes"
  for ((i = 0; i < 300; i++)); do cp "$F/photos/dots/00.png" "one/a/$i.png"; done
  w check one --json
  [ "$status" -eq 0 ]
  [ "$(json '["counts"]["copy"]')" = 299 ]
  [ "$(json '["duplicates"].__len__()')" = 1 ]
}

@test "check: every file of the corpus gets the verdict that is right, and no other" {
  cp -r "$BATS_TEST_DIRNAME/../golden/check/train" "$BATS_TEST_DIRNAME/../golden/check/test" .
  mkdir d
  mv train test d
  w check d --no-labels --list list.csv
  [ "$status" -eq 0 ]
  run python3 - "$BATS_TEST_DIRNAME/../golden/check/verdicts.tsv" <<'END'
import csv, sys
with open("list.csv", newline="") as f:
    found = {(r["file"], r["kind"], r["other"]): r for r in csv.DictReader(f) if r["file"]}
with open(sys.argv[1], newline="") as f:
    right = {(r["file"], r["kind"], r["other"]): r for r in csv.DictReader(f, delimiter="\t")}
for key in found.keys() ^ right.keys():
    print("only", "found" if key in found else "right", key)
for key in found.keys() & right.keys():
    if right[key]["words"] not in found[key]["what"]:
        print(key, found[key]["what"])
    if right[key]["missing"] and abs(100 * float(found[key]["score"]) - float(right[key]["missing"])) > 10:
        print(key, found[key]["score"])
END
  [ "$output" = "" ]
}
