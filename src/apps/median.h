#pragma once

#include <algorithm>
#include <vector>

namespace owlet {

// Of at least one value; between the middle two where their number is even.
inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

}  // namespace owlet
