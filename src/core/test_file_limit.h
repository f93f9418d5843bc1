// For tests: a disk that is full.
#pragma once

#include <sys/resource.h>

#include <csignal>

#include "core/result.h"

namespace owlet {

// Writes beyond so many bytes of a file fail, as they do on a full disk, while one of these lives.
class FileLimit {
 public:
  explicit FileLimit(rlim_t most) {
    std::signal(SIGXFSZ, SIG_IGN);
    OWLET_CHECK(::getrlimit(RLIMIT_FSIZE, &before_) == 0, "getrlimit");
    const rlimit limit{most, before_.rlim_max};
    OWLET_CHECK(::setrlimit(RLIMIT_FSIZE, &limit) == 0, "setrlimit");
  }
  ~FileLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  rlimit before_{};
};

}  // namespace owlet
