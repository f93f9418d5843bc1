// Working memory of the kernels.
#pragma once

#include <cstdint>

namespace owlet::cpu {

// Grows to the largest size asked for; 64-byte aligned, contents undefined. Its code is compiled once, for the baseline: a
// std::vector in a kernel would be a library function compiled for that kernel's instruction set, and the linker keeps one for all.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  template <class T>
  T* get(int64_t n) {
    return static_cast<T*>(at_least(n * static_cast<int64_t>(sizeof(T))));
  }

 private:
  void* at_least(int64_t bytes);

  void* data_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace owlet::cpu
