// The homemade family's tokenizer and its fine-tuning samples.
#include "core/file.h"
#include "core/json.h"
#include "data/samples.h"
#include "report.h"

namespace owlet::golden {
namespace fs = std::filesystem;
namespace {

Status check(const fs::path& dir, Report& report) {
  const fs::path file = dir / "samples.json";
  OWLET_ASSIGN(const std::string text, read_file(file));
  OWLET_ASSIGN(const Json json, parse_json(text));
  OWLET_ASSIGN(const Tokenizer tokenizer,
               Tokenizer::load_vocab_merges(dir / "tokenizer-vocab.json", dir / "tokenizer-merges.txt",
                                            std::vector<std::string>{"<pad>", "<q_end>", "<a_end>", "<think_start>", "<think_end>"}));
  size_t n = 0, wrong = 0;
  for (const Json& line : json["encode"]) {
    ++n;
    wrong += Json(tokenizer.encode(line["text"].get<std::string>())) != line["ids"];
  }
  report.check(wrong == 0, dir / "tokenizer-vocab.json", fmt::format("{} of {} texts differ", wrong, n));
  OWLET_ASSIGN(const ChatTokens tokens, ChatTokens::find(tokenizer));
  const auto max_tokens = json["max_seq_len"].get<size_t>() - 1;  // the model reads all but the last token
  size_t samples = 0, different = 0;
  for (const Json& row : json["rows"]) {
    OWLET_ASSIGN(const auto ours, chat_samples(row, tokenizer, tokens, max_tokens));
    const Json& theirs = row["samples"];
    different += ours.size() != theirs.size();
    for (size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
      ++samples;
      different += Json(ours[i].ids) != theirs[i]["ids"] || Json(ours[i].counted) != theirs[i]["mask"];
    }
  }
  report.check(different == 0, file, fmt::format("{} of {} samples differ", different, samples));
  for (const fs::path& other : entries(dir)) {
    if (other.extension() == ".pt") report.skip(other, "PyTorch checkpoints are not read yet");
  }
  return {};
}

}  // namespace

void check_homemade(const fs::path& root, Report& report) {
  const fs::path dir = root / "homemade";
  if (!fs::exists(dir / "samples.json")) return;
  const Status status = check(dir, report);
  if (!status.ok()) report.fail(dir, status.error().to_string());
}

}  // namespace owlet::golden
