// What the type of keys and values does to the bundled model's answers.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "apps/load_chat_model.h"
#include "kernels/backend.h"
#include "model/model.h"

namespace owlet {
namespace {

// Log-probabilities of every next token of a text.
std::vector<std::vector<double>> log_probabilities(Context context, const Model& model, const std::vector<int32_t>& tokens, DType kv_type) {
  const auto n = static_cast<int64_t>(tokens.size());
  const KvCache cache(model.config, n / KvCache::kPageLen + 1, kv_type);
  Runner runner(context, model, n);
  std::vector<int32_t> pages(static_cast<size_t>(cache.n_pages()));
  std::iota(pages.begin(), pages.end(), 0);
  RaggedBatch batch{.tokens_N = tokens, .positions_N = std::vector<int32_t>(tokens.size()), .sequences = {{0, n, 0, pages}}, .output_rows = {}};
  std::iota(batch.positions_N.begin(), batch.positions_N.end(), 0);
  batch.output_rows = batch.positions_N;
  const TensorView logits = runner.forward(batch, cache);
  std::vector<std::vector<double>> rows;
  for (int64_t row = 0; row < n; ++row) {
    std::vector<double> values(logits.f32() + row * logits.cols(), logits.f32() + (row + 1) * logits.cols());
    double sum = 0;
    for (const double x : values) sum += std::exp(x);
    for (double& x : values) x -= std::log(sum);
    rows.push_back(std::move(values));
  }
  return rows;
}

// Nats that are lost by believing `q` where `p` is so, a mean over the text.
double divergence(const std::vector<std::vector<double>>& p, const std::vector<std::vector<double>>& q) {
  double total = 0;
  for (size_t row = 0; row < p.size(); ++row) {
    for (size_t i = 0; i < p[row].size(); ++i) total += std::exp(p[row][i]) * (p[row][i] - q[row][i]);
  }
  return total / static_cast<double>(p.size());
}

TEST(KvTypes, FewerBitsHardlyChangeWhatTheBundledModelSays) {
  const auto chat = load_chat_model("");
  ASSERT_TRUE(chat.ok()) << chat.error().to_string();
  std::string text;
  for (const char* place : {"France", "Japan", "Peru", "Kenya"}) {
    text += std::string("The capital of ") + place + " is a large city. Many people live there, and many more come to see its old streets. ";
  }
  const std::vector<int32_t> tokens = chat->tokenizer->encode(text);
  ASSERT_GT(tokens.size(), 80u);
  const auto machine = make_machine(1);
  ASSERT_TRUE(machine.ok());
  const auto with = [&](DType type) { return log_probabilities((*machine)->context(), *chat->model, tokens, type); };
  const auto f32 = with(DType::kF32);
  const double f16 = divergence(f32, with(DType::kF16)), bf16 = divergence(f32, with(DType::kBF16)), q8_0 = divergence(f32, with(DType::kQ8_0));
  RecordProperty("f16", std::to_string(f16));
  RecordProperty("bf16", std::to_string(bf16));
  RecordProperty("q8_0", std::to_string(q8_0));
  EXPECT_LT(f16, 2e-3);
  EXPECT_LT(bf16, 4e-3);
  EXPECT_LT(q8_0, 4e-3);
  EXPECT_GT(q8_0, 0);
}

}  // namespace
}  // namespace owlet
