#!/usr/bin/env bash
# wasm.sh OWLET [GOLDEN]: the engine for the browser under node and in Chromium. Ends with "N passed, N failed".
#   under both, the kernels' conformance suite, on WebAssembly's vectors, and on those of relaxed SIMD where node has it
#   the bundled model, as it is, with an adapter and in Q4_0: the same tokens and log-probabilities as the program OWLET on its generic path, to the last
#   bit, on one thread and on two
#   GOLDEN's numbers of models, tokenizers, templates and samplers
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/packages.sh
. tools/browser.sh
owlet=$1
golden=${2:-}
install_packages web wasm || exit 1

out=build-browser
{ build_browser engines kernels_tests golden && build_browser --threads engines && install_page_tools; } || { echo "0 passed, 1 failed"; exit 1; }

passed=0
failed=0
# tally NAME COMMAND…: adds up what a suite of ours or GoogleTest's says at its end.
tally() {
  local name=$1 log ok wrong
  shift
  log=$(mktemp)
  "$@" >"$log" 2>&1
  ok=$(sed -nE 's/^\[  PASSED  \] ([0-9]+) tests?.*/\1/p; s/^([0-9]+) passed.*/\1/p' "$log" | tail -n 1)
  wrong=$(sed -nE 's/^ ?([0-9]+) FAILED TESTS?$/\1/p; s/^[0-9]+ passed, ([0-9]+) failed.*/\1/p' "$log" | tail -n 1)
  [ -z "$ok" ] && wrong=$((${wrong:-0} + 1))  # it did not come to its end
  passed=$((passed + ${ok:-0}))
  failed=$((failed + ${wrong:-0}))
  echo "-- $name: ${ok:-0} passed, ${wrong:-0} failed"
  if [ "${wrong:-0}" != 0 ]; then grep -E 'FAIL|Failure|Error|error' "$log" | head -n 40; fi
  rm -f "$log"
}
run_node() { node --no-experimental-fetch $relaxed_flag "$@"; }

# What node has to be told for relaxed SIMD: nothing, or the name of what it still calls an experiment.
variants=('')
for relaxed_flag in '' --experimental-wasm-relaxed-simd; do
  run_node -e 'process.exit(WebAssembly.validate(require("fs").readFileSync(process.argv[1])) ? 0 : 1)' "$out/relaxed/kernels_test.wasm" 2>/dev/null &&
    variants=('' relaxed/) && break
done
[ ${#variants[@]} = 2 ] || relaxed_flag=

# same PATH BODY: what comes of a request of the served model, but for its name and its times.
same() {
  local variant threads ours theirs
  theirs=$(curl -s "$url$1" -H 'Content-Type: application/json' -d "$2" | choices_of)
  for variant in "${variants[@]}"; do
    for threads in 1 2; do
      ours=$(run_node tests/wasm/generate.mjs "$out$([ $threads = 1 ] || echo -threads)/${variant}engine.mjs" "$model" $threads $adapter \
        "{\"path\": \"$1\", \"body\": $2}" | choices_of)
      if [ -n "$ours" ] && [ "$ours" = "$theirs" ]; then
        passed=$((passed + 1))
      else
        failed=$((failed + 1))
        echo "FAIL $model $1 $2"
        echo "  ${variant}engine.mjs, $threads threads: ${ours:0:300}"
        echo "  generic:                        ${theirs:0:300}"
      fi
    done
  done
}
choices_of() { node -e 'console.log(JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8")).choices))'; }

conformance=(--gtest_brief=1 '--gtest_filter=-*OfThreads*')
for variant in "${variants[@]}"; do
  program=$PWD/$out/${variant}kernels_test.cjs
  tally "${variant}kernels_test under node" run_node "$program" "${conformance[@]}"
  tally "${variant}kernels_test in Chromium" npm --prefix web run -s e2e:conformance -- "$program" "${conformance[@]}"
done

scratch=$(mktemp -d)
. tests/server.sh
trap 'stop_server 2>/dev/null; rm -rf "$scratch"' EXIT
# serve_generic MODEL [NAME=ADAPTER]
serve_generic() {
  model=$1 adapter=${2:-}
  stop_server
  OWLET_ISA=generic start_server "$scratch/log" "$owlet" serve "$model" ${adapter:+--adapter "$adapter"} --port 0
}
serve_generic models/owlet.gguf
same /v1/chat/completions '{"messages": [{"role": "user", "content": "What is the capital of Peru?"}], "temperature": 0, "logprobs": true, "top_logprobs": 3}'
same /v1/chat/completions '{"messages": [{"role": "user", "content": "Tell me a very short story."}], "temperature": 0.9, "seed": 7, "n": 2, "max_tokens": 100}'
same /v1/completions '{"prompt": "Once upon a time", "temperature": 1, "top_p": 0.9, "seed": 11, "max_tokens": 60, "logprobs": 1, "echo": true}'

tests/wasm/adapter.sh "$owlet" "$scratch/tea" && serve_generic models/owlet.gguf "tea=$scratch/tea/step-00000030"
same /v1/chat/completions '{"model": "tea", "messages": [{"role": "user", "content": "Where is the Blue Kettle?"}], "temperature": 0, "logprobs": true}'
same /v1/chat/completions '{"messages": [{"role": "user", "content": "Where is the Blue Kettle?"}], "temperature": 0, "logprobs": true}'

# Products of codes without a sign are others, and relaxed SIMD's.
"$owlet" quantize models/owlet.gguf "$scratch/owlet-q4_0.gguf" --type q4_0 >/dev/null && serve_generic "$scratch/owlet-q4_0.gguf"
same /v1/chat/completions '{"messages": [{"role": "user", "content": "What is the capital of Peru?"}], "temperature": 0, "logprobs": true, "top_logprobs": 3}'
same /v1/completions '{"prompt": "Once upon a time", "temperature": 1, "seed": 5, "max_tokens": 60, "logprobs": 1, "echo": true}'

if [ -d "$golden" ]; then
  plain=$out/golden-data
  rm -rf "$plain" && cp -r "$golden" "$plain" && chmod -R u+w "$plain"
  find "$plain" -name '*.zst' -exec sh -c 'zstd -dqc "$1" >"$1.plain" && mv "$1.plain" "$1"' _ {} \;
  tally "golden under node" run_node "$out/golden.cjs" "$plain"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
