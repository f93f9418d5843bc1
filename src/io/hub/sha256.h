// SHA-256 (FIPS 180-4), of bytes that come in pieces.
#pragma once

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "core/result.h"

namespace owlet {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(std::span<const std::byte> bytes);
  // 64 hexadecimal digits, lower case. Called once.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Of a whole file; kCancelled as soon as the flag is seen.
Result<std::string> sha256_of_file(const std::filesystem::path& path, const std::atomic<bool>* cancelled = nullptr);

// The digest in lower case where `text` is 64 hexadecimal digits, perhaps in quotes; else empty.
std::string as_sha256(std::string text);

}  // namespace owlet
