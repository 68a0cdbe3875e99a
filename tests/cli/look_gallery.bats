bats_require_minimum_version 1.5.0
load support

setup() {
  enter
  [ -e "$F/m.whisker" ] || "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" -o "$F/m.whisker" -q
  ln -s "$F/m.whisker" m.whisker
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
  picture g/map.png 0 0 003400300000180018c000d80018080048004000006011ac118c000004000c00
  picture g/features.png 1280 560 00024002820280029c5a9dda9dda1b129b4c9f4a9f481d429eca9eda5cdc0000
  picture g/filters.png 636 416 a900a2a6a2aaaaaa552aa2aaa2aabaa988aaaaaaaaaa6aaae2aaa2aa8aaa55aa
  picture g/ideal.png 82 76 0000c4f0d0f8c8f8d6f0d2f0c4f0c6f00000c8a0cca80000e0d0c4c4e4940000
  picture g/why-0.png 530 284 000000000000c0e0e4e8e4e8e4e0e4ece4e8e4e8e4e8e4cc00000000000001c0
  picture g/why-1.png 530 284 00005ad45ad45af45af45ad45ad45ad45ad45ad45ad45ad45ad45ad4000081a0
  picture g/nearest-0.png 926 530 6c8aac8a6c8aac8a6c8aec8aec8a11988cc88cc88cc88cc88cc88cc88cc81198
  picture g/nearest-1.png 926 530 ec88ec88ee88ec88ec88ec88ec881198e88ae88ae88ae882e89ae882e88a1198
  picture g/odd.png 212 260 e318e318e338e318e338e318e318e318e318e318e318e338e318e000d000e000
  picture g/attack-0.png 120 60 00008310971696929792971295529692969696129612a638a738871800000000
  picture g/attack-1.png 120 60 00008310829485108210831483108294839082108290c614c738c71a00000000
  # Again into the same folder: it is a gallery's.
  w look gallery m.whisker "$F/photos" -o g --photos 6 --no-map --no-nearest --no-features --no-filters --no-cam --no-ideal --no-attack --no-robust --json
  [ "$status" -eq 0 ]
  [ "$(json '["sections"]')" = "['right', 'mistakes']" ]
}

@test "look gallery: what a model cannot give is left out and said" {
  "$WHISKER" train "$F/photos" -b "$F/backbone.safetensors" --head knn -o k.whisker -q
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
