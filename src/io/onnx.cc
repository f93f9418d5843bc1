#include "io/onnx.h"

#include <algorithm>
#include <set>

#include "core/file.h"
#include "io/protobuf.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kSmallTensor = 1024;  // bytes; stays in the message where others do not: runtimes look at shapes before they map

enum ModelField : uint32_t { kIrVersion = 1, kProducer = 2, kGraph = 7, kOpsetImport = 8 };
enum GraphField : uint32_t { kNode = 1, kGraphName = 2, kInitializer = 5, kInput = 11, kOutput = 12 };
enum NodeField : uint32_t { kNodeInput = 1, kNodeOutput = 2, kNodeName = 3, kOpType = 4, kAttribute = 5 };
enum AttributeField : uint32_t { kAttributeName = 1, kInt = 3, kInts = 8, kAttributeType = 20 };
enum AttributeType : int64_t { kTypeInt = 2, kTypeInts = 7 };
enum TensorField : uint32_t { kDims = 1, kDataType = 2, kTensorName = 8, kRawData = 9, kExternalData = 13, kDataLocation = 14 };
constexpr int64_t kExternal = 1;

uint64_t element_bytes(OnnxType type) {
  switch (type) {
    case OnnxType::kFloat: return 4;
    case OnnxType::kInt64: return 8;
    case OnnxType::kUint8:
    case OnnxType::kBool: return 1;
  }
  return 0;
}

// ValueInfoProto
ProtoMessage value_info(std::string_view name, OnnxType type, const std::vector<OnnxDim>& dims) {
  ProtoMessage shape, tensor, its_type, value;
  for (const OnnxDim& dim : dims) {
    ProtoMessage one;
    if (const int64_t* size = std::get_if<int64_t>(&dim)) {
      one.add_int(1, *size);
    } else {
      one.add_bytes(2, std::get<std::string>(dim));
    }
    shape.add_message(1, one);
  }
  tensor.add_int(1, static_cast<int64_t>(type));
  tensor.add_message(2, shape);
  its_type.add_message(1, tensor);
  value.add_bytes(1, name);
  value.add_message(2, its_type);
  return value;
}

ProtoMessage attribute_proto(const OnnxAttribute& attribute) {
  ProtoMessage out;
  out.add_bytes(kAttributeName, attribute.first);
  if (const int64_t* number = std::get_if<int64_t>(&attribute.second)) {
    out.add_int(kInt, *number);
    out.add_int(kAttributeType, kTypeInt);
  } else {
    for (const int64_t number_of_list : std::get<std::vector<int64_t>>(attribute.second)) out.add_int(kInts, number_of_list);
    out.add_int(kAttributeType, kTypeInts);
  }
  return out;
}

// StringStringEntryProto
ProtoMessage entry(std::string_view key, std::string_view value) {
  ProtoMessage out;
  out.add_bytes(1, key);
  out.add_bytes(2, value);
  return out;
}

// ModelProto up to the graph's bytes.
ProtoMessage model_head(uint64_t graph_bytes) {
  ProtoMessage opset, model;
  opset.add_int(2, kOnnxOpset);
  model.add_int(kIrVersion, kOnnxIrVersion);
  model.add_bytes(kProducer, "owlet");
  model.add_message(kOpsetImport, opset);
  model.begin_bytes(kGraph, graph_bytes);
  return model;
}

// TensorProto up to its data.
ProtoMessage tensor_head(const OnnxTensor& tensor) {
  ProtoMessage out;
  for (const int64_t dim : tensor.dims) out.add_int(kDims, dim);
  out.add_int(kDataType, static_cast<int64_t>(tensor.type));
  out.add_bytes(kTensorName, tensor.name);
  return out;
}

// GraphProto's field for a tensor, up to the data that follows it.
std::string inline_head(const OnnxTensor& tensor) {
  ProtoMessage head = tensor_head(tensor), field;
  head.begin_bytes(kRawData, tensor.bytes());
  field.begin_bytes(kInitializer, head.bytes().size() + tensor.bytes());
  return field.bytes() + head.bytes();
}

// The same for one that lies in another file, whole.
std::string external_field(const OnnxTensor& tensor, std::string_view file, uint64_t offset) {
  ProtoMessage out = tensor_head(tensor), field;
  out.add_message(kExternalData, entry("location", file));
  out.add_message(kExternalData, entry("offset", std::to_string(offset)));
  out.add_message(kExternalData, entry("length", std::to_string(tensor.bytes())));
  out.add_int(kDataLocation, kExternal);
  field.add_message(kInitializer, out);
  return field.bytes();
}

// A tensor's content into a file. That it has as many bytes as its shape asks for is our own business.
Status write_content(AtomicFile& file, const OnnxTensor& tensor) {
  const uint64_t begin = file.size();
  OWLET_TRY(tensor.content([&](std::span<const std::byte> piece) { return file.write(piece); }));
  const uint64_t bytes = file.size() - begin;
  OWLET_CHECK(bytes == tensor.bytes(), "[onnx] {} has {} bytes, its shape asks for {}", tensor.name, bytes, tensor.bytes());
  return {};
}

}  // namespace

fs::path onnx_data_path(const fs::path& path) { return fs::path(path) += "_data"; }

uint64_t OnnxTensor::bytes() const {
  uint64_t total = element_bytes(type);
  for (const int64_t dim : dims) total *= static_cast<uint64_t>(dim);
  return total;
}

OnnxWriter::OnnxWriter() {
  ProtoMessage name;
  name.add_bytes(kGraphName, "owlet");
  graph_ = name.bytes();
}

void OnnxWriter::add_input(std::string_view name, OnnxType type, const std::vector<OnnxDim>& dims) {
  ProtoMessage field;
  field.add_message(kInput, value_info(name, type, dims));
  graph_ += field.bytes();
  values_.emplace_back(name);
}

void OnnxWriter::add_output(std::string_view name, OnnxType type, const std::vector<OnnxDim>& dims) {
  ProtoMessage field;
  field.add_message(kOutput, value_info(name, type, dims));
  graph_ += field.bytes();
}

void OnnxWriter::add_node(std::string_view op, const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
                          const std::vector<OnnxAttribute>& attributes) {
  ProtoMessage node, field;
  for (const std::string& input : inputs) node.add_bytes(kNodeInput, input);
  for (const std::string& output : outputs) node.add_bytes(kNodeOutput, output);
  node.add_bytes(kNodeName, outputs.front());
  node.add_bytes(kOpType, op);
  for (const OnnxAttribute& attribute : attributes) node.add_message(kAttribute, attribute_proto(attribute));
  field.add_message(kNode, node);
  graph_ += field.bytes();
  values_.insert(values_.end(), outputs.begin(), outputs.end());
}

void OnnxWriter::add_tensor(OnnxTensor tensor) {
  values_.push_back(tensor.name);
  tensors_.push_back(std::move(tensor));
}

Status OnnxWriter::check() const {
  std::set<std::string_view> seen;
  for (const std::string& name : values_) {
    if (!seen.insert(name).second) return make_error(ErrorCode::kInvalidArgument, "two values of the graph are called '{}'", name);
  }
  return {};
}

Status OnnxWriter::write(const fs::path& path, uint64_t inline_limit) const {
  Status status = check();
  if (!status.ok()) return std::move(status).error().in(path.string());
  uint64_t graph_bytes = graph_.size();
  for (const OnnxTensor& tensor : tensors_) graph_bytes += inline_head(tensor).size() + tensor.bytes();
  if (graph_bytes > inline_limit) return write_with_data(path);
  OWLET_TRY(write_whole(path, graph_bytes));
  std::error_code code;
  fs::remove(onnx_data_path(path), code);  // of a larger model that stood here
  return {};
}

Status OnnxWriter::write_whole(const fs::path& path, uint64_t graph_bytes) const {
  OWLET_ASSIGN(AtomicFile file, AtomicFile::create(path));
  OWLET_TRY(file.write(model_head(graph_bytes).bytes()));
  OWLET_TRY(file.write(graph_));
  for (const OnnxTensor& tensor : tensors_) {
    OWLET_TRY(file.write(inline_head(tensor)));
    OWLET_TRY(write_content(file, tensor));
  }
  return file.commit();
}

Status OnnxWriter::write_with_data(const fs::path& path) const {
  const fs::path data_path = onnx_data_path(path);
  OWLET_ASSIGN(AtomicFile data, AtomicFile::create(data_path));
  std::string graph = graph_;
  for (const OnnxTensor& tensor : tensors_) {
    if (tensor.bytes() < kSmallTensor) {
      graph += inline_head(tensor);
      OWLET_TRY(tensor.content([&](std::span<const std::byte> piece) {
        graph.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        return Status();
      }));
      continue;
    }
    const std::string padding((kPage - data.size() % kPage) % kPage, '\0');
    OWLET_TRY(data.write(padding));
    graph += external_field(tensor, data_path.filename().string(), data.size());
    OWLET_TRY(write_content(data, tensor));
  }
  OWLET_ASSIGN(AtomicFile file, AtomicFile::create(path));
  OWLET_TRY(file.write(model_head(graph.size()).bytes()));
  OWLET_TRY(file.write(graph));
  OWLET_TRY(data.commit());
  return file.commit();
}

}  // namespace owlet
