// Tensors: a shape over bytes that somebody else owns (TensorView), or that it owns itself (Tensor). Rows are contiguous
// and dense; the last dimension is the fastest. Shapes are written with one legend throughout the house:
//   B batch · T time · N tokens of a ragged batch · D model dim · H heads · K key/value heads · E head dim · F ffn · V vocab
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include "core/dtype.h"

namespace owlet {

class Shape {
 public:
  static constexpr int kMaxRank = 4;
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims);
  explicit Shape(std::span<const int64_t> dims);

  int rank() const { return rank_; }
  int64_t operator[](int i) const { return dims_[static_cast<size_t>(i)]; }
  int64_t numel() const;           // 1 for rank 0
  int64_t last() const { return rank_ == 0 ? 1 : dims_[static_cast<size_t>(rank_ - 1)]; }
  int64_t rows() const { return last() == 0 ? 0 : numel() / last(); }
  bool operator==(const Shape& other) const = default;
  std::string to_string() const;  // "[8, 320]"

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

struct TensorView {
  void* data = nullptr;
  DType dtype = DType::kF32;
  Shape shape;
  int32_t group = 0;  // rows that lie together as Ops::turn() left them; 0: one row behind the other

  explicit operator bool() const { return data != nullptr; }
  int64_t numel() const { return shape.numel(); }
  int64_t rows() const { return shape.rows(); }
  int64_t cols() const { return shape.last(); }
  int64_t bytes() const { return rows() * row_bytes(dtype, cols()); }
  template <class T>
  T* as() const { return static_cast<T*>(data); }
  float* f32() const { return static_cast<float*>(data); }
  // Rows [begin, end) of the tensor seen as a matrix of `rows() × cols()`.
  TensorView row_range(int64_t begin, int64_t end) const {
    return {static_cast<std::byte*>(data) + begin * row_bytes(dtype, cols()), dtype, Shape{end - begin, cols()}};
  }
  TensorView reshape(Shape to) const { return {data, dtype, to}; }
};

// Owns (or shares, or keeps mapped) its bytes. Memory is 64-byte aligned and zeroed.
class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, Shape shape);
  // A view of foreign memory, kept alive by `owner` (a mapped file).
  Tensor(TensorView view, std::shared_ptr<const void> owner) : view_(view), owner_(std::move(owner)) {}

  const TensorView& view() const { return view_; }
  operator const TensorView&() const { return view_; }  // NOLINT: a tensor is usable as its view
  explicit operator bool() const { return view_.data != nullptr; }
  const Shape& shape() const { return view_.shape; }
  DType dtype() const { return view_.dtype; }
  int64_t numel() const { return view_.numel(); }
  int64_t bytes() const { return view_.bytes(); }
  float* f32() const { return view_.f32(); }
  template <class T>
  std::span<T> span() const { return {view_.as<T>(), static_cast<size_t>(numel())}; }
  void zero() const;
  bool is_shared() const { return owner_.use_count() > 1; }  // its memory stays when it goes

 private:
  TensorView view_;
  std::shared_ptr<const void> owner_;
};

}  // namespace owlet
