// The table of op calls; see conformance.h.
#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "core/random.h"
#include "kernels/backend.h"
#include "kernels/conformance.h"
#include "quant/blocks.h"

namespace owlet::conformance {
namespace {

uint64_t name_seed(const char* name) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (; *name; ++name) hash = (hash ^ static_cast<uint8_t>(*name)) * 1099511628211u;
  return hash;
}

// Blocks of random codes that stand for numbers of ordinary size, which are found by trying.
std::vector<uint8_t> random_codes(const TensorView& view, uint64_t seed) {
  const DTypeInfo& info = dtype_info(view.dtype);
  std::vector<uint8_t> bytes(static_cast<size_t>(view.bytes()));
  std::vector<float> block(static_cast<size_t>(info.block_size));
  Random random{seed, 0, 0};
  for (size_t at = 0; at < bytes.size(); at += static_cast<size_t>(info.block_bytes)) {
    bool ordinary = false;
    while (!ordinary) {
      for (int i = 0; i < info.block_bytes; ++i) bytes[at + static_cast<size_t>(i)] = static_cast<uint8_t>(random.below(256));
      dequantize_row(view.dtype, &bytes[at], block.data(), info.block_size);
      float largest = 0;
      for (const float x : block) largest = std::isfinite(x) ? std::max(largest, std::fabs(x)) : INFINITY;
      ordinary = largest > 0.25f && largest < 4;
    }
  }
  return bytes;
}

// Found once for all calls.
void fill_with_codes(const TensorView& view, uint64_t seed) {
  static std::map<std::tuple<DType, int64_t, uint64_t>, std::vector<uint8_t>> found;
  std::vector<uint8_t>& bytes = found[{view.dtype, view.bytes(), seed}];
  if (bytes.empty()) bytes = random_codes(view, seed);
  std::copy(bytes.begin(), bytes.end(), view.as<uint8_t>());
}

// At least the first n numbers of a tensor, drawn once for all calls: drawing takes longer than most of what is tested.
const std::vector<float>& drawn(uint64_t seed, Range range, int64_t n) {
  static std::map<std::tuple<uint64_t, double, double>, std::vector<float>> found;
  std::vector<float>& numbers = found[{seed, range.low, range.high}];
  Random random{seed, 0, numbers.size()};
  while (std::ssize(numbers) < n)
    numbers.push_back(static_cast<float>(range.low + (range.high - range.low) * random.uniform()));
  return numbers;
}

}  // namespace

TensorView Call::add(const char* name, Role role, DType dtype, Shape shape, Range range) {
  slots_.push_back({name, role, Tensor(dtype, shape)});
  const TensorView view = slots_.back().tensor;
  const int64_t first = role == Role::kRows ? begin_ * (view.numel() / std::max<int64_t>(n(), 1)) : 0;
  const uint64_t seed = name_seed(name);
  if (multiplies_in_8_bits(dtype)) {
    fill_with_codes(view, seed);
    return view;
  }
  const float* row = drawn(seed, range, first + view.numel()).data() + first;
  for (int64_t r = 0; r < view.rows(); ++r, row += view.cols()) {
    if (dtype == DType::kF64) {
      std::copy_n(row, view.cols(), view.as<double>() + r * view.cols());
    } else {
      quantize_row(dtype, row, view.as<std::byte>() + r * row_bytes(dtype, view.cols()), view.cols());
    }
  }
  return view;
}

TensorView Call::rows(const char* name, int64_t cols, Range range) {
  return add(name, Role::kRows, activations_, {n(), cols}, range);
}
TensorView Call::rows(const char* name, Range range) {
  return add(name, Role::kRows, activations_, {n()}, range);
}
TensorView Call::sums(const char* name, Shape shape, Range range) {
  return add(name, Role::kSums, activations_, shape, range);
}
TensorView Call::fixed(const char* name, Shape shape, Range range) {
  return add(name, Role::kFixed, activations_, shape, range);
}
TensorView Call::stored(const char* name, Shape shape, DType dtype, Range range) {
  return add(name, Role::kFixed, dtype, shape, range);
}

std::vector<int32_t> Call::row_numbers(const char* name, int64_t low, int64_t high) const {
  std::vector<int32_t> out;
  for (int64_t row = begin_; row < end_; ++row) {
    Random random{name_seed(name), 0, static_cast<uint64_t>(row)};
    out.push_back(
        static_cast<int32_t>(low + static_cast<int64_t>(random.below(static_cast<uint64_t>(high - low)))));
  }
  return out;
}

void Call::scalar(const char* name, double value) {
  slots_.push_back({name, Role::kSums, Tensor(DType::kF64, {1})});
  slots_.back().tensor.span<double>()[0] = value;
}

std::vector<double> numbers(const TensorView& view) {
  if (view.dtype == DType::kF64) return {view.as<double>(), view.as<double>() + view.numel()};
  std::vector<float> row(static_cast<size_t>(view.cols()));
  std::vector<double> out;
  for (int64_t r = 0; r < view.rows(); ++r) {
    dequantize_row(view.dtype, view.row_range(r, r + 1).data, row.data(), view.cols());
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

std::vector<std::string> backends() {
  std::vector<std::string> names{"reference"};
  for (std::string_view isa : cpu_isas()) names.push_back("cpu-" + std::string(isa));
  return names;
}

namespace {

using Table = std::vector<Case>;

std::string with(std::string_view op, std::string_view variant) { return fmt::format("{} {}", op, variant); }
const char* into_name(Into into) { return into == Into::kAdd ? "add" : "write"; }

void add_rows_ops(Table& table) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ6_K, DType::kNf4}) {
    const int64_t d = std::max(192, dtype_info(dtype).block_size);
    table.push_back({with("embedding", to_string(dtype)),
                     9,
                     [=](Call& c) {
                       const TensorView table_VD = c.stored("table", {13, d}, dtype);
                       c.ops.embedding(c.rows("out", d), table_VD, c.row_numbers("ids", 0, 13));
                     },
                     {}});
  }
  table.push_back({"embedding_backward",
                   40,
                   [](Call& c) {
                     c.terms = 40;
                     c.ops.embedding_backward(c.sums("dtable", {5, 37}), c.rows("dout", 37),
                                              c.row_numbers("ids", 0, 5));
                   },
                   {}});
  for (const int64_t d : {1, 37, 320}) {
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
      table.push_back({with("rms_norm", fmt::format("{} {}", d, to_string(dtype))),
                       6,
                       [=](Call& c) {
                         c.terms = d;
                         c.ops.rms_norm(c.rows("out", d), c.rows("rstd"), c.rows("x", d, {-3, 5}),
                                        c.stored("weight", {d}, dtype, {0.5, 2}), 1e-2);
                       },
                       {}});
    }
    for (const Into into : {Into::kWrite, Into::kAdd}) {
      table.push_back({with("rms_norm_backward", fmt::format("{} {}", d, into_name(into))),
                       131,
                       [=](Call& c) {
                         c.terms = std::max<int64_t>(d, 131);
                         c.ops.rms_norm_backward(
                             c.rows("dx", d), into, c.sums("dweight", {d}), c.rows("dout", d), c.rows("x", d),
                             c.stored("weight", {d}, DType::kF32), c.rows("rstd", Range{0.5, 2}));
                       },
                       {0, 1, 64, 130, 131}});
    }
  }
  table.push_back({"rms_norm without rstd",
                   3,
                   [](Call& c) {
                     c.terms = 64;
                     c.ops.rms_norm(c.rows("out", 64), {}, c.rows("x", 64),
                                    c.stored("weight", {64}, DType::kF32), 1e-2);
                   },
                   {}});
  for (const bool interleaved : {false, true}) {
    struct Size {
      int64_t head, rotated;
    };
    for (const auto& [e, rotated] : {Size{2, 2}, {24, 24}, {64, 64}, {40, 30}, {64, 2}}) {
      const std::string variant = fmt::format("{} of {} {}", rotated, e, interleaved ? "interleaved" : "halves");
      table.push_back({with("rope", variant),
                       11,
                       [=, e = e, rotated = rotated](Call& c) {
                         c.ops.rope(c.rows("x", 3 * e), e, c.fixed("cos_sin", {19, rotated}),
                                    c.row_numbers("positions", 0, 19), interleaved);
                       },
                       {}});
      table.push_back({with("rope_backward", variant),
                       11,
                       [=, e = e, rotated = rotated](Call& c) {
                         c.ops.rope_backward(c.rows("dx", 3 * e), e, c.fixed("cos_sin", {19, rotated}),
                                             c.row_numbers("positions", 0, 19), interleaved);
                       },
                       {}});
    }
  }
}

void add_linear_ops(Table& table) {
  struct Size {
    int64_t n, i, o;
  };
  for (const Size s : {Size{1, 32, 1}, {5, 96, 33}, {13, 320, 130}, {70, 1056, 17}}) {
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                              DType::kIQ4_NL}) {
      for (const Into into : {Into::kWrite, Into::kAdd}) {
        const std::string variant =
            fmt::format("{}x{}x{} {} {}", s.n, s.i, s.o, to_string(dtype), into_name(into));
        table.push_back({with("linear", variant),
                         s.n,
                         [=](Call& c) {
                           c.terms = s.i;
                           c.ops.linear(c.rows("out", s.o), into, c.rows("x", s.i),
                                        c.stored("weight", {s.o, s.i}, dtype), Precision::kF32);
                         },
                         {}});
      }
    }
  }
  for (const Size s : {Size{1, 256, 1}, {5, 768, 33}, {37, 2304, 70}}) {
    for (const DType dtype : {DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kIQ4_XS,
                              DType::kNf4}) {
      for (const Into into : {Into::kWrite, Into::kAdd}) {
        const std::string variant =
            fmt::format("{}x{}x{} {} {}", s.n, s.i, s.o, to_string(dtype), into_name(into));
        table.push_back({with("linear", variant), s.n,
                         [=](Call& c) {
                           c.terms = s.i;
                           c.ops.linear(c.rows("out", s.o), into, c.rows("x", s.i),
                                        c.stored("weight", {s.o, s.i}, dtype), Precision::kBF16);
                         },
                         {}});
        table.push_back({with("linear_backward_input", variant), s.n,
                         [=](Call& c) {
                           c.terms = s.o;
                           c.ops.linear_backward_input(c.rows("dx", s.i), into, c.rows("dout", s.o),
                                                       c.stored("weight", {s.o, s.i}, dtype), Precision::kF32);
                         },
                         {}});
      }
    }
  }
  // Several weights at once, neighbours of one type and others, with rows for few threads and for several.
  for (const int64_t n : {1, 3, 29}) {
    for (const int64_t o : {40, 300}) {
      table.push_back({with("linears", fmt::format("{} rows, {} outputs and others", n, o)), n,
                       [=](Call& c) {
                         c.terms = 512;
                         const Ops::Product products[] = {{c.rows("q", o), c.stored("wq", {o, 512}, DType::kQ4_K)},
                                                          {c.rows("k", 17), c.stored("wk", {17, 512}, DType::kQ4_K)},
                                                          {c.rows("v", 33), c.stored("wv", {33, 512}, DType::kQ6_K)},
                                                          {c.rows("gate", o), c.stored("wgate", {o, 512}, DType::kF16)},
                                                          {c.rows("up", 3), c.stored("wup", {3, 512}, DType::kF16)}};
                         c.ops.linears(products, c.rows("x", 512), Precision::kF32);
                       },
                       {}});
    }
  }
  for (const DType dtype : {DType::kQ8_0, DType::kQ4_0}) {
    // Blocks of zeros, and blocks whose scale is no normal float.
    for (const double size : {0.0, 1e-41}) {
      table.push_back({with("linear", fmt::format("{} inputs of {}", to_string(dtype), size)),
                       2,
                       [=](Call& c) {
                         c.ops.linear(c.rows("out", 8), Into::kWrite, c.rows("x", 64, {-size, size}),
                                      c.stored("weight", {8, 64}, dtype), Precision::kF32);
                       },
                       {}});
    }
  }
  for (const Size s : {Size{1, 1, 1}, {5, 37, 9}, {29, 320, 130}, {13, 1100, 50}, {600, 40, 24}}) {
    for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
      for (const Into into : {Into::kWrite, Into::kAdd}) {
        const std::string variant =
            fmt::format("{}x{}x{} {} {}", s.n, s.i, s.o,
                        precision == Precision::kBF16 ? "bf16 products" : "f32 products", into_name(into));
        const std::vector<int64_t> cuts =
            s.n > 100 ? std::vector<int64_t>{0, 1, 257, s.n} : std::vector<int64_t>{};
        table.push_back({with("linear", variant), s.n,
                         [=](Call& c) {
                           c.terms = s.i;
                           c.ops.linear(c.rows("out", s.o), into, c.rows("x", s.i),
                                        c.stored("weight", {s.o, s.i}, DType::kF32), precision);
                         },
                         cuts});
        table.push_back({with("linear_backward_input", variant), s.n,
                         [=](Call& c) {
                           c.terms = s.o;
                           c.ops.linear_backward_input(c.rows("dx", s.i), into, c.rows("dout", s.o),
                                                       c.stored("weight", {s.o, s.i}, DType::kF32),
                                                       precision);
                         },
                         cuts});
        if (into == Into::kWrite) continue;
        table.push_back({with("linear_backward_weight", variant), s.n,
                         [=](Call& c) {
                           c.terms = s.n;
                           c.ops.linear_backward_weight(c.sums("dweight", {s.o, s.i}), c.rows("dout", s.o),
                                                        c.rows("x", s.i), precision);
                         },
                         cuts});
      }
    }
  }
}

// One query head a key head, several, and one key head for all; head dims that fill no vector. Windows shorter and longer than a
// block of queries or keys; caps that bend the scores.
constexpr AttentionShape kAttentionShapes[] = {{1, 1, 5, 0.4},
                                               {4, 4, 32, 0.17677669},
                                               {6, 2, 40, 0.15811388},
                                               {8, 1, 64, 0.125},
                                               {2, 1, 16, 0.25, 2},
                                               {4, 2, 24, 0.2, 7},
                                               {2, 2, 32, 0.2, 37},
                                               {3, 1, 8, 0.35, 70},
                                               {4, 2, 40, 0.5, 0, 1.5},
                                               {2, 1, 64, 0.3, 20, 3}};

std::string heads_name(const AttentionShape& s) {
  return fmt::format("{}/{} heads of {}{}{}", s.n_heads, s.n_kv_heads, s.head_dim,
                     s.window > 0 ? fmt::format(" window {}", s.window) : "",
                     s.soft_cap > 0 ? fmt::format(" cap {}", s.soft_cap) : "");
}

// Documents of different lengths in a batch; one goes beyond a block of queries, one is a single token.
void add_attention_ops(Table& table) {
  const std::vector<int64_t> starts{0, 3, 4, 75, 80};
  for (const AttentionShape& s : kAttentionShapes) {
    for (const bool backward : {false, true}) {
      table.push_back({with(backward ? "attention_backward" : "attention", heads_name(s)), 80,
                       [=](Call& c) {
                         c.terms = backward ? 71 * s.head_dim : 71;
                         std::vector<int32_t> first_row;
                         for (int64_t row = c.begin(); row < c.begin() + c.n(); ++row) {
                           const int64_t start = *(std::upper_bound(starts.begin(), starts.end(), row) - 1);
                           first_row.push_back(static_cast<int32_t>(start - c.begin()));
                         }
                         const int64_t q_size = s.n_heads * s.head_dim, kv_size = s.n_kv_heads * s.head_dim;
                         const TensorView q = c.rows("q", q_size, {-2, 2}), k = c.rows("k", kv_size, {-2, 2});
                         const TensorView v = c.rows("v", kv_size), out = c.rows("out", q_size),
                                          lse = c.rows("lse", s.n_heads);
                         c.ops.attention(out, lse, q, k, v, first_row, s);
                         if (!backward) return;
                         c.ops.attention_backward(c.rows("dq", q_size), c.rows("dk", kv_size),
                                                  c.rows("dv", kv_size), c.rows("dout", q_size), q, k, v, out,
                                                  lse, first_row, s);
                       },
                       starts});
    }
  }
}

// A token behind more than a segment of keys, a prompt from its start, and the middle of a prompt, cut wherever the batch is cut. Pages
// lie in no order; the long text has some twice.
struct PagedBatch {
  static constexpr int64_t kRows = 95;
  std::vector<std::vector<int32_t>> tables{
      {4, 0, 7, 4, 1, 3, 5, 9, 1, 7, 0, 2, 4, 8, 10, 9, 0, 3, 6, 11, 1, 5, 8, 2, 7, 9, 10, 4, 0, 11, 3, 6, 1, 2, 8},
      {2, 6, 11},
      {8, 5, 10, 9, 7}};
  std::vector<SequenceRows> sequences(const Call& c) const {
    const SequenceRows whole[] = {{0, 1, 1093, tables[0]}, {1, 86, 0, tables[1]}, {86, kRows, 148, tables[2]}};
    std::vector<SequenceRows> out;
    for (const SequenceRows& s : whole) {
      const int64_t begin = std::max(s.row_begin, c.begin()), end = std::min(s.row_end, c.begin() + c.n());
      if (begin >= end) continue;
      out.push_back({begin - c.begin(), end - c.begin(), s.first_position + begin - s.row_begin, s.pages});
    }
    return out;
  }
};

void add_paged_ops(Table& table) {
  for (const AttentionShape& s : kAttentionShapes) {
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0}) {
      const bool in_blocks = dtype == DType::kQ8_0;
      if (in_blocks && s.head_dim % kBlock != 0) continue;
      const Shape values{12, s.n_kv_heads, kKvPageLen, s.head_dim};
      const Shape keys = in_blocks ? values : Shape{12, s.n_kv_heads, s.head_dim, kKvPageLen};
      const std::string variant = fmt::format("{} {}", heads_name(s), to_string(dtype));
      table.push_back({with("attention_paged", variant),
                       PagedBatch::kRows,
                       [=](Call& c) {
                         c.terms = 1100;
                         const KvPages kv{c.stored("k", keys, dtype, {-2, 2}), c.stored("v", values, dtype)};
                         const PagedBatch batch;
                         c.ops.attention_paged(c.rows("out", s.n_heads * s.head_dim),
                                               c.rows("q", s.n_heads * s.head_dim, {-2, 2}), kv,
                                               batch.sequences(c), s);
                       },
                       {0, 1, 2, 17, 18, 40, 65, 66, 86, 87, 95}});
      table.push_back(
          {with("kv_store", variant),
           PagedBatch::kRows,
           [=](Call& c) {
             const KvPages kv{c.stored("pages_k", keys, dtype), c.stored("pages_v", values, dtype)};
             const int64_t width = s.n_kv_heads * s.head_dim;
             const PagedBatch batch;  // no page is written by two
             c.ops.kv_store(kv, c.rows("k", width, {-70000, 70000}), c.rows("v", width), batch.sequences(c));
           },
           {0, 95}});
    }
  }
}

void add_element_ops(Table& table) {
  for (const Activation activation : {Activation::kSilu, Activation::kGeluTanh}) {
    const char* name = activation == Activation::kSilu ? "silu" : "gelu";
    for (const double size : {0.01, 5.0, 30.0, 200.0}) {
      table.push_back({with("glu", fmt::format("{} up to {}", name, size)),
                       5,
                       [=](Call& c) {
                         c.terms = 4;  // the cubic in an exponent
                         c.ops.glu(c.rows("out", 37), c.rows("gate", 37, {-size, size}), c.rows("up", 37), activation);
                       },
                       {}});
      table.push_back({with("glu_backward", fmt::format("{} up to {}", name, size)),
                       5,
                       [=](Call& c) {
                         c.terms = 4;  // the cubic in an exponent
                         c.ops.glu_backward(c.rows("dgate", 37), c.rows("dup", 37), c.rows("dout", 37),
                                            c.rows("gate", 37, {-size, size}), c.rows("up", 37), activation);
                       },
                       {}});
    }
    table.push_back({with("glu in place", name),
                     3,
                     [=](Call& c) {
                       const TensorView gate = c.rows("gate", 5000);
                       c.ops.glu(gate, gate, c.rows("up", 5000), activation);
                     },
                     {}});
    table.push_back({with("glu_backward in place", name),
                     3,
                     [=](Call& c) {
                       const TensorView gate = c.rows("gate", 3000), up = c.rows("up", 3000);
                       c.ops.glu_backward(gate, up, c.rows("dout", 3000), gate, up, activation);
                     },
                     {}});
  }
  for (const double size : {0.01, 5.0, 100.0, 3e4}) {
    table.push_back({with("soft_cap", fmt::format("up to {}", size)),
                     5,
                     [=](Call& c) { c.ops.soft_cap(c.rows("x", 37, {-size, size}), 30); },
                     {}});
  }
  table.push_back({"soft_cap_backward",
                   5,
                   [](Call& c) { c.ops.soft_cap_backward(c.rows("dx", 37), c.rows("capped", 37, {-30, 30}), 30); },
                   {}});
  for (const int64_t o : {1, 37, 320}) {
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
      table.push_back({with("add_bias", fmt::format("{} {}", o, to_string(dtype))),
                       6,
                       [=](Call& c) { c.ops.add_bias(c.rows("x", o), c.stored("bias", {o}, dtype)); },
                       {}});
    }
    table.push_back({with("bias_backward", fmt::format("{}", o)),
                     131,
                     [=](Call& c) {
                       c.terms = 131;
                       c.ops.bias_backward(c.sums("dbias", {o}), c.rows("dout", o));
                     },
                     {0, 1, 64, 131}});
  }
  for (const int64_t v : {1, 53, 1000}) {
    for (const double dloss : {0.0, 0.125}) {
      table.push_back({with("cross_entropy", fmt::format("{} dloss {}", v, dloss)),
                       9,
                       [=](Call& c) {
                         c.terms = v;
                         c.ops.cross_entropy(c.rows("loss"), c.rows("logits", v, {-20, 20}),
                                             c.row_numbers("targets", -2, v), dloss);
                       },
                       {}});
    }
  }
  for (const double dloss : {0.0, 0.125}) {
    table.push_back({with("cross_entropy", fmt::format("z dloss {}", dloss)),
                     9,
                     [=](Call& c) {
                       c.terms = 53;
                       c.ops.cross_entropy(c.rows("loss"), c.rows("logits", 53, {-20, 20}), c.row_numbers("targets", -2, 53), dloss, 0.01);
                     },
                     {}});
  }
  for (const int64_t o : {1, 37, 320}) {
    table.push_back({with("scale_columns", fmt::format("{}", o)),
                     6,
                     [=](Call& c) { c.ops.scale_columns(c.rows("out", o), c.rows("x", o), c.fixed("scale", {o})); },
                     {}});
    table.push_back({with("scale_columns_backward", fmt::format("{}", o)),
                     131,
                     [=](Call& c) {
                       c.terms = 131;
                       c.ops.scale_columns_backward(c.sums("dscale", {o}), c.rows("dout", o), c.rows("x", o));
                     },
                     {0, 1, 64, 131}});
  }
  for (const Into into : {Into::kWrite, Into::kAdd}) {
    table.push_back({with("dropout", into_name(into)),
                     7,
                     [=](Call& c) { c.ops.dropout(c.rows("out", 1501), into, c.rows("x", 1501), 0.3, {5, 6, 7}); },
                     {0, 7}});
  }
  table.push_back({"copy", 5, [](Call& c) { c.ops.copy(c.rows("out", 37), c.rows("x", 37)); }, {}});
  for (const auto& [a, b] : {std::pair{1.0, 1.0}, {0.5, -2.0}, {0.0, 3.0}, {1.5, 0.0}}) {
    table.push_back(
        {with("add_scaled", fmt::format("{} {}", a, b)),
         5,
         [a = a, b = b](Call& c) { c.ops.add_scaled(c.rows("out", 37), a, c.rows("x", 37), b, c.rows("y", 37)); },
         {}});
  }
  table.push_back({"add_scaled in place",
                   3,
                   [](Call& c) {
                     const TensorView x = c.rows("x", 2000);
                     c.ops.add_scaled(x, 0.25, x, 0.75, c.rows("y", 2000));
                   },
                   {}});
  for (const int64_t step : {1, 1000}) {
    table.push_back({with("adamw", fmt::format("step {}", step)),
                     3,
                     [=](Call& c) {
                       c.ops.adamw(c.rows("weight", 1501), c.rows("gradient", 1501, {-0.1, 0.1}),
                                   c.rows("m", 1501, {-0.1, 0.1}), c.rows("v", 1501, {1e-4, 1e-2}),
                                   {3e-4, 0.9, 0.95, 1e-8, 0.1, step, 0.7});
                     },
                     {}});
  }
  for (const DType weights : {DType::kF32, DType::kBF16}) {
    for (const bool eight_bits : {false, true}) {
      if (weights == DType::kF32 && !eight_bits) continue;
      table.push_back({with("adamw", fmt::format("{}{}", to_string(weights), eight_bits ? " 8-bit" : "")),
                       1,
                       [=](Call& c) {
                         const int64_t n = 1021, kept = eight_bits ? 1024 : n;
                         c.ops.adamw(weights == DType::kF32 ? c.fixed("weight", {n}) : c.stored("weight", {n}, weights),
                                     c.fixed("gradient", {n}, {-0.1, 0.1}),
                                     eight_bits ? c.stored("m", {kept}, DType::kDynamic, {-0.1, 0.1}) : c.fixed("m", {kept}, {-0.1, 0.1}),
                                     eight_bits ? c.stored("v", {kept}, DType::kDynamicUnsigned, {1e-4, 1e-2})
                                                : c.fixed("v", {kept}, {1e-4, 1e-2}),
                                     {3e-3, 0.9, 0.95, 1e-8, 0.1, 3, 0.7, {1, 2, 3}});
                       },
                       {}});
    }
    table.push_back({with("decay_and_add", to_string(weights)),
                     1,
                     [=](Call& c) {
                       const TensorView weight = weights == DType::kF32 ? c.fixed("weight", {1021}) : c.stored("weight", {1021}, weights);
                       c.ops.decay_and_add(weight, 0.99, -0.02, c.fixed("x", {1021}), {1, 2, 3});
                     },
                     {}});
  }
  table.push_back({"sum_of_squares",
                   11,
                   [](Call& c) {
                     c.terms = 11 * 997;
                     c.scalar("sum", c.ops.sum_of_squares(c.rows("x", 997)));
                   },
                   {0, 11}});
}

}  // namespace

const std::vector<Case>& cases() {
  static const Table table = [] {
    Table t;
    add_rows_ops(t);
    add_linear_ops(t);
    add_attention_ops(t);
    add_paged_ops(t);
    add_element_ops(t);
    return t;
  }();
  return table;
}

}  // namespace owlet::conformance
