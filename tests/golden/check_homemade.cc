// The homemade family: its tokenizer, its fine-tuning samples, its checkpoints.
#include "core/file.h"
#include "core/json.h"
#include "data/samples.h"
#include "io/safetensors.h"
#include "model/load.h"
#include "report.h"

namespace owlet::golden {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kPromptTokens = 12;  // of the first row, before the greedy answer

Status check_text(const fs::path& dir, Report& report) {
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
    OWLET_ASSIGN(const Example chat, read_example(row));
    const auto ours = chat_samples(chat, tokenizer, tokens, max_tokens);
    const Json& theirs = row["samples"];
    different += ours.size() != theirs.size();
    for (size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
      ++samples;
      different += Json(ours[i].ids) != theirs[i]["ids"] || Json(ours[i].counted) != theirs[i]["mask"];
    }
  }
  report.check(different == 0, file, fmt::format("{} of {} samples differ", different, samples));
  return {};
}

// A checkpoint that is refused must say so, and only those that may be are.
void check_refused(const fs::path& file, const Error& error, Report& report) {
  const std::string name = file.stem().string();
  const bool may = name.find("refuse") != std::string::npos || name.find("legacy") != std::string::npos;
  report.check(may && error.code == ErrorCode::kUnsupported, file, (may ? "refused: " : "") + error.message);
}

Status check_checkpoint(const fs::path& file, const std::map<std::string, Tensor>& expected, Context context, Report& report) {
  const auto loaded = load_model(file);
  if (!loaded.ok()) {
    check_refused(file, loaded.error(), report);
    return {};
  }
  OWLET_ASSIGN(const Model model, to_float32(*loaded));
  const Tensor& ids = expected.at("input_ids");
  const Rows rows(ids.span<int32_t>(), ids.shape()[1]);
  const auto logits = all_logits(context, model, rows);
  const auto expected_logits = expected.at("logits").span<float>();
  // The numbers are the float32 weights'. Those that the file has rounded are further off than any arithmetic, and may choose
  // another token: they are judged by the mean over all logits.
  if (loaded->weights.embedding_VD.dtype() != DType::kF32) {
    const double error = relative_rms(logits, expected_logits);
    report.check(error <= 1e-2, file, fmt::format("logits of rounded weights {:.1e} (rms)", error));
    return {};
  }
  const double error = relative_error(logits, expected_logits);
  const auto theirs = expected.at("greedy").span<int32_t>();
  const auto first = rows.tokens.begin();
  const auto ours = greedy(context, model, {first, first + kPromptTokens}, theirs.size());
  const bool same = std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end());
  report.check(error <= 1e-4 && same && file.stem().string().find("refuse") == std::string::npos, file,
               fmt::format("logits {:.1e}, greedy {}", error, same ? "equal" : "DIFFERS"));
  return {};
}

Status check_checkpoints(const fs::path& dir, Context context, Report& report) {
  OWLET_TRY(check_text(dir, report));
  OWLET_ASSIGN(const auto expected, read_safetensors(dir / "expected.safetensors"));
  for (const fs::path& file : entries(dir)) {
    if (file.extension() == ".pt") OWLET_TRY(check_checkpoint(file, expected, context, report));
  }
  return {};
}

}  // namespace

void check_homemade(const fs::path& root, Context context, Report& report) {
  const fs::path dir = root / "homemade";
  if (!fs::exists(dir / "samples.json")) return;
  const Status status = check_checkpoints(dir, context, report);
  if (!status.ok()) report.fail(dir, status.error().to_string());
}

}  // namespace owlet::golden
