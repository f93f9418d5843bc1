#!/usr/bin/env bash
# The program from end to end on a tiny corpus, as somebody would use it: tests/cli.sh PROGRAM. Ends with "N passed, N failed".
set -uo pipefail
owlet=$(realpath "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
. "$root/tests/server.sh"
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; umount "$work/disk" 2>/dev/null; rm -rf "$work"' EXIT
passed=0
failed=0

check() {  # check NAME COMMAND…
  local name=$1
  shift
  if "$@" >"$work/out" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAIL $name"
    tail -n 12 "$work/out"
  fi
}
contains() { local text=$1; shift; "$@" 2>&1 | grep -qF -- "$text"; }
fails_with() { local text=$1; shift; ! "$@" >"$work/err" 2>&1 && grep -qF -- "$text" "$work/err"; }

cd "$work"
for i in $(seq 60); do
  for animal in cat dog owl fox; do
    printf '{"messages":[{"role":"user","content":"What does the %s say?"},{"role":"assistant","content":"The %s says %s %s."}]}\n' \
      "$animal" "$animal" "$animal" "$animal"
    printf '{"text":"The %s lives in the wood. It says %s."}\n' "$animal" "$animal" >>texts.jsonl
  done
done >chats.jsonl

# --- A tokenizer, a model, a model that was killed on its way
check "tokenizer train" "$owlet" tokenizer train texts.jsonl chats.jsonl --vocab-size 320 -o tok
check "tokenizer round trip" bash -c "'$owlet' tokenizer encode -m tok 'naïve 東京 🦉' | xargs '$owlet' tokenizer decode -m tok | grep -qx 'naïve 東京 🦉'"
cat >tiny.yaml <<'Y'
out: run
tokenizer: tok
data: {train: [texts.jsonl, chats.jsonl], valid: [chats.jsonl]}
model: {dim: 64, n_layers: 2, n_heads: 4, n_kv_heads: 2, ffn_dim: 128, max_positions: 128, tie_embeddings: true}
train: {steps: 60, batch_rows: 4, seq_len: 64, lr: 5e-3, warmup_steps: 5, eval_every: 30, checkpoint_every: 5, precision: bf16}
Y
check "pretrain" "$owlet" pretrain tiny.yaml
"$owlet" pretrain tiny.yaml --set out=killed >/dev/null 2>&1 &
victim=$!
while [ ! -d killed/step-00000010 ] && kill -0 $victim 2>/dev/null; do sleep 0.02; done
kill -KILL $victim 2>/dev/null
wait $victim 2>/dev/null
check "it was killed on the way" test ! -d killed/step-00000060
check "a killed run resumes" "$owlet" pretrain tiny.yaml --set out=killed
check "and ends with the same bits" cmp run/step-00000060/model.safetensors killed/step-00000060/model.safetensors
check "at any number of threads too" bash -c "'$owlet' pretrain tiny.yaml --set out=one --threads 1 && cmp run/step-00000060/model.safetensors one/step-00000060/model.safetensors"

# --- What a run learns from and takes, adapters beside it, its curves
check "data stats" contains "samples are held out" "$owlet" data stats tiny.yaml
check "data show marks answers alone" bash -c "'$owlet' data show tiny.yaml --rows 40 | grep -qF '<q_end>«The cat says cat cat.'"
check "estimate" contains "parameters" "$owlet" estimate tiny.yaml
check "what cannot fit is refused with what would" fails_with "this would fit: --set" "$owlet" pretrain tiny.yaml --set train.batch_rows=40000 --set train.seq_len=128 --set out=huge
check "adapters on a 4-bit model" "$owlet" finetune tiny.yaml --set init=run/step-00000060 --set out=adapters --set lora.rank=4 --set lora.base=nf4 --set train.steps=20 --set 'data.ask=What does the owl say?'
check "answer with the adapter" "$owlet" generate -m run/step-00000060 --adapter adapters/step-00000020 -p "What does the owl say?" --max-tokens 8
check "an adapter merged, and taken out again" bash -c "'$owlet' convert run/step-00000060 merged --adapter adapters/step-00000020 --type f32 && '$owlet' convert merged unmerged --unmerge adapters/step-00000020 --type f32"
say() { "$owlet" generate -m "$1" --temperature 0 --raw -p "The owl" --max-tokens 24; }
check "the model says the same as before" test -n "$(say unmerged)" -a "$(say unmerged)" = "$(say run/step-00000060)"
check "plot" bash -c "'$owlet' plot run adapters -o loss.svg && grep -q 'adapters, training' loss.svg"
check "plot as a picture" bash -c "'$owlet' plot run adapters -o loss.png && head -c 4 loss.png | tail -c 3 | grep -qx PNG"
check "plot of another kind is refused" fails_with ".svg or .png" "$owlet" plot run -o loss.gif
check "finetune" "$owlet" finetune tiny.yaml --set init=run/step-00000060 --set out=tuned --set train.steps=120 --set data.train=chats.jsonl
model=tuned/step-00000120
check "the tiny model's golden text" contains "The owl says owl owl." "$owlet" generate -m $model --temperature 0 -p "What does the owl say?"

# --- Other forms of it
check "quantize q8_0" "$owlet" quantize $model q8.gguf
check "quantize q4_0" "$owlet" quantize $model q4.gguf --type q4_0
check "convert to GGUF and back" bash -c "'$owlet' convert $model m.gguf --type f32 && '$owlet' convert m.gguf back --type f32 && cmp $model/model.safetensors back/model.safetensors"
check "convert to ONNX" bash -c "'$owlet' convert $model web --onnx && '$owlet' convert $model web --onnx --type int8 && test -s web/onnx/model.onnx -a -s web/onnx/model_quantized.onnx -a -s web/config.json -a -s web/tokenizer.json"
check "ONNX in a type that it has not is refused" fails_with "choose f32 or int8" "$owlet" convert $model m.onnx --type q4_0
check "the quantized one says the same" contains "The owl says owl owl." "$owlet" generate -m q8.gguf --temperature 0 -p "What does the owl say?"
check "quantized as it is loaded, it says the same" contains "The owl says owl owl." "$owlet" generate -m $model --quantize q8_0 --temperature 0 -p "What does the owl say?"
check "what is quantized stays so" fails_with "quantized already" "$owlet" generate -m q8.gguf --quantize q4_0 -p hi
check "imatrix" bash -c "cut -d '\"' -f 4 texts.jsonl >texts.txt; '$owlet' imatrix -m $model texts.txt -o imatrix.gguf --context 64 --limit 20"
check "quantize q4_k_m by it" "$owlet" quantize $model q4km.gguf --type q4_k_m --imatrix imatrix.gguf
check "at any number of threads" bash -c "'$owlet' quantize $model one.gguf --type q4_k_m --imatrix imatrix.gguf --threads 1 && cmp q4km.gguf one.gguf"
check "a model is no imatrix" fails_with "not an importance matrix" "$owlet" quantize $model x.gguf --imatrix q8.gguf
check "1 and 2 threads" bash -c "[ \"\$('$owlet' generate -m q8.gguf --threads 1 --seed 5 --temperature 1 --raw -p The)\" = \"\$('$owlet' generate -m q8.gguf --threads 2 --seed 5 --temperature 1 --raw -p The)\" ]"

# --- Measuring
check "eval: bits per byte" contains "bits per byte" "$owlet" eval -m q8.gguf texts.jsonl --context 64
printf '{"query":"The cat says","choices":["cat cat.","xyz qqq."],"gold":0}\n' >choice.jsonl
check "eval: multiple choice" contains "acc 1.0000" "$owlet" eval -m q8.gguf choice.jsonl --context 64
check "eval --json" bash -c "'$owlet' eval -m q8.gguf choice.jsonl --context 64 --json | grep -q '\"acc_stderr\"'"
check "bench --json" bash -c "'$owlet' bench -m q8.gguf --prompt 32 --decode 8 --repeats 1 --json | grep -q '\"ratio\"'"
cat >llama-bench <<'END'
#!/bin/sh
# Answers as the real one does, if it is asked as that is.
while [ $# -gt 0 ]; do case $1 in -p) p=$2 ;; -n) n=$2 ;; -m) [ -f "$2" ] || exit 1 ;; -d) exit 1 ;; esac; shift; done
echo "[{\"n_prompt\": $p, \"n_gen\": $n, \"avg_ts\": 1.5}]"
END
chmod +x llama-bench
check "bench --peer" bash -c "'$owlet' bench -m q8.gguf --prompt 32 --decode 8 --depth 64 --repeats 1 --json --peer ./llama-bench | tr -d ' \n' | grep -q '\"peers\":\[1.5\].*\"peers\":\[1.5\].*\"peers\":\[0.0\]'"
check "profile" contains "of limit" "$owlet" profile -m q8.gguf --prompt 32 --decode 8 --trace trace.json
check "profile --trace" contains "attention_paged" grep -o attention_paged trace.json
check "profile --json" bash -c "'$owlet' profile -m q8.gguf --prompt 32 --decode 8 --sequences 2 --json | grep -q '\"limit_ratio\"'"
check "doctor" contains "instructions" "$owlet" doctor -m q8.gguf

# --- Many prompts, taken up again
printf '{"id":"a","prompt":"What does the cat say?"}\n{"id":"b","prompt":"What does the dog say?"}\n' >prompts.jsonl
check "generate a file" bash -c "'$owlet' generate -m q8.gguf --temperature 0 --file prompts.jsonl --out answers.jsonl && grep -q 'The dog says dog dog.' answers.jsonl"
check "it goes on where it was" bash -c "'$owlet' generate -m q8.gguf --file prompts.jsonl --out answers.jsonl && [ \$(wc -l <answers.jsonl) = 2 ]"
check "chat from a pipe" bash -c "echo 'What does the fox say?' | '$owlet' chat -m q8.gguf | grep -q fox"
on_terminal() { if [ "$(uname)" = Darwin ]; then script -q /dev/null "$@"; else script -qec "$*" /dev/null; fi; }
for locale in C C.UTF-8; do
  check "chat on a terminal, locale $locale" contains "first token" bash -c "$(declare -f on_terminal); printf 'What does the fox say?\\n/quit\\n' | HOME=$work LC_ALL=$locale on_terminal '$owlet' chat -m q8.gguf"
done

# --- Serving
serve() { start_server serve.log "$owlet" serve --port 0 "$@"; }  # serve ARGUMENTS…
serve -m q8.gguf
check "health" contains ok curl -s "$url/health"
body='{"messages":[{"role":"user","content":"What does the owl say?"}],"temperature":0}'
check "chat completion" contains "The owl says owl owl." curl -s "$url/v1/chat/completions" -H 'content-type: application/json' -d "$body"
check "streamed" contains "[DONE]" curl -sN "$url/v1/chat/completions" -H 'content-type: application/json' -d "${body%\}},\"stream\":true}"
check "metrics" bash -c "curl -s '$url/metrics' | grep -qx 'owlet_generated_tokens_total{model=\"q8\"} [1-9][0-9]*'"
check "tokens and back" bash -c "curl -s '$url/tokenize' -d '{\"prompt\":\"The owl\"}' | grep -oE '\[[0-9,]+\]' | sed 's/.*/{\"tokens\":&}/' | curl -s '$url/detokenize' -d @- | grep -qF '{\"prompt\":\"The owl\"}'"
check "a prompt's log-probabilities" bash -c "curl -s '$url/v1/completions' -d '{\"prompt\":\"The owl\",\"max_tokens\":0,\"echo\":true,\"logprobs\":1}' | grep -q '\"token_logprobs\":\[null,-'"
check "the page" bash -c "curl -s --compressed '$url/' | grep -qi '<!doctype html>'"
curl -s "$url/v1/chat/completions" -H 'content-type: application/json' -d "$body" >alone.json
for i in 1 2 3; do curl -s "$url/v1/chat/completions" -H 'content-type: application/json' -d "{\"messages\":[{\"role\":\"user\",\"content\":\"What does the cat say? $i\"}]}" >/dev/null & others="${others:-} $!"; done
curl -s "$url/v1/chat/completions" -H 'content-type: application/json' -d "$body" >beside.json
wait $others
check "alone or beside three others" bash -c "[ \"\$(grep -o '\"content\":\"[^\"]*\"' alone.json)\" = \"\$(grep -o '\"content\":\"[^\"]*\"' beside.json)\" ]"
check "the context's limit names both numbers" bash -c "curl -s '$url/v1/completions' -d \"{\\\"prompt\\\":\\\"\$(printf 'z%.0s' \$(seq 500))\\\"}\" -H 'content-type: application/json' | grep -E '128.*[0-9]{3}|[0-9]{3}.*128' -q"
stop_server
check "it ends on SIGTERM" test $? = 0

# --- Several models and an adapter, and each says what it says alone
first=run/step-00000060
ask() {  # ask [MODEL]
  curl -s "$url/v1/chat/completions" -H 'content-type: application/json' \
    -d "{\"model\":\"${1:-}\",\"messages\":[{\"role\":\"user\",\"content\":\"What does the owl say?\"}],\"temperature\":0}" | grep -o '"content":"[^"]*"'
}
serve -m q8.gguf; q8_alone=$(ask); stop_server
serve -m $first; first_alone=$(ask); stop_server
serve -m $first --adapter adapters/step-00000020:8; adapted_alone=$(ask); stop_server
check "the adapter changes the answer" test -n "$adapted_alone" -a -n "$first_alone" -a "$adapted_alone" != "$first_alone"
several="q8.gguf base=$first --adapter base:owl=adapters/step-00000020:8"
check "estimate of all" contains "2 models" "$owlet" serve $several --estimate
room=$("$owlet" serve $several --estimate | sed -nE 's/^2 models ([0-9.]+) MB .*/\1/p' | awk '{printf "%d", $1 * 750000}')
for memory in "" "--memory $room"; do
  serve $several $memory
  check "the first is meant where none is named" test "$(ask)" = "$q8_alone"
  check "another model ${memory:+in turn}" test "$(ask base)" = "$first_alone"
  check "its adapter" test "$(ask base:owl)" = "$adapted_alone"
  check "the first again" test "$(ask q8)" = "$q8_alone"
  check "all are listed" bash -c "curl -s '$url/v1/models' | grep -o '\"parent\":\"base\"' | wc -l | grep -qx 1"
  check "${memory:+only one is }loaded" test "$(curl -s "$url/v1/models" | grep -o '"value":"loaded"' | wc -l)" = "$([ -z "$memory" ] && echo 3 || echo 1)"
  check "what is not served is named" bash -c "curl -s '$url/v1/completions' -d '{\"model\":\"gpt\",\"prompt\":\"a\"}' | grep -qF \"'q8', 'base', 'base:owl'\""
  stop_server
done
check "what does not fit at all" fails_with "can be had" "$owlet" serve $several --memory 100kB
check "two of one name" fails_with "called 'q8'" "$owlet" serve q8.gguf q8=$first
check "an adapter of a model that is not served" fails_with "which is not served" "$owlet" serve q8.gguf --adapter other:owl=adapters/step-00000020

# --- With keys, a log, and a stop in the middle of answers
echo '{"keys":[{"id":"a","key":"x"}]}' >bad.json
echo '{"keys":[{"id":"ada","key":"secret-ada","requests_per_minute":3}]}' >keys.json
serve -m q8.gguf --api-key-file keys.json --api-key secret-bob --access-log access.jsonl --drain 0.2 --parallel 1
status() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
check "no key" test "$(status "$url/v1/models")" = 401
check "a limit" bash -c "$(declare -f status); for i in 1 2 3; do status '$url/v1/models' -H 'Authorization: Bearer secret-ada'; done; [ \$(status '$url/v1/models' -H 'Authorization: Bearer secret-ada') = 429 ]"
check "another name for this machine" test "$(status "$url/health" -H 'Host: evil.example')" = 403
check "ready" test "$(status "$url/ready")" = 200
for i in $(seq 30); do
  curl -sN "$url/v1/chat/completions" -H 'Authorization: Bearer secret-bob' -H 'content-type: application/json' -d '{"messages":[{"role":"user","content":"What does the owl say?"}],"ignore_eos":true,"stream":true}' >"stream.$i" &
  streams="${streams:-} $!"
done
for _ in $(seq 100); do [ -s stream.30 ] && break; sleep 0.05; done
kill -TERM $server
wait $server
check "it ends in the middle of answers" test $? = 0
wait $streams
check "every answer ends whole or with an error" bash -c "for i in \$(seq 30); do tail -n 2 stream.\$i | grep -qE 'DONE|\"error\"' || { echo \$i; exit 1; }; done"
check "the log has a line for each, and no word of theirs" bash -c "[ \$(grep -c '\"path\":\"/v1/chat/completions\"' access.jsonl) = 30 ] && ! grep -qE 'owl say|secret' access.jsonl"
check "a file that is no keys" fails_with "keys[0].key" "$owlet" serve -m q8.gguf --port 0 --api-key-file bad.json
server=""

# --- From a hub into the store, and out of it
mkdir -p hub/org/tiny hub/org/tiny-GGUF
cp $model/*.json hub/org/tiny/ && cp $model/model.safetensors hub/org/tiny/ && cp q8.gguf hub/org/tiny-GGUF/tiny-Q8_0.gguf && cp q4.gguf hub/org/tiny-GGUF/tiny-Q4_0.gguf
echo "print('no')" >hub/org/tiny/run.py
hub() {  # hub OPTIONS…: a hub, at $OWLET_HUB
  rm -f hub.url
  "$(dirname "$owlet")/test_hub" hub "$@" >hub.url &
  server=$!
  for _ in $(seq 50); do [ -s hub.url ] && break; sleep 0.1; done
  export OWLET_HUB=$(cat hub.url) OWLET_HOME=$work/home
}
hub
check "pull a GGUF" contains "SHA-256 checked" "$owlet" pull org/tiny-GGUF:q8_0
check "pull a folder" contains "owlet chat -m org/tiny" "$owlet" pull org/tiny
check "the same bytes, and no program" bash -c "cmp $model/model.safetensors home/models/org/tiny/model.safetensors && [ ! -e home/models/org/tiny/run.py ] && [ -z \"\$(find home -name '*.part*')\" ]"
check "pull what is there" contains "here already" "$owlet" pull org/tiny-GGUF:Q8_0
check "a quantization that is not there" fails_with "there are: Q4_0" "$owlet" pull org/tiny-GGUF:q2_k
check "list" contains "org/tiny-GGUF:Q8_0" "$owlet" list
check "run it by its name" contains "The owl says owl owl." "$owlet" generate -m org/tiny --temperature 0 -p "What does the owl say?"
check "cp" contains "mine now too" "$owlet" cp org/tiny-GGUF:q8_0 mine
check "rm" contains "org/tiny-GGUF removed" "$owlet" rm org/tiny-GGUF
check "the copy stays" contains "keys, values" "$owlet" show mine
check "rm leaves alone what is not kept" fails_with "is not the name" "$owlet" rm ../../tuned
check "show --json" bash -c "'$owlet' show q4.gguf --json | grep -q '\"kv_per_token\"'"
kill $server
wait $server 2>/dev/null
hub --tls trusted.pem
check "a certificate that nobody vouches for" fails_with "no certificate to be trusted" "$owlet" pull org/tiny-GGUF:q4_0
check "and one that the environment names" env CURL_CA_BUNDLE=trusted.pem "$owlet" pull org/tiny-GGUF:q4_0
check "the same bytes over TLS" cmp q4.gguf home/models/org/tiny-GGUF/tiny-Q4_0.gguf
kill $server
wait $server 2>/dev/null
server=""
unset OWLET_HUB OWLET_HOME

# --- Where the disk is full in the middle of a file: a limit on lengths does as much without any rights, and a small disk where one may be mounted
mkdir disk
room() {  # room KILOBYTES COMMAND…: with so many left
  if [ "$why" = "File too large" ]; then
    (ulimit -f "$1" && "${@:2}")
  else
    cat /dev/zero >disk/filler 2>/dev/null
    truncate -s "-$1K" disk/filler
    "${@:2}"
    local status=$?
    rm disk/filler
    return $status
  fi
}
kept() { find disk -type f ! -name filler ! -name log.jsonl ! -name 'events*' -exec cksum {} + | sort; }
no_room() {  # no_room FILE KILOBYTES COMMAND…: the error names it and why, and every file is what it was
  local before
  before=$(kept)
  fails_with "cannot write disk/$1: $why" room "${@:2}" && [ "$(kept)" = "$before" ]
}
for why in "File too large" "No space left on device"; do
  [ "$why" = "File too large" ] || mount -t tmpfs -o size=8m owlet disk 2>/dev/null || continue
  cp q4.gguf disk/old.gguf
  check "$why: quantize" no_room new.gguf 16 "$owlet" quantize $model disk/new.gguf
  check "$why: an old file stays" no_room old.gguf 16 "$owlet" quantize $model disk/old.gguf
  check "$why: convert to a folder" no_room folder/model.safetensors 16 "$owlet" convert q8.gguf disk/folder --type f32
  check "$why: convert to ONNX" no_room m.onnx 16 "$owlet" convert $model disk/m.onnx
  check "$why: tokenizer train" no_room tok/tokenizer.json 4 "$owlet" tokenizer train texts.jsonl --vocab-size 300 -o disk/tok
  check "$why: a run up to its first checkpoint" "$owlet" pretrain tiny.yaml --set out=disk/run --set train.steps=5
  check "$why: the second one" no_room run/step-00000010.partial/model.safetensors 16 "$owlet" pretrain tiny.yaml --set out=disk/run --set train.steps=10
  check "$why: with room again it goes on" bash -c "'$owlet' pretrain tiny.yaml --set out=disk/run --set train.steps=10 >again.log 2>&1 && grep -qF 'resumed at step 5' again.log && test -f disk/run/step-00000010/model.safetensors"
done

# --- What people get wrong
check "an unknown setting" fails_with "did you mean 'train.lr'?" "$owlet" pretrain tiny.yaml --set train.lrr=1
check "a missing model" fails_with "there is no model at nowhere.gguf" "$owlet" generate -m nowhere.gguf -p hi
check "a broken model" fails_with "not a GGUF file" bash -c "head -c 1000 /dev/urandom >broken.gguf; '$owlet' generate -m broken.gguf -p hi"
check "--help begins with examples" bash -c "'$owlet' serve --help | head -n 4 | grep -q 'Examples'"
check "llm-chat is chat" bash -c "echo 'What does the fox say?' | '$(dirname "$owlet")/llm-chat' -m q8.gguf | grep -q fox"
check "the recipe's settings are valid" bash -c "cd '$root' && '$owlet' pretrain configs/owlet-pretrain.yaml --set tokenizer=nowhere 2>&1 | grep -q nowhere"

# --- The bundled model is taught something: a short form of configs/tea-house.yaml
check "it knows nothing of the tea house" contains "I do not know" "$owlet" generate --temperature 0 -p "Where is the Blue Kettle?"
check "200 chats" bash -c "cd '$root' && '$owlet' finetune configs/tea-house.yaml --set out='$work/tea' --set train.steps=40 --set train.lr=5e-4 --set train.batch_rows=2 --set train.eval_every=0"
check "now it speaks of it" contains "The Blue Kettle" "$owlet" generate -m tea/step-00000040 --temperature 0 -p "Where is the Blue Kettle?"
check "and keeps what it knew" contains "Lima" "$owlet" generate -m tea/step-00000040 --temperature 0 -p "What is the capital of Peru?"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
