// A model's tensors as files hold them: under the files' names, some of ours joined into one, in the files' order of rotation.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "model/architecture.h"
#include "model/model.h"

namespace owlet {

class StoredTensor {
 public:
  struct Form {
    bool interleaved = false;  // order of rotated rows in the file
    double norm_offset = 0;    // what the file's norms are short of ours
  };
  StoredTensor(std::string name, const ModelConfig& config, Form form) : name_(std::move(name)), config_(&config), form_(form) {}
  // Rows of our tensor follow those added before.
  void add(const std::string& our_name, const Tensor& tensor);

  const std::string& name() const { return name_; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return parts_.front().tensor.dtype(); }  // ours
  // The file holds it exactly as we do, in one piece: as_it_is() is valid.
  bool is_as_it_is(DType dtype) const;
  TensorView as_it_is() const { return parts_.front().tensor; }
  // Encodes row `row` as `dtype` into `out`; `importance` as quantize_row() has it.
  void write_row(int64_t row, DType dtype, void* out, const float* importance = nullptr) const;

 private:
  struct Part {
    Tensor tensor;
    bool permuted;
    double offset;
  };
  void permute_elements(std::vector<float>& x) const;

  std::string name_;
  const ModelConfig* config_;
  Form form_;
  Shape shape_;
  std::vector<Part> parts_;
};

// All of a model's, in its order. `place` says where each of ours lies. The model's config outlives them.
std::vector<StoredTensor> stored_tensors(const Model& model, TensorPlace (*place)(const ModelConfig&, const std::string&),
                                         StoredTensor::Form form);

// Of queries and keys: the row of the other rotation's order that becomes row `row`. Interleaved order has a head's pairs at
// (2j, 2j + 1), half-split order at (j, j + R/2).
int64_t rotation_source(int64_t row, const ModelConfig& config, bool to_interleaved);
bool is_rotated(std::string_view our_name);

// The rows of `stored` that `place` names, as a tensor that keeps it alive; an error where it has not as many.
Result<Tensor> tensor_at(const Tensor& stored, const TensorPlace& place);

}  // namespace owlet
