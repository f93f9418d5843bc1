// IQ4_NL and IQ4_XS: sixteen codes whose steps are finer near zero, where most weights are.
#pragma once

#include <cstdint>

namespace owlet {

constexpr int8_t kUnevenSteps[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

}  // namespace owlet
