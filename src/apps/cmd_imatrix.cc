// imatrix: which columns of a model's matrices matter, measured on text.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "apps/command.h"
#include "apps/load_chat_model.h"
#include "apps/progress.h"
#include "core/file.h"
#include "model/importance.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

// Text that is encoded at once; pieces end with a line.
constexpr size_t kPieceBytes = 1 << 16;

struct ImatrixOptions {
  CommonOptions common;
  std::vector<std::string> files;
  std::string out;
  int64_t context = 512;
  int64_t limit = 0;
};

// Runs chunks of `context` tokens through a model that somebody observes.
class ChunkRunner {
 public:
  ChunkRunner(Context context, const Model& model, int64_t length)
      : length_(static_cast<size_t>(length)), bos_(model.config.bos), pages_(static_cast<size_t>((length + KvCache::kPageLen - 1) / KvCache::kPageLen)),
        cache_(model.config, static_cast<int64_t>(pages_.size())), runner_(context, model, length) {
    std::iota(pages_.begin(), pages_.end(), 0);
  }

  // Takes tokens off the front of `tokens` for one chunk, which begins as the model's texts do.
  void run(std::vector<int32_t>& tokens) {
    RaggedBatch batch;
    if (bos_ >= 0) batch.tokens_N.push_back(bos_);
    const auto n = static_cast<std::ptrdiff_t>(std::min(tokens.size(), length_ - batch.tokens_N.size()));
    batch.tokens_N.insert(batch.tokens_N.end(), tokens.begin(), tokens.begin() + n);
    tokens.erase(tokens.begin(), tokens.begin() + n);
    batch.positions_N.resize(batch.tokens_N.size());
    std::iota(batch.positions_N.begin(), batch.positions_N.end(), 0);
    batch.sequences.push_back({0, static_cast<int64_t>(batch.tokens_N.size()), 0, pages_});
    runner_.forward(batch, cache_);
    ++chunks_;
  }
  bool is_full(const std::vector<int32_t>& tokens) const { return tokens.size() + (bos_ >= 0 ? 1 : 0) >= length_; }
  int64_t chunks() const { return chunks_; }

 private:
  size_t length_;
  int32_t bos_;
  std::vector<int32_t> pages_;
  KvCache cache_;
  Runner runner_;
  int64_t chunks_ = 0;
};

// Files one after the other, in pieces, so that a text of any length fits.
class TokenStream {
 public:
  TokenStream(const std::vector<std::string>& files, const Tokenizer& tokenizer) : files_(files), tokenizer_(tokenizer) {}

  // Appends the next piece's tokens; false at the end.
  Result<bool> next(std::vector<int32_t>& tokens) {
    std::string piece, line;
    while (piece.size() < kPieceBytes) {
      if (!reader_) {
        if (next_file_ == files_.size()) break;
        OWLET_ASSIGN(reader_, LineReader::open(files_[next_file_++]));
      }
      OWLET_ASSIGN(const bool more, reader_->next(line));
      if (more) piece += line + "\n"; else reader_.reset();
    }
    const auto ids = tokenizer_.encode(piece, {.add_special = false});
    tokens.insert(tokens.end(), ids.begin(), ids.end());
    return !piece.empty();
  }

 private:
  const std::vector<std::string>& files_;
  const Tokenizer& tokenizer_;
  size_t next_file_ = 0;
  std::optional<LineReader> reader_;
};

Status run(const ImatrixOptions& options) {
  OWLET_ASSIGN(const auto machine, make_machine(options.common.threads));
  OWLET_ASSIGN(const ChatModel chat, load_chat_model(options.common.model));
  const int64_t length = std::min(options.context, chat.model->config.max_positions);
  ImportanceCollector collector(*chat.model);
  Context context = machine->context();
  context.observer = &collector;
  ChunkRunner chunks(context, *chat.model, length);
  TokenStream stream(options.files, *chat.tokenizer);
  Progress progress;
  const auto may_go_on = [&] { return options.limit == 0 || chunks.chunks() < options.limit; };
  const auto run_chunk = [&](std::vector<int32_t>& tokens) {
    chunks.run(tokens);
    const double share = options.limit > 0 ? static_cast<double>(chunks.chunks()) / static_cast<double>(options.limit) : 0;
    progress.update(fmt::format("imatrix  {} chunks", format_count(chunks.chunks())), share);
  };
  std::vector<int32_t> tokens;
  for (bool more = true; more && may_go_on();) {
    OWLET_ASSIGN(more, stream.next(tokens));
    while (chunks.is_full(tokens) && may_go_on()) run_chunk(tokens);
  }
  if (!tokens.empty() && may_go_on()) run_chunk(tokens);  // the last is shorter
  progress.finish();
  if (chunks.chunks() == 0) return make_error(ErrorCode::kInvalidArgument, "{} holds no text", options.files.front());
  OWLET_TRY(collector.write(options.out, options.files, chunks.chunks(), length));
  fmt::print("{}  {} chunks of {} tokens\n", options.out, format_count(chunks.chunks()), format_count(length));
  return {};
}

}  // namespace

Command imatrix_command() {
  return {"imatrix", "measure which columns of a model's matrices matter, for owlet quantize --imatrix",
          "  owlet imatrix -m my-model/ text.txt -o imatrix.gguf\n"
          "  owlet imatrix -m my-model/ text.txt.zst -o imatrix.gguf --limit 200   the first 200 chunks\n"
          "  owlet quantize my-model/ my-model.gguf --type q4_k_m --imatrix imatrix.gguf",
          [](CLI::App& app) -> std::function<Status()> {
            auto options = std::make_shared<ImatrixOptions>();
            options->common.add_model(app);
            options->common.add_threads(app);
            app.add_option("files", options->files, "text like what the model will see; .zst too")->required();
            app.add_option("-o,--out", options->out, "the importance matrix, a GGUF file")->required();
            app.add_option("--context", options->context, "tokens of a chunk")->check(CLI::Range(16, 1 << 16))->capture_default_str();
            app.add_option("--limit", options->limit, "chunks; 0: all of the text")->check(CLI::NonNegativeNumber);
            return [options] { return run(*options); };
          }};
}

}  // namespace owlet
