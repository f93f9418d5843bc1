#include "train/bucket.h"

#include "core/result.h"

namespace owlet {

size_t Bucket::add(DType dtype, Shape shape) {
  constexpr int64_t kAlignment = 64;
  const TensorView view{nullptr, dtype, shape};
  entries_.push_back({dtype, shape, bytes_});
  bytes_ += (view.bytes() + kAlignment - 1) / kAlignment * kAlignment;
  return entries_.size() - 1;
}

void Bucket::allocate(int64_t bytes) { memory_ = Tensor(DType::kI32, Shape{(std::max(bytes, bytes_) + 3) / 4}); }

void Bucket::allocate_in(const Bucket& other) {
  OWLET_CHECK(other.memory_.bytes() >= bytes_, "[bucket] {} bytes in the memory of {}", bytes_, other.memory_.bytes());
  memory_ = other.memory_;
}

Tensor Bucket::operator[](size_t index) const {
  const Entry& entry = entries_[index];
  auto* at = memory_.view().as<std::byte>() + entry.offset;
  return Tensor({at, entry.dtype, entry.shape}, std::make_shared<Tensor>(memory_));
}

TensorView Bucket::all(DType dtype) const {
  return {memory_.view().data, dtype, Shape{bytes_ / dtype_info(dtype).block_bytes}};
}

}  // namespace owlet
