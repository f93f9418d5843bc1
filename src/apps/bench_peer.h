// Other programs' benchmarks beside ours: llama-bench, as llama.cpp and ik_llama.cpp build it, and training steps elsewhere.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "core/result.h"

namespace owlet {

// What llama-bench is to time: a prompt of so many tokens, or (prompt = 0) an answer, behind `depth` others.
struct PeerTask {
  int64_t prompt = 0;
  int64_t answer = 0;
  int64_t depth = 0;
  int threads = 1;
};

// Tokens per second of one run of llama-bench on a GGUF file, with flash attention. Errors: it cannot be run, does not know a task's
// option, or prints no such figure.
Result<double> run_peer(const std::string& program, const std::filesystem::path& model, const PeerTask& task);

// Tokens per second of a training step of the model that bench_train() steps: what `PROGRAM PRECISION THREADS` prints in its last line.
// tests/interop/step_torch.py is one. Errors: as above.
Result<double> run_train_peer(const std::string& program, const std::string& precision, int threads);

// The columns of a table that `n` peers take: their headings, and what each does beside `ours`, in tokens/s; 0: it has no such figure.
void print_peer_headings(size_t n);
void print_peers(double ours, std::span<const double> peers);

}  // namespace owlet
