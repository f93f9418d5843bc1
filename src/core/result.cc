#include "core/result.h"

#include <cstdio>

namespace owlet {

void check_failed(const char* file, int line, const char* condition, const std::string& message) {
  std::fprintf(stderr, "%s:%d: internal check failed: %s %s\n", file, line, condition, message.c_str());
  std::abort();
}

}  // namespace owlet
