bats_require_minimum_version 1.5.0
load support

setup() {
  enter
  trained m.whisker
}

# Every picture, link and section that the page names is there.
page_is_whole() { python3 - "$1" <<'PY'
import os, re, sys
folder = sys.argv[1]
page = open(folder + "/index.html", encoding="utf-8").read()
files = set(re.findall(r'(?:src|href)="([^"#]+)"', page))
assert files and not [f for f in files if f.startswith("http") or not os.path.getsize(os.path.join(folder, f))], files
assert all(f'id="{name}"' in page for name in re.findall(r'href="#([^"]+)"', page))
assert page.count("<section") == page.count("</section>") > 0 and page.rstrip().endswith("</html>")
PY
}

@test "look gallery: a folder with a page of everything, whole, without the network" {
  w look gallery m.whisker "$F/photos" -o g --photos 6 --map-steps 20 --ideal-steps 5 --attacked 3 --eps 24 --json
  [ "$status" -eq 0 ]
  [ "$(json '["sections"]')" = "['right', 'mistakes', 'map', 'nearest', 'features', 'filters', 'cam', 'ideal', 'attack', 'robust']" ]
  [ "$(json '["photos"]')" = 12 ]
  page_is_whole g
  run ! bash -c "grep -oE 'https?://[^\" ]*' g/index.html | grep -v www.w3.org/2000/svg"
  run ! grep -q 'class="status"' g/index.html
  pictures <<'END'
g/map.png 0 0 d4000064006010001080009018301810480040401048111811180c000c000c08
g/features.png 0 0 9000c4008800800080009c58dddc9d54db449f549f44dec2dedc9c5480008000
g/filters.png 0 0 b2809120aa00aa0caa84a954aaa4aab40954aac4aab4aa94aab4ab44a8a88880
g/ideal.png 0 0 0000b6b094b0a8b8b8f884f896f0d2f096f0c6f086f0aeb8aeb0818081c00000
g/why-0.png 0 0 0000000080c0826080c080c080c480cc82cc80c080c880c8804c000081c00000
g/why-1.png 0 0 0000d201d252d252d252d252d252d252d252d252d252d252d256520081a00000
g/nearest-0.png 0 0 aa94c288c000888c888c888c888c99988888c888c888c8888888999880008200
g/nearest-1.png 0 0 aa94c288c000888888888888888898988c888ccc8ccc8ccc8c8c999880008200
g/odd.png 0 0 0000f330f330f330f330f330f330f330f330f330f330f330f330d400a0000000
g/attack-0.png 0 0 0000835095b48654849686b0835a8530857284b6849684b6847086128d300000
g/attack-1.png 0 0 0000925298929153995398d399139193995398d39a93991392539a528d300000
END
  # Again into the same folder: it is a gallery's.
  w look gallery m.whisker "$F/photos" -o g --photos 6 --no-map --no-nearest --no-features --no-filters --no-cam --no-ideal --no-attack --no-robust --json
  [ "$status" -eq 0 ]
  [ "$(json '["sections"]')" = "['right', 'mistakes']" ]
}

@test "look gallery: what a model cannot give is left out and said" {
  trained k.whisker --head knn
  w look gallery k.whisker "$F/photos" -o g --photos 4 --no-map
  [ "$status" -eq 0 ]
  contains "$output" "robust    left out"
  page_is_whole g
  mkdir flat && cp "$F/photos/dots/"0*.png flat/
  w look gallery m.whisker flat -o h --ideal-steps 3 --json
  [ "$status" -eq 0 ]
  [ "$(json '["sections"]')" = "['map', 'nearest', 'features', 'filters', 'ideal']" ]
  [ "$(json '["top1"]')" = None ]
  page_is_whole h
}

@test "look gallery: Ctrl-C keeps what is finished" {
  "$WHISKER" look gallery m.whisker "$F/photos" -o g --photos 6 --no-right --no-mistakes --no-map --no-nearest --ideal-steps 100000 -q &
  pid=$!
  for _ in $(seq 300); do
    [ -s g/features.png ] && [ -s g/index.html ] && grep -q 'id="features"' g/index.html && break
    sleep 0.1
  done
  kill -TERM $pid
  rc=0
  wait $pid || rc=$?
  [ "$rc" -eq 130 ]
  page_is_whole g
  grep -q "Stopped before everything was drawn" g/index.html
}

@test "look gallery: a page that is not whisker's stays" {
  mkdir g && echo "<html>mine</html>" >g/index.html
  w look gallery m.whisker "$F/photos" -o g
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "stays as it is"
  [ "$(cat g/index.html)" = "<html>mine</html>" ]
  w look gallery m.whisker nowhere -o h
  [ "$status" -eq 1 ]
  one_clear_line
  [ ! -e h ]
}
