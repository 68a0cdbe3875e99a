# Inputs that people brought elsewhere, each rebuilt after a public report (WHISKER_TEST_DATA/cases): what is typed, and
# what is right. The network is the fixture's: nothing here depends on what it has learned.
bats_require_minimum_version 1.5.0
load support

# enter_case NAME: a copy of it, to work in
enter_case() {
  data "cases/$1"
  cp -r "$DATA" case
  chmod -R u+w case
  cd case || return 1
}

# trains DATA CLASSES PHOTOS CHECKED [FLAG...]: classes with '|' between them, photos learned from or checked on, and how
# many of these were held back ("in turn": none was, each is left out in its turn); what was said is in $said afterwards
trains() {
  local data="$1" classes="$2" photos="$3" checked="$4"
  shift 4
  w train "$data" -b "$F/backbone.safetensors" -o m.whisker --json "$@"
  [ "$status" -eq 0 ] || { echo "$stderr"; return 1; }
  local got
  got=$(python3 -c '
import json, sys
r = json.load(sys.stdin)
n, held = r["train_images"], r["val_images"]
print("|".join(r["labels"]), n if held == n else n + held, "in turn" if held == n else held, sep="\n")' <<<"$output")
  [ "$got" = "$classes"$'\n'"$photos"$'\n'"$checked" ] || { echo "got: $got"; return 1; }
  said=$(python3 -c 'import json, sys; print("\n".join(json.load(sys.stdin)["warnings"]))' <<<"$output")
}

# refused WORDS COMMAND...: one clear line that has these words, and no model
refused() {
  local words="$1"
  shift
  w "$@"
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "$words"
  [ ! -e m.whisker ]
}

@test "a class that is called train" {
  enter_case class_named_train
  trains d "car|plane|train" 18 4 # one is a twin of another
  contains "$said" "train/ is taken for a class"
}

@test "class names in another encoding, with a line break, that differ in capitals only" {
  enter_case class_not_utf8
  trains d "café|dog" 10 2
  contains "$said" "not UTF-8: read as CP1252"
  w check d --no-labels
  contains "$stderr" "not UTF-8: read as CP1252"
  cd .. && rm -r case
  enter_case class_with_newline
  trains d "cat sit|dog" 10 2
  contains "$said" "line break"
  cd .. && rm -r case
  enter_case classes_differ_by_case
  trains d "Cat|cat|dog" 16 4
  contains "$said" 'the classes "Cat" and "cat" differ in capital letters only'
  w check d --no-labels
  contains "$stderr" "differ in capital letters only"
}

@test "copies are not checked on by what learned from them" {
  enter_case copies_on_both_sides
  trains d "cat|dog" 30 6
  contains "$said" "20 photos are copies or near twins of others"
}

@test "lists as spreadsheets write them" {
  local c h
  for c in csv_backslash csv_no_extension csv_sep_line csv_trailing_commas; do
    enter_case $c
    trains l.csv "cat|dog" 16 4
    cd .. && rm -r case
  done
  enter_case csv_headers
  for h in image_path,class_name img,category image_id,label filename,target; do
    sed "1s/.*/$h/" l.csv >h.csv
    trains h.csv "cat|dog" 16 4
  done
  cd .. && rm -r case
  enter_case csv_missing_class
  trains l.csv "cat|dog" 16 4
  contains "$said" 'no photo of the class "fox" is there'
  cd .. && rm -r case
  enter_case csv_latin1
  refused 'l.csv: line 10 is not UTF-8. Save the list again as "CSV UTF-8"' train l.csv -b "$F/backbone.safetensors" -o m.whisker
}

@test "labels that a spreadsheet took the zeros from are the same classes" {
  enter_case labels_zero_padded
  "$WHISKER" train d -b "$F/backbone.safetensors" --l2 0.001 -o m.whisker -q
  w eval m.whisker good.csv --with-learned --json
  local good
  good=$(json '["confusion"]')
  [ "$(json '["images"]')" = 8 ]
  w eval m.whisker excel.csv --with-learned --json
  [ "$(json '["confusion"]')" = "$good" ]
  contains "$(json '["warnings"]')" '1 is taken for class "01"'
}

@test "folders as systems, cameras and shops leave them" {
  enter_case synology_eadir
  trains d "cat|dog" 12 2
  cd .. && rm -r case
  enter_case folder_without_photos
  refused "d/notes: no photos in this class folder" train d -b "$F/backbone.safetensors" -o m.whisker
  rm -r d/notes
  trains d "cat|dog" 12 2
}

@test "split folders under their many names" {
  enter_case split_training_set
  trains d "cats|dogs" 12 "in turn"
  contains "$said" "test_set/ is taken for the 4 photos to test on"
  cd .. && rm -r case
  enter_case split_test_flat
  trains d "cat|dog" 16 4
  contains "$said" "d/test: 4 photos without class folders"
  cd .. && rm -r case
  enter_case photos_beside_train
  trains d "cat|dog" 12 2
  contains "$said" '4 photos beside train/ ("extra", "new cats") are not used'
}

@test "classes in the names of files" {
  enter_case kaggle_cats_train_train
  refused "add --labels-from name" train d -b "$F/backbone.safetensors" -o m.whisker
  trains d "cat|dog" 12 2 --labels-from name
  contains "$said" "d/test1: 4 photos without a class in their names: not used"
  cd .. && rm -r case
  enter_case names_with_suffix
  trains d "cat|dog" 16 4 --labels-from name
}

@test "archives: links, names in CP437, both kinds of slashes, UTF-8 in the C locale" {
  enter_case tar_symlinks
  trains d.tar "cat|dog" 8 2
  contains "$said" "8 of its entries are links to what is not in the archive"
  cd .. && rm -r case
  enter_case zip_cp437_classes
  trains d.zip "Hündchen|Kätzchen" 16 4
  contains "$said" "read as CP437"
  cd .. && rm -r case
  enter_case zip_mixed_separators
  trains d.zip "cat|dog" 16 4
  cd .. && rm -r case
  enter_case zip_utf8_in_C_locale
  local classes
  classes=$(python3 -c '
import zipfile
print("|".join(sorted({n.split("/")[-2] for n in zipfile.ZipFile("d.zip").namelist() if n.endswith(".jpg")})))')
  LC_ALL=C trains d.zip "$classes" 16 4
  LC_ALL=C.UTF-8 trains d.zip "$classes" 16 4
}

@test "photos that cannot be read: each is named, and what it is" {
  enter_case check_unnamed
  w check d --no-labels
  contains "$output" "d/cat/heic.jpg cannot be read: "
  contains "$output" "d/dog/cut.jpg: breaks off, "
  contains "$output" "% of the picture is missing: the JPEG breaks off"
  cd .. && rm -r case
  enter_case junk_named_jpg
  trains d "cat|dog" 12 3
  contains "$said" "d/dog/a.jpg: this is a web page"
  contains "$said" "d/dog/b.jpg: this is a Git LFS pointer"
  contains "$said" "run git lfs pull"
  contains "$said" "d/cat/d.jpg: this is a PDF document"
  contains "$said" "d/cat/c.jpg: this is a film"
  cd .. && rm -r case
  enter_case heic_in_class
  trains d "cat|dog" 12 2
  contains "$said" "d/dog/IMG_0.HEIC: the HEIC cannot be decoded"
}

@test "models of other programs are called by their names" {
  enter_case onnx_tflite_shards
  local file
  while read -r file words; do
    w predict "$file" p.jpg
    [ "$status" -eq 1 ]
    one_clear_line
    contains "$stderr" "$words"
  done <<'END'
m.onnx the ONNX file is broken
m.tflite the TensorFlow Lite file is broken
model.safetensors.index.json model-00001-of-00002.safetensors: no such file
END
}

@test "pictures turned by XMP, tiles of odd sizes: the pixels are Pillow's" {
  python3 -c "import PIL.Image, numpy" 2>/dev/null || skip "skipped: Pillow is not here"
  local case file
  while read -r case file; do
    enter_case "$case"
    python3 -c '
import sys
from PIL import Image, ImageOps
image = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
image.save("upright.png")' "$file"
    w embed "$F/backbone.safetensors" "$file" -o a.npy
    [ "$status" -eq 0 ]
    w embed "$F/backbone.safetensors" upright.png -o b.npy
    python3 -c '
import numpy
a, b = numpy.load("a.npy"), numpy.load("b.npy")
assert a.shape == b.shape and abs(a - b).max() <= 0.02 * abs(b).max(), abs(a - b).max()'
    cd .. && rm -r case
  done <<'END'
orient_jpg_xmp6 jpg_xmp6.jpg
orient_png_xmp6 png_xmp6.png
tiff_tiles_48 t.tif
END
}
