#include "kernels/cpu/neonmm/simd.h"
#include "kernels/cpu/instruction_sets.h"
#include "kernels/cpu/vector_ops.h"

namespace owlet::cpu {
std::unique_ptr<Ops> make_neonmm_ops(ThreadPool& pool) { return std::make_unique<VectorOps<NeonMm>>(pool); }
}  // namespace owlet::cpu
