#!/usr/bin/env bash
# Training killed at random moments, checkpoint writes among them, on a full disk and on one that loses bytes: tests/kill.sh PROGRAM [KILLS].
# The run must go on each time and end with the bytes of one that nobody disturbed. Ends with "N passed, N failed".
set -uo pipefail
owlet=$(realpath "$1")
kills=${2:-5}
work=$(mktemp -d)
victim=""
trap '[ -n "$victim" ] && kill -KILL "$victim" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
for i in $(seq 40); do printf '{"text":"Owl number %d counts %d mice and %d stars."}\n' "$i" $((i * 3)) $((i * 7)) >>texts.jsonl; done
"$owlet" tokenizer train texts.jsonl --vocab-size 300 -o tok >/dev/null 2>&1
cat >tiny.yaml <<'Y'
tokenizer: tok
data: {train: [texts.jsonl], valid_share: 0.1}
model: {dim: 64, n_layers: 2, n_heads: 4, n_kv_heads: 2, ffn_dim: 256, max_positions: 128}
train: {steps: 1000000, batch_rows: 2, seq_len: 64, lr: 3e-3, warmup_steps: 5, eval_every: 7, checkpoint_every: 2, keep_best: true, schedule: constant,
        clip_norm: 0, weights: bf16, states: 8bit, recompute_every: 1}
Y
run() { exec "$owlet" pretrain tiny.yaml --threads 1 --set out="$1" --set train.steps="$2"; }
newest() { find "$1" -maxdepth 1 -name 'step-????????' 2>/dev/null | sort | tail -n 1 | sed 's/.*step-0*//'; }

# A function in the background is a process of its own, which the program takes over: what is killed is the program.
# A run that has no end is killed again and again; where it then stands decides how long the undisturbed one is.
for i in $(seq "$kills"); do
  run killed 1000000 >log 2>&1 &
  victim=$!
  sleep "$((1 + RANDOM % 2)).$((RANDOM % 10))$((RANDOM % 10))$((RANDOM % 10))"
  if ! kill -KILL "$victim" 2>/dev/null; then
    tail -n 5 log
    echo "0 passed, 1 failed (the run ended by itself, after $i kills)"
    exit 1
  fi
  wait "$victim" 2>/dev/null
  victim=""
done
passed=0
failed=0
# same NAME RUN OTHER STEP: the two runs' checkpoints of that step are the same bytes.
same() {
  local step file status=0
  step=$(printf 'step-%08d' "$4")
  for file in model.safetensors optimizer.state trainer.json; do
    cmp "$2/$step/$file" "$3/$step/$file" || status=1
  done
  verdict "$1" $status
}
verdict() {
  [ "$2" = 0 ] && passed=$((passed + 1)) && return
  failed=$((failed + 1))
  echo "FAIL $1"
  tail -n 5 log
}
steps=$(($(newest killed) + 4))
(run killed $steps) >log 2>&1
(run whole $steps) >log 2>&1
same "after $kills kills" whole killed $steps

# A disk that takes no more than so many kB of a file, then one that lost a byte of what it took.
(run lost 3) >log 2>&1
for room in 8 64; do
  (trap '' XFSZ && ulimit -f $room && run lost 12) >log 2>&1
  verdict "a disk with room for $room kB of a file: it says so" $(($? != 1))
  grep -qF "lost/step-00000003 is whole" log
  verdict "and what there is" $?
done
printf '!' | dd of=lost/step-00000003/optimizer.state bs=1 seek=5000 conv=notrunc 2>/dev/null
(run lost 12) >log 2>&1
grep -qF "passed over lost/step-00000003" log
verdict "a damaged checkpoint is passed over" $?
(run sound 12) >log 2>&1
same "after a full disk and a damaged one" sound lost 12
echo "$passed passed, $failed failed ($kills kills on the way to step $steps)"
[ $failed = 0 ]
