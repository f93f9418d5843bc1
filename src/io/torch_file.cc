#include "io/torch_file.h"

#include <array>
#include <cstring>
#include <optional>

namespace owlet {
namespace {

using Kind = PickleValue::Kind;

std::optional<DType> dtype_of(std::string_view storage) {
  if (storage == "FloatStorage") return DType::kF32;
  if (storage == "DoubleStorage") return DType::kF64;
  if (storage == "HalfStorage") return DType::kF16;
  if (storage == "BFloat16Storage") return DType::kBF16;
  if (storage == "IntStorage") return DType::kI32;
  return {};
}

const PickleValue* find(const PickleValue& dict, std::string_view key) {
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    if (dict.items[i]->kind == Kind::kText && dict.items[i]->text == key) return dict.items[i + 1];
  }
  return nullptr;
}

struct Layout {
  std::vector<int64_t> dims, strides;
  uint64_t numel = 1;
  bool contiguous = true;
};

// Sizes and strides of a tensor that lies inside a storage of n elements, from element `offset` on.
Result<Layout> read_layout(const PickleValue& sizes, const PickleValue& strides, uint64_t offset, uint64_t n) {
  Layout layout;
  if (sizes.kind != Kind::kTuple || strides.kind != Kind::kTuple || sizes.items.size() != strides.items.size()) {
    return corrupt("its shape and strides do not fit together");
  }
  if (sizes.items.size() > Shape::kMaxRank) return make_error(ErrorCode::kUnsupported, "it has more than {} dimensions", Shape::kMaxRank);
  uint64_t last = offset;
  for (size_t i = sizes.items.size(); i-- > 0;) {
    const PickleValue &size = *sizes.items[i], &stride = *strides.items[i];
    if (size.kind != Kind::kInt || stride.kind != Kind::kInt || size.integer < 1 || stride.integer < 0) return corrupt("its shape makes no sense");
    const auto s = static_cast<uint64_t>(size.integer), step = static_cast<uint64_t>(stride.integer);
    // Every product stays below n, which is below the file's size.
    if (s > n / layout.numel || (s > 1 && step > n / (s - 1))) return corrupt("its shape goes past its storage");
    layout.contiguous = layout.contiguous && (s == 1 || step == layout.numel);
    layout.numel *= s;
    last += (s - 1) * step;
    layout.dims.insert(layout.dims.begin(), size.integer);
    layout.strides.insert(layout.strides.begin(), stride.integer);
  }
  if (last >= n) return corrupt("it goes past its storage");
  return layout;
}

Tensor copy_strided(const std::byte* from, DType dtype, const Layout& layout) {
  const auto bytes = static_cast<size_t>(dtype_info(dtype).block_bytes);
  Tensor copy(dtype, Shape(std::span<const int64_t>(layout.dims)));
  auto* out = copy.view().as<std::byte>();
  for (uint64_t i = 0; i < layout.numel; ++i) {
    uint64_t rest = i, at = 0;
    for (size_t d = layout.dims.size(); d-- > 0;) {
      const auto dim = static_cast<uint64_t>(layout.dims[d]);
      at += rest % dim * static_cast<uint64_t>(layout.strides[d]);
      rest /= dim;
    }
    std::memcpy(out + i * bytes, from + at * bytes, bytes);
  }
  return copy;
}

// The names' own part: "_orig_mod.norm.weight" → "norm.weight".
std::string_view bare(std::string_view name) {
  for (bool more = true; more;) {
    more = false;
    for (const std::string_view prefix : {"_orig_mod.", "module."}) {
      if (!name.starts_with(prefix)) continue;
      name.remove_prefix(prefix.size());
      more = true;
    }
  }
  return name;
}

const PickleValue& state_dict(const PickleValue& root) {
  const PickleValue* dict = &root;
  for (const char* key : {"model", "state_dict", "model_state_dict"}) {
    const PickleValue* inner = dict->kind == Kind::kDict ? find(*dict, key) : nullptr;
    if (inner && inner->kind == Kind::kDict) dict = inner;
  }
  return *dict;
}

// A tensor's part of its storage: the storage's bytes, the type, the first element.
struct Place {
  std::span<const std::byte> storage;
  DType dtype;
  uint64_t offset;
};

// _rebuild_tensor_v2(storage, offset, size, stride, …)
Result<Place> read_place(const PickleValue& tensor, const ZipEntries& entries, const std::string& prefix) {
  if (tensor.items.size() < 4 || tensor.items[0]->kind != Kind::kStorage || tensor.items[1]->kind != Kind::kInt) return corrupt("it has no storage");
  const auto& id = tensor.items[0]->items;
  if (id.size() < 5 || id[1]->kind != Kind::kGlobal || id[2]->kind != Kind::kText) return corrupt("its storage has no name");
  const auto dtype = dtype_of(id[1]->name);
  if (!dtype) return make_error(ErrorCode::kUnsupported, "it is made of {}, which no weight is", id[1]->name);
  const auto it = entries.find(fmt::format("{}data/{}", prefix, id[2]->text));
  if (it == entries.end()) return corrupt("its storage '{}' is not in the file", id[2]->text);
  const uint64_t n = it->second.size() / static_cast<uint64_t>(dtype_info(*dtype).block_bytes);
  if (id[4]->kind != Kind::kInt || static_cast<uint64_t>(id[4]->integer) > n) return corrupt("its storage is shorter than it says");
  const auto offset = static_cast<uint64_t>(tensor.items[1]->integer);
  if (offset >= n) return corrupt("it begins past its storage");
  return Place{it->second, *dtype, offset};
}

Result<Tensor> read_tensor(const PickleValue& tensor, const ZipEntries& entries, const std::string& prefix,
                           std::shared_ptr<const MappedFile> file) {
  OWLET_ASSIGN(const Place place, read_place(tensor, entries, prefix));
  const auto size = static_cast<uint64_t>(dtype_info(place.dtype).block_bytes);
  OWLET_ASSIGN(const Layout layout, read_layout(*tensor.items[2], *tensor.items[3], place.offset, place.storage.size() / size));
  const std::byte* data = place.storage.data() + place.offset * size;
  if (!layout.contiguous || reinterpret_cast<uintptr_t>(data) % size != 0) return copy_strided(data, place.dtype, layout);
  return Tensor({const_cast<std::byte*>(data), place.dtype, Shape(std::span<const int64_t>(layout.dims))}, std::move(file));
}

}  // namespace

Status TorchFile::read(const std::filesystem::path& path) {
  path_ = path;
  OWLET_ASSIGN(file_, MappedFile::open(path));
  const auto bytes = file_->bytes();
  if (bytes.size() < 4 || std::memcmp(bytes.data(), "PK\3\4", 4) != 0) {
    return Error{ErrorCode::kUnsupported, "not a ZIP archive: PyTorch before 1.6 wrote such files, or it is no checkpoint",
                 "load it with PyTorch and torch.save() it again"};
  }
  OWLET_ASSIGN(entries_, read_zip(bytes));
  std::string_view pickle_bytes;
  for (const auto& [name, entry] : entries_) {
    if (!name.ends_with("/data.pkl")) continue;
    prefix_ = name.substr(0, name.size() - std::strlen("data.pkl"));
    pickle_bytes = {reinterpret_cast<const char*>(entry.data()), entry.size()};
  }
  if (prefix_.empty()) return corrupt("the archive holds no data.pkl");
  if (const auto order = entries_.find(prefix_ + "byteorder"); order != entries_.end() &&
      (order->second.size() != 6 || std::memcmp(order->second.data(), "little", 6) != 0)) {
    return make_error(ErrorCode::kUnsupported, "the numbers are not little-endian");
  }
  OWLET_ASSIGN(Pickle pickle, read_pickle(pickle_bytes));
  pickle_ = std::make_shared<const Pickle>(std::move(pickle));
  const PickleValue& dict = state_dict(*pickle_->root);
  for (size_t i = 0; dict.kind == Kind::kDict && i + 1 < dict.items.size(); i += 2) {
    const PickleValue &key = *dict.items[i], &value = *dict.items[i + 1];
    if (key.kind != Kind::kText || value.kind != Kind::kTensor) continue;
    if (!tensors_.emplace(bare(key.text), &value).second) return corrupt("two tensors are called '{}'", bare(key.text));
  }
  return tensors_.empty() ? Status(corrupt("the checkpoint is no state dict: it holds no tensors by name")) : Status();
}

Result<TorchFile> TorchFile::open(const std::filesystem::path& path) {
  TorchFile file;
  Status status = file.read(path);
  if (!status.ok()) return std::move(status).error().in(path.string());
  return file;
}

std::vector<std::string> TorchFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : tensors_) names.push_back(name);
  return names;
}

Result<Tensor> TorchFile::tensor(std::string_view name) const {
  const auto it = tensors_.find(name);
  if (it == tensors_.end()) return make_error(ErrorCode::kNotFound, "{}: there is no tensor '{}'", path_.string(), name);
  auto tensor = read_tensor(*it->second, entries_, prefix_, file_);
  if (!tensor.ok()) return std::move(tensor).error().in(fmt::format("{}: tensor '{}'", path_.string(), name));
  return tensor;
}

}  // namespace owlet
