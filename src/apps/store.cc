#include "apps/store.h"

#include <algorithm>
#include <cstdlib>

#include "core/file.h"
#include "io/hub/partial_file.h"
#include "io/hub/selection.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

constexpr int kMaxDepth = 4;  // of folders below a model's
constexpr std::string_view kPart = ".part";

bool is_gguf(const fs::path& path) { return path.extension() == ".gguf"; }
bool is_hf_folder(const fs::path& folder) {
  std::error_code code;
  return fs::exists(folder / "config.json", code) || fs::exists(folder / "adapter_config.json", code);
}

// Regular files below a folder, as paths from there, sorted.
std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code code;
  for (auto it = fs::recursive_directory_iterator(folder, code); it != fs::recursive_directory_iterator(); it.increment(code)) {
    if (code) break;
    if (it.depth() >= kMaxDepth) it.disable_recursion_pending();
    if (it->is_regular_file(code)) files.push_back(it->path().lexically_relative(folder));
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<fs::path> ggufs_of(const fs::path& folder) {
  std::vector<fs::path> files = files_of(folder);
  std::erase_if(files, [](const fs::path& file) { return !is_gguf(file); });
  return files;
}

bool is_unfinished(const fs::path& file) { return file.string().ends_with(kPart); }

// Holds files of a model itself, not folders of models only, as an ORG does.
bool is_model_folder(const fs::path& folder) {
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (entry.is_regular_file(code)) return true;
  }
  return false;
}

std::vector<fs::path> folders_of(const fs::path& folder) {
  std::vector<fs::path> folders;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (entry.is_directory(code) && !entry.path().filename().string().starts_with('.')) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

// "ORG/NAME:Q4_K_M", or with the file's name where several have the tag.
std::string name_of_gguf(const std::string& folder, const fs::path& gguf, const std::vector<fs::path>& all) {
  const std::string tag = quantization_tag(gguf.string());
  const auto alike = std::count_if(all.begin(), all.end(), [&](const fs::path& other) { return is_meant(other.string(), tag); });
  if (tag.empty() && all.size() == 1) return folder;
  return folder + ":" + (alike == 1 ? tag : gguf.string());
}

void list_folder(const fs::path& folder, const std::string& name, std::vector<StoredModel>& models) {
  std::error_code code;
  const std::vector<fs::path> ggufs = ggufs_of(folder);
  StoredModel whole{.name = name, .path = folder, .changed = fs::file_time_type::min()};
  for (const fs::path& file : files_of(folder)) {
    const fs::path path = folder / file;
    const auto bytes = static_cast<int64_t>(fs::file_size(path, code));
    const auto changed = fs::last_write_time(path, code);
    if (is_unfinished(file)) {
      const std::string target = path.string().substr(0, path.string().size() - kPart.size());
      const auto pieces = read_pieces(target);
      const int64_t kept = pieces.ok() ? static_cast<int64_t>(pieces->total()) : 0;
      models.push_back({.name = name + ":" + target.substr(folder.string().size() + 1), .path = path, .bytes = kept,
                        .bytes_to_come = std::max<int64_t>(1, bytes - kept), .changed = changed});
    } else if (is_gguf(file)) {
      models.push_back({.name = name_of_gguf(name, file, ggufs), .path = path, .bytes = bytes, .changed = changed});
    } else {
      whole.bytes += bytes;
      whole.changed = std::max(whole.changed, changed);
    }
  }
  if (is_hf_folder(folder)) models.push_back(whole);
}

Error not_kept(const std::string& name) {
  return {ErrorCode::kNotFound, fmt::format("no model is kept as {}", name), "`owlet list` shows those that are"};
}

Status io_error(const char* what, const fs::path& path, const std::error_code& code) {
  return make_error(ErrorCode::kIo, "cannot {} {}: {}", what, path.string(), code.message());
}

// One file under another name, sharing its bytes where the file system can.
Status link_or_copy(const fs::path& from, const fs::path& to) {
  std::error_code code;
  fs::create_hard_link(from, to, code);
  if (!code) return {};
  code.clear();
  fs::copy_file(from, to, code);
  return code ? io_error("copy", from, code) : Status();
}

// The files that make the model at `from`, and what they are called in its new folder.
std::vector<std::pair<fs::path, fs::path>> files_to_copy(const fs::path& from) {
  std::error_code code;
  if (!fs::is_directory(from, code)) return {{from, from.filename()}};
  std::vector<std::pair<fs::path, fs::path>> files;
  for (const auto& entry : fs::directory_iterator(from, code)) {
    const fs::path name = entry.path().filename();
    const bool leftover = is_unfinished(name) || name.string().ends_with(".part.state") || name.extension() == ".tmp";
    // Links are followed: what they lead to is the model.
    if (entry.is_regular_file(code) && !is_gguf(name) && !leftover) files.emplace_back(fs::canonical(entry.path(), code), name);
  }
  return files;
}

// The folder of `name`, sure to lie in the store whatever links are on the way.
Result<fs::path> real_folder(const fs::path& root, const fs::path& folder, const std::string& name) {
  std::error_code code;
  const fs::path real_root = fs::canonical(root, code);
  if (code || !fs::is_directory(folder, code)) return not_kept(name);
  const fs::path real = fs::canonical(folder, code);
  const auto [end, _] = std::mismatch(real_root.begin(), real_root.end(), real.begin(), real.end());
  if (code || end != real_root.end() || real == real_root || fs::is_symlink(folder, code)) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("{} lies at {}, outside the store", name, real.string()), "remove it there yourself"};
  }
  return real;
}

}  // namespace

Result<StoreName> parse_store_name(const std::string& name) {
  StoreName parsed;
  const size_t colon = name.find(':');
  parsed.folder = name.substr(0, colon);
  if (colon != std::string::npos) parsed.wanted = name.substr(colon + 1);
  // One part is checked as the second of two.
  OWLET_TRY(check_repository_name(parsed.folder.find('/') == std::string::npos ? "x/" + parsed.folder : parsed.folder));
  if (!parsed.wanted.empty()) OWLET_TRY(check_hub_path(parsed.wanted));
  return parsed;
}

Store Store::open() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path(value != nullptr ? value : "");
  };
  if (const fs::path home = variable("OWLET_HOME"); !home.empty()) return Store(home / "models");
  if (const fs::path data = variable("XDG_DATA_HOME"); data.is_absolute()) return Store(data / "owlet/models");
#ifdef __APPLE__
  return Store(variable("HOME") / "Library/Application Support/owlet/models");
#else
  return Store(variable("HOME") / ".local/share/owlet/models");
#endif
}

Result<fs::path> Store::find(const std::string& name) const {
  const auto parsed = parse_store_name(name);
  std::error_code code;
  if (!parsed.ok() || !fs::is_directory(folder(*parsed), code)) return not_kept(name);
  const fs::path folder = this->folder(*parsed);
  if (parsed->folder.find('/') == std::string::npos && !is_model_folder(folder)) return not_kept(name);
  if (parsed->wanted.empty() && is_hf_folder(folder)) return folder;
  std::vector<fs::path> ggufs = ggufs_of(folder);
  const std::vector<fs::path> all = ggufs;
  if (!parsed->wanted.empty()) std::erase_if(ggufs, [&](const fs::path& gguf) { return !is_meant(gguf.string(), parsed->wanted); });
  if (ggufs.size() == 1) return folder / ggufs.front();
  if (ggufs.empty() && all.empty()) return not_kept(name);
  std::string names;
  for (const fs::path& gguf : ggufs.empty() ? all : ggufs) names += (names.empty() ? "" : ", ") + name_of_gguf(parsed->folder, gguf, all);
  if (ggufs.empty()) return Error{ErrorCode::kNotFound, fmt::format("no model is kept as {}", name), "there are: " + names};
  return Error{ErrorCode::kInvalidArgument, fmt::format("{} means {} models", name, ggufs.size()), "say which: " + names};
}

std::vector<StoredModel> Store::list() const {
  std::vector<StoredModel> models;
  for (const fs::path& folder : folders_of(root_)) {
    const std::string name = folder.filename().string();
    if (is_model_folder(folder)) {
      list_folder(folder, name, models);
      continue;
    }
    for (const fs::path& inner : folders_of(folder)) list_folder(inner, name + "/" + inner.filename().string(), models);
  }
  std::sort(models.begin(), models.end(), [](const StoredModel& a, const StoredModel& b) { return a.name < b.name; });
  return models;
}

Status Store::check_free(const StoreName& name) const {
  std::error_code code;
  const size_t slash = name.folder.find('/');
  if (slash == std::string::npos) {
    if (!fs::exists(folder(name), code)) return {};
    return make_error(ErrorCode::kInvalidArgument, "there is something called {} already", name.folder);
  }
  const std::string above = name.folder.substr(0, slash);
  if (!is_model_folder(root_ / above)) return {};
  return make_error(ErrorCode::kInvalidArgument, "{} is a model itself; {} cannot be kept inside it", above, name.folder);
}

Result<int64_t> Store::remove(const std::string& name) const {
  OWLET_ASSIGN(const StoreName parsed, parse_store_name(name));
  OWLET_ASSIGN(const fs::path folder, real_folder(root_, this->folder(parsed), name));
  if (parsed.folder.find('/') == std::string::npos && !is_model_folder(folder)) return not_kept(name);
  std::vector<fs::path> gone = files_of(folder);
  if (!parsed.wanted.empty()) {
    const bool unfinished = std::find(gone.begin(), gone.end(), fs::path(parsed.wanted + std::string(kPart))) != gone.end();
    if (unfinished) {
      gone = {parsed.wanted + std::string(kPart), parsed.wanted + std::string(kPart) + ".state"};
    } else {
      OWLET_ASSIGN(const fs::path gguf, find(name));
      gone = {gguf.lexically_relative(this->folder(parsed))};
      OWLET_TRY(real_folder(root_, gguf.parent_path(), name).status());
    }
  }
  std::error_code code;
  int64_t freed = 0;
  for (const fs::path& file : gone) {
    const auto bytes = fs::is_symlink(folder / file, code) ? 0 : static_cast<int64_t>(fs::file_size(folder / file, code));
    if (fs::remove(folder / file, code)) freed += bytes;
    if (code) return io_error("remove", folder / file, code).error();
  }
  if (parsed.wanted.empty()) fs::remove_all(folder, code);
  // Folders that are empty now, up to the store.
  const fs::path last = gone.empty() ? folder : (folder / gone.front()).parent_path();
  for (fs::path path = last; path != fs::canonical(root_, code) && (!fs::exists(path, code) || fs::remove(path, code));) path = path.parent_path();
  return freed;
}

Status Store::copy(const fs::path& from, const std::string& name) const {
  OWLET_ASSIGN(const StoreName parsed, parse_store_name(name));
  if (!parsed.wanted.empty()) return make_error(ErrorCode::kInvalidArgument, "'{}': a new name has no colon", name);
  OWLET_TRY(check_free(parsed));
  const fs::path to = folder(parsed), making = root_ / (".making-" + to.filename().string());
  std::error_code code;
  if (fs::exists(to, code)) return make_error(ErrorCode::kInvalidArgument, "there is something called {} already", name);
  fs::remove_all(making, code);
  fs::create_directories(making, code);
  if (!code) fs::create_directories(to.parent_path(), code);
  if (code) return io_error("create", to, code);
  Status status;
  for (const auto& [file, file_name] : files_to_copy(fs::canonical(from, code))) {
    if (status.ok()) status = link_or_copy(file, making / file_name);
  }
  if (status.ok()) {
    fs::rename(making, to, code);
    if (code) status = io_error("create", to, code);
  }
  fs::remove_all(making, code);
  return status.ok() ? sync_directory(to.parent_path()) : status;
}

}  // namespace owlet
