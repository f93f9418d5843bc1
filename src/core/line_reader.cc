#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include <vector>

#include "core/descriptor.h"
#include "core/file.h"

namespace owlet {
namespace fs = std::filesystem;

struct LineReader::State {
  State(fs::path p, int descriptor) : path(std::move(p)), fd(descriptor) {}
  ~State() { ZSTD_freeDStream(zstd); }

  // Appends the next piece of plain text to `text`; false at the end of the file.
  Result<bool> fill() {
    if (begin > 0) text.erase(0, std::exchange(begin, 0));
    for (;;) {
      if (in.pos == in.size) {
        const ssize_t n = ::read(fd.get(), raw.data(), raw.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_error("read", path);
        if (n == 0 && zstd && frame_open) return corrupt("{} ends too early", path.string());
        if (n == 0) return false;
        in = {raw.data(), static_cast<size_t>(n), 0};
      }
      if (!zstd) {
        text.append(static_cast<const char*>(in.src), in.size);
        in.pos = in.size;
        return true;
      }
      ZSTD_outBuffer out = {plain.data(), plain.size(), 0};
      const size_t left = ZSTD_decompressStream(zstd, &out, &in);
      if (ZSTD_isError(left)) {
        return corrupt("{}: {}", path.string(), ZSTD_getErrorName(left));
      }
      frame_open = left != 0;
      if (out.pos > 0) {
        text.append(plain.data(), out.pos);
        return true;
      }
    }
  }

  fs::path path;
  Descriptor fd;
  ZSTD_DStream* zstd = nullptr;
  bool frame_open = false;
  std::vector<char> raw = std::vector<char>(1 << 17);
  std::vector<char> plain = std::vector<char>(1 << 18);
  ZSTD_inBuffer in = {nullptr, 0, 0};
  std::string text;   // plain text not yet returned, from `begin`
  size_t begin = 0;
};

LineReader::LineReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
LineReader::LineReader(LineReader&&) noexcept = default;
LineReader& LineReader::operator=(LineReader&&) noexcept = default;
LineReader::~LineReader() = default;

Result<LineReader> LineReader::open(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return os_error("open", path);
  auto state = std::make_unique<State>(path, fd);
  if (path.extension() == ".zst") {
    state->zstd = ZSTD_createDStream();
    OWLET_CHECK(state->zstd != nullptr);
  }
  return LineReader(std::move(state));
}

Result<bool> LineReader::next(std::string& line) {
  constexpr size_t kMaxLine = size_t{256} << 20;
  State& s = *state_;
  for (size_t searched = s.begin;;) {
    const size_t newline = s.text.find('\n', searched);
    if (newline != std::string::npos) {
      line.assign(s.text, s.begin, newline - s.begin);
      s.begin = newline + 1;
      return true;
    }
    const size_t pending = s.text.size() - s.begin;
    if (pending > kMaxLine) return make_error(ErrorCode::kTooLarge, "{}: a line of over 256 MB", s.path.string());
    OWLET_ASSIGN(const bool more, s.fill());
    searched = s.begin + pending;
    if (!more) {
      if (pending == 0) return false;
      line.assign(s.text, s.begin);
      s.begin = s.text.size();
      return true;
    }
  }
}

}  // namespace owlet
