#include "kernels/cpu/avx512/simd.h"
#include "kernels/cpu/instruction_sets.h"
#include "kernels/cpu/vector_ops.h"

namespace owlet::cpu {
std::unique_ptr<Ops> make_avx512_ops(ThreadPool& pool) { return std::make_unique<VectorOps<Avx512>>(pool); }
}  // namespace owlet::cpu
