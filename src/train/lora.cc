#include "train/lora.h"

#include <cmath>
#include <set>

#include "core/file.h"
#include "core/json.h"
#include "core/random.h"
#include "io/safetensors.h"
#include "model/architecture.h"
#include "model/load.h"
#include "model/stored.h"
#include "quant/four_bit.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

bool is_wanted(const LoraConfig& config, const std::string& name) { return config.layers.empty() || matches_any(config.layers, name); }

LowRank fresh_adapter(const TensorView& weight, const LoraConfig& config, uint64_t seed, uint32_t place) {
  LowRank part{.a_RI = Tensor(DType::kF32, {config.rank, weight.cols()}), .b_OR = Tensor(DType::kF32, {weight.rows(), config.rank}),
               .scale = config.scale(), .dropout = config.dropout, .place = place};
  Random random{.seed = seed, .stream = place};
  const double bound = 1 / std::sqrt(static_cast<double>(weight.cols()));
  for (float& x : part.a_RI.span<float>()) x = static_cast<float>(bound * (2 * random.uniform() - 1));
  return part;
}

// A parameter's rows in the order that Hugging Face has them.
Tensor in_stored_order(const std::string& module, const Tensor& tensor, const ModelConfig& config) {
  const bool turned = is_rotated(module + ".") && config.rope_interleaved;
  if (!turned) return tensor;
  Tensor out(DType::kF32, tensor.shape());
  const int64_t rows = tensor.shape()[0], cols = tensor.numel() / rows;
  for (int64_t r = 0; r < rows; ++r) {
    std::copy_n(tensor.f32() + rotation_source(r, config, false) * cols, cols, out.f32() + r * cols);
  }
  return out;
}

// The names that PEFT looks for at the end of a module's name: last parts where they say which layers, else whole names.
std::set<std::string> target_modules(const Model& model) {
  const auto last_part = [](const std::string& name) { return name.substr(name.rfind('.') + 1); };
  std::set<std::string> last, whole, others;
  model.weights.for_each_linear([&](const std::string& name, const Linear& linear) {
    if (linear.low_rank.empty()) {
      others.insert(last_part(name));
    } else {
      last.insert(last_part(name));
      whole.insert(name);
    }
  });
  for (const std::string& name : last) {
    if (others.contains(name)) return whole;
  }
  return last;
}

// Whether files of this architecture hold the layer in one tensor with others, which PEFT would give one adapter.
bool is_fused(const ModelConfig& config, const std::string& name) {
  const bool shares = !name.ends_with(".o_proj") && !name.ends_with(".down_proj");
  return shares && find_architecture(config.architecture)->fused_projections;
}

}  // namespace

Status add_adapters(const Context& context, Model& model, const LoraConfig& config, uint64_t seed) {
  uint32_t place = 0, added = 0;
  Status status;
  model.weights.for_each_linear([&](const std::string& name, Linear& linear) {
    const uint32_t here = place++;
    if (!is_wanted(config, name)) return;
    if (is_fused(model.config, name)) {
      status = Error{ErrorCode::kUnsupported, fmt::format("{} keeps {} in one tensor with others, which PEFT gives one adapter", model.config.architecture, name),
                     "set lora.layers: o_proj,down_proj"};
    }
    if (!linear.low_rank.empty()) status = make_error(ErrorCode::kInvalidArgument, "{} has an adapter already", name);
    linear.low_rank.push_back(fresh_adapter(linear.weight_OI, config, seed, here));
    if (config.magnitude) {
      const Tensor lengths = row_lengths(context, linear);
      linear.low_rank.back().magnitude_O = lengths;
    }
    ++added;
  });
  OWLET_TRY(std::move(status));
  if (added > 0) return {};
  return Error{ErrorCode::kInvalidArgument, "lora.layers names no linear layer of this model",
               "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, or patterns such as layers.1*.mlp.*"};
}

void quantize_base(Model& model, ThreadPool& pool) {
  std::set<std::string> matrices;
  std::as_const(model.weights).for_each_linear([&](const std::string& name, const Linear& linear) {
    if (linear.weight_OI.shape()[1] % kFourBitBlock == 0) matrices.insert(name + ".weight");
  });
  convert_weights(model, [&](const std::string& name, const Tensor& tensor) {
    return matrices.contains(name) ? DType::kNf4 : is_quantized(tensor.dtype()) ? DType::kBF16 : tensor.dtype();
  }, pool);
  model.weights.for_each_linear([&](const std::string& name, Linear& linear) {
    if (!matrices.contains(name)) return;
    const TensorView view = linear.weight_OI;
    round_scales({view.as<BlockNf4>(), static_cast<size_t>(view.numel() / kFourBitBlock)});
  });
}

Status save_peft(const Model& model, const LoraConfig& config, const std::string& base, const fs::path& folder) {
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) return make_error(ErrorCode::kIo, "cannot create {}: {}", folder.string(), code.message());
  std::vector<std::pair<std::string, Tensor>> kept;
  model.weights.for_each_linear([&](const std::string& name, const Linear& linear) {
    if (linear.low_rank.empty()) return;
    const LowRank& part = linear.low_rank.back();
    const std::string module = "base_model.model." + name;
    kept.emplace_back(module + ".lora_A.weight", part.a_RI);
    kept.emplace_back(module + ".lora_B.weight", in_stored_order(name, part.b_OR, model.config));
    if (part.magnitude_O) kept.emplace_back(module + ".lora_magnitude_vector", in_stored_order(name, part.magnitude_O, model.config));
  });
  std::vector<std::pair<std::string, TensorView>> tensors(kept.begin(), kept.end());
  OWLET_TRY(write_safetensors(folder / "adapter_model.safetensors", tensors));
  const double alpha = config.alpha > 0 ? config.alpha : 2 * static_cast<double>(config.rank);
  const Json json = {{"peft_type", "LORA"}, {"task_type", "CAUSAL_LM"}, {"base_model_name_or_path", base}, {"r", config.rank},
                     {"lora_alpha", alpha}, {"lora_dropout", config.dropout}, {"use_rslora", config.rank_stabilized},
                     {"use_dora", config.magnitude}, {"target_modules", target_modules(model)}, {"bias", "none"},
                     {"fan_in_fan_out", false}, {"inference_mode", true}};
  return write_file(folder / "adapter_config.json", dump_json(json, 2) + "\n");
}

}  // namespace owlet
