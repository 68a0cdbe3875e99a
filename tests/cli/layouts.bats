bats_require_minimum_version 1.5.0
load support

# pack KIND OUT: the fixture's photos as a zip, tar.gz or WebDataset's shards.
pack() {
  python3 - "$F/photos" "$1" "$2" <<'PY'
import io, os, sys, tarfile, zipfile
root, kind, out = sys.argv[1:]
files = sorted(os.path.relpath(os.path.join(d, f), root) for d, _, names in os.walk(root) for f in names)
if kind == "zip":
    with zipfile.ZipFile(out, "w") as z:
        for f in reversed(files):  # whatever order it was packed in
            z.write(os.path.join(root, f), "photos/" + f)
elif kind == "tar.gz":
    with tarfile.open(out, "w:gz") as t:
        for f in files[1::2] + files[::2]:
            t.add(os.path.join(root, f), f)
else:  # two shards; photos take turns
    for s in range(2):
        with tarfile.open(f"{out}/shard-{s:06d}.tar", "w") as t:
            for f in files[s::2]:
                t.add(os.path.join(root, f), f)
                label = f.split("/")[0].encode()
                info = tarfile.TarInfo(f.rsplit(".", 1)[0] + ".cls")
                info.size = len(label)
                t.addfile(info, io.BytesIO(label))
PY
}

@test "folder, zip, tar.gz and shards of the same photos give the same model, byte for byte, in any locale" {
  pack zip p.zip
  pack tar.gz p.tar.gz
  mkdir shards
  pack shards shards
  local data
  w train "$F/photos" -b "$F/backbone.safetensors" -o folder.whisker
  [ "$status" -eq 0 ]
  for data in p.zip p.tar.gz shards; do
    LC_ALL=C w train "$data" -b "$F/backbone.safetensors" -o other.whisker
    [ "$status" -eq 0 ]
    cmp folder.whisker other.whisker
  done
}

@test "photos in an archive are called by the archive's name" {
  pack zip p.zip
  w train p.zip -b "$F/backbone.safetensors" -o m.whisker
  [ "$status" -eq 0 ]
  w predict m.whisker p.zip -k 1
  [ "$status" -eq 0 ]
  contains "$output" "p.zip/photos/dots/00.png"
  [[ "$output" != *"$WHISKER_HOME"* ]]
  w eval m.whisker p.zip --json
  [[ "$output" != *"$WHISKER_HOME"* ]]
}

@test "what was taken for what is told, and in JSON" {
  mkdir -p d/training_set d/test_set
  cp -r "$F/few/." d/training_set/
  cp -r "$F/photos/dots" "$F/photos/stripes" d/test_set/
  w train d -b "$F/backbone.safetensors" -o m.whisker --json
  [ "$status" -eq 0 ]
  contains "$output" "training_set/ is taken for the 16 photos to learn from"
  [ "$(json '["train_images"]')" = 16 ]
  w check d --no-labels --json
  [ "$status" -eq 0 ]
  [ "$(json '["notes"].__len__()')" -ge 1 ]
}

@test "copies stay on one side: a split never checks on a photo that was learned from" {
  mkdir -p d
  cp -r "$F/few/dots" "$F/few/stripes" d/
  for k in dots stripes; do
    for i in 0 1 2 3 4 5 6 7; do cp "d/$k/0$i.png" "d/$k/copy$i.png"; done
  done
  w train d -b "$F/backbone.safetensors" -o m.whisker
  [ "$status" -eq 0 ]
  contains "$stderr" "16 photos are copies or near twins of others"
  mkdir -p v/train v/val
  cp -r "$F/few/dots" "$F/few/stripes" v/train/
  mkdir v/val/dots v/val/stripes
  cp "$F/few/dots/03.png" "$F/photos/dots/20.png" v/val/dots/
  cp "$F/few/stripes/03.png" "$F/photos/stripes/20.png" v/val/stripes/
  w train v -b "$F/backbone.safetensors" -o m.whisker --json
  [ "$status" -eq 0 ]
  contains "$output" "2 photos to check on are copies of photos to learn from"
  [ "$(json '["val_images"]')" = 2 ]
}

@test "a broken photo is named" {
  mkdir -p d
  cp -r "$F/few/dots" "$F/few/stripes" d/
  echo "not a photo" > d/dots/bad.jpg
  w check d --no-labels
  contains "$output" "d/dots/bad.jpg cannot be read: "
}
