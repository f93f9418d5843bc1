// Reads back what onnx.h writes, for tests: its own small protobuf reader, so that the writer is not its own judge.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"

namespace owlet::testing_onnx {

// A message's fields by number, in their order: varints as numbers, the others as bytes.
class ProtoFields {
 public:
  explicit ProtoFields(std::string_view bytes) {
    while (!bytes.empty()) {
      const uint64_t key = varint(bytes), kind = key & 7;
      const auto field = static_cast<uint32_t>(key >> 3);
      if (kind == 0) {
        numbers_[field].push_back(static_cast<int64_t>(varint(bytes)));
        continue;
      }
      EXPECT_EQ(kind, 2u);
      const uint64_t size = varint(bytes);
      if (size > bytes.size()) {
        ADD_FAILURE() << "field " << field << " goes past its message";
        return;
      }
      bytes_[field].push_back(bytes.substr(0, size));
      bytes.remove_prefix(size);
    }
  }
  const std::vector<int64_t>& numbers(uint32_t field) const { return get(numbers_, field); }
  const std::vector<std::string_view>& all(uint32_t field) const { return get(bytes_, field); }
  int64_t number(uint32_t field) const { return numbers(field).empty() ? 0 : numbers(field).front(); }
  std::string text(uint32_t field) const { return all(field).empty() ? "" : std::string(all(field).front()); }
  ProtoFields message(uint32_t field) const { return ProtoFields(all(field).empty() ? "" : all(field).front()); }

 private:
  static uint64_t varint(std::string_view& bytes) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(bytes.front());
      bytes.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    ADD_FAILURE() << "a varint without an end";
    return value;
  }
  template <class T>
  static const std::vector<T>& get(const std::map<uint32_t, std::vector<T>>& fields, uint32_t field) {
    static const std::vector<T> none;
    const auto it = fields.find(field);
    return it == fields.end() ? none : it->second;
  }
  std::map<uint32_t, std::vector<int64_t>> numbers_;
  std::map<uint32_t, std::vector<std::string_view>> bytes_;
};

struct OnnxFile {
  struct Node {
    std::string op;
    std::vector<std::string> inputs, outputs;
    std::map<std::string, std::vector<int64_t>> attributes;  // one number, or a list of them
  };
  struct Tensor {
    int64_t type;
    std::vector<int64_t> dims;
    std::string bytes;
    int64_t offset = -1;  // in the data file; −1: it lies in the message
    template <class T>
    std::vector<T> values() const {
      std::vector<T> out(bytes.size() / sizeof(T));
      std::memcpy(out.data(), bytes.data(), bytes.size());
      return out;
    }
  };
  struct Value {
    std::string name;
    int64_t type;
    std::vector<std::string> dims;  // sizes and names
  };
  int64_t ir_version = 0, opset = 0;
  std::vector<Node> nodes;
  std::vector<Value> inputs, outputs;
  std::map<std::string, Tensor> tensors;
};

inline OnnxFile::Value read_onnx_value(std::string_view bytes) {
  const ProtoFields info(bytes), tensor = info.message(2).message(1);
  OnnxFile::Value value{info.text(1), tensor.number(1), {}};
  const ProtoFields shape = tensor.message(2);
  for (const std::string_view dim : shape.all(1)) {
    const ProtoFields one(dim);
    value.dims.push_back(one.all(2).empty() ? std::to_string(one.number(1)) : one.text(2));
  }
  return value;
}

inline OnnxFile::Tensor read_onnx_tensor(const ProtoFields& proto, const std::filesystem::path& folder) {
  OnnxFile::Tensor tensor{proto.number(2), proto.numbers(1), proto.text(9)};
  if (proto.number(14) == 0) return tensor;
  std::map<std::string, std::string> entries;
  for (const std::string_view entry : proto.all(13)) entries[ProtoFields(entry).text(1)] = ProtoFields(entry).text(2);
  tensor.offset = std::stoll(entries.at("offset"));
  const auto data = read_file(folder / entries.at("location"));
  EXPECT_TRUE(data.ok());
  tensor.bytes = data->substr(static_cast<size_t>(tensor.offset), std::stoull(entries.at("length")));
  return tensor;
}

inline OnnxFile read_onnx(const std::filesystem::path& path) {
  OnnxFile file;
  const auto bytes = read_file(path);
  EXPECT_TRUE(bytes.ok()) << path;
  if (!bytes.ok()) return file;
  const ProtoFields model(*bytes), graph = model.message(7);
  file.ir_version = model.number(1);
  file.opset = model.message(8).number(2);
  for (const std::string_view proto : graph.all(1)) {
    const ProtoFields fields(proto);
    OnnxFile::Node node{fields.text(4), {}, {}, {}};
    for (const std::string_view input : fields.all(1)) node.inputs.emplace_back(input);
    for (const std::string_view output : fields.all(2)) node.outputs.emplace_back(output);
    for (const std::string_view attribute : fields.all(5)) {
      const ProtoFields one(attribute);
      node.attributes[one.text(1)] = one.number(20) == 2 ? one.numbers(3) : one.numbers(8);
    }
    file.nodes.push_back(std::move(node));
  }
  for (const std::string_view proto : graph.all(5)) {
    const ProtoFields tensor(proto);
    EXPECT_TRUE(file.tensors.emplace(tensor.text(8), read_onnx_tensor(tensor, path.parent_path())).second) << tensor.text(8);
  }
  for (const std::string_view input : graph.all(11)) file.inputs.push_back(read_onnx_value(input));
  for (const std::string_view output : graph.all(12)) file.outputs.push_back(read_onnx_value(output));
  return file;
}

}  // namespace owlet::testing_onnx
