// ONNX, a graph of operators with its weights, as a protobuf message (onnx.proto of the ONNX project):
//   ModelProto  1 ir_version · 2 producer_name · 7 graph · 8 opset_import { 2 version }
//   GraphProto  1 node … · 2 name · 5 initializer … · 11 input … · 12 output …
//   NodeProto   1 input … · 2 output … · 3 name · 4 op_type · 5 attribute { 1 name · 2 f · 3 i · 8 ints … · 20 type } …
//   TensorProto 1 dims … · 2 data_type · 8 name · 9 raw_data, or 13 external_data { 1 key · 2 value } … · 14 data_location
//   ValueInfo   1 name · 2 type { 1 tensor_type { 1 elem_type · 2 shape { 1 dim { 1 dim_value | 2 dim_param } … } } }
// A message ends at 2 GB. Larger models keep their weights in a second file, FILE_data, where external_data gives `location`,
// `offset` and `length`; offsets are multiples of a page, so that runtimes can map the weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/result.h"

namespace owlet {

constexpr int64_t kOnnxOpset = 17;  // runtimes since 2022 know it
constexpr int64_t kOnnxIrVersion = 8;
constexpr uint64_t kOnnxInlineLimit = 2'000'000'000;

enum class OnnxType : int32_t { kFloat = 1, kUint8 = 2, kInt64 = 7, kBool = 9 };  // ONNX's numbers

using OnnxDim = std::variant<int64_t, std::string>;  // a size, or the name of one that is known when the graph runs
using OnnxAttribute = std::pair<std::string, std::variant<int64_t, std::vector<int64_t>>>;

// Gives a tensor's bytes in pieces, first to last, at the moment they are written: a model is never twice in memory.
using OnnxPut = std::function<Status(std::span<const std::byte>)>;
using OnnxContent = std::function<Status(const OnnxPut& put)>;

struct OnnxTensor {
  std::string name;
  OnnxType type;
  std::vector<int64_t> dims;
  OnnxContent content;  // numel · element size bytes
  uint64_t bytes() const;
};

class OnnxWriter {
 public:
  OnnxWriter();
  void add_input(std::string_view name, OnnxType type, const std::vector<OnnxDim>& dims);
  void add_output(std::string_view name, OnnxType type, const std::vector<OnnxDim>& dims);
  // Nodes stand in the order in which they run; a node is called after its first output.
  void add_node(std::string_view op, const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
                const std::vector<OnnxAttribute>& attributes = {});
  void add_tensor(OnnxTensor tensor);

  // Writes FILE, and FILE_data where the message would have more than `inline_limit` bytes, each atomically.
  Status write(const std::filesystem::path& path, uint64_t inline_limit = kOnnxInlineLimit) const;

 private:
  Status check() const;
  Status write_whole(const std::filesystem::path& path, uint64_t graph_bytes) const;
  Status write_with_data(const std::filesystem::path& path) const;

  std::string graph_;  // all of GraphProto but the tensors
  std::vector<OnnxTensor> tensors_;
  std::vector<std::string> values_;  // names of what inputs, nodes and tensors give
};

// FILE_data, where the weights of FILE lie if it is too large for one.
std::filesystem::path onnx_data_path(const std::filesystem::path& path);

}  // namespace owlet
