#include "kernels/cpu/wasm/simd.h"
#include "kernels/cpu/instruction_sets.h"
#include "kernels/cpu/vector_ops.h"

namespace owlet::cpu {
std::unique_ptr<Ops> make_wasm_ops(ThreadPool& pool) { return std::make_unique<VectorOps<Wasm>>(pool); }
}  // namespace owlet::cpu
