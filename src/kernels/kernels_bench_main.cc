// How fast each op is beside what the machine can do, both measured in the same run: kernels_bench [isa] [part of a name] [threads].
// Shapes are those of a training step of a small Llama (4,096 tokens of 512) and of a 500 M model's decoding.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <functional>

#include "core/random.h"
#include "core/thread_pool.h"
#include "kernels/backend.h"
#include "kernels/machine_limits.h"
#include "quant/blocks.h"

namespace owlet {
namespace {

// Processor time, so that other programs on the machine do not count; divided by the threads, which all work or wait spinning.
double seconds_of(const ThreadPool& pool) { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC / pool.size(); }

Tensor random_tensor(Shape shape, DType dtype = DType::kF32) {
  Random random{.seed = static_cast<uint64_t>(shape.numel())};
  Tensor floats(DType::kF32, shape);
  for (float& x : floats.span<float>()) x = static_cast<float>(random.uniform() - 0.5);
  if (dtype == DType::kF32) return floats;
  Tensor out(dtype, shape);
  if (dtype == DType::kQ6_K) return out;  // only read: blocks of zeros take as long
  for (int64_t r = 0; r < shape.rows(); ++r) {
    quantize_row(dtype, floats.f32() + r * shape.last(), out.view().as<std::byte>() + r * row_bytes(dtype, shape.last()),
                 shape.last());
  }
  return out;
}

class Bench {
 public:
  Bench(Ops& ops, ThreadPool& pool, std::string_view filter) : ops_(ops), pool_(pool), filter_(filter) {}

  // One line: the fastest of the calls that fit in 0.3 s. `work` is operations (or bytes) a call, `limit` the most a second.
  void measure(const std::string& name, double work, double MachineLimits::*limit, const std::function<void()>& call) {
    if (name.find(filter_) == std::string::npos) return;
    double best = 1e9;
    call();
    const double begin = seconds_of(pool_);
    do {
      const double start = seconds_of(pool_);
      call();
      best = std::min(best, seconds_of(pool_) - start);
    } while (seconds_of(pool_) - begin < 0.3);
    const MachineLimits limits = measure_limits(pool_, 0.2);
    fmt::print("{:<44} {:>9.3f} ms {:>8.1f} G/s {:>5.0f} % of {:.0f}\n", name, best * 1e3, work / best / 1e9,
               100 * work / best / 1e9 / (limits.*limit), limits.*limit);
  }

  void training_products(int64_t n, int64_t o, int64_t i, Precision precision) {
    const char* type = precision == Precision::kBF16 ? "bf16" : "f32";
    const auto limit = precision == Precision::kBF16 ? &MachineLimits::bf16_gflops : &MachineLimits::fp32_gflops;
    const Tensor x = random_tensor({n, i}), w = random_tensor({o, i}), y = random_tensor({n, o});
    const Tensor dx(DType::kF32, {n, i}), dw(DType::kF32, {o, i}), out(DType::kF32, {n, o});
    const double work = 2.0 * static_cast<double>(n * o * i);
    const std::string shape = fmt::format("{} {}x{}x{}", type, n, o, i);
    measure("linear " + shape, work, limit, [&] { ops_.linear(out, Into::kWrite, x, w, precision); });
    measure("linear_backward_input " + shape, work, limit,
            [&] { ops_.linear_backward_input(dx, Into::kWrite, y, w, precision); });
    measure("linear_backward_weight " + shape, work, limit, [&] { ops_.linear_backward_weight(dw, y, x, precision); });
  }

  void inference_product(int64_t n, int64_t o, int64_t i, DType dtype) {
    const Tensor x = random_tensor({n, i}), w = random_tensor({o, i}, dtype), out(DType::kF32, {n, o});
    const bool decode = n == 1;
    const double work = decode ? static_cast<double>(w.bytes()) : 2.0 * static_cast<double>(n * o * i);
    const bool codes = dtype == DType::kQ8_0 || dtype == DType::kQ4_0;
    const auto limit = decode ? &MachineLimits::read_gb_s : codes ? &MachineLimits::int8_gops : &MachineLimits::fp32_gflops;
    measure(fmt::format("linear {} {}x{}x{}", to_string(dtype), n, o, i), work, limit,
            [&] { ops_.linear(out, Into::kWrite, x, w, Precision::kF32); });
  }

  void packed_attention(int64_t n, int64_t document, const AttentionShape& shape) {
    const int64_t h = shape.n_heads, k = shape.n_kv_heads, e = shape.head_dim;
    const Tensor q = random_tensor({n, h * e}), keys = random_tensor({n, k * e}), values = random_tensor({n, k * e});
    const Tensor out(DType::kF32, {n, h * e}), lse(DType::kF32, {n, h}), dout = random_tensor({n, h * e});
    const Tensor dq(DType::kF32, {n, h * e}), dk(DType::kF32, {n, k * e}), dv(DType::kF32, {n, k * e});
    std::vector<int32_t> first_row(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) first_row[static_cast<size_t>(i)] = static_cast<int32_t>(i / document * document);
    const double pairs = static_cast<double>(n * (document + 1) / 2 * h * e);
    const std::string name = fmt::format("{} tokens, documents of {}, H{} E{}", n, document, h, e);
    measure("attention " + name, 4 * pairs, &MachineLimits::fp32_gflops,
            [&] { ops_.attention(out, lse, q, keys, values, first_row, shape); });
    measure("attention_backward " + name, 10 * pairs, &MachineLimits::fp32_gflops, [&] {
      ops_.attention_backward(dq, dk, dv, dout, q, keys, values, out, lse, first_row, shape);
    });
  }

  // `rows` new tokens of one sequence behind `before` others, half-precision pages.
  void paged_attention(int64_t rows, int64_t before, const AttentionShape& shape) {
    const int64_t h = shape.n_heads, k = shape.n_kv_heads, e = shape.head_dim, n_pages = (before + rows + kKvPageLen - 1) / kKvPageLen;
    const Tensor keys = random_tensor({n_pages, k, e, kKvPageLen}, DType::kF16), values = random_tensor({n_pages, k, kKvPageLen, e}, DType::kF16);
    const Tensor q = random_tensor({rows, h * e}), out(DType::kF32, {rows, h * e});
    std::vector<int32_t> table(static_cast<size_t>(n_pages));
    for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<int32_t>(i);
    const std::vector<SequenceRows> sequences{{0, rows, before, table}};
    const double seen = static_cast<double>(rows) * (static_cast<double>(before) + static_cast<double>(rows + 1) / 2);
    const bool decode = rows == 1;
    const double work = decode ? seen * static_cast<double>(4 * k * e) : seen * static_cast<double>(4 * h * e);
    measure(fmt::format("attention_paged {} tokens behind {}, H{} K{} E{}", rows, before, h, k, e), work,
            decode ? &MachineLimits::read_gb_s : &MachineLimits::fp32_gflops,
            [&] { ops_.attention_paged(out, q, {keys, values}, sequences, shape); });
  }

  // Ops whose limit is memory: `streams` numbers of four bytes are read or written for each of the n elements.
  void streaming(const std::string& name, int64_t n, double streams, const std::function<void()>& call) {
    measure(name, streams * 4 * static_cast<double>(n), &MachineLimits::read_gb_s, call);
  }

  void rows(int64_t n, int64_t d, int64_t f, int64_t v, int64_t parameters) {
    const Tensor x = random_tensor({n, d}), out(DType::kF32, {n, d}), weight = random_tensor({d}), rstd(DType::kF32, {n});
    const Tensor dweight(DType::kF32, {d}), gate = random_tensor({n, f}), up = random_tensor({n, f}), hidden(DType::kF32, {n, f});
    streaming("rms_norm", n * d, 2, [&] { ops_.rms_norm(out, rstd, x, weight, 1e-5); });
    streaming("rms_norm_backward", n * d, 4,
              [&] { ops_.rms_norm_backward(out, Into::kAdd, dweight, x, x, weight, rstd); });
    streaming("glu", n * f, 3, [&] { ops_.glu(hidden, gate, up, Activation::kSilu); });
    const Tensor dgate(DType::kF32, {n, f}), dup(DType::kF32, {n, f});
    streaming("glu_backward", n * f, 5, [&] { ops_.glu_backward(dgate, dup, hidden, gate, up, Activation::kSilu); });
    const Tensor cos_sin = random_tensor({512, 64});
    std::vector<int32_t> positions(static_cast<size_t>(n)), ids(static_cast<size_t>(n));
    for (int32_t i = 0; i < n; ++i) {
      positions[static_cast<size_t>(i)] = i % 512;
      ids[static_cast<size_t>(i)] = static_cast<int32_t>(i * 7919 % v);
    }
    streaming("rope half-split", n * d, 2, [&] { ops_.rope(out, 64, cos_sin, positions, false); });
    streaming("rope interleaved", n * d, 2, [&] { ops_.rope(out, 64, cos_sin, positions, true); });
    const Tensor table = random_tensor({v, d}), dtable(DType::kF32, {v, d});
    streaming("embedding", n * d, 2, [&] { ops_.embedding(out, table, ids); });
    streaming("embedding_backward", n * d, 3, [&] { ops_.embedding_backward(dtable, x, ids); });
    const int64_t chunk = 1024;
    const Tensor logits = random_tensor({chunk, v}), loss(DType::kF32, {chunk});
    streaming("cross_entropy", chunk * v, 2,
              [&] { ops_.cross_entropy(loss, logits, std::span(ids).first(chunk), 1e-4); });
    const Tensor w = random_tensor({parameters}), g = random_tensor({parameters}), m(DType::kF32, {parameters}),
                 second(DType::kF32, {parameters});
    streaming("adamw", parameters, 7, [&] { ops_.adamw(w, g, m, second, {.lr = 1e-3}); });
    streaming("sum_of_squares", parameters, 1, [&] { ops_.sum_of_squares(g); });
  }

 private:
  Ops& ops_;
  ThreadPool& pool_;
  std::string filter_;
};

int run(int argc, char** argv) {
  ThreadPool pool(argc > 3 ? std::atoi(argv[3]) : 0);
  auto ops = make_cpu_ops(pool, argc > 1 ? argv[1] : "");
  if (!ops.ok()) {
    fmt::print(stderr, "{}\n", ops.error().message);
    return 1;
  }
  Bench bench(**ops, pool, argc > 2 ? argv[2] : "");
  fmt::print("{}, {} threads\n", (*ops)->name(), pool.size());
  for (const Precision precision : {Precision::kBF16, Precision::kF32}) {
    bench.training_products(4096, 320, 320, precision);
    bench.training_products(4096, 864, 320, precision);
    bench.training_products(4096, 320, 864, precision);
    bench.training_products(1024, 8192, 320, precision);
  }
  bench.packed_attention(4096, 128, {5, 5, 64, 0.125});
  bench.packed_attention(4096, 512, {5, 5, 64, 0.125});
  bench.packed_attention(4096, 512, {10, 5, 32, 0.2});
  bench.paged_attention(256, 0, {16, 16, 64, 0.125});
  bench.paged_attention(256, 2048, {16, 16, 64, 0.125});
  bench.paged_attention(1, 256, {16, 16, 64, 0.125});
  bench.paged_attention(1, 2048, {16, 16, 64, 0.125});
  bench.paged_attention(1, 2048, {16, 4, 64, 0.125});
  bench.rows(4096, 320, 864, 8192, 12'000'000);
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16, DType::kQ8_0, DType::kQ4_0, DType::kQ6_K}) {
    for (const int64_t n : {1, 4, 32, 256}) bench.inference_product(n, 4096, 1024, dtype);
  }
  return 0;
}

}  // namespace
}  // namespace owlet

int main(int argc, char** argv) { return owlet::run(argc, argv); }
