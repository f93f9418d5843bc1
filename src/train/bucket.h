// Tensors end to end in one piece of memory: what is zeroed, stepped, and one day sent between machines, at once.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace owlet {

class Bucket {
 public:
  // Makes room for a tensor, which begins at a multiple of 64 bytes; its index.
  size_t add(DType dtype, Shape shape);
  // Zeroed memory for all of them, at least `bytes` of it.
  void allocate(int64_t bytes = 0);
  // In the memory of another bucket instead, which is no smaller: they are never in use together.
  void allocate_in(const Bucket& other);

  Tensor operator[](size_t index) const;
  int64_t offset(size_t index) const { return entries_[index].offset; }  // bytes
  int64_t bytes() const { return bytes_; }
  // All of it as numbers of one type, those between the tensors (zeros) too.
  TensorView all(DType dtype) const;

 private:
  struct Entry {
    DType dtype;
    Shape shape;
    int64_t offset;
  };
  std::vector<Entry> entries_;
  int64_t bytes_ = 0;
  Tensor memory_;
};

}  // namespace owlet
