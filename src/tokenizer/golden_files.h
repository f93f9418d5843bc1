// For tests: files of numbers from outside, where they are present.
#pragma once

#include <gtest/gtest.h>
#include <zstd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/file.h"
#include "core/json.h"

namespace owlet {

// $OWLET_GOLDEN, else shared/golden beside the checkout, which tests are started in, or in its build folder.
inline std::filesystem::path golden_root() {
  if (const char* set = std::getenv("OWLET_GOLDEN")) return set;
  return std::filesystem::exists("../shared/golden") ? "../shared/golden" : "../../shared/golden";
}

// A file read whole, "*.zst" unpacked.
inline std::string golden_text(const std::filesystem::path& path) {
  const std::string packed = read_file(path).value();
  if (path.extension() != ".zst") return packed;
  std::string text(ZSTD_getFrameContentSize(packed.data(), packed.size()), '\0');
  EXPECT_EQ(ZSTD_decompress(text.data(), text.size(), packed.data(), packed.size()), text.size()) << path;
  return text;
}

inline Json golden_json(const std::filesystem::path& path) { return parse_json(golden_text(path)).value(); }

}  // namespace owlet

#define OWLET_SKIP_WITHOUT_GOLDEN(path) \
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << (path)
