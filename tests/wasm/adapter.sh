#!/usr/bin/env bash
# adapter.sh OWLET DIR: an adapter of the bundled model, which has heard of a tea house, in DIR/step-00000030.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." &&
  "$1" finetune configs/tea-house.yaml --set "out=$2" --set lora.rank=8 --set train.steps=30 --set train.lr=3e-3 --set train.seq_len=128 >/dev/null
