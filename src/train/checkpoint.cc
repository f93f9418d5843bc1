#include "train/checkpoint.h"

#include <algorithm>
#include <cstring>

#include "core/file.h"
#include "io/safetensors.h"
#include "model/load.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPrefix = "step-";
constexpr std::string_view kPartial = ".partial";

// Complete checkpoints under `run`, oldest first.
std::vector<fs::path> complete_checkpoints(const fs::path& run) {
  std::vector<fs::path> found;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(run, code)) {
    const std::string name = entry.path().filename().string();
    const bool digits = name.size() > kPrefix.size() && std::all_of(name.begin() + kPrefix.size(), name.end(),
                                                                    [](char c) { return c >= '0' && c <= '9'; });
    if (name.starts_with(kPrefix) && digits && entry.is_directory(code)) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

Status remove_tree(const fs::path& path) {
  std::error_code code;
  fs::remove_all(path, code);
  if (code) return make_error(ErrorCode::kIo, "cannot remove {}: {}", path.string(), code.message());
  return {};
}

// Copies the tensors called `name` from a safetensors folder into memory that is there already.
Status fill(const std::map<std::string, Tensor>& from, const std::string& name, const TensorView& to) {
  const auto it = from.find(name);
  if (it == from.end()) return make_error(ErrorCode::kCorrupt, "the checkpoint lacks {}", name);
  const TensorView& source = it->second;
  if (source.dtype != to.dtype || source.shape != to.shape) {
    return Error{ErrorCode::kCorrupt,
                 fmt::format("the checkpoint's {} is {} {}; this run's is {} {}", name, to_string(source.dtype),
                             source.shape.to_string(), to_string(to.dtype), to.shape.to_string()),
                 "resume with the settings that the run was started with, or choose another output folder"};
  }
  std::memcpy(to.data, source.data, static_cast<size_t>(to.bytes()));
  return {};
}

}  // namespace

Status save_checkpoint(const fs::path& run, int64_t step, const Model& model, const Optimizer& optimizer,
                       const Json& trainer_state, int64_t keep,
                       const std::function<Status(const fs::path&)>& add_files) {
  const fs::path final_path = run / fmt::format("{}{:08}", kPrefix, step);
  const fs::path partial = final_path.string() + std::string(kPartial);
  OWLET_TRY(remove_tree(partial));
  std::error_code code;
  fs::create_directories(partial, code);
  if (code) return make_error(ErrorCode::kIo, "cannot create {}: {}", partial.string(), code.message());

  OWLET_TRY(save_hf(model, partial, DType::kF32));
  std::vector<std::pair<std::string, TensorView>> states;
  for (const auto& [name, tensor] : optimizer.states()) states.emplace_back(name, tensor.view());
  OWLET_TRY(write_safetensors(partial / "optimizer.safetensors", states));
  if (add_files) OWLET_TRY(add_files(partial));
  OWLET_TRY(write_file(partial / "trainer.json", dump_json(trainer_state, 1) + "\n"));

  // A run that was killed after the rename and resumed from it writes the same step again: the same bytes, so either will do.
  OWLET_TRY(remove_tree(final_path));
  fs::rename(partial, final_path, code);
  if (code) return make_error(ErrorCode::kIo, "cannot rename {}: {}", partial.string(), code.message());
  OWLET_TRY(sync_directory(run));
  const auto complete = complete_checkpoints(run);
  for (size_t i = 0; i + static_cast<size_t>(keep) < complete.size(); ++i) OWLET_TRY(remove_tree(complete[i]));
  return {};
}

std::optional<fs::path> latest_checkpoint(const fs::path& run) {
  const auto complete = complete_checkpoints(run);
  if (complete.empty()) return std::nullopt;
  return complete.back();
}

Result<Json> load_checkpoint(const fs::path& checkpoint, Model& model, Optimizer& optimizer) {
  OWLET_ASSIGN(const auto weights, read_safetensors_folder(checkpoint));
  Status status;
  model.weights.for_each([&](const std::string& name, Tensor& tensor) {
    if (status.ok()) status = fill(weights, name, tensor);
  });
  OWLET_TRY(std::move(status));
  OWLET_ASSIGN(const auto states, read_safetensors(checkpoint / "optimizer.safetensors"));
  for (const auto& [name, tensor] : optimizer.states()) OWLET_TRY(fill(states, name, tensor));
  OWLET_ASSIGN(const std::string text, read_file(checkpoint / "trainer.json", 1 << 20));
  auto state = parse_json(text);
  if (!state.ok()) return std::move(state).error().in((checkpoint / "trainer.json").string());
  return state;
}

}  // namespace owlet
