#include "core/dtype.h"

#include <array>

namespace owlet {
namespace {
constexpr std::array<DTypeInfo, 20> kInfo = {{{"f32", 1, 4},
                                             {"f64", 1, 8},
                                             {"f16", 1, 2},
                                             {"bf16", 1, 2},
                                             {"i32", 1, 4},
                                             {"q8_0", 32, 34},
                                             {"q4_0", 32, 18},
                                             {"q6_k", 256, 210},
                                              {"q4_1", 32, 20},
                                              {"q5_0", 32, 22},
                                              {"q5_1", 32, 24},
                                              {"q2_k", 256, 84},
                                              {"q3_k", 256, 110},
                                              {"q4_k", 256, 144},
                                              {"q5_k", 256, 176},
                                              {"iq4_nl", 32, 18},
                                              {"iq4_xs", 256, 136},
                                              {"nf4", 64, 36},
                                              {"dynamic", 256, 260},
                                              {"dynamic_unsigned", 256, 260}}};
}  // namespace

const DTypeInfo& dtype_info(DType dtype) { return kInfo[static_cast<size_t>(dtype)]; }

Result<DType> parse_dtype(std::string_view name) {
  for (size_t i = 0; i < kInfo.size(); ++i) {
    if (kInfo[i].name == name) return static_cast<DType>(i);
  }
  return Error{ErrorCode::kInvalidArgument, fmt::format("'{}' is not a number type", name),
               "valid: f32, f16, bf16, q8_0, q6_k, q5_k, q5_1, q5_0, q4_k, q4_1, q4_0, iq4_nl"};
}

}  // namespace owlet
