#include "kernels/cpu/relaxed/simd.h"
#include "kernels/cpu/instruction_sets.h"
#include "kernels/cpu/vector_ops.h"

namespace owlet::cpu {
std::unique_ptr<Ops> make_relaxed_ops(ThreadPool& pool) { return std::make_unique<VectorOps<Relaxed>>(pool); }
}  // namespace owlet::cpu
