#!/usr/bin/env python3
"""PyTorch's side of `owlet bench --train --peer`: step_torch.py PRECISION THREADS prints tokens/s of a training step.

The same model (dim 512, 8 layers, 8 heads, ffn 1,536, vocabulary 8,192), batch (8 × 256) and AdamW as bench_train.cc has; bf16 is autocast.
"""
import sys
import time

import torch
from torch.nn import Embedding, Linear, Module, ModuleList, RMSNorm
from torch.nn.functional import cross_entropy, scaled_dot_product_attention, silu

VOCAB, DIM, LAYERS, HEADS, FFN, ROWS, LENGTH, STEPS = 8192, 512, 8, 8, 1536, 8, 256, 3


class Block(Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = RMSNorm(DIM), RMSNorm(DIM)
        self.qkv, self.o = Linear(DIM, 3 * DIM, bias=False), Linear(DIM, DIM, bias=False)
        self.gate_up, self.down = Linear(DIM, 2 * FFN, bias=False), Linear(FFN, DIM, bias=False)

    def forward(self, x, cos, sin):
        q, k, v = self.qkv(self.norm1(x)).view(ROWS, LENGTH, 3, HEADS, DIM // HEADS).permute(2, 0, 3, 1, 4)
        attended = scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, is_causal=True)
        x = x + self.o(attended.transpose(1, 2).reshape(ROWS, LENGTH, DIM))
        gate, up = self.gate_up(self.norm2(x)).chunk(2, dim=-1)
        return x + self.down(silu(gate) * up)


class Model(Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.blocks = Embedding(VOCAB, DIM), ModuleList(Block() for _ in range(LAYERS))
        self.norm, self.output = RMSNorm(DIM), Linear(DIM, VOCAB, bias=False)
        angles = torch.outer(torch.arange(LENGTH), 10000.0 ** (-torch.arange(0, 1, 2 * HEADS / DIM)))
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, ids):
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        return self.output(self.norm(x))


def rotate(x, cos, sin):
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).type_as(x)


def main(precision, threads):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    ids = torch.randint(VOCAB, (ROWS, LENGTH + 1))
    seconds = []
    for _ in range(STEPS + 1):  # the first one warms up
        begin = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = model(ids[:, :-1])
        loss = cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - begin)
    print(ROWS * LENGTH / sorted(seconds[1:])[STEPS // 2])


main(sys.argv[1], int(sys.argv[2]))
