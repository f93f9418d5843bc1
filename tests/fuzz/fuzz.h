// What the fuzz programs share: an input as files, and what must hold of an error.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace owlet::fuzz {

// A folder of this process for inputs whose readers want paths, under $TMPDIR; ./test fuzz points that at memory.
class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / fmt::format("owlet-fuzz-{}", ::getpid())) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code code;
    std::filesystem::remove_all(path_, code);
  }
  const std::filesystem::path& path() const { return path_; }
  // The file's path; it replaces the one of the last input.
  std::filesystem::path write(const std::string& name, std::string_view bytes) const {
    std::filesystem::path file = path_ / name;
    std::FILE* out = std::fopen(file.c_str(), "wb");
    OWLET_CHECK(out && std::fwrite(bytes.data(), 1, bytes.size(), out) == bytes.size() && std::fclose(out) == 0, "{}", file.string());
    return file;
  }

 private:
  std::filesystem::path path_;
};

// Stands between the files of an input that has several.
constexpr std::string_view kCut = "\n--8<--\n";

// Exactly n pieces; those that the input lacks are empty.
inline std::vector<std::string_view> pieces(const uint8_t* data, size_t size, size_t n) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::vector<std::string_view> out;
  while (out.size() + 1 < n) {
    const size_t cut = rest.find(kCut);
    out.push_back(rest.substr(0, cut));
    rest.remove_prefix(cut == std::string_view::npos ? rest.size() : cut + kCut.size());
  }
  out.push_back(rest);
  return out;
}

// An error says something.
inline void expect_clear(const Error& error) { OWLET_CHECK(error.message.size() > 10, "the message is '{}'", error.message); }

}  // namespace owlet::fuzz
