// Where fetched models are kept, and by which names:
//   ROOT/ORG/NAME/…   what `owlet pull ORG/NAME` fetched: the files of a Hugging Face folder, GGUF files, or both
//   ROOT/NAME/…       what `owlet cp` named
// A name is ORG/NAME or NAME; behind a colon it may say which GGUF: its quantization ("q4_k_m") or its file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"

namespace owlet {

// A name taken apart, every part checked: no name leads out of the store.
struct StoreName {
  std::string folder;  // "ORG/NAME" or "NAME"
  std::string wanted;  // behind the colon; may be empty
};
Result<StoreName> parse_store_name(const std::string& name);

struct StoredModel {
  std::string name;            // find() knows it by this
  std::filesystem::path path;  // a folder, or a GGUF
  int64_t bytes = 0;
  int64_t bytes_to_come = 0;   // of a download that is not finished
  std::filesystem::file_time_type changed;
};

class Store {
 public:
  explicit Store(std::filesystem::path root) : root_(std::move(root)) {}
  // $OWLET_HOME/models, else $XDG_DATA_HOME/owlet/models, else ~/.local/share/owlet/models (macOS: ~/Library/Application
  // Support/owlet/models).
  static Store open();

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path folder(const StoreName& name) const { return root_ / name.folder; }

  // Errors: kNotFound, and kInvalidArgument for a name that means several files, which are listed.
  Result<std::filesystem::path> find(const std::string& name) const;
  // By name, downloads that are not finished among them.
  std::vector<StoredModel> list() const;
  // kInvalidArgument where a folder for `name` would lie inside another model, or hold others.
  Status check_free(const StoreName& name) const;
  // All that is kept under a name: one GGUF where the name says which, else the whole folder. Gives the bytes freed. Refuses what lies
  // elsewhere, by links too.
  Result<int64_t> remove(const std::string& name) const;
  // Keeps the model at `from` under another name: hard links where they can be made, else copies. Appears as a whole or not at all.
  Status copy(const std::filesystem::path& from, const std::string& name) const;

 private:
  std::filesystem::path root_;
};

}  // namespace owlet
