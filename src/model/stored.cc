#include "model/stored.h"

#include <cstring>
#include <memory>

#include "quant/blocks.h"

namespace owlet {

bool is_rotated(std::string_view name) {
  return name.find("q_proj.") != std::string_view::npos || name.find("k_proj.") != std::string_view::npos;
}

// Heads keep their place, and so do rows of a head that are not rotated.
int64_t rotation_source(int64_t row, const ModelConfig& c, bool to_interleaved) {
  const int64_t half = c.rotary_dim() / 2, i = row % c.head_dim, head = row - i;
  if (i >= 2 * half) return row;
  return head + (to_interleaved ? i / 2 + i % 2 * half : i % half * 2 + i / half);
}

void StoredTensor::add(const std::string& our_name, const Tensor& tensor) {
  const bool norm = our_name.ends_with("norm.weight");
  parts_.push_back({tensor, is_rotated(our_name) && config_->rope_interleaved != form_.interleaved, norm ? form_.norm_offset : 0.0});
  if (parts_.size() == 1) {
    shape_ = tensor.shape();
  } else {
    shape_ = Shape{shape_[0] + tensor.shape()[0], tensor.shape()[1]};
  }
}

bool StoredTensor::is_as_it_is(DType dtype) const {
  const Part& first = parts_.front();
  return parts_.size() == 1 && first.tensor.dtype() == dtype && !first.permuted && first.offset == 0;
}

// A bias, whose elements are what a matrix's rows are.
void StoredTensor::permute_elements(std::vector<float>& x) const {
  const std::vector<float> from = x;
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = from[static_cast<size_t>(rotation_source(static_cast<int64_t>(i), *config_, form_.interleaved))];
  }
}

void StoredTensor::write_row(int64_t row, DType dtype, void* out, const float* importance) const {
  size_t p = 0;
  while (row >= parts_[p].tensor.view().rows()) row -= parts_[p++].tensor.view().rows();
  const Part& part = parts_[p];
  const TensorView& from = part.tensor;
  const bool is_matrix = from.shape.rank() == 2;
  const int64_t source = part.permuted && is_matrix ? rotation_source(row, *config_, form_.interleaved) : row;
  const TensorView bytes = from.row_range(source, source + 1);
  const bool shuffled = part.permuted && !is_matrix;
  if (from.dtype == dtype && part.offset == 0 && !shuffled) {
    std::memcpy(out, bytes.data, static_cast<size_t>(bytes.bytes()));
    return;
  }
  std::vector<float> x(static_cast<size_t>(from.cols()));
  dequantize_row(from.dtype, bytes.data, x.data(), from.cols());
  if (shuffled) permute_elements(x);
  if (part.offset != 0) {
    for (float& value : x) value = static_cast<float>(static_cast<double>(value) - part.offset);
  }
  quantize_row(dtype, x.data(), out, from.cols(), importance);
}

std::vector<StoredTensor> stored_tensors(const Model& model, TensorPlace (*place)(const ModelConfig&, const std::string&),
                                         StoredTensor::Form form) {
  std::vector<StoredTensor> stored;
  model.weights.for_each([&](const std::string& name, const Tensor& tensor) {
    std::string its_name = place(model.config, name).name;
    // Parts of one tensor follow each other.
    if (stored.empty() || stored.back().name() != its_name) stored.emplace_back(std::move(its_name), model.config, form);
    stored.back().add(name, tensor);
  });
  return stored;
}

Result<Tensor> tensor_at(const Tensor& stored, const TensorPlace& place) {
  if (place.n_rows == 0) return stored;
  if (stored.shape().rank() != 2 || place.first_row + place.n_rows > stored.shape()[0]) {
    return corrupt("tensor '{}' has the shape {}; rows {} to {} are wanted", place.name,
                      stored.shape().to_string(), place.first_row, place.first_row + place.n_rows);
  }
  return Tensor(stored.view().row_range(place.first_row, place.first_row + place.n_rows), std::make_shared<Tensor>(stored));
}

}  // namespace owlet
