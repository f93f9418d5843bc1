// The instruction sets of this build; each lives in a folder of its own, compiled for it.
#pragma once

#include <memory>

#include "core/thread_pool.h"
#include "kernels/ops.h"

namespace owlet::cpu {

std::unique_ptr<Ops> make_generic_ops(ThreadPool& pool);
std::unique_ptr<Ops> make_avx2_ops(ThreadPool& pool);
std::unique_ptr<Ops> make_avxvnni_ops(ThreadPool& pool);
std::unique_ptr<Ops> make_avx512_ops(ThreadPool& pool);
std::unique_ptr<Ops> make_neon_ops(ThreadPool& pool);
std::unique_ptr<Ops> make_neonmm_ops(ThreadPool& pool);
std::unique_ptr<Ops> make_wasm_ops(ThreadPool& pool);
// There where it is linked: a browser takes a program whole or not at all, so programs with relaxed SIMD are others.
[[gnu::weak]] std::unique_ptr<Ops> make_relaxed_ops(ThreadPool& pool);

}  // namespace owlet::cpu
