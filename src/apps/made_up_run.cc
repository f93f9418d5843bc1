#include "apps/made_up_run.h"

#include <chrono>
#include <numeric>

#include "kernels/profiled_ops.h"

namespace owlet {
namespace {

constexpr DType kKvType = DType::kF16;

int64_t pages_for(int64_t length) { return (length + KvCache::kPageLen - 1) / KvCache::kPageLen; }
int64_t pages_for(std::span<const int64_t> lengths) {
  return std::accumulate(lengths.begin(), lengths.end(), int64_t{0}, [](int64_t sum, int64_t length) { return sum + pages_for(length); });
}

}  // namespace

MadeUpRun::MadeUpRun(Context context, const Model& model, std::span<const int64_t> lengths, int64_t rows)
    : vocab_(model.config.vocab_size), cache_(model.config, pages_for(lengths), kKvType), runner_(context, model, rows) {
  cache_.touch();  // memory that was never written is one page of zeros in the processor's cache
  int32_t next = 0;
  for (const int64_t length : lengths) {
    pages_.emplace_back(static_cast<size_t>(pages_for(length)));
    std::iota(pages_.back().begin(), pages_.back().end(), next);
    next += static_cast<int32_t>(pages_for(length));
  }
}

double MadeUpRun::step(int64_t n, int64_t position, int64_t rows) {
  RaggedBatch batch;
  for (int64_t s = 0; s < n; ++s) {
    const auto row = static_cast<int64_t>(batch.tokens_N.size());
    batch.sequences.push_back({row, row + rows, position, pages_[static_cast<size_t>(s)]});
    for (int64_t t = 0; t < rows; ++t) {
      batch.tokens_N.push_back(static_cast<int32_t>((s * 7919 + (position + t) * 31) % vocab_));
      batch.positions_N.push_back(static_cast<int32_t>(position + t));
    }
    batch.output_rows.push_back(static_cast<int32_t>(row + rows - 1));
  }
  const auto begin = std::chrono::steady_clock::now();
  runner_.forward(batch, cache_);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double least_seconds(const Model& model, const MachineLimits& limits, int64_t n, int64_t position, int64_t rows) {
  const ModelConfig& c = model.config;
  const auto d = [](int64_t x) { return static_cast<double>(x); };
  const DType dtype = model.weights.layers[0].up.weight_OI.dtype();
  const double output = d(c.vocab_size * c.dim);  // for the last row of each sequence alone
  const double pairs = d(rows) * (d(position) + d(rows + 1) / 2);
  OpWork work{.bytes = d(model.bytes()) + d(n * position * KvCache::bytes_per_token(c, kKvType)),
              .flops = 4 * d(n) * pairs * d(c.n_layers * c.q_dim())};
  double& products = is_quantized(dtype) ? work.int_ops : dtype == DType::kBF16 ? work.bf16_flops : work.flops;
  products += 2 * d(n) * (d(rows) * (d(c.n_matmul_params()) - output) + output);
  return least_seconds(work, limits);
}

}  // namespace owlet
