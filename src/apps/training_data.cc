#include "apps/training_data.h"

#include <cstdlib>
#include <filesystem>

namespace owlet {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kValidationBatches = 16;

// "PATH@0.5" → path and weight.
Result<std::pair<fs::path, double>> parse_source(const std::string& text) {
  const size_t at = text.rfind('@');
  if (at == std::string::npos) return std::pair(fs::path(text), 1.0);
  char* end = nullptr;
  const double weight = std::strtod(text.c_str() + at + 1, &end);
  if (*end != '\0' || !(weight > 0 && weight <= 1000)) {
    return make_error(ErrorCode::kInvalidArgument, "'{}': after @ comes how often the file is seen per epoch, above 0", text);
  }
  return std::pair(fs::path(text.substr(0, at)), weight);
}

Status add_file(Corpus& corpus, const std::string& source, const Tokenizer& tokenizer, const LoadOptions& options,
                const std::function<void(const std::string&)>& note) {
  OWLET_ASSIGN(const auto parsed, parse_source(source));
  OWLET_ASSIGN(auto samples, load_samples(parsed.first, tokenizer, options));
  const int64_t tokens = samples.n_tokens(), counted = samples.n_counted();
  note(fmt::format("data   {}{}  {} samples, {} tokens, {:.0f} % of them learnt", parsed.first.filename().string(),
                   options.take_held_out ? " (held out)" : "", format_count(static_cast<int64_t>(samples.size())),
                   format_short(static_cast<double>(tokens)), 100.0 * static_cast<double>(counted) / static_cast<double>(std::max<int64_t>(1, tokens))));
  corpus.parts.push_back({std::move(samples), options.take_held_out ? 1.0 : parsed.second});
  return {};
}

}  // namespace

Result<TrainingData> load_training_data(const RunConfig& config, const Tokenizer& tokenizer, const ChatTemplate* chat_template,
                                        const std::function<void(const std::string&)>& note) {
  TrainingData data;
  const LoadOptions whole{.max_tokens = static_cast<size_t>(config.training.seq_len) + 1, .chat_template = chat_template};
  LoadOptions kept = whole, held_out = whole;
  kept.held_out = held_out.held_out = config.valid_share;
  held_out.take_held_out = true;
  for (const std::string& source : config.train) {
    OWLET_TRY(add_file(data.train, source, tokenizer, kept, note));
    if (config.valid_share > 0) OWLET_TRY(add_file(data.valid, source, tokenizer, held_out, note));
  }
  for (const std::string& source : config.valid) OWLET_TRY(add_file(data.valid, source, tokenizer, whole, note));
  return data;
}

Result<ValidationSet> make_validation_set(Corpus corpus, const TrainConfig& config, const Tokenizer& tokenizer) {
  ValidationSet set;
  if (corpus.n_samples() == 0) return set;
  OWLET_ASSIGN(BatchStream stream, BatchStream::create(std::move(corpus), config.batch_rows, config.seq_len, 0));
  set.batches = stream.first_batches(kValidationBatches);
  set.target_bytes = target_bytes(set.batches, tokenizer);
  return set;
}

}  // namespace owlet
