#include "kernels/cpu/neon/simd.h"
#include "kernels/cpu/instruction_sets.h"
#include "kernels/cpu/vector_ops.h"

namespace owlet::cpu {
std::unique_ptr<Ops> make_neon_ops(ThreadPool& pool) { return std::make_unique<VectorOps<Neon>>(pool); }
}  // namespace owlet::cpu
