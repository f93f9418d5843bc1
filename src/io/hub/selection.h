// Which files of a repository make a model. Only these are ever fetched: weights as safetensors or GGUF, and the JSON, vocabularies and
// templates beside them. Nothing that could run.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/hub/hub.h"

namespace owlet {

// "Q4_K_M" of "SmolLM2-135M-Q4_K_M.gguf", "f16" of "model.f16.gguf", as it is written there; empty where the name says no type.
std::string quantization_tag(std::string_view path);

// Whether people mean this GGUF by `wanted`, in any case of letters: its path, its name, or a word of its name ("q4_k_m").
bool is_meant(std::string_view path, std::string_view wanted);

// The files for `wanted`: a GGUF, or, where it is empty, the folder of safetensors, with config.json last so that a folder without it is
// seen to be incomplete; a repository of GGUF files alone gives its only one, or that in Q4_K_M. Errors list what there is.
Result<std::vector<HubFile>> select_files(const std::vector<HubFile>& files, const std::string& repository, const std::string& wanted);

}  // namespace owlet
