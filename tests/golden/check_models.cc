// Hugging Face folders against transformers.
#include <algorithm>
#include <map>

#include "core/file.h"
#include "io/safetensors.h"
#include "core/json.h"
#include "model/architecture.h"
#include "model/load.h"
#include "model/stored.h"
#include "model/tape.h"
#include "report.h"
#include "train/loss.h"

namespace owlet::golden {
namespace fs = std::filesystem;
std::vector<int32_t> greedy(Context context, const Model& model, std::vector<int32_t> tokens, size_t n_new) {
  const auto total = static_cast<int64_t>(tokens.size() + n_new);
  const int64_t n_pages = total / KvCache::kPageLen + 1;
  KvCache cache(model.config, n_pages);
  Runner runner(context, model, total);
  std::vector<int32_t> pages(static_cast<size_t>(n_pages));
  for (size_t i = 0; i < pages.size(); ++i) pages[i] = static_cast<int32_t>(i);
  std::vector<int32_t> answer;
  int64_t done = 0;
  while (answer.size() < n_new) {
    RaggedBatch batch;
    const auto n = static_cast<int64_t>(tokens.size()) - done;
    for (int64_t i = 0; i < n; ++i) {
      batch.tokens_N.push_back(tokens[static_cast<size_t>(done + i)]);
      batch.positions_N.push_back(static_cast<int32_t>(done + i));
    }
    batch.sequences = {{0, n, done, pages}};
    batch.output_rows = {static_cast<int32_t>(n - 1)};
    const float* logits = runner.forward(batch, cache).f32();
    done += n;
    const auto best = static_cast<int32_t>(std::max_element(logits, logits + model.config.vocab_size) - logits);
    answer.push_back(best);
    tokens.push_back(best);
  }
  return answer;
}

namespace {

using Tensors = std::map<std::string, Tensor>;

void compare_gradients(const fs::path& file, Context context, const Model& model, const Rows& rows, Report& report) {
  const auto expected = read_safetensors(file);
  if (!expected.ok()) return report.fail(file, expected.error().to_string());
  Tape tape(context, model, static_cast<int64_t>(rows.tokens.size()));
  OutputLoss loss(context, model);
  const Weights gradients = make_weights(model.config);
  const auto counted = static_cast<double>(std::count_if(rows.next_tokens.begin(), rows.next_tokens.end(),
                                                         [](int32_t t) { return t >= 0; }));
  const PackedRows packed{rows.tokens, rows.positions, rows.first_row};
  const TensorView hidden = tape.forward(packed);
  loss.forward_backward(hidden, rows.next_tokens, 1 / counted, gradients);
  tape.backward(packed, hidden, gradients);
  double worst = 0;
  std::string where;
  const Model as_stored{model.config, gradients};
  for (const StoredTensor& tensor : stored_tensors(as_stored, place_in_hf, {})) {
    Tensor gradient(DType::kF32, tensor.shape());
    for (int64_t r = 0; r < gradient.view().rows(); ++r) tensor.write_row(r, DType::kF32, gradient.view().row_range(r, r + 1).data);
    const auto it = expected->find(tensor.name());
    const double error = it == expected->end() ? INFINITY : relative_error(gradient.span<float>(), it->second.span<float>());
    if (error >= worst) where = tensor.name();
    worst = std::max(worst, error);
  }
  report.check(worst <= kTolerance, file, fmt::format("gradients {:.1e} (worst: {})", worst, where));
}

// The embeddings, the stream after each block but the last, and the normed last, all of the first row.
double hidden_error(Context context, const Model& model, const Rows& rows, int64_t seq_len, const Tensor& expected) {
  Tape tape(context, model, static_cast<int64_t>(rows.tokens.size()));
  const TensorView last = tape.forward({rows.tokens, rows.positions, rows.first_row});
  const int64_t row = seq_len * model.config.dim;
  std::vector<float> ours;
  for (int64_t i = 0; i < model.config.n_layers; ++i) {
    const float* stream = tape.stream_ND(i).f32();
    ours.insert(ours.end(), stream, stream + row);
  }
  ours.insert(ours.end(), last.f32(), last.f32() + row);
  return relative_error(ours, expected.span<float>());
}

// Of the first tokens of every row alone, as many as `expected` [rows, n, V] has.
double first_logits_error(Context context, const Model& model, const Rows& rows, int64_t seq_len, const Tensor& expected) {
  const int64_t n = expected.shape()[1];
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < rows.tokens.size(); ++i) {
    if (static_cast<int64_t>(i) % seq_len < n) tokens.push_back(rows.tokens[i]);
  }
  tokens.resize(static_cast<size_t>(expected.shape()[0] * n));
  return relative_error(all_logits(context, model, Rows(tokens, n)), expected.span<float>());
}

void check_hf_model(const fs::path& dir, Context context, Report& report) {
  const fs::path file = dir / "expected.safetensors";
  const auto loaded = load_model(dir);
  if (!loaded.ok()) {
    const bool unsupported = loaded.error().code == ErrorCode::kUnsupported;
    return unsupported ? report.skip(file, loaded.error().message) : report.fail(file, loaded.error().to_string());
  }
  const auto model = to_float32(*loaded);
  const auto expected = read_safetensors(file);
  if (!model.ok() || !expected.ok()) return report.fail(file, "cannot be read");
  const Tensor& ids = expected->at("input_ids");
  const int64_t seq_len = ids.shape()[1];
  const Rows rows(ids.span<int32_t>(), seq_len);
  report.check(true, dir / "config.json", fmt::format("{} parameters", model->config.n_params()));
  if (fs::exists(dir / "config.v5.json")) {
    const auto text = read_file(dir / "config.v5.json");
    const auto json = parse_json(text.ok() ? *text : "");
    const auto v5 = json.ok() ? config_from_hf(*json) : Result<ModelConfig>(json.error());
    report.check(v5.ok() && dump_json(config_to_hf(*v5, "")) == dump_json(config_to_hf(model->config, "")),
                 dir / "config.v5.json", v5.ok() ? "same model" : v5.error().message);
  }
  const double logits = relative_error(all_logits(context, *model, rows), expected->at("logits").span<float>());
  const double hidden = hidden_error(context, *model, rows, seq_len, expected->at("hidden"));
  std::string text = fmt::format("logits {:.1e}, hidden {:.1e}", logits, hidden);
  bool holds = logits <= kTolerance && hidden <= kTolerance;
  if (const auto first = expected->find("logits_first20"); first != expected->end()) {
    const double error = first_logits_error(context, *model, rows, seq_len, first->second);
    text += fmt::format(", of a short text {:.1e}", error);
    holds = holds && error <= kTolerance;
  }
  // With a cache, engines differ where the rotation depends on the length.
  if (!model->config.rope.depends_on_reach()) {
    const auto n_prompt = expected->at("greedy_prompt_length").span<int32_t>()[0];
    const auto theirs = expected->at("greedy").span<int32_t>();
    const auto ours = greedy(context, *model, {rows.tokens.begin(), rows.tokens.begin() + n_prompt}, theirs.size());
    const bool same = std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end());
    text += fmt::format(", greedy {}", same ? "equal" : "DIFFERS");
    holds = holds && same;
  }
  report.check(holds, file, text);
  if (fs::exists(dir / "gradients.safetensors")) {
    compare_gradients(dir / "gradients.safetensors", context, *model, rows, report);
  }
}

}  // namespace

Rows::Rows(std::span<const int32_t> ids, int64_t seq_len) : tokens(ids.begin(), ids.end()) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto t = static_cast<int64_t>(i) % seq_len;
    positions.push_back(static_cast<int32_t>(t));
    first_row.push_back(static_cast<int32_t>(static_cast<int64_t>(i) - t));
    next_tokens.push_back(t + 1 == seq_len || i + 1 == tokens.size() ? -100 : tokens[i + 1]);
  }
}

std::vector<float> all_logits(Context context, const Model& model, const Rows& rows) {
  const auto n = static_cast<int64_t>(rows.tokens.size());
  Tape tape(context, model, n);
  const TensorView hidden = tape.forward({rows.tokens, rows.positions, rows.first_row});
  std::vector<float> logits(static_cast<size_t>(n * model.config.vocab_size));
  output_logits(context, model, {logits.data(), DType::kF32, Shape{n, model.config.vocab_size}}, hidden);
  return logits;
}

void check_hf(const fs::path& root, Context context, Report& report) {
  for (const fs::path& dir : entries(root / "hf")) {
    if (fs::exists(dir / "expected.safetensors")) check_hf_model(dir, context, report);
  }
}

}  // namespace owlet::golden
