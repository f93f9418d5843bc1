#include "kernels/reference/reference_ops.h"

namespace owlet {

std::unique_ptr<Ops> make_reference_ops() { return std::make_unique<ReferenceOps>(); }

}  // namespace owlet
