bats_require_minimum_version 1.5.0
load support

@test "predict --csv: one line a photo, and names are quoted" {
  cp "$F/photos/dots/00.png" 'a, "b".png'
  w predict "$F/backbone.safetensors" 'a, "b".png' "$F/photos/dots/01.png" -k 2 --csv
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "file,label_1,p_1,label_2,p_2" ]
  [ "${#lines[@]}" -eq 3 ]
  [ "$(python3 -c 'import csv,sys; r=list(csv.DictReader(sys.stdin)); print(r[0]["file"], float(r[0]["p_1"]) >= float(r[0]["p_2"]))' <<<"$output")" = 'a, "b".png True' ]
  w predict "$F/backbone.safetensors" 'a, "b".png' --csv --json
  [ "$status" -eq 2 ]
}

@test "eval --wrong, --csv: the wrong photos, then the doubtful ones, worst first, and what was tested on" {
  "$WHISKER" train "$F/few" -b "$F/backbone.safetensors" -o m.whisker -q
  mkdir -p swapped/test # every class is called the other
  cp -r "$F/photos/stripes" swapped/test/dots
  cp -r "$F/photos/dots" swapped/test/stripes
  w eval m.whisker swapped --with-learned --json
  local wrong doubtful
  wrong=$(json '["mistakes"].__len__()')
  doubtful=$(json '["doubtful"].__len__()')
  [ "$wrong" -gt 3 ]
  w eval m.whisker swapped --with-learned --wrong 3
  contains "$output" "tested on the test part of swapped"
  contains "$output" "wrong, worst first (3 of $wrong):"
  [ "$(grep -c "taken for .*" <<<"$(sed '1,/worst first/d' <<<"$output")")" -eq 3 ]
  w eval m.whisker swapped/test --with-learned --csv
  [ "${lines[0]}" = "file,truth,predicted,p,p_truth,verdict" ]
  [ "${#lines[@]}" -eq $((wrong + doubtful + 1)) ]
  [ "$(python3 -c '
import csv, sys
rows = list(csv.DictReader(sys.stdin))
worse = [(r["verdict"] == "wrong", float(r["p"])) for r in rows]
ahead = [(r["verdict"], float(r["p"]) - float(r["p_truth"])) for r in rows]
print(worse == sorted(worse, reverse=True), all(d > 0 if v == "wrong" else -0.2 < d <= 0 for v, d in ahead),
      {v for v, d in ahead} <= {"wrong", "doubtful"})' <<<"$output")" = "True True True" ]
  w eval m.whisker swapped/test --with-learned --csv --wrong 2
  [ "${#lines[@]}" -eq 3 ]
}

@test "predict: a pattern that no shell has expanded, and a file whose name looks like one" {
  w predict "$F/backbone.safetensors" "$F/photos/dots/0[0-2].png" --csv -k 1
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 4 ]
  cp "$F/photos/dots/00.png" 'a[1].png'
  cp "$F/photos/dots/00.png" 'a1.png'
  w predict "$F/backbone.safetensors" 'a[1].png' --csv -k 1
  [ "${#lines[@]}" -eq 2 ]
  contains "${lines[1]}" 'a[1].png'
  w predict "$F/backbone.safetensors" 'none*.jpg'
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" 'none*.jpg'
}

@test "predict: a photo on standard input, and what else may come there" {
  w predict "$F/backbone.safetensors" "$F/photos/dots/00.png" --csv -k 1
  local answer="${lines[1]#*,}"
  w predict "$F/backbone.safetensors" - --csv -k 1 <"$F/photos/dots/00.png"
  [ "$status" -eq 0 ]
  [ "${lines[1]}" = "standard input,$answer" ]
  w embed "$F/backbone.safetensors" - -o a.npy <"$F/photos/dots/00.png"
  w embed "$F/backbone.safetensors" "$F/photos/dots/00.png" -o b.npy
  cmp a.npy b.npy
  w predict "$F/backbone.safetensors" - </dev/null
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "standard input is empty"
  w predict "$F/backbone.safetensors" - <<<"<!DOCTYPE html><html></html>"
  [ "$status" -eq 1 ]
  contains "$stderr" "standard input: this is a web page"
  [ -z "$(find "$WHISKER_HOME" -name 'fetched-*')" ] # nothing is left behind
}

@test "predict: photos by web addresses, missing ones, one that is too large" {
  mkdir web
  cp "$F/photos/dots/00.png" web/a.png
  cat >server.py <<'PY'
import http.server, pathlib
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        photo = pathlib.Path("web/a.png").read_bytes()
        self.send_response(404 if "none" in self.path else 200)
        self.send_header("Content-Length", str(300 << 20) if "large" in self.path else str(len(photo)))
        self.end_headers()
        self.wfile.write(photo)
    def log_message(self, *args):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
pathlib.Path("port.part").write_text(str(server.server_port))
pathlib.Path("port.part").rename("port")
server.serve_forever()
PY
  python3 server.py 3>&- &
  local server=$!
  for ((i = 0; i < 100; i++)); do
    [ -e port ] && break
    sleep 0.05
  done
  local at="http://127.0.0.1:$(cat port)"
  w predict "$F/backbone.safetensors" "$F/photos/dots/00.png" --csv -k 1
  local answer="${lines[1]#*,}"
  w predict "$F/backbone.safetensors" "$at/a.png?size=large-enough" --csv -k 1
  [ "$status" -eq 1 ]
  contains "$stderr" "more than the 268435456 that are allowed"
  w predict "$F/backbone.safetensors" "$at/a.png" "$at/none.png" --csv -k 1
  [ "$status" -eq 1 ]
  [ "${lines[1]}" = "$at/a.png,$answer" ]
  contains "$stderr" "$at/none.png: the server answers 404"
  contains "$stderr" "1 of 2 photos could not be read"
  printf 'url,label\n%s/a.png,dots\n%s/none.png,stripes\n' "$at" "$at" >list.csv
  w predict "$F/backbone.safetensors" list.csv --csv -k 1
  kill $server
  [ "$status" -eq 0 ]
  [ "${lines[1]}" = "$at/a.png,$answer" ]
  contains "$stderr" "1 of its photos could not be fetched"
}

@test "predict --frames: every frame of a film, every page" {
  local corpus="$BATS_TEST_DIRNAME/../golden/corpus"
  w predict "$F/backbone.safetensors" --frames "$corpus/film.gif" "$corpus/pages.tif" "$F/photos/dots/00.png" --csv -k 1
  [ "$status" -eq 0 ]
  [ "$(cut -d, -f1 <<<"$output" | sed 's/.*\///' | tr '\n' ' ')" = "file film.gif#1 film.gif#2 film.gif#3 film.gif#4 pages.tif#1 pages.tif#2 pages.tif#3 00.png " ]
  w predict "$F/backbone.safetensors" "$corpus/pages.tif" --csv -k 1
  local first="${lines[1]##*.tif,}"
  w predict "$F/backbone.safetensors" --frames "$corpus/pages.tif" --csv -k 1
  [ "${lines[1]##*#1,}" = "$first" ]
}

@test "--srgb: colours by the photo's profile, and the model remembers" {
  local corpus="$BATS_TEST_DIRNAME/../golden/corpus"
  w embed "$F/backbone.safetensors" "$corpus/profile.png" -o plain.npy
  w embed "$F/backbone.safetensors" "$corpus/profile.png" --srgb -o srgb.npy
  [ "$status" -eq 0 ]
  run ! cmp -s plain.npy srgb.npy
  w embed "$F/backbone.safetensors" "$F/photos/dots/00.png" -o plain.npy # no profile
  w embed "$F/backbone.safetensors" "$F/photos/dots/00.png" --srgb -o other.npy
  cmp plain.npy other.npy
  w train "$F/few" -b "$F/backbone.safetensors" -o plain.whisker -q
  w train "$F/few" -b "$F/backbone.safetensors" --srgb -o m.whisker -q
  w embed plain.whisker "$corpus/profile.png" --srgb -o a.npy
  w embed m.whisker "$corpus/profile.png" -o b.npy
  cmp a.npy b.npy
  cmp b.npy srgb.npy
  w info m.whisker --json
  [ "$(json '["preprocess"]["srgb"]')" = True ]
}

@test "eval: right, but hardly: the doubtful photos are named" {
  # Two heads that know nothing: every answer is a guess, and half of them are right.
  mkdir -p d/a d/b
  for ((i = 0; i < 8; i++)); do
    cp "$F/photos/dots/0$i.png" "d/$([ $((i % 2)) = 0 ] && echo a || echo b)/$i.png"
  done
  "$WHISKER" train d -b "$F/backbone.safetensors" --l2 1000000 --val 0 -o m.whisker -q
  w eval m.whisker d --with-learned --json
  [ "$(json '["mistakes"].__len__()')" -gt 0 ]
  [ "$(json '["doubtful"].__len__()')" -gt 0 ]
  [ $(($(json '["mistakes"].__len__()') + $(json '["doubtful"].__len__()'))) -eq 8 ]
  w eval m.whisker d --with-learned --wrong 8
  contains "$output" "right, but doubtful, worst first"
  contains "$output" "nearly taken for"
}

@test "what chose the epoch is no test of the tuned network" {
  mkdir -p d/train d/val
  cp -r "$F/few/." d/train
  for k in dots stripes; do
    mkdir d/val/$k
    cp "$F/photos/$k/2"?.png d/val/$k
  done
  w train d -b "$F/backbone.safetensors" --tune head --epochs 1 -o m.whisker --json
  [ "$status" -eq 0 ]
  [ "$(json '["left_out_learned"]')" = 0 ]
  w eval m.whisker d/val
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "learned from all"
  contains "$stderr" "--with-learned"
  w train d -b "$F/backbone.safetensors" -o m.whisker -q # the penalty is chosen among the photos to learn from
  w eval m.whisker d/val --json
  [ "$status" -eq 0 ]
  [ "$(json '["left_out_learned"]')" = 0 ]
}

@test "copies among the photos to check on are counted in the JSON of train and compare" {
  mkdir -p v/train v/val/dots v/val/stripes
  cp -r "$F/few/dots" "$F/few/stripes" v/train/
  for k in dots stripes; do
    cp "$F/few/$k/03.png" "$F/photos/$k/20.png" v/val/$k
  done
  w train v -b "$F/backbone.safetensors" -o m.whisker --json
  [ "$(json '["left_out_learned"]')" = 2 ]
  w compare v -b "$F/backbone.safetensors" --json
  [ "$(json '["left_out_learned"]')" = 2 ]
}

@test "copies do not judge each other where photos are left out in turn" {
  # Pairs of copies, whose class nothing tells: with their twins' help every one would be right.
  mkdir -p d/train/a d/train/b d/test/a d/test/b
  for ((i = 0; i < 10; i++)); do
    local k
    k=$([ $((i / 2 % 2)) = 0 ] && echo a || echo b)
    cp "$F/photos/dots/0$i.png" d/train/$k/$i.png
    cp "$F/photos/dots/0$i.png" d/train/$k/copy$i.png
  done
  cp "$F/photos/stripes/00.png" d/test/a
  cp "$F/photos/stripes/01.png" d/test/b
  local head
  for head in linear knn mean; do
    w train d -b "$F/backbone.safetensors" --head $head -o m.whisker --json
    [ "$status" -eq 0 ] || { echo "$stderr"; return 1; }
    [ "$(python3 -c 'import json,sys; print(json.load(sys.stdin)["val_top1"] < 0.95)' <<<"$output")" = True ] || { echo "$head: $output"; return 1; }
  done
}
