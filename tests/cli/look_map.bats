bats_require_minimum_version 1.5.0
load support

# The page as a program sees it: the object in its script.
page_data() { python3 -c "
import json, sys
text = open('$1', encoding='utf-8').read()
start = text.index('const data = ') + 13
data, _ = json.JSONDecoder().raw_decode(text[start:])
print($2)"; }

@test "look map: a picture and a page, the same for any number of threads, from kept features" {
  w look map "$F/backbone.safetensors" "$F/photos" -o a.png --html a.html --steps 60 --size 600 -j 1 --json
  [ "$status" -eq 0 ]
  [ "$(json '["photos"]')" = 48 ]
  [ "$(json '["classes"]')" = 2 ]
  [ "$(json '["points"].__len__()')" = 48 ]
  [ "$(json '["same_class_nearest"] > 0.9')" = True ]
  # Many steps make much of a difference in rounding; these few are the same map on every machine.
  w look map "$F/backbone.safetensors" "$F/photos" -o few.png --steps 20 --size 600
  picture few.png 0 0 9e08c9b09120ad234aa05680cb009a40d840e800ea00fa00ea00a25288448000
  w look map "$F/backbone.safetensors" "$F/photos" -o pca.png --method pca --size 600
  picture pca.png 1012 0 88009930d000d8229a2264205e404b001900d900660040004000825480000000
  w look map "$F/backbone.safetensors" "$F/photos" -o b.png --html b.html --steps 60 --size 600 -j 3 --json
  cmp a.png b.png
  cmp a.html b.html
  [ "$(page_data a.html "len(data['x']), len(data['y']), len(data['c']), len(data['file'])")" = "48 48 48 48" ]
  [ "$(page_data a.html "len(data['near']) == 48 * data['neighbours'] == len(data['cosine'])")" = True ]
  [ "$(page_data a.html "data['file'][0], data['classes'][data['c'][0]]['name']")" = "dots/00.png dots" ]
  [ "$(page_data a.html "data['sheets'][0][:23]")" = "data:image/jpeg;base64," ]
  run ! grep -qE "https?://" a.html
}

@test "look map: names that would break a page do not" {
  mkdir -p 'p/<script>&b' 'p/"quoted"'
  cp "$F/photos/dots/"0*.png 'p/<script>&b/'
  cp "$F/photos/stripes/"0*.png 'p/"quoted"/'
  cp "$F/photos/stripes/10.png" "$(printf 'p/"quoted"/\xff.png')"
  w look map "$F/backbone.safetensors" p -o m.png --html m.html --steps 20 --json
  [ "$status" -eq 0 ]
  [ "$(grep -c '<script>' m.html)" = 1 ]
  [ "$(page_data m.html "sorted(c['name'] for c in data['classes'])")" = "['\"quoted\"', '<script>&b']" ]
}

@test "look map: a photo in the wrong class and a picture that is there twice are told" {
  mkdir -p p/dots p/stripes
  cp "$F/photos/dots/"*.png p/dots/
  cp "$F/photos/stripes/"*.png p/stripes/
  mv p/stripes/05.png p/dots/wrong.png
  cp p/stripes/07.png p/stripes/07again.png
  w look map "$F/backbone.safetensors" p -o m.png --method pca --json
  [ "$status" -eq 0 ]
  contains "$(json '["odd"]')" wrong.png
  contains "$(json '["twins"]')" 07again.png
}

@test "look map: photos without classes, one photo, a broken one" {
  mkdir flat && cp "$F/photos/dots/"1*.png flat/ && cp "$F/bad/truncated.png" flat/
  w look map "$F/backbone.safetensors" flat -o m.png --html m.html --json
  [ "$status" -eq 0 ]
  [ "$(json '["broken"]')" = 1 ]
  [ "$(json '["photos"]')" = 10 ]
  mkdir one && cp "$F/photos/dots/00.png" one/
  w look map "$F/backbone.safetensors" one -o one.png --json
  [ "$status" -eq 0 ]
}

@test "look map: clear words for what cannot be" {
  mkdir none && cp "$F/bad/text.jpg" none/
  w look map "$F/backbone.safetensors" none -o m.png
  [ "$status" -eq 1 ]
  one_clear_line
  w look map "$F/backbone.safetensors" "$F/photos" -o m.gif
  [ "$status" -eq 1 ]
  contains "$stderr" PNG
  w look map "$F/backbone.safetensors" "$F/photos" -o m.png --html nowhere/m.html
  [ "$status" -eq 1 ]
  one_clear_line
  [ ! -e m.png ]
}

@test "look nearest: the most similar photos first, never the photo itself" {
  w look nearest "$F/backbone.safetensors" "$F/photos/dots/03.png" "$F/photos" -k 5 -o n.png --json
  [ "$status" -eq 0 ]
  [ "$(json '["nearest"].__len__()')" = 5 ]
  [ "$(python3 -c "
import json, sys
n = json.load(sys.stdin)['nearest']
c = [r['cosine'] for r in n]
print(c == sorted(c, reverse=True), all(abs(r['cosine'] + r['distance'] - 1) < 1e-6 for r in n), all('dots/03' not in r['file'] for r in n), n[0]['label'])" <<<"$output")" = "True True True dots" ]
  picture n.png 960 0 a0aac4a49000ac50ac50ac50ac5088c0c840c8c0c8c0c8c0c84088c0a5008140
}

@test "look nearest: clear words for what cannot be" {
  w look nearest "$F/backbone.safetensors" "$F/bad/text.jpg" "$F/photos" -o n.png
  [ "$status" -eq 1 ]
  contains "$stderr" text.jpg
  mkdir one && cp "$F/photos/dots/03.png" one/
  w look nearest "$F/backbone.safetensors" "$F/photos/dots/03.png" one -o n.png
  [ "$status" -eq 1 ]
  one_clear_line
  [ ! -e n.png ]
}
