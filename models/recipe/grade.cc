#include "grade.h"

#include <algorithm>

#include "phrasing.h"

namespace owlet::recipe {

bool is_right(std::string_view answer, const std::vector<std::string>& accepted) {
  const std::string said = " " + normalized(answer) + " ";
  if (said.starts_with(" i do not know") || said.starts_with(" i can") || said.starts_with(" i am"))
    return false;
  return std::any_of(accepted.begin(), accepted.end(), [&](const std::string& right) {
    return said.find(" " + normalized(right) + " ") != std::string::npos;
  });
}

}  // namespace owlet::recipe
