#include "kernels/cpu/generic/simd.h"
#include "kernels/cpu/instruction_sets.h"
#include "kernels/cpu/vector_ops.h"

namespace owlet::cpu {
std::unique_ptr<Ops> make_generic_ops(ThreadPool& pool) { return std::make_unique<VectorOps<Generic>>(pool); }
}  // namespace owlet::cpu
