// For tests: a file system in which a process finds its machine.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <fmt/format.h>

#include <filesystem>
#include <string>

#include "core/file.h"

namespace owlet {

struct TestRoot {
  explicit TestRoot(const char* name) : path(std::filesystem::path(testing::TempDir()) / fmt::format("owlet_{}_{}", name, ::getpid())) {
    std::filesystem::remove_all(path);
  }
  ~TestRoot() { std::filesystem::remove_all(path); }
  TestRoot(const TestRoot&) = delete;
  TestRoot& operator=(const TestRoot&) = delete;
  void put(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((path / file).parent_path());
    ASSERT_TRUE(write_file(path / file, text).ok());
  }
  std::filesystem::path path;
};

}  // namespace owlet
