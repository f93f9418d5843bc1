// The type of every matrix of a quantized model. A mix is called after the type of most of them; those that an error hurts most,
// or whose rows do not divide into blocks, get another. Names, choices and numbers are those of llama.cpp's files.
#pragma once

#include <string>
#include <string_view>

#include "model/config.h"

namespace owlet {

struct Mix {
  std::string_view name;
  DType most;
  uint32_t file_type;  // GGUF's general.file_type
};

// "q4_k_m"; an error lists the names. A plain type (f32, f16, bf16) is the mix of that type alone.
Result<Mix> find_mix(std::string_view name);
// "f32, f16, …", for messages.
std::string mix_names();

// The type of a tensor by its name in GGUF files; `importance` says whether columns are weighted. What is no matrix stays float32.
DType type_in_mix(const Mix& mix, const ModelConfig& config, std::string_view gguf_name, const Shape& shape, bool importance);

}  // namespace owlet
