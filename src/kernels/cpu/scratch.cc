#include "kernels/cpu/scratch.h"

#include <cstddef>
#include <new>

namespace owlet::cpu {
namespace {
constexpr std::align_val_t kAlignment{64};
}

Scratch::~Scratch() { ::operator delete(data_, kAlignment); }

void* Scratch::at_least(int64_t bytes) {
  if (bytes > bytes_) {
    ::operator delete(data_, kAlignment);
    data_ = nullptr;
    bytes_ = 0;
    data_ = ::operator new(static_cast<std::size_t>(bytes), kAlignment);
    bytes_ = bytes;
  }
  return data_;
}

}  // namespace owlet::cpu
