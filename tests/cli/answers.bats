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

@test "eval --wrong, --csv: the wrong photos, worst first, and what was tested on" {
  "$WHISKER" train "$F/few" -b "$F/backbone.safetensors" -o m.whisker -q
  mkdir -p swapped/test # every class is called the other
  cp -r "$F/photos/stripes" swapped/test/dots
  cp -r "$F/photos/dots" swapped/test/stripes
  w eval m.whisker swapped --with-learned --json
  local wrong
  wrong=$(json '["mistakes"].__len__()')
  [ "$wrong" -gt 3 ]
  w eval m.whisker swapped --with-learned --wrong 3
  contains "$output" "tested on the test part of swapped"
  contains "$output" "wrong, worst first (3 of $wrong):"
  [ "$(grep -c "taken for .*" <<<"$(sed '1,/worst first/d' <<<"$output")")" -eq 3 ]
  w eval m.whisker swapped/test --with-learned --csv
  [ "${lines[0]}" = "file,truth,predicted,p" ]
  [ "${#lines[@]}" -eq $((wrong + 1)) ]
  [ "$(python3 -c 'import csv,sys; p=[float(r["p"]) for r in csv.DictReader(sys.stdin)]; print(p == sorted(p, reverse=True))' <<<"$output")" = True ]
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
