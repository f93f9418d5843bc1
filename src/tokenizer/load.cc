// Tokenizers from the files that hold them, and back.
#include "core/file.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_json.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

constexpr uint64_t kMaxFileBytes = uint64_t{256} << 20;

template <class T>
Result<T> named(Result<T> result, const fs::path& path) {
  if (result.ok()) return result;
  return std::move(result).error().in(path.string());
}

// What stands beside the vocabulary in the same folder.
Result<Tokenizer> finish(TokenizerSpec spec, const fs::path& path) {
  const fs::path config = path.parent_path() / "tokenizer_config.json";
  if (std::error_code error; fs::is_regular_file(config, error)) {
    OWLET_ASSIGN(const std::string text, read_file(config, kMaxFileBytes));
    if (Status status = read_tokenizer_config(text, spec); !status.ok()) {
      return std::move(status).error().in(config.string());
    }
  }
  return named(Tokenizer::from_spec(std::move(spec)), path);
}

}  // namespace

Result<Tokenizer> Tokenizer::load(const fs::path& path) {
  std::error_code error;
  fs::path file = path;
  if (fs::is_directory(path, error)) {
    file = path / "tokenizer.json";
    if (!fs::exists(file, error)) {
      if (fs::exists(path / "vocab.json", error)) return load_vocab_merges(path / "vocab.json", path / "merges.txt");
      return Error{ErrorCode::kNotFound, fmt::format("{}: no tokenizer in this folder", path.string()),
                   "expected tokenizer.json, or vocab.json and merges.txt"};
    }
  }
  OWLET_ASSIGN(const std::string text, read_file(file, kMaxFileBytes));
  OWLET_ASSIGN(TokenizerSpec spec, named(read_tokenizer_json(text), file));
  return finish(std::move(spec), file);
}

Result<Tokenizer> Tokenizer::load_vocab_merges(const fs::path& vocab, const fs::path& merges,
                                               std::optional<std::vector<std::string>> added) {
  OWLET_ASSIGN(const std::string vocab_json, read_file(vocab, kMaxFileBytes));
  OWLET_ASSIGN(const std::string merges_txt, read_file(merges, kMaxFileBytes));
  OWLET_ASSIGN(BpeSpec spec, named(read_vocab_merges(vocab_json, merges_txt, added ? &*added : nullptr), vocab));
  OWLET_ASSIGN(TokenizerSpec full, named(describe(std::move(spec)), vocab));
  return finish(std::move(full), vocab);
}

Status Tokenizer::save(const fs::path& folder) const {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return make_error(ErrorCode::kIo, "{}: {}", folder.string(), error.message());
  OWLET_TRY(write_file(folder / "tokenizer.json", write_tokenizer_json(spec())));
  if (spec().merges.empty()) return {};
  OWLET_TRY(write_file(folder / "vocab.json", write_vocab_json(spec())));
  return write_file(folder / "merges.txt", write_merges_txt(spec()));
}

}  // namespace owlet
