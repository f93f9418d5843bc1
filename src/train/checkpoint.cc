#include "train/checkpoint.h"

#include <algorithm>
#include <cstring>

#include "core/file.h"
#include "io/hub/sha256.h"
#include "io/safetensors.h"
#include "model/architecture.h"
#include "model/load.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPrefix = "step-";
constexpr std::string_view kPartial = ".partial", kDamaged = ".damaged";
constexpr const char* kChecksums = "checksums.json";
constexpr uint64_t kMaxJsonBytes = 1 << 20;

Status remove_tree(const fs::path& path) {
  std::error_code code;
  fs::remove_all(path, code);
  if (code) return make_error(ErrorCode::kIo, "cannot remove {}: {}", path.string(), code.message());
  return {};
}

// Copies the tensors called `name` from a safetensors folder into memory that is there already.
Status fill(const std::map<std::string, Tensor>& from, const std::string& name, const TensorView& to) {
  const auto it = from.find(name);
  if (it == from.end()) return corrupt("the checkpoint lacks {}", name);
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

// Whether model.safetensors gives this weight back to the bit: norms lose some where the files' are short of ours by a number.
bool is_kept_by_model(const TrainingState& state, const std::string& name) {
  const bool offset = find_architecture(state.model.config.architecture)->norm_offset != 0;
  return state.whole_model && !(offset && name.ends_with("norm.weight"));
}

// What optimizer.state holds.
std::vector<std::pair<std::string, Tensor>> beside_the_model(const TrainingState& state) {
  auto tensors = state.optimizer.states();
  for (int64_t b = 0; b < state.parameters.n_buckets(); ++b) {
    for (const Parameter& p : state.parameters.bucket(b)) {
      if (!is_kept_by_model(state, p.name)) tensors.emplace_back(p.name, p.weight);
    }
  }
  return tensors;
}

Status write_checksums(const fs::path& folder) {
  Json sums = Json::object();
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (!entry.is_regular_file(code)) continue;
    OWLET_ASSIGN(std::string sum, sha256_of_file(entry.path()));
    sums[entry.path().filename().string()] = std::move(sum);
  }
  return write_file(folder / kChecksums, dump_json(sums, 1) + "\n");
}

// Everything of a checkpoint, in a folder that is not there yet.
Status write_checkpoint(const fs::path& folder, const TrainingState& state, const Json& trainer_state,
                        const std::function<Status(const fs::path&)>& add_files) {
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) return make_error(ErrorCode::kIo, "cannot create {}: {}", folder.string(), code.message());
  if (state.whole_model) OWLET_TRY(save_hf(state.model, folder));
  const auto beside = beside_the_model(state);
  std::vector<std::pair<std::string, TensorView>> views(beside.begin(), beside.end());
  OWLET_TRY(write_safetensors(folder / "optimizer.state", views));
  if (add_files) OWLET_TRY(add_files(folder));
  OWLET_TRY(write_file(folder / "trainer.json", dump_json(trainer_state, 1) + "\n"));
  return write_checksums(folder);
}

// The model's tensors from its own files.
Status load_weights(const fs::path& checkpoint, Model& model) {
  if (!fs::exists(checkpoint / "config.json")) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("{} holds adapters alone", checkpoint.string()),
                 "resume with the lora settings that the run was started with, or choose another output folder"};
  }
  OWLET_ASSIGN(const Model stored, load_model(checkpoint));
  std::map<std::string, Tensor> tensors;
  stored.weights.for_each([&](const std::string& name, const Tensor& tensor) { tensors[name] = tensor; });
  Status status;
  model.weights.for_each([&](const std::string& name, Tensor& tensor) {
    if (status.ok()) status = fill(tensors, name, tensor);
  });
  return status;
}

}  // namespace

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

Status save_checkpoint(const fs::path& run, int64_t step, const TrainingState& state, const Json& trainer_state,
                       const std::function<Status(const fs::path&)>& add_files) {
  const fs::path final_path = run / fmt::format("{}{:08}", kPrefix, step);
  const fs::path partial = final_path.string() + std::string(kPartial);
  OWLET_TRY(remove_tree(partial));
  Status written = write_checkpoint(partial, state, trainer_state, add_files);
  if (!written.ok()) {
    std::error_code code;
    fs::remove_all(partial, code);  // a full disk has better use for the room
    Error error = std::move(written).error();
    if (error.code == ErrorCode::kIo) {
      const auto last = latest_checkpoint(run);
      error.hint = fmt::format("step {} could not be kept; {}", step,
                               last ? fmt::format("{} is whole: the same command goes on from there", last->string()) : "there is no checkpoint before it");
    }
    return error;
  }
  // A run that was killed after the rename and resumed from it writes the same step again: the same bytes, so either will do.
  OWLET_TRY(remove_tree(final_path));
  std::error_code code;
  fs::rename(partial, final_path, code);
  if (code) return make_error(ErrorCode::kIo, "cannot rename {}: {}", partial.string(), code.message());
  return sync_directory(run);
}

Status set_aside(const fs::path& checkpoint) {
  const fs::path aside = checkpoint.string() + std::string(kDamaged);
  OWLET_TRY(remove_tree(aside));
  std::error_code code;
  fs::rename(checkpoint, aside, code);
  if (code) return make_error(ErrorCode::kIo, "cannot rename {}: {}", checkpoint.string(), code.message());
  return {};
}

Status prune_checkpoints(const fs::path& run, int64_t keep, int64_t best) {
  const auto complete = complete_checkpoints(run);
  for (size_t i = 0; i + static_cast<size_t>(keep) < complete.size(); ++i) {
    if (complete[i].filename() != fmt::format("{}{:08}", kPrefix, best)) OWLET_TRY(remove_tree(complete[i]));
  }
  return {};
}

std::optional<fs::path> latest_checkpoint(const fs::path& run) {
  const auto complete = complete_checkpoints(run);
  if (complete.empty()) return std::nullopt;
  return complete.back();
}

Status check_checkpoint(const fs::path& checkpoint) {
  const fs::path list = checkpoint / kChecksums;
  if (!fs::exists(list)) return {};  // written before there were any; what has its name is whole
  OWLET_ASSIGN(const std::string text, read_file(list, kMaxJsonBytes));
  auto sums = parse_json(text);
  if (!sums.ok()) return std::move(sums).error().in(list.string());
  if (!sums->is_object()) return corrupt("{}: expected an object", list.string());
  for (const auto& [name, sum] : sums->items()) {
    const fs::path file = checkpoint / fs::path(name).filename();
    OWLET_ASSIGN(const std::string found, sha256_of_file(file));
    if (sum != Json(found)) return corrupt("{} is not what was written: its SHA-256 is {}", file.string(), found);
  }
  return {};
}

Result<Json> load_checkpoint(const fs::path& checkpoint, const TrainingState& state) {
  if (state.whole_model) OWLET_TRY(load_weights(checkpoint, state.model));
  OWLET_ASSIGN(const auto beside, read_safetensors(checkpoint / "optimizer.state"));
  for (const auto& [name, tensor] : beside_the_model(state)) OWLET_TRY(fill(beside, name, tensor));
  OWLET_ASSIGN(const std::string text, read_file(checkpoint / "trainer.json", kMaxJsonBytes));
  auto trainer_state = parse_json(text);
  if (!trainer_state.ok()) return std::move(trainer_state).error().in((checkpoint / "trainer.json").string());
  return trainer_state;
}

}  // namespace owlet
