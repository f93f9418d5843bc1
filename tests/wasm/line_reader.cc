// LineReader without zstd: tests/wasm.sh unpacks what it is given, under the same names.
#include <fstream>

#include "core/file.h"

namespace owlet {

struct LineReader::State {
  std::ifstream in;
};

LineReader::LineReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
LineReader::LineReader(LineReader&&) noexcept = default;
LineReader& LineReader::operator=(LineReader&&) noexcept = default;
LineReader::~LineReader() = default;

Result<LineReader> LineReader::open(const std::filesystem::path& path) {
  auto state = std::make_unique<State>();
  state->in.open(path, std::ios::binary);
  if (!state->in) return make_error(ErrorCode::kNotFound, "cannot open {}", path.string());
  return LineReader(std::move(state));
}

Result<bool> LineReader::next(std::string& line) { return static_cast<bool>(std::getline(state_->in, line)); }

}  // namespace owlet
