bats_require_minimum_version 1.5.0
load support

@test "bench --layers: a row for every step, with what computes it and what other ways take" {
  w bench "$F/backbone.safetensors" --layers --batch-size 2 --json
  [ "$status" -eq 0 ]
  [ "$(json '["peak_gflops"] > 0.1')" = True ]
  [ "$(json '["rows"].__len__() >= 3')" = True ]
  [ "$(json '["rows"][0]["ms"] > 0')" = True ]
  [ "$(json '["rows"][0]["exact_ms"] > 0')" = True ]
  [ "$(json '["rows"][0]["bytes"] > 0')" = True ]
  [ "$(json '["rows"][-1]["kernel"]')" = linear ]
}

@test "bench: the processor's peak stands beside the figures" {
  w bench "$F/backbone.safetensors" --mode latency --seconds 0.01 --json
  [ "$status" -eq 0 ]
  [ "$(json '["peak_gflops"] > 0.1')" = True ]
}

@test "bench --layers: a file that is no weight file is one clear line" {
  echo nonsense >broken.safetensors
  w bench broken.safetensors --layers
  [ "$status" -ne 0 ]
  one_clear_line
}
