#include "kernels/profiled_ops.h"

#include <algorithm>

namespace owlet {
namespace {

template <class... Views>
OpWork bytes_of(const Views&... views) {
  return {static_cast<double>(((views ? views.bytes() : 0) + ...))};
}

// Rows x through a weight [O, I] to out.
OpWork product(TensorView out, TensorView x, TensorView weight, Precision precision) {
  OpWork work = bytes_of(out, x, weight);
  const bool in_bf16 = precision == Precision::kBF16 || (precision == Precision::kAsStored && weight.dtype == DType::kBF16);
  double& kind = is_quantized(weight.dtype) ? work.int_ops : in_bf16 ? work.bf16_flops : work.flops;
  kind = 2.0 * static_cast<double>(x.rows()) * static_cast<double>(weight.numel());
  return work;
}
std::string product_name(const char* op, TensorView weight) { return std::string(op) + " " + std::string(to_string(weight.dtype)); }

// Each query meets keys and values: two products of E numbers a key.
double attention_flops(double pairs, const AttentionShape& s) { return 4 * pairs * static_cast<double>(s.n_heads * s.head_dim); }

OpWork packed_attention(TensorView out, TensorView q, TensorView k, TensorView v, std::span<const int32_t> first_row, const AttentionShape& s) {
  OpWork work = bytes_of(out, q, k, v);
  double pairs = 0;
  for (size_t row = 0; row < first_row.size(); ++row) {
    const int64_t position = static_cast<int64_t>(row) - first_row[row];
    pairs += static_cast<double>(position + 1 - s.first_key(position));
  }
  work.flops = attention_flops(pairs, s);
  return work;
}

// The keys and values that some row sees are read once.
OpWork paged_attention(TensorView out, TensorView q, const KvPages& pages, std::span<const SequenceRows> sequences, const AttentionShape& s) {
  OpWork work = bytes_of(out, q);
  const double page_bytes = static_cast<double>((pages.k.bytes() + pages.v.bytes()) / std::max<int64_t>(1, pages.v.shape[0]));
  double pairs = 0;
  for (const SequenceRows& x : sequences) {
    const int64_t end = x.first_position + x.row_end - x.row_begin;
    for (int64_t position = x.first_position; position < end; ++position) pairs += static_cast<double>(position + 1 - s.first_key(position));
    if (end > x.first_position) work.bytes += page_bytes * static_cast<double>(end - s.first_key(x.first_position)) / kKvPageLen;
  }
  work.flops = attention_flops(pairs, s);
  return work;
}

}  // namespace

OpWork& OpWork::operator+=(const OpWork& other) {
  bytes += other.bytes;
  flops += other.flops;
  bf16_flops += other.bf16_flops;
  int_ops += other.int_ops;
  return *this;
}

double least_seconds(const OpWork& work, const MachineLimits& limits) {
  const double computing = work.flops / limits.fp32_gflops + work.bf16_flops / limits.bf16_gflops + work.int_ops / limits.int8_gops;
  return 1e-9 * std::max(work.bytes / limits.read_gb_s, computing);
}

ProfiledOps::Timer::~Timer() {
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  Line& sums = line.second;
  ++sums.calls;
  sums.seconds += seconds;
  sums.work += work;
  if (ops.keeps_events_) ops.events_.push_back({&line.first, std::chrono::duration<double>(begin - ops.start_).count(), seconds, work});
}

std::vector<ProfiledOps::Line> ProfiledOps::lines() const {
  std::vector<Line> lines;
  for (const auto& [name, line] : lines_) {
    if (line.calls > 0) lines.push_back({name, line.calls, line.seconds, line.work});
  }
  std::sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.seconds > b.seconds; });
  return lines;
}

void ProfiledOps::clear() {
  for (auto& [name, line] : lines_) line = {};
}

void ProfiledOps::embedding(TensorView out, TensorView table, std::span<const int32_t> ids) {
  const Timer timer(*this, "embedding", bytes_of(out, out));
  inner_.embedding(out, table, ids);
}

void ProfiledOps::embedding_backward(TensorView dtable, TensorView dout, std::span<const int32_t> ids) {
  const Timer timer(*this, "embedding_backward", bytes_of(dout, dout));
  inner_.embedding_backward(dtable, dout, ids);
}

void ProfiledOps::rms_norm(TensorView out, TensorView rstd, TensorView x, TensorView weight, double eps) {
  const Timer timer(*this, "rms_norm", bytes_of(out, x, weight));
  inner_.rms_norm(out, rstd, x, weight, eps);
}

void ProfiledOps::rms_norm_backward(TensorView dx, Into into, TensorView dweight, TensorView dout, TensorView x,
                                    TensorView weight, TensorView rstd) {
  const Timer timer(*this, "rms_norm_backward", bytes_of(dx, dout, x, weight));
  inner_.rms_norm_backward(dx, into, dweight, dout, x, weight, rstd);
}

void ProfiledOps::linear(TensorView out, Into into, TensorView x, TensorView weight, Precision precision) {
  const Timer timer(*this, product_name("linear", weight), product(out, x, weight, precision));
  inner_.linear(out, into, x, weight, precision);
}

void ProfiledOps::linears(std::span<const Product> products, TensorView x, Precision precision) {
  if (products.empty()) return;
  OpWork work = bytes_of(x);
  for (const Product& p : products) {
    work += product(p.out_NO, x, p.weight_OI, precision);
    work.bytes -= bytes_of(x).bytes;
  }
  const Timer timer(*this, product_name("linear", products.front().weight_OI), work);
  inner_.linears(products, x, precision);
}

void ProfiledOps::linear_backward_input(TensorView dx, Into into, TensorView dout, TensorView weight, Precision precision) {
  const Timer timer(*this, product_name("linear_backward_input", weight), product(dx, dout, weight, precision));
  inner_.linear_backward_input(dx, into, dout, weight, precision);
}

void ProfiledOps::linear_backward_weight(TensorView dweight, TensorView dout, TensorView x, Precision precision) {
  const Timer timer(*this, "linear_backward_weight", product(x, dout, dweight, precision));
  inner_.linear_backward_weight(dweight, dout, x, precision);
}

void ProfiledOps::add_bias(TensorView x, TensorView bias) {
  const Timer timer(*this, "add_bias", bytes_of(x, x, bias));
  inner_.add_bias(x, bias);
}

void ProfiledOps::bias_backward(TensorView dbias, TensorView dout) {
  const Timer timer(*this, "bias_backward", bytes_of(dout));
  inner_.bias_backward(dbias, dout);
}

void ProfiledOps::scale_columns(TensorView out, TensorView x, TensorView scale) {
  const Timer timer(*this, "scale_columns", bytes_of(out, x));
  inner_.scale_columns(out, x, scale);
}

void ProfiledOps::scale_columns_backward(TensorView dscale, TensorView dout, TensorView x) {
  const Timer timer(*this, "scale_columns_backward", bytes_of(dout, x));
  inner_.scale_columns_backward(dscale, dout, x);
}

void ProfiledOps::rope(TensorView x, int64_t head_dim, TensorView cos_sin, std::span<const int32_t> positions, bool interleaved) {
  const Timer timer(*this, "rope", bytes_of(x, x));
  inner_.rope(x, head_dim, cos_sin, positions, interleaved);
}

void ProfiledOps::rope_backward(TensorView dx, int64_t head_dim, TensorView cos_sin, std::span<const int32_t> positions,
                                bool interleaved) {
  const Timer timer(*this, "rope_backward", bytes_of(dx, dx));
  inner_.rope_backward(dx, head_dim, cos_sin, positions, interleaved);
}

void ProfiledOps::attention(TensorView out, TensorView lse, TensorView q, TensorView k, TensorView v,
                            std::span<const int32_t> first_row, const AttentionShape& shape) {
  const Timer timer(*this, "attention", packed_attention(out, q, k, v, first_row, shape));
  inner_.attention(out, lse, q, k, v, first_row, shape);
}

void ProfiledOps::attention_backward(TensorView dq, TensorView dk, TensorView dv, TensorView dout, TensorView q, TensorView k,
                                     TensorView v, TensorView out, TensorView lse, std::span<const int32_t> first_row,
                                     const AttentionShape& shape) {
  OpWork work = packed_attention(out, q, k, v, first_row, shape);
  work.flops *= 2.5;
  const Timer timer(*this, "attention_backward", work);
  inner_.attention_backward(dq, dk, dv, dout, q, k, v, out, lse, first_row, shape);
}

void ProfiledOps::kv_store(const KvPages& pages, TensorView k, TensorView v, std::span<const SequenceRows> sequences) {
  const Timer timer(*this, "kv_store", bytes_of(k, k, v, v));
  inner_.kv_store(pages, k, v, sequences);
}

void ProfiledOps::attention_paged(TensorView out, TensorView q, const KvPages& pages, std::span<const SequenceRows> sequences,
                                  const AttentionShape& shape) {
  const Timer timer(*this, "attention_paged", paged_attention(out, q, pages, sequences, shape));
  inner_.attention_paged(out, q, pages, sequences, shape);
}

void ProfiledOps::glu(TensorView out, TensorView gate, TensorView up, Activation activation) {
  const Timer timer(*this, "glu", bytes_of(out, gate, up));
  inner_.glu(out, gate, up, activation);
}

void ProfiledOps::glu_backward(TensorView dgate, TensorView dup, TensorView dout, TensorView gate, TensorView up,
                               Activation activation) {
  const Timer timer(*this, "glu_backward", bytes_of(dgate, dup, dout, gate, up));
  inner_.glu_backward(dgate, dup, dout, gate, up, activation);
}

void ProfiledOps::soft_cap(TensorView x, double cap) {
  const Timer timer(*this, "soft_cap", bytes_of(x, x));
  inner_.soft_cap(x, cap);
}

void ProfiledOps::soft_cap_backward(TensorView dx, TensorView capped, double cap) {
  const Timer timer(*this, "soft_cap_backward", bytes_of(dx, dx, capped));
  inner_.soft_cap_backward(dx, capped, cap);
}

void ProfiledOps::cross_entropy(TensorView loss, TensorView logits, std::span<const int32_t> targets, double dloss,
                                double z_loss) {
  const Timer timer(*this, "cross_entropy", bytes_of(loss, logits, logits));
  inner_.cross_entropy(loss, logits, targets, dloss, z_loss);
}

void ProfiledOps::copy(TensorView out, TensorView x) {
  const Timer timer(*this, "copy", bytes_of(out, x));
  inner_.copy(out, x);
}

void ProfiledOps::add_scaled(TensorView out, double a, TensorView x, double b, TensorView y) {
  const Timer timer(*this, "add_scaled", bytes_of(out, x, y));
  inner_.add_scaled(out, a, x, b, y);
}

void ProfiledOps::dropout(TensorView out, Into into, TensorView x, double p, const Draw& draw) {
  const Timer timer(*this, "dropout", bytes_of(out, x));
  inner_.dropout(out, into, x, p, draw);
}

void ProfiledOps::adamw(TensorView weight, TensorView gradient, TensorView m, TensorView v, const AdamWStep& step) {
  const Timer timer(*this, "adamw", bytes_of(weight, weight, gradient, m, m, v, v));
  inner_.adamw(weight, gradient, m, v, step);
}

void ProfiledOps::decay_and_add(TensorView weight, double keep, double factor, TensorView x, const Draw& rounding) {
  const Timer timer(*this, "decay_and_add", bytes_of(weight, weight, x));
  inner_.decay_and_add(weight, keep, factor, x, rounding);
}

double ProfiledOps::sum_of_squares(TensorView x) {
  const Timer timer(*this, "sum_of_squares", bytes_of(x));
  return inner_.sum_of_squares(x);
}

}  // namespace owlet
