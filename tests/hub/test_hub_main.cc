// A hub on loopback that serves a folder of repositories, FOLDER/ORG/NAME/FILES, to tests of the program: test_hub FOLDER [--slow] prints its
// address and serves until it is killed. --slow: half a megabyte a second on every connection.
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "core/file.h"
#include "io/hub/test_hub_server.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

bool is_lfs(const fs::path& file) { return file.extension() == ".safetensors" || file.extension() == ".gguf"; }

int run(const fs::path& folder, bool slow) {
  TestHubServer server;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    auto bytes = read_file(entry.path());
    if (!bytes.ok()) {
      std::fprintf(stderr, "%s\n", bytes.error().to_string().c_str());
      return 1;
    }
    server.files[entry.path().lexically_relative(folder).string()] = {std::move(bytes).value(), is_lfs(entry.path())};
  }
  if (slow) server.bytes_per_second = 500000;
  if (const char* token = std::getenv("TEST_HUB_TOKEN")) server.token = token;
  std::printf("%s\n", server.url().c_str());
  std::fflush(stdout);
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

}  // namespace
}  // namespace owlet

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  return owlet::run(argv[1], argc > 2 && std::strcmp(argv[2], "--slow") == 0);
}
