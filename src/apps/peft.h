// Adapter folders of Hugging Face's PEFT: adapter_config.json and adapter_model.safetensors.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "model/adapter.h"

namespace owlet {

// LoRA, rsLoRA and DoRA, with ranks and alphas by pattern, on linear layers and tables, with tensors saved whole; for this model,
// whatever form it was loaded from. What the config asks for and is not known here is refused by name, and so is a tensor that the
// model has no place for.
Result<Adapter> load_peft(const std::filesystem::path& folder, const Model& model);
// The same of what the two files hold.
Result<Adapter> read_peft(const std::string& config, const Safetensors& file, const Model& model);

// "DIR" or "DIR:SCALE", as people name an adapter.
struct AdapterChoice {
  std::string folder;
  double strength = 1;
};
Result<AdapterChoice> parse_adapter(const std::string& given);

// What is done with an adapter: it is put beside the weights, into them, or taken out of them again.
enum class AdapterUse { kBeside, kMerge, kUnmerge };
// Each named so, in turn.
Status use_adapters(const std::vector<std::string>& adapters, AdapterUse use, Model& model);

}  // namespace owlet
