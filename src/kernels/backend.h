// Which implementation of the ops computes: picked once, at the start of the program, and passed down.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/thread_pool.h"
#include "kernels/ops.h"

namespace owlet {

// Scalar, every op, float32 and float64.
std::unique_ptr<Ops> make_reference_ops();

// The processor's vector units. `isa` is one of cpu_isas(), or "" for the best one that this processor has; the environment
// variable OWLET_ISA chooses where `isa` is empty. An unknown or unsupported name is an error that lists the others.
// The pool must outlive the ops; one op at a time.
Result<std::unique_ptr<Ops>> make_cpu_ops(ThreadPool& pool, std::string_view isa = "");

// Instruction sets that this build knows and this processor has, best first: "avx512", "avxvnni", "avx2", "neon" …, always "generic".
std::vector<std::string_view> cpu_isas();

}  // namespace owlet
