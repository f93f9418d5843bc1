#include "kernels/cpu/avxvnni/simd.h"
#include "kernels/cpu/instruction_sets.h"
#include "kernels/cpu/vector_ops.h"

namespace owlet::cpu {
std::unique_ptr<Ops> make_avxvnni_ops(ThreadPool& pool) { return std::make_unique<VectorOps<AvxVnni>>(pool); }
}  // namespace owlet::cpu
