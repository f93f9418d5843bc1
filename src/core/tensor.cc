#include "core/tensor.h"

#include <fmt/ranges.h>

#if defined(__EMSCRIPTEN__)
#include <unistd.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace owlet {
namespace {

// What is never touched (most of a cache of keys and values, most of the rows of activations) takes no memory and no time: an allocator
// knows which memory comes fresh from the system and is zero.
void* allocate_zeros(size_t bytes) {
#if defined(__EMSCRIPTEN__)
  // Emscripten's does not, and clears all; but its heap only grows, so that beyond its end nothing was ever written. No other thread moves
  // that end meanwhile: those of the pool stand still where tensors are made.
  const auto end = reinterpret_cast<uintptr_t>(sbrk(0));
  void* memory = std::malloc(bytes);
  const auto begin = reinterpret_cast<uintptr_t>(memory);
  if (memory && begin < end) std::memset(memory, 0, std::min(bytes, end - begin));
  return memory;
#else
  return std::calloc(bytes, 1);
#endif
}

}  // namespace

Shape::Shape(std::initializer_list<int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}

Shape::Shape(std::span<const int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  OWLET_CHECK(dims.size() <= kMaxRank);
  for (size_t i = 0; i < dims.size(); ++i) dims_[i] = dims[i];
}

int64_t Shape::numel() const {
  int64_t n = 1;
  for (int i = 0; i < rank_; ++i) n *= dims_[static_cast<size_t>(i)];
  return n;
}

std::string Shape::to_string() const {
  return fmt::format("[{}]", fmt::join(dims_.begin(), dims_.begin() + rank_, ", "));
}

Tensor::Tensor(DType dtype, Shape shape) {
  constexpr size_t kAlign = 64;
  view_ = {nullptr, dtype, shape};
  // One cache line more at each end: to begin on a line, and so that a vector load of the last row stays inside.
  const size_t bytes = static_cast<size_t>(view_.bytes()) + 2 * kAlign;
  void* memory = allocate_zeros(bytes);
  if (!memory) throw std::bad_alloc();
  owner_ = std::shared_ptr<void>(memory, std::free);
  view_.data = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(memory) + kAlign - 1) / kAlign * kAlign);
}

void Tensor::zero() const {
  if (view_.data) std::memset(view_.data, 0, static_cast<size_t>(view_.bytes()));
}

}  // namespace owlet
