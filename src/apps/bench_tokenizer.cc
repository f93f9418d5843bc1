#include "apps/bench_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>

#include "core/file.h"
#include "core/json.h"
#include "kernels/machine_limits.h"
#include "tokenizer/train.h"

namespace owlet {
namespace {

double median_seconds(int repeats, const std::function<void()>& body) {
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

Result<std::vector<std::string>> read_texts(const std::string& file) {
  OWLET_ASSIGN(LineReader reader, LineReader::open(file));
  const bool json = file.find(".jsonl") != std::string::npos;
  std::vector<std::string> texts;
  for (std::string line;;) {
    OWLET_ASSIGN(const bool more, reader.next(line));
    if (!more) break;
    if (!json) {
      texts.push_back(line + "\n");
      continue;
    }
    OWLET_ASSIGN(const Json value, parse_json(line));
    OWLET_ASSIGN(std::string text, get_string(value, "text"));
    texts.push_back(std::move(text));
  }
  if (texts.empty()) return make_error(ErrorCode::kInvalidArgument, "{}: no texts", file);
  return texts;
}

// Linear: twice as much of one character takes about twice as long.
double doubling(const Tokenizer& tokenizer, int repeats, char character) {
  const std::string text(size_t{1} << 21, character);
  const auto seconds = [&](size_t n) { return median_seconds(repeats, [&] { tokenizer.encode(std::string_view(text).substr(0, n)); }); };
  return seconds(text.size()) / seconds(text.size() / 2);
}

}  // namespace

Status bench_tokenizer(const TokenizerBenchOptions& options, const Tokenizer* tokenizer) {
  OWLET_ASSIGN(const auto texts, read_texts(options.file));
  double megabytes = 0;
  for (const std::string& text : texts) megabytes += 1e-6 * static_cast<double>(text.size());
  ThreadPool pool(options.threads);
  const double read_gb_s = measure_limits(pool, 0.5).read_gb_s;
  fmt::print("{:.1f} MB in {} texts, {} threads; memory is read at {:.1f} GB/s\n\n", megabytes, texts.size(), pool.size(), read_gb_s);

  Result<BpeSpec> spec = BpeSpec();
  const double training = median_seconds(options.repeats, [&] {
    auto trainer = BpeTrainer::create({.vocab_size = options.vocab_size, .special_tokens = {"<|endoftext|>"}, .threads = pool.size()});
    if (!trainer.ok()) return static_cast<void>(spec = std::move(trainer).error());
    std::atomic<size_t> next = 0;
    pool.run([&](int thread, int) {
      for (size_t i; (i = next.fetch_add(1)) < texts.size();) trainer->add_text(texts[i], thread);
    });
    spec = trainer->train();
  });
  OWLET_TRY(spec.status());
  OWLET_ASSIGN(const Tokenizer trained, Tokenizer::from_spec(std::move(*spec)));
  if (!tokenizer) tokenizer = &trained;
  const double encoding = median_seconds(options.repeats, [&] { tokenizer->encode_batch(texts, pool); });
  fmt::print("training {:>10.1f} MB/s\nencoding {:>10.1f} MB/s, {:.2f} % of what memory gives\n\n", megabytes / training, megabytes / encoding,
             megabytes / encoding / read_gb_s / 10);
  for (const auto& [character, name] : {std::pair('a', "a"), std::pair(' ', "space"), std::pair('7', "7"), std::pair('\n', "newline")}) {
    fmt::print("2 MB of '{}' take {:.2f} times as long as 1 MB\n", name, doubling(*tokenizer, options.repeats, character));
  }
  return {};
}

}  // namespace owlet
