// GGUF files against llama.cpp.
#include <algorithm>
#include <cstring>

#include "core/file.h"
#include "io/gguf.h"
#include "model/load.h"
#include "report.h"

namespace owlet::golden {
namespace fs = std::filesystem;
namespace {

// llama.cpp's logits: int32 n_tokens, int32 vocab, int32 tokens[n], float32 logits[n][vocab].
struct LlamaCppLogits {
  std::vector<int32_t> tokens;
  std::vector<float> logits;
};

Result<LlamaCppLogits> read_logits(const fs::path& file) {
  OWLET_ASSIGN(const std::string bytes, read_file(file));
  int32_t head[2] = {};
  if (bytes.size() < sizeof head) return corrupt("{} is too short", file.string());
  std::memcpy(head, bytes.data(), sizeof head);
  const auto n = static_cast<size_t>(std::max(0, head[0]));
  const auto v = static_cast<size_t>(std::max(0, head[1]));
  if (bytes.size() != sizeof head + 4 * n + 4 * n * v) return corrupt("{} has a wrong size", file.string());
  LlamaCppLogits out{std::vector<int32_t>(n), std::vector<float>(n * v)};
  std::memcpy(out.tokens.data(), bytes.data() + sizeof head, 4 * n);
  std::memcpy(out.logits.data(), bytes.data() + sizeof head + 4 * n, 4 * n * v);
  return out;
}

// The greatest Kullback–Leibler divergence of any position: Σ p (log p − log q), p theirs.
double worst_divergence(const std::vector<float>& ours, const std::vector<float>& theirs, int64_t vocab_size) {
  const auto log_softmax = [&](const float* row) {
    const double best = *std::max_element(row, row + vocab_size);
    double sum = 0;
    for (int64_t i = 0; i < vocab_size; ++i) sum += std::exp(row[i] - best);
    std::vector<double> out;
    for (int64_t i = 0; i < vocab_size; ++i) out.push_back(row[i] - best - std::log(sum));
    return out;
  };
  double worst = 0;
  for (size_t begin = 0; begin < ours.size(); begin += static_cast<size_t>(vocab_size)) {
    const auto p = log_softmax(theirs.data() + begin), q = log_softmax(ours.data() + begin);
    double divergence = 0;
    for (size_t i = 0; i < p.size(); ++i) divergence += std::exp(p[i]) * (p[i] - q[i]);
    worst = std::max(worst, divergence);
  }
  return worst;
}

// Whether llama.cpp rounds activations for this file, whatever types we compute it with.
bool holds_blocks(const fs::path& path) {
  const auto file = GgufFile::open(path);
  if (!file.ok()) return false;
  const std::vector<std::string> names = file->tensor_names();
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    const auto tensor = file->tensor(name);
    return tensor.ok() && is_quantized(tensor->dtype());
  });
}

void check_gguf_model(const fs::path& file, Context context, Report& report) {
  fs::path logits_file = file;
  logits_file.replace_extension(".logits.bin");
  if (!fs::exists(logits_file)) return report.skip(file, "no logits beside it");
  const auto model = load_model(file);
  if (!model.ok()) {
    const bool unsupported = model.error().code == ErrorCode::kUnsupported;
    return unsupported ? report.skip(file, model.error().message) : report.fail(file, model.error().to_string());
  }
  const auto theirs = read_logits(logits_file);
  if (!theirs.ok()) return report.fail(logits_file, theirs.error().to_string());
  const Rows rows(theirs->tokens, static_cast<int64_t>(theirs->tokens.size()));
  const auto ours = all_logits(context, *model, rows);
  if (!holds_blocks(file)) {
    const double error = relative_error(ours, theirs->logits);
    return report.check(error <= 1e-3, file, fmt::format("logits {:.1e}", error));
  }
  // Both round activations to 8 bits, each in its own places: near to each other, and as near to exact arithmetic.
  const auto exact_model = to_float32(*model);
  if (!exact_model.ok()) return report.fail(file, exact_model.error().to_string());
  const auto exact = all_logits(context, *exact_model, rows);
  const int64_t v = model->config.vocab_size;
  const double to_theirs = worst_divergence(ours, theirs->logits, v);
  const double to_exact = worst_divergence(ours, exact, v);
  const double theirs_to_exact = worst_divergence(theirs->logits, exact, v);
  const double bound = 4 * std::max(theirs_to_exact, 1e-6);
  report.check(to_exact <= bound && to_theirs <= 2 * bound, file,
               fmt::format("divergence from llama.cpp {:.1e}, from exact {:.1e} (llama.cpp's own: {:.1e})", to_theirs, to_exact,
                           theirs_to_exact));
}

}  // namespace

void check_gguf(const fs::path& root, Context context, Report& report) {
  for (const fs::path& file : entries(root / "gguf")) {
    if (file.extension() == ".gguf") check_gguf_model(file, context, report);
  }
}

}  // namespace owlet::golden
