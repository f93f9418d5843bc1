#include "kernels/cpu/avx2/simd.h"
#include "kernels/cpu/instruction_sets.h"
#include "kernels/cpu/vector_ops.h"

namespace owlet::cpu {
std::unique_ptr<Ops> make_avx2_ops(ThreadPool& pool) { return std::make_unique<VectorOps<Avx2>>(pool); }
}  // namespace owlet::cpu
