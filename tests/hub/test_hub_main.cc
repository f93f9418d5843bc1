// A hub on loopback that serves a folder of repositories, FOLDER/ORG/NAME/FILES, to tests of the program: test_hub FOLDER [--slow] [--tls FILE]
// prints its address and serves until it is killed. --slow: half a megabyte a second on every connection. --tls: over TLS, with a certificate of
// its own that it leaves in FILE for those who want to trust it.
#include <cstdio>
#include <filesystem>
#include <vector>

#include "core/file.h"
#include "io/hub/test_hub_server.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

bool is_lfs(const fs::path& file) { return file.extension() == ".safetensors" || file.extension() == ".gguf"; }

int fail(const Error& error) {
  std::fprintf(stderr, "%s\n", error.to_string().c_str());
  return 1;
}

int run(const fs::path& folder, const std::vector<std::string>& options) {
  TestHubServer server;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    auto bytes = read_file(entry.path());
    if (!bytes.ok()) return fail(bytes.error());
    server.files[entry.path().lexically_relative(folder).string()] = {std::move(bytes).value(), is_lfs(entry.path())};
  }
  for (size_t i = 0; i < options.size(); ++i) {
    if (options[i] == "--slow") server.bytes_per_second = 500000;
    if (options[i] != "--tls") continue;
    server.certificate.emplace();
    if (const Status written = write_file(options.at(++i), server.certificate->pem()); !written.ok()) return fail(written.error());
  }
  if (const char* token = std::getenv("TEST_HUB_TOKEN")) server.token = token;
  std::printf("%s\n", server.url().c_str());
  std::fflush(stdout);
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

}  // namespace
}  // namespace owlet

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  return owlet::run(argv[1], {argv + 2, argv + argc});
}
