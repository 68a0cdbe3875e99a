bats_require_minimum_version 1.5.0
load support

@test "resume: a checkpoint of another network is refused before any work" {
  "$WHISKER" train "$F/few" -b simple_cnn --from-scratch --size 32 --epochs 1000 -o s.whisker -q &
  local pid=$!
  for _ in $(seq 600); do [ -e s.checkpoint ] && break; sleep 0.05; done
  kill -9 $pid
  wait $pid || true
  w train "$F/few" -b resnet18 --from-scratch --resume -o s.whisker
  [ "$status" -eq 1 ]
  one_clear_line
  contains "$stderr" "s.checkpoint: this checkpoint is of a run of simple_cnn, and this one trains resnet18"
  [ -e s.checkpoint ]
}

# Killed at any time, a run goes on from its last whole epoch to the same bytes.
@test "killed and resumed: the same bytes" {
  ordinary_build_only "test_finetune resumes to the bit"
  # No function: the process that is killed must be whisker itself, not a shell that waits for it.
  local long=("$WHISKER" train "$F/few" -b "$F/backbone.safetensors" --tune all --epochs 8 --batch-size 4 --keep tuned --patience 0 -q)
  "${long[@]}" -o whole.whisker
  "${long[@]}" -o k.whisker &
  local pid=$! times=0
  while [ $times -lt 4 ] && ! [ -e whole.done ]; do
    # A checkpoint that is newer than the last kill: then somewhere in the middle of what follows.
    for _ in $(seq 200); do [ k.checkpoint -nt mark ] && break; kill -0 $pid 2>/dev/null || break; sleep 0.01; done
    sleep 0.0$((times * 2))
    kill -9 $pid 2>/dev/null || touch whole.done
    wait $pid || true
    touch mark
    times=$((times + 1))
    "${long[@]}" --resume -o k.whisker &
    pid=$!
  done
  wait $pid
  cmp whole.whisker k.whisker
}
