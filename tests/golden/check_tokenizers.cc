// Tokenizers against Hugging Face's: ids and texts of every line, merges learnt from the same corpora, and the homemade family's.
#include <cstring>
#include <iterator>
#include <sstream>

#include "apps/gguf_tokenizer.h"
#include "core/file.h"
#include "core/json.h"
#include "report.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/train.h"

namespace owlet::golden {
namespace fs = std::filesystem;
namespace {

// A file that may be compressed, whole, lines joined again.
Result<std::string> read_all(const fs::path& file) {
  OWLET_ASSIGN(LineReader reader, LineReader::open(file));
  std::string text, line;
  for (;;) {
    OWLET_ASSIGN(const bool more, reader.next(line));
    if (!more) return text;
    text += line + "\n";
  }
}

Result<std::vector<std::string>> read_strings(const fs::path& file) {
  OWLET_ASSIGN(const std::string text, read_all(file));
  OWLET_ASSIGN(const Json json, parse_json(text));
  return json.get<std::vector<std::string>>();
}

// For each line: uint32 count, then ids. A newline byte at the very end is the reader's.
Result<std::vector<std::vector<int32_t>>> read_ids(const fs::path& file) {
  OWLET_ASSIGN(const std::string bytes, read_all(file));
  std::vector<std::vector<int32_t>> lines;
  for (size_t at = 0; at + 4 <= bytes.size();) {
    uint32_t n = 0;
    std::memcpy(&n, bytes.data() + at, 4);
    at += 4;
    if (n > (bytes.size() - at) / 4) return corrupt("{} ends too early", file.string());
    lines.emplace_back(n);
    std::memcpy(lines.back().data(), bytes.data() + at, size_t{4} * n);
    at += size_t{4} * n;
  }
  return lines;
}

Status check_tokenizer(const fs::path& dir, const std::vector<std::string>& texts, Report& report) {
  const fs::path file = dir / "ids.bin.zst";
  const auto tokenizer = Tokenizer::load(dir);
  if (!tokenizer.ok()) {
    if (tokenizer.error().code != ErrorCode::kUnsupported) return tokenizer.error();
    report.skip(file, tokenizer.error().message.substr(0, 160));
    return {};
  }
  OWLET_ASSIGN(const auto ids, read_ids(file));
  OWLET_ASSIGN(const auto decoded, read_strings(dir / "decoded.json.zst"));
  if (ids.size() != texts.size() || decoded.size() != texts.size()) {
    return corrupt("{} lines of ids, {} decoded, {} texts", ids.size(), decoded.size(), texts.size());
  }
  size_t wrong = 0, wrong_text = 0, first = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const bool same = tokenizer->encode(texts[i], {.add_special = true, .parse_special = true}) == ids[i];
    if (!same && wrong++ == 0) first = i;
    // Hugging Face shows broken characters as U+FFFD.
    StreamDecoder decoder(*tokenizer, true);
    std::string text;
    for (int32_t id : ids[i]) text += decoder.push(id);
    wrong_text += text + decoder.finish() != decoded[i];
  }
  report.check(wrong == 0, file, wrong == 0 ? fmt::format("{} lines", texts.size())
                                            : fmt::format("{} of {} lines differ, the first is {}", wrong, texts.size(), first));
  report.check(wrong_text == 0, dir / "decoded.json.zst", fmt::format("{} of {} lines differ", wrong_text, texts.size()));
  return {};
}

// The corpora that the trainer's goldens were learnt from.
Result<std::vector<std::string>> corpus_texts(const fs::path& root, const std::string& name) {
  if (name == "mixed") return read_strings(root / "tokenizers" / "mixed.json.zst");
  const fs::path own = root / "tokenizers" / "bpe-training" / (name + ".corpus.json");
  if (fs::exists(own)) return read_strings(own);
  OWLET_ASSIGN(LineReader reader, LineReader::open(root.parent_path() / "data" / "pretrain" / "simplewiki.valid.jsonl.zst"));
  std::vector<std::string> texts;
  std::string line;
  for (;;) {
    OWLET_ASSIGN(const bool more, reader.next(line));
    if (!more) return texts;
    OWLET_ASSIGN(const Json json, parse_json(line));
    OWLET_ASSIGN(std::string text, get_string(json, "text"));
    texts.push_back(std::move(text));
  }
}

Status check_training(const fs::path& root, const std::string& name, Report& report) {
  const fs::path dir = root / "tokenizers" / "bpe-training";
  const auto texts = corpus_texts(root, name);
  if (!texts.ok()) {
    report.skip(dir / (name + "-merges.txt"), texts.error().message);
    return {};
  }
  OWLET_ASSIGN(const std::string vocab_text, read_file(dir / (name + "-vocab.json")));
  OWLET_ASSIGN(const Json vocab, parse_json(vocab_text));
  // "ties" was learnt without a least frequency, the others with 2; the size is what came out, as the trainer stops there.
  BpeTrainOptions options{.vocab_size = static_cast<int>(vocab.size()), .min_frequency = name == "ties" ? 0 : 2,
                          .special_tokens = {"<|endoftext|>", "<pad>"}};
  OWLET_ASSIGN(BpeTrainer trainer, BpeTrainer::create(std::move(options)));
  for (const std::string& text : *texts) trainer.add_text(text);
  const BpeSpec spec = trainer.train();
  OWLET_ASSIGN(const std::string merges_text, read_file(dir / (name + "-merges.txt")));
  std::string ours;
  for (const auto& [left, right] : spec.merges) ours += left + " " + right + "\n";
  const size_t body = merges_text.starts_with("#version") ? merges_text.find('\n') + 1 : 0;
  bool same_vocab = spec.vocab.size() == vocab.size();
  for (size_t i = 0; same_vocab && i < spec.vocab.size(); ++i) same_vocab = vocab.value(spec.vocab[i], Json(-1)) == Json(i);
  const std::string theirs = merges_text.substr(body);
  const bool same = ours == theirs || ours == theirs + "\n";
  report.check(same, dir / (name + "-merges.txt"), fmt::format("{} merges {}", spec.merges.size(), same ? "equal" : "DIFFER"));
  report.check(same_vocab, dir / (name + "-vocab.json"), fmt::format("{} tokens", spec.vocab.size()));
  return {};
}

// Expected ids, a line of numbers for each text; texts are separated by a mark on a line of its own.
Result<std::vector<std::string>> read_vocab_inputs(const fs::path& file) {
  constexpr std::string_view kSeparator = "\n__ggml_vocab_test__\n";
  OWLET_ASSIGN(const std::string text, read_file(file));
  std::vector<std::string> inputs;
  for (size_t at = 0;;) {
    const size_t end = text.find(kSeparator, at);
    inputs.push_back(text.substr(at, end - at));
    if (end == std::string::npos) return inputs;
    at = end + kSeparator.size();
  }
}

Status check_vocab(const fs::path& file, Report& report) {
  OWLET_ASSIGN(const auto inputs, read_vocab_inputs(file.string() + ".inp"));
  OWLET_ASSIGN(const std::string expected, read_file(file.string() + ".out"));
  OWLET_ASSIGN(const GgufFile gguf, GgufFile::open(file));
  OWLET_ASSIGN(const Tokenizer tokenizer, read_gguf_tokenizer(gguf));
  std::istringstream lines(expected);
  size_t wrong = 0, n = 0, first = 0;
  for (const std::string& input : inputs) {
    std::string line;
    if (!std::getline(lines, line)) break;
    std::istringstream numbers(line);
    const std::vector<int32_t> ids(std::istream_iterator<int32_t>(numbers), {});
    if (tokenizer.encode(input, {.add_special = false}) != ids && wrong++ == 0) first = n;
    ++n;
  }
  report.check(wrong == 0 && n > 0, file, wrong == 0 ? fmt::format("{} texts", n) : fmt::format("{} of {} texts differ, the first is {}", wrong, n, first));
  return {};
}

}  // namespace

void check_vocabularies(const fs::path& root, Report& report) {
  for (const fs::path& file : entries(root / "vocab")) {
    if (file.extension() != ".gguf") continue;
    if (!fs::exists(file.string() + ".inp") || !fs::exists(file.string() + ".out")) {
      report.skip(file, "no texts beside it");
    } else if (const Status done = check_vocab(file, report); !done.ok()) {
      report.fail(file, done.error().to_string());
    }
  }
}

void check_tokenizers(const fs::path& root, Report& report) {
  const fs::path dir = root / "tokenizers";
  if (!fs::exists(dir)) return;
  auto texts = read_strings(dir / "special.json");
  const auto mixed = read_strings(dir / "mixed.json.zst");
  if (!texts.ok() || !mixed.ok()) return report.fail(dir, "its texts cannot be read");
  texts->insert(texts->end(), mixed->begin(), mixed->end());
  for (const fs::path& entry : entries(dir)) {
    if (!fs::exists(entry / "tokenizer.json")) continue;
    const Status status = check_tokenizer(entry, *texts, report);
    if (!status.ok()) report.fail(entry, status.error().to_string());
  }
  for (const fs::path& entry : entries(dir / "bpe-training")) {
    const std::string file = entry.filename().string();
    constexpr std::string_view kSuffix = "-merges.txt";
    if (!file.ends_with(kSuffix)) continue;
    const Status status = check_training(root, file.substr(0, file.size() - kSuffix.size()), report);
    if (!status.ok()) report.fail(entry, status.error().to_string());
  }
}

}  // namespace owlet::golden
