// One table of op calls. Every backend runs every line of it in three ways: against the reference in float64
// (match), cut into batches and over threads (invariance), and the reference's own gradients are held against
// finite differences.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "kernels/ops.h"

namespace owlet::conformance {

// Numbers are drawn evenly from [low, high].
struct Range {
  double low = -1;
  double high = 1;
};

// What a tensor of a call is to its rows.
enum class Role {
  kRows,  // one row a token: what a part of the batch computes must equal the same rows of the whole, bitwise
  kSums,  // gathered over all rows, such as a weight's gradient
  kFixed,  // given to all rows
};

// One op call being made: it hands out tensors full of random numbers that depend on the tensor's name and
// the element only, and keeps them for comparison. Inputs are compared too: an op must leave them alone. All
// numbers are float32's, so that a call in float64 sees the same ones. Only rows [begin, end) of the batch
// take part.
class Call {
 public:
  struct Slot {
    std::string name;
    Role role;
    Tensor tensor;
  };

  Call(Ops& ops, DType activations, int64_t begin, int64_t end)
      : ops(ops), activations_(activations), begin_(begin), end_(end) {}

  int64_t begin() const { return begin_; }
  int64_t n() const { return end_ - begin_; }
  TensorView rows(const char* name, int64_t cols, Range range = {});
  TensorView rows(const char* name, Range range = {});  // one number a row: [N]
  TensorView sums(const char* name, Shape shape, Range range = {});
  TensorView fixed(const char* name, Shape shape, Range range = {});
  // A weight or a cache, in its own dtype whatever the activations are.
  TensorView stored(const char* name, Shape shape, DType dtype, Range range = {});
  // One whole number a row from [low, high).
  std::vector<int32_t> row_numbers(const char* name, int64_t low, int64_t high) const;
  void scalar(const char* name, double value);
  const std::vector<Slot>& slots() const { return slots_; }

  Ops& ops;
  int64_t terms = 1;  // numbers in the longest sum: results may be off by its square root in roundings

 private:
  TensorView add(const char* name, Role role, DType dtype, Shape shape, Range range);

  DType activations_;
  int64_t begin_;
  int64_t end_;
  std::vector<Slot> slots_;
};

struct Case {
  std::string name;
  int64_t n_rows;
  std::function<void(Call&)> call;
  std::vector<int64_t> cuts;  // where the batch may be cut; empty: between any two rows
};

const std::vector<Case>& cases();

// "reference" and "cpu-avx2" …: every backend that this processor runs.
std::vector<std::string> backends();

// Element i of a tensor, whatever its dtype.
std::vector<double> numbers(const TensorView& view);

}  // namespace owlet::conformance
