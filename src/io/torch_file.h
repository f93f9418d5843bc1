// What torch.save writes since PyTorch 1.6: a ZIP (often ZIP64) of stored entries. PREFIX/data.pkl is a pickle of containers
// whose tensors name their storages by a persistent id, ("storage", torch.FloatStorage, KEY, device, n); the bytes of a storage
// are the entry PREFIX/data/KEY. Nothing that a pickle names is ever called: containers, numbers, strings, tensors and their
// types are built by this reader, everything else is refused by its name.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/result.h"
#include "core/tensor.h"
#include "io/pickle.h"
#include "io/zip.h"

namespace owlet {

// The tensors of a state dict, or of the one that lies under "model", "state_dict" or "model_state_dict". What torch.compile and
// data parallelism put before every name ("_orig_mod.", "module.") is left out.
class TorchFile {
 public:
  static Result<TorchFile> open(const std::filesystem::path& file);

  bool has(std::string_view name) const { return tensors_.contains(name); }
  std::vector<std::string> names() const;  // sorted
  // Types: F32, F64, F16, BF16, I32, with up to four dimensions. A view of the mapped file; strided ones are copied.
  Result<Tensor> tensor(std::string_view name) const;

 private:
  Status read(const std::filesystem::path& path);

  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> file_;
  ZipEntries entries_;
  std::string prefix_;  // of the entries: "model/"
  std::shared_ptr<const Pickle> pickle_;
  std::map<std::string, const PickleValue*, std::less<>> tensors_;
};

}  // namespace owlet
