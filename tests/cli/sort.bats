bats_require_minimum_version 1.5.0
load support

# setup: a model of stripes and dots, and photos of both in one folder.
setup() {
  enter
  trained m.whisker
  mkdir in
  for k in dots stripes; do for i in 00 01 02 03 04 05; do cp "$F/photos/$k/$i.png" "in/$k-$i.png"; done; done
}

filed() { find out \( -type f -o -type l \) ! -name '.whisker*' | wc -l; }

@test "sort: links in folders by class, and all of it undone by the list" {
  w sort in m.whisker --into out --json
  [ "$status" -eq 0 ]
  [ "$(json '["filed"]')" = 12 ]
  [ "$(json '["classes"]')" = "{'dots': 6, 'stripes': 6}" ]
  [ -L out/dots/dots-00.png ]
  cmp out/dots/dots-00.png in/dots-00.png
  # again: nothing is filed twice; what is new, or has changed, is
  cp "$F/photos/dots/10.png" in/new.png
  cp "$F/photos/stripes/10.png" in/dots-01.png
  w sort in m.whisker --into out --json
  [ "$(json '["before"]')" = 12 ]
  [ "$(json '["filed"]')" = 2 ]
  [ -L out/stripes/dots-01.png ]
  echo "mine" >out/dots/mine.txt
  w sort --undo out
  [ "$status" -eq 0 ]
  contains "$output" "14 photos taken away"
  [ "$(find out -type f -o -type l)" = out/dots/mine.txt ]
  [ "$(find in -type f | wc -l)" = 13 ]
  w sort --undo out
  [ "$status" -eq 1 ]
  one_clear_line
}

@test "sort: copies, unsure ones, names that are taken, photos that cannot be read" {
  mkdir -p in/more
  cp "$F/photos/dots/07.png" in/more/dots-00.png
  echo "no photo" >in/bad.png
  w sort in m.whisker --into out --copy --threshold 1 --unsure maybe --json
  [ "$status" -eq 0 ]
  [ "$(json '["unsure"]')" = 13 ]
  [ "$(json '["broken"]')" = 1 ]
  [ "$(filed)" = 13 ]
  [ ! -L out/maybe/dots-00.png ]
  [ -f out/maybe/dots-00-2.png ]
  echo changed >>out/maybe/dots-00.png
  w sort --undo out
  contains "$output" "12 photos taken away; what has changed since stays"
  [ -f out/maybe/dots-00.png ]
}

@test "sort --watch: killed twice while photos arrive, none is lost and none filed twice" {
  mkdir arriving
  (for i in $(seq 100); do cp "in/dots-0$((i % 6)).png" "arriving/$i.png"; sleep 0.01; done) &
  copying=$!
  for _ in 1 2; do
    "$WHISKER" sort arriving m.whisker --into out --watch >/dev/null 2>&1 &
    watching=$!
    sleep 0.7
    kill -9 $watching
    wait $watching || true
  done
  "$WHISKER" sort arriving m.whisker --into out --watch >log 2>&1 &
  watching=$!
  wait $copying
  for _ in $(seq 100); do
    [ "$(filed)" -lt 100 ] || break
    sleep 0.2
  done
  kill -INT $watching
  wait $watching
  [ "$(filed)" = 100 ]
  [ "$(find out -name '*-2.png' -o -name '*.tmp' | wc -l)" = 0 ]
}

@test "sort: what cannot be done is said" {
  w sort in m.whisker --into in/sorted
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "what is put there would be sorted again"
  w sort in m.whisker
  [ "$status" -eq 2 ]
  w sort in m.whisker --into out --threshold 2
  [ "$status" -eq 2 ]
  w sort m.whisker m.whisker --into out --watch
  [ "$status" -eq 1 ]
  contains "$stderr" "only a folder can be watched"
  mkdir -p evil
  printf '+\t4-1.0\tcopy\t/x\t../in/dots-00.png\n' >evil/.whisker-filed.tsv
  w sort --undo evil
  [ -f in/dots-00.png ]
}

@test "a disk that is full in the middle: sort can be undone, check --apply leaves nothing" {
  head -c 300000 /dev/urandom >noise
  python3 -c "
import struct, zlib
rows = b''.join(b'\0' + open('noise', 'rb').read()[i * 900:(i + 1) * 900] for i in range(300))
def chunk(kind, data): return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
open('in/z-large.png', 'wb').write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 300, 300, 8, 2, 0, 0, 0))
  + chunk(b'IDAT', zlib.compress(rows, 0)) + chunk(b'IEND', b''))"
  run --separate-stderr bash -c "ulimit -f 200; trap '' XFSZ; exec '$WHISKER' sort in m.whisker --into out --copy --no-cache"
  [ "$status" -eq 1 ]
  contains "$stderr" "after 12 photos, which are on the list of out"
  [ "$(filed)" = 12 ]
  [ "$(find out -name '*.tmp' | wc -l)" = 0 ]
  w sort --undo out
  contains "$output" "12 photos taken away"
  [ ! -e out ]
  run --separate-stderr bash -c "ulimit -f 200; trap '' XFSZ; exec '$WHISKER' check in --no-labels --no-cache --apply clean"
  [ "$status" -eq 1 ]
  one_clear_line
  [ ! -e clean ]
}

@test "check --apply: a cleaned copy, by class" {
  cp -r "$F/photos" d
  cp d/dots/00.png d/dots/copy.png
  echo "no photo" >d/dots/bad.png
  w check d --no-labels --apply clean --links
  [ "$status" -eq 0 ]
  contains "$output" "clean: 48 photos linked to"
  [ -L clean/dots/00.png ]
  [ ! -e clean/dots/copy.png ]
  [ ! -e clean/dots/bad.png ]
  w train clean -b "$F/backbone.safetensors" -o clean.whisker
  cmp clean.whisker m.whisker
  w check d --no-labels --apply clean
  [ "$status" -eq 1 ]
  contains "$stderr" "holds something already"
  w sort --undo clean
  [ ! -e clean ]
  (cd d && for k in dots stripes; do for f in "$k"/0*.png; do echo "$f,$k"; done; done) | sed '1i file,label' >d/list.csv
  w check d/list.csv --no-labels --apply listed
  [ -f listed/stripes/03.png ]
  [ "$(find listed -name '*.png' | wc -l)" = 20 ]
}
