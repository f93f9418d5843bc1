// Marks the answers to an examination.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace owlet::recipe {

// Whether `answer` says one of the accepted ones as whole words. An answer that starts with not knowing is wrong, even
// where "I" would be iodine's symbol.
bool is_right(std::string_view answer, const std::vector<std::string>& accepted);

}  // namespace owlet::recipe
