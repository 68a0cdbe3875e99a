bats_require_minimum_version 1.5.0
load support

E="$(dirname "$WHISKER")/examples"
x() { run --separate-stderr "$E/example_$1" "${@:2}"; }

@test "examples: train_predict learns, tests, saves, opens and answers" {
  x train_predict "$F/photos" m.whisker "$F/photos/dots/00.png" "$F/backbone.safetensors"
  [ "$status" -eq 0 ]
  contains "$output" "in the all split"
  contains "$output" "00.png: dots"
  w eval m.whisker "$F/photos" --json
  [ "$(json '["left_out_learned"] > 0')" = True ]
}

@test "examples: train_predict is at most 25 statements long" {
  python3 - "$BATS_TEST_DIRNAME/../../examples/train_predict.c" <<'PY'
import re, sys
text = re.sub(r'/\*.*?\*/|//[^\n]*', '', open(sys.argv[1]).read(), flags=re.S)
text = re.sub(r'"(\\.|[^"\\])*"', '""', text)
body = text[text.index('int main'):]
statements = body.count(';') - 2 * len(re.findall(r'\bfor\s*\(', body)) + len(re.findall(r'\b(if|else|for|while|switch)\b', body))
print(statements, 'statements')
sys.exit(statements > 25)
PY
}

@test "examples: train_predict says what it is called with" {
  x train_predict
  [ "$status" -eq 1 ]
  contains "$stderr" "usage: train_predict"
}

@test "examples: embed_npy writes features" {
  x embed_npy "$F/backbone.safetensors" f.npy "$F/few"
  [ "$status" -eq 0 ]
  contains "$output" "f.npy: 16 rows of"
  [ -s f.npy ]
  x embed_npy absent.safetensors f.npy "$F/few"
  [ "$status" -eq 1 ]
  contains "$stderr" "absent.safetensors"
}

@test "examples: cancel_progress stops when it is good enough, and keeps the best" {
  x cancel_progress "$F/photos" "$F/backbone.safetensors" tuned.whisker 0.01
  [ "$status" -eq 0 ]
  contains "$output" "epoch 1:"
  contains "$output" "the best until it was stopped"
  [ -s tuned.whisker ]
  w predict tuned.whisker "$F/photos/dots/00.png"
  [ "$status" -eq 0 ]
}

# upright and lying edges of $output, as two numbers
edges() { sed -nE 's/^upright edges ([0-9.]+), lying edges ([0-9.]+) .*/\1 \2/p' <<<"$output"; }

@test "examples: own_graph finds upright edges in stripes, and both kinds in dots" {
  x own_graph "$F/photos/stripes/00.png"
  [ "$status" -eq 0 ]
  contains "$output" "(5 nodes in"
  awk '{ exit !($1 > 0.1 && $1 > 3 * $2) }' <<<"$(edges)"
  x own_graph "$F/photos/dots/00.png"
  [ "$status" -eq 0 ]
  awk '{ exit !($2 > 0.05 && $1 < 2 * $2 && $2 < 2 * $1) }' <<<"$(edges)"
  x own_graph absent.png
  [ "$status" -eq 1 ]
  contains "$stderr" "absent.png"
}

@test "examples: attack_photo makes a copy that is taken for another class" {
  w train "$F/photos" -b "$F/backbone.safetensors" -o m.whisker -q
  x attack_photo m.whisker "$F/photos/dots/00.png" stripes copy.png
  [ "$status" -eq 0 ]
  contains "$output" "dots"
  [ -s copy.png ]
  x attack_photo m.whisker "$F/photos/dots/00.png" nonsense copy.png
  [ "$status" -eq 1 ]
  contains "$stderr" "nonsense"
}
