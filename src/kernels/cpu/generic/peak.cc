#include "kernels/cpu/peak.h"
#include "kernels/cpu/generic/simd.h"

namespace owlet::cpu {
PeakLoops generic_peak() { return {run_fp32<Generic>, run_fp32<Generic>, run_fp32<Generic>}; }
}  // namespace owlet::cpu
