// For tests: files as torch.save writes them, made by hand.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/tensor.h"

namespace owlet::testing_torch {

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// A ZIP of stored entries; with zip64, sizes stand in extra fields, as PyTorch's large files have them.
inline std::string zip(const std::vector<std::pair<std::string, std::string>>& entries, bool zip64 = false) {
  std::string out, directory;
  for (const auto& [name, data] : entries) {
    const auto header = out.size();
    const uint32_t size = zip64 ? 0xffffffff : static_cast<uint32_t>(data.size());
    put<uint32_t>(out, 0x04034b50);
    out.append(14, '\0');
    put(out, size);
    put(out, size);
    put(out, static_cast<uint16_t>(name.size()));
    const size_t unaligned = out.size() + 2 + name.size() + 4;
    const auto padding = static_cast<uint16_t>((64 - unaligned % 64) % 64);
    put(out, static_cast<uint16_t>(padding + 4));
    out += name + "FB";
    put(out, padding);
    out.append(padding, 'Z');
    out += data;
    put<uint32_t>(directory, 0x02014b50);
    directory.append(16, '\0');
    put(directory, size);
    put(directory, size);
    put(directory, static_cast<uint16_t>(name.size()));
    put<uint16_t>(directory, zip64 ? 28 : 0);
    directory.append(10, '\0');
    put(directory, zip64 ? 0xffffffff : static_cast<uint32_t>(header));
    directory += name;
    if (!zip64) continue;
    put<uint16_t>(directory, 1);
    put<uint16_t>(directory, 24);
    put<uint64_t>(directory, data.size());
    put<uint64_t>(directory, data.size());
    put<uint64_t>(directory, header);
  }
  const uint64_t at = out.size(), n = entries.size();
  out += directory;
  if (zip64) {
    const uint64_t end64 = out.size();
    put<uint32_t>(out, 0x06064b50);
    put<uint64_t>(out, 44);
    out.append(12, '\0');
    for (const uint64_t value : {n, n, uint64_t{directory.size()}, at}) put(out, value);
    put<uint32_t>(out, 0x07064b50);
    put<uint32_t>(out, 0);
    put(out, end64);
    put<uint32_t>(out, 1);
  }
  put<uint32_t>(out, 0x06054b50);
  put<uint32_t>(out, 0);
  put(out, static_cast<uint16_t>(n));
  put(out, static_cast<uint16_t>(n));
  put(out, zip64 ? 0xffffffff : static_cast<uint32_t>(directory.size()));
  put(out, zip64 ? 0xffffffff : static_cast<uint32_t>(at));
  put<uint16_t>(out, 0);
  return out;
}

inline std::string text(const std::string& value) {
  std::string out = "X";
  put(out, static_cast<uint32_t>(value.size()));
  return out + value;
}
inline std::string number(int64_t value) {
  std::string out = "J";
  put(out, static_cast<int32_t>(value));
  return out;
}
inline std::string tuple(const std::string& items) { return "(" + items + "t"; }

// The pickle of a tensor over storage `key` of `numel` elements.
inline std::string tensor(const std::string& storage, const std::string& key, int64_t numel, int64_t offset,
                          const std::vector<int64_t>& dims, const std::vector<int64_t>& strides) {
  std::string sizes, steps;
  for (const int64_t d : dims) sizes += number(d);
  for (const int64_t s : strides) steps += number(s);
  return "ctorch._utils\n_rebuild_tensor_v2\n" +
         tuple(tuple(text("storage") + "ctorch\n" + storage + "\n" + text(key) + text("cpu") + number(numel)) + "Q" + number(offset) +
               tuple(sizes) + tuple(steps) + "\x89" + "ccollections\nOrderedDict\n)R") +
         "R";
}
inline std::string pickle(const std::string& value) { return "\x80\x02" + value + "."; }

// A state dict of float32 and bfloat16 tensors, whole and in order.
inline std::string state_dict(const std::vector<std::pair<std::string, TensorView>>& tensors, bool zip64 = false) {
  std::string items = "}(";
  std::vector<std::pair<std::string, std::string>> storages;
  for (const auto& [name, view] : tensors) {
    std::vector<int64_t> dims, strides(static_cast<size_t>(view.shape.rank()), 1);
    for (int i = 0; i < view.shape.rank(); ++i) dims.push_back(view.shape[i]);
    for (size_t i = strides.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
    const std::string key = std::to_string(storages.size());
    items += text(name) + tensor(view.dtype == DType::kF32 ? "FloatStorage" : "BFloat16Storage", key, view.numel(), 0, dims, strides);
    storages.emplace_back("model/data/" + key, std::string(view.as<char>(), static_cast<size_t>(view.bytes())));
  }
  storages.insert(storages.begin(), {"model/data.pkl", pickle(items + "u")});
  storages.emplace_back("model/byteorder", "little");
  return zip(storages, zip64);
}

}  // namespace owlet::testing_torch
