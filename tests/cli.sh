#!/usr/bin/env bash
# The program from end to end on a tiny corpus, as somebody would use it: tests/cli.sh PROGRAM. Ends with "N passed, N failed".
set -uo pipefail
owlet=$(realpath "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
server=""
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
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
check "finetune" "$owlet" finetune tiny.yaml --set init=run/step-00000060 --set out=tuned --set train.steps=120 --set data.train=chats.jsonl
model=tuned/step-00000120
check "the tiny model's golden text" contains "The owl says owl owl." "$owlet" generate -m $model --temperature 0 -p "What does the owl say?"

# --- Other forms of it
check "quantize q8_0" "$owlet" quantize $model q8.gguf
check "quantize q4_0" "$owlet" quantize $model q4.gguf --type q4_0
check "convert to GGUF and back" bash -c "'$owlet' convert $model m.gguf --type f32 && '$owlet' convert m.gguf back --type f32 && cmp $model/model.safetensors back/model.safetensors"
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
"$owlet" serve -m q8.gguf --port 0 >serve.log 2>&1 &
server=$!
for _ in $(seq 50); do grep -q http:// serve.log && break; sleep 0.1; done
url=$(grep -oE 'http://127[^ ]+' serve.log | head -n 1)
check "health" contains ok curl -s "$url/health"
body='{"messages":[{"role":"user","content":"What does the owl say?"}],"temperature":0}'
check "chat completion" contains "The owl says owl owl." curl -s "$url/v1/chat/completions" -H 'content-type: application/json' -d "$body"
check "streamed" contains "[DONE]" curl -sN "$url/v1/chat/completions" -H 'content-type: application/json' -d "${body%\}},\"stream\":true}"
check "the page" bash -c "curl -s --compressed '$url/' | grep -qi '<!doctype html>'"
curl -s "$url/v1/chat/completions" -H 'content-type: application/json' -d "$body" >alone.json
for i in 1 2 3; do curl -s "$url/v1/chat/completions" -H 'content-type: application/json' -d "{\"messages\":[{\"role\":\"user\",\"content\":\"What does the cat say? $i\"}]}" >/dev/null & others="${others:-} $!"; done
curl -s "$url/v1/chat/completions" -H 'content-type: application/json' -d "$body" >beside.json
wait $others
check "alone or beside three others" bash -c "[ \"\$(grep -o '\"content\":\"[^\"]*\"' alone.json)\" = \"\$(grep -o '\"content\":\"[^\"]*\"' beside.json)\" ]"
check "the context's limit names both numbers" bash -c "curl -s '$url/v1/completions' -d \"{\\\"prompt\\\":\\\"\$(printf 'z%.0s' \$(seq 500))\\\"}\" -H 'content-type: application/json' | grep -E '128.*[0-9]{3}|[0-9]{3}.*128' -q"
kill -TERM $server
wait $server
check "it ends on SIGTERM" test $? = 0
server=""

# --- What people get wrong
check "an unknown setting" fails_with "did you mean 'train.lr'?" "$owlet" pretrain tiny.yaml --set train.lrr=1
check "a missing model" fails_with "there is no model at nowhere.gguf" "$owlet" generate -m nowhere.gguf -p hi
check "a broken model" fails_with "not a GGUF file" bash -c "head -c 1000 /dev/urandom >broken.gguf; '$owlet' generate -m broken.gguf -p hi"
check "--help begins with examples" bash -c "'$owlet' serve --help | head -n 4 | grep -q 'Examples'"
check "llm-chat is chat" bash -c "echo 'What does the fox say?' | '$(dirname "$owlet")/llm-chat' -m q8.gguf | grep -q fox"
check "the recipe's settings are valid" bash -c "cd '$root' && '$owlet' pretrain configs/owlet-pretrain.yaml --set tokenizer=nowhere 2>&1 | grep -q nowhere"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
