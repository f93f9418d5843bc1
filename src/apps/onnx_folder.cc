#include "apps/onnx_folder.h"

#include "core/file.h"
#include "core/json.h"
#include "io/onnx.h"
#include "model/architecture.h"
#include "model/onnx_export.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

constexpr const char* kModel = "model.onnx";
constexpr const char* kQuantizedModel = "model_quantized.onnx";

// transformers.js has to be told which models have their weights in a second file.
Json onnx_config(const ModelConfig& model, const fs::path& models) {
  Json config = config_to_hf(model, "float32");
  Json external = Json::object();
  std::error_code code;
  for (const char* name : {kModel, kQuantizedModel}) {
    if (fs::exists(onnx_data_path(models / name), code)) external[name] = true;
  }
  if (!external.empty()) config["transformers.js_config"] = {{"use_external_data_format", external}};
  return config;
}

}  // namespace

Status save_onnx_model(const ChatModel& chat, const fs::path& to, const std::string& type) {
  if (type != "f32" && type != "int8") {
    return Error{ErrorCode::kInvalidArgument, fmt::format("ONNX files are not written in {}", type), "choose f32 or int8"};
  }
  const OnnxWeights weights = type == "int8" ? OnnxWeights::kInt8 : OnnxWeights::kF32;
  if (to.extension() == ".onnx") return save_onnx(*chat.model, to, weights);
  const fs::path models = to / "onnx";
  std::error_code code;
  fs::create_directories(models, code);
  if (code) return make_error(ErrorCode::kIo, "cannot create {}: {}", models.string(), code.message());
  OWLET_TRY(save_onnx(*chat.model, models / (weights == OnnxWeights::kInt8 ? kQuantizedModel : kModel), weights));
  OWLET_TRY(write_file(to / "config.json", dump_json(onnx_config(chat.model->config, models), 2) + "\n"));
  return save_tokenizer_files(*chat.tokenizer, chat.chat_template, to);
}

}  // namespace owlet
