// ONNX files of a chat model, as the runtimes that people have look for them.
#pragma once

#include <filesystem>
#include <string>

#include "apps/load_chat_model.h"

namespace owlet {

// `to` ends in .onnx: that file alone. Else a folder that transformers.js and optimum load: config.json and the tokenizer's files,
// and under onnx/ model.onnx (f32) or model_quantized.onnx (int8); a folder may hold both. `type` is "f32" or "int8".
Status save_onnx_model(const ChatModel& chat, const std::filesystem::path& to, const std::string& type);

}  // namespace owlet
