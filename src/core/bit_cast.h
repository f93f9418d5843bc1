// A value's bytes as a value of another type: std::bit_cast, which not every standard library of C++20 has yet.
#pragma once

namespace owlet {

template <class To, class From>
constexpr To bit_cast(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  return __builtin_bit_cast(To, from);
}

}  // namespace owlet
