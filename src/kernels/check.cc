#include "kernels/check.h"

#include "quant/blocks.h"

namespace owlet::check {
namespace {

// The arguments of one call, measured against its activations' dtype.
class Arguments {
 public:
  Arguments(const char* op, Activations types, const char* name, const TensorView& activation)
      : op_(op), dtype_(activation.dtype) {
    const bool ok = dtype_ == DType::kF32 || (dtype_ == DType::kF64 && types == Activations::kF32OrF64);
    OWLET_CHECK(ok, "[{}] {} is {}; this backend computes in {}", op_, name, to_string(dtype_),
                types == Activations::kF32 ? "f32" : "f32 or f64");
  }

  // The number of rows of `cols` numbers in `view`.
  int64_t rows(const char* name, const TensorView& view, int64_t cols) const {
    const bool ok = cols > 0 && view.numel() % cols == 0;
    OWLET_CHECK(ok, "[{}] {} is {}, which is no rows of {} numbers", op_, name, view.shape.to_string(), cols);
    return view.numel() / cols;
  }
  // `rows` rows of `cols` numbers in the activations' dtype.
  void dense(const char* name, const TensorView& view, int64_t rows, int64_t cols) const {
    const bool fits = view.numel() == rows * cols && (rows == 0 || view.cols() == cols);
    const bool ok = view.dtype == dtype_ && fits && (view || rows * cols == 0);
    OWLET_CHECK(ok, "[{}] {} is {} {}{}, expected {} [{}, {}]", op_, name, to_string(view.dtype),
                view.shape.to_string(), view ? "" : " without memory", to_string(dtype_), rows, cols);
  }
  // n numbers of any shape.
  void vector(const char* name, const TensorView& view, int64_t n) const {
    const bool ok = view.dtype == dtype_ && view.numel() == n && (view || n == 0);
    OWLET_CHECK(ok, "[{}] {} is {} {}, expected {} [{}]", op_, name, to_string(view.dtype),
                view.shape.to_string(), to_string(dtype_), n);
  }
  // A weight, in one of the dtypes that every backend computes with, and no wider than the activations.
  void weight(const char* name, const TensorView& view) const {
    const bool whole_blocks = view.cols() % dtype_info(view.dtype).block_size == 0;
    OWLET_CHECK(view && computes(view.dtype) && whole_blocks,
                "[{}] {} is {} {}, which is no weight for {} activations", op_, name, to_string(view.dtype),
                view.shape.to_string(), to_string(dtype_));
    OWLET_CHECK(view.group == 0, "[{}] {} lies turned, in groups of {} rows", op_, name, view.group);
  }
  // A weight that an optimizer changes.
  void updated(const char* name, const TensorView& view) const {
    OWLET_CHECK(view && (view.dtype == dtype_ || view.dtype == DType::kBF16), "[{}] {} is {} {}, expected {} or bf16", op_, name,
                to_string(view.dtype), view.shape.to_string(), to_string(dtype_));
  }
  void expect(bool ok, const char* message) const { OWLET_CHECK(ok, "[{}] {}", op_, message); }
  void in_range(const char* name, std::span<const int32_t> values, int64_t begin, int64_t end) const {
    for (size_t i = 0; i < values.size(); ++i) {
      OWLET_CHECK(values[i] >= begin && values[i] < end, "[{}] {}[{}] is {}, expected {} ≤ … < {}", op_, name,
                  i, values[i], begin, end);
    }
  }

 private:
  bool computes(DType dtype) const {
    const bool plain = dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
    return plain || is_quantized(dtype) || (dtype == DType::kF64 && dtype_ == DType::kF64);
  }

  const char* op_;
  DType dtype_;
};

void heads(const Arguments& args, const AttentionShape& s) {
  args.expect(s.n_heads > 0 && s.n_kv_heads > 0 && s.head_dim > 0, "heads and head_dim must be positive");
  args.expect(s.n_heads % s.n_kv_heads == 0, "n_heads must be a multiple of n_kv_heads");
  args.expect(s.window >= 0 && s.soft_cap >= 0, "window and soft_cap must not be negative");
}

// first_row[i] is i's own row or an earlier one.
void documents(const Arguments& args, std::span<const int32_t> first_row) {
  for (size_t i = 0; i < first_row.size(); ++i)
    args.in_range("first_row", first_row.subspan(i, 1), 0, static_cast<int64_t>(i) + 1);
}

// Every row's token has a slot in one of its sequence's pages.
void paged(const Arguments& args, const KvPages& pages, int64_t n_rows,
           std::span<const SequenceRows> sequences) {
  const DType type = pages.k.dtype;
  const bool in_blocks = type == DType::kQ8_0;
  const bool plain = type == DType::kF32 || type == DType::kF16 || type == DType::kBF16;
  args.expect(pages.k && pages.v && type == pages.v.dtype && (plain || in_blocks), "pages must be f32, f16, bf16 or q8_0, keys and values alike");
  const Shape &k = pages.k.shape, &v = pages.v.shape;
  args.expect(v.rank() == 4 && v[2] == kKvPageLen && k == (in_blocks ? v : Shape{v[0], v[1], v[3], v[2]}),
              "pages must be [n_pages, K, E, 32] of keys (in blocks [n_pages, K, 32, E]) and [n_pages, K, 32, E] of values");
  args.expect(!in_blocks || v[3] % kBlock == 0, "heads must divide into the pages' blocks");
  for (const SequenceRows& s : sequences) {
    args.expect(0 <= s.row_begin && s.row_begin <= s.row_end && s.row_end <= n_rows,
                "a sequence's rows lie outside the batch");
    args.expect(s.first_position >= 0, "a sequence's first position is negative");
    const int64_t length = s.first_position + (s.row_end - s.row_begin);
    args.expect(length <= static_cast<int64_t>(s.pages.size()) * kKvPageLen,
                "a sequence is longer than its pages");
    args.in_range("pages", s.pages, 0, pages.k.shape[0]);
  }
}

}  // namespace

void embedding(Activations types, TensorView out_ND, TensorView table_VD, std::span<const int32_t> ids) {
  const Arguments args("embedding", types, "out_ND", out_ND);
  args.weight("table_VD", table_VD);
  args.dense("out_ND", out_ND, static_cast<int64_t>(ids.size()), table_VD.cols());
  args.in_range("ids", ids, 0, table_VD.rows());
}

void embedding_backward(Activations types, TensorView dtable_VD, TensorView dout_ND,
                        std::span<const int32_t> ids) {
  const Arguments args("embedding_backward", types, "dout_ND", dout_ND);
  args.dense("dtable_VD", dtable_VD, dtable_VD.rows(), dtable_VD.cols());
  args.dense("dout_ND", dout_ND, static_cast<int64_t>(ids.size()), dtable_VD.cols());
  args.in_range("ids", ids, 0, dtable_VD.rows());
}

void rms_norm(Activations types, TensorView out_ND, TensorView rstd_N, TensorView x_ND, TensorView weight_D) {
  const Arguments args("rms_norm", types, "x_ND", x_ND);
  args.weight("weight_D", weight_D);
  const int64_t d = weight_D.numel();
  const int64_t n = args.rows("x_ND", x_ND, d);
  args.dense("x_ND", x_ND, n, d);
  args.dense("out_ND", out_ND, n, d);
  if (rstd_N) args.vector("rstd_N", rstd_N, n);
}

void rms_norm_backward(Activations types, TensorView dx_ND, TensorView dweight_D, TensorView dout_ND,
                       TensorView x_ND, TensorView weight_D, TensorView rstd_N) {
  const Arguments args("rms_norm_backward", types, "x_ND", x_ND);
  args.weight("weight_D", weight_D);
  const int64_t d = weight_D.numel();
  const int64_t n = args.rows("x_ND", x_ND, d);
  args.dense("x_ND", x_ND, n, d);
  args.dense("dx_ND", dx_ND, n, d);
  if (dweight_D) args.vector("dweight_D", dweight_D, d);
  args.dense("dout_ND", dout_ND, n, d);
  args.vector("rstd_N", rstd_N, n);
}

void linear(Activations types, TensorView out_NO, TensorView x_NI, TensorView weight_OI, int32_t group) {
  const Arguments args("linear", types, "x_NI", x_NI);
  if (weight_OI.group == group) weight_OI.group = 0;
  args.weight("weight_OI", weight_OI);
  const int64_t n = args.rows("x_NI", x_NI, weight_OI.cols());
  args.dense("x_NI", x_NI, n, weight_OI.cols());
  args.dense("out_NO", out_NO, n, weight_OI.rows());
}

void linear_backward_input(Activations types, TensorView dx_NI, TensorView dout_NO, TensorView weight_OI) {
  const Arguments args("linear_backward_input", types, "dout_NO", dout_NO);
  args.weight("weight_OI", weight_OI);
  const int64_t n = args.rows("dout_NO", dout_NO, weight_OI.rows());
  args.dense("dout_NO", dout_NO, n, weight_OI.rows());
  args.dense("dx_NI", dx_NI, n, weight_OI.cols());
}

void linear_backward_weight(Activations types, TensorView dweight_OI, TensorView dout_NO, TensorView x_NI) {
  const Arguments args("linear_backward_weight", types, "dout_NO", dout_NO);
  const int64_t n = args.rows("x_NI", x_NI, dweight_OI.cols());
  args.dense("dweight_OI", dweight_OI, dweight_OI.rows(), dweight_OI.cols());
  args.dense("x_NI", x_NI, n, dweight_OI.cols());
  args.dense("dout_NO", dout_NO, n, dweight_OI.rows());
}

void add_bias(Activations types, TensorView x_NO, TensorView bias_O) {
  const Arguments args("add_bias", types, "x_NO", x_NO);
  args.weight("bias_O", bias_O);
  const int64_t o = bias_O.numel();
  args.dense("x_NO", x_NO, args.rows("x_NO", x_NO, o), o);
}

void bias_backward(Activations types, TensorView dbias_O, TensorView dout_NO) {
  const Arguments args("bias_backward", types, "dout_NO", dout_NO);
  const int64_t o = dbias_O.numel();
  args.vector("dbias_O", dbias_O, o);
  args.dense("dout_NO", dout_NO, args.rows("dout_NO", dout_NO, o), o);
}

void scale_columns(Activations types, TensorView scaled_NO, TensorView x_NO, TensorView scale_O) {
  const Arguments args("scale_columns", types, "x_NO", x_NO);
  const int64_t o = scale_O.numel(), n = args.rows("x_NO", x_NO, o);
  args.vector("scale_O", scale_O, o);
  args.dense("x_NO", x_NO, n, o);
  args.dense("out_NO", scaled_NO, n, o);
}

void rope(Activations types, TensorView x_NHE, int64_t head_dim, TensorView cos_sin_PR,
          std::span<const int32_t> positions) {
  const Arguments args("rope", types, "x_NHE", x_NHE);
  const int64_t r = cos_sin_PR.cols();
  const int64_t n = static_cast<int64_t>(positions.size());
  args.expect(r > 0 && r % 2 == 0 && r <= head_dim, "the rotated part of a head must be even and no longer than it");
  args.dense("cos_sin_PR", cos_sin_PR, cos_sin_PR.rows(), r);
  const int64_t h = n == 0 ? 0 : args.rows("x_NHE", x_NHE, n * head_dim);
  args.dense("x_NHE", x_NHE, n, h * head_dim);
  args.in_range("positions", positions, 0, cos_sin_PR.rows());
}

void attention(Activations types, TensorView out_NHE, TensorView lse_NH, TensorView q_NHE, TensorView k_NKE,
               TensorView v_NKE, std::span<const int32_t> first_row, const AttentionShape& s) {
  const Arguments args("attention", types, "q_NHE", q_NHE);
  const int64_t n = static_cast<int64_t>(first_row.size());
  heads(args, s);
  args.dense("q_NHE", q_NHE, n, s.n_heads * s.head_dim);
  args.dense("k_NKE", k_NKE, n, s.n_kv_heads * s.head_dim);
  args.dense("v_NKE", v_NKE, n, s.n_kv_heads * s.head_dim);
  args.dense("out_NHE", out_NHE, n, s.n_heads * s.head_dim);
  if (lse_NH) args.vector("lse_NH", lse_NH, n * s.n_heads);
  documents(args, first_row);
}

void attention_backward(Activations types, TensorView dq_NHE, TensorView dk_NKE, TensorView dv_NKE,
                        TensorView dout_NHE, TensorView q_NHE, TensorView k_NKE, TensorView v_NKE,
                        TensorView out_NHE, TensorView lse_NH, std::span<const int32_t> first_row,
                        const AttentionShape& s) {
  const Arguments args("attention_backward", types, "q_NHE", q_NHE);
  const int64_t n = static_cast<int64_t>(first_row.size());
  heads(args, s);
  args.dense("q_NHE", q_NHE, n, s.n_heads * s.head_dim);
  args.dense("k_NKE", k_NKE, n, s.n_kv_heads * s.head_dim);
  args.dense("v_NKE", v_NKE, n, s.n_kv_heads * s.head_dim);
  args.dense("out_NHE", out_NHE, n, s.n_heads * s.head_dim);
  args.dense("dout_NHE", dout_NHE, n, s.n_heads * s.head_dim);
  args.dense("dq_NHE", dq_NHE, n, s.n_heads * s.head_dim);
  args.dense("dk_NKE", dk_NKE, n, s.n_kv_heads * s.head_dim);
  args.dense("dv_NKE", dv_NKE, n, s.n_kv_heads * s.head_dim);
  args.vector("lse_NH", lse_NH, n * s.n_heads);
  documents(args, first_row);
}

void kv_store(Activations types, const KvPages& pages, TensorView k_NKE, TensorView v_NKE,
              std::span<const SequenceRows> sequences) {
  const Arguments args("kv_store", types, "k_NKE", k_NKE);
  args.expect(pages.v.shape.rank() == 4, "pages of values must be [n_pages, K, 32, E]");
  const int64_t width = pages.v.shape[1] * pages.v.shape[3];
  const int64_t n = args.rows("k_NKE", k_NKE, width);
  args.dense("k_NKE", k_NKE, n, width);
  args.dense("v_NKE", v_NKE, n, width);
  paged(args, pages, n, sequences);
}

void attention_paged(Activations types, TensorView out_NHE, TensorView q_NHE, const KvPages& pages,
                     std::span<const SequenceRows> sequences, const AttentionShape& s) {
  const Arguments args("attention_paged", types, "q_NHE", q_NHE);
  heads(args, s);
  const int64_t n = args.rows("q_NHE", q_NHE, s.n_heads * s.head_dim);
  args.dense("q_NHE", q_NHE, n, s.n_heads * s.head_dim);
  args.dense("out_NHE", out_NHE, n, s.n_heads * s.head_dim);
  paged(args, pages, n, sequences);
  args.expect(pages.v.shape[1] == s.n_kv_heads && pages.v.shape[3] == s.head_dim,
              "pages have other heads than the shape says");
}

void glu(Activations types, TensorView out_NF, TensorView gate_NF, TensorView up_NF) {
  const Arguments args("glu", types, "gate_NF", gate_NF);
  args.vector("gate_NF", gate_NF, gate_NF.numel());
  args.vector("up_NF", up_NF, gate_NF.numel());
  args.vector("out_NF", out_NF, gate_NF.numel());
}

void glu_backward(Activations types, TensorView dgate_NF, TensorView dup_NF, TensorView dout_NF,
                     TensorView gate_NF, TensorView up_NF) {
  const Arguments args("glu_backward", types, "gate_NF", gate_NF);
  args.vector("gate_NF", gate_NF, gate_NF.numel());
  args.vector("up_NF", up_NF, gate_NF.numel());
  args.vector("dout_NF", dout_NF, gate_NF.numel());
  args.vector("dgate_NF", dgate_NF, gate_NF.numel());
  args.vector("dup_NF", dup_NF, gate_NF.numel());
}

void soft_cap(Activations types, TensorView x, double cap) {
  const Arguments args("soft_cap", types, "x", x);
  args.vector("x", x, x.numel());
  args.expect(cap > 0, "the cap must be positive");
}

void soft_cap_backward(Activations types, TensorView dx, TensorView capped, double cap) {
  const Arguments args("soft_cap_backward", types, "dx", dx);
  args.vector("dx", dx, dx.numel());
  args.vector("capped", capped, dx.numel());
  args.expect(cap > 0, "the cap must be positive");
}

void cross_entropy(Activations types, TensorView loss_N, TensorView logits_NV,
                   std::span<const int32_t> targets) {
  const Arguments args("cross_entropy", types, "logits_NV", logits_NV);
  const int64_t n = static_cast<int64_t>(targets.size());
  args.dense("logits_NV", logits_NV, n, logits_NV.cols());
  args.vector("loss_N", loss_N, n);
  args.in_range("targets", targets, INT32_MIN, logits_NV.cols());
}

void copy(TensorView out, TensorView x) {
  OWLET_CHECK(out.dtype == x.dtype && out.numel() == x.numel() && out.bytes() == x.bytes(),
              "[copy] out is {} {}, x is {} {}", to_string(out.dtype), out.shape.to_string(),
              to_string(x.dtype), x.shape.to_string());
}

void add_scaled(Activations types, TensorView out, double a, TensorView x, double b, TensorView y) {
  const Arguments args("add_scaled", types, "out", out);
  args.vector("out", out, out.numel());
  if (a != 0) args.vector("x", x, out.numel());
  if (b != 0) args.vector("y", y, out.numel());
}

void dropout(Activations types, TensorView out, TensorView x, double p) {
  const Arguments args("dropout", types, "x", x);
  args.vector("x", x, x.numel());
  args.vector("out", out, x.numel());
  args.expect(p >= 0 && p < 1, "p must be in [0, 1)");
}

void adamw(Activations types, TensorView weight, TensorView gradient, TensorView m, TensorView v,
           const AdamWStep& step) {
  const Arguments args("adamw", types, "gradient", gradient);
  const int64_t n = weight.numel();
  args.updated("weight", weight);
  args.vector("gradient", gradient, n);
  if (m.dtype == DType::kDynamic) {
    const int64_t blocks = dtype_info(m.dtype).block_size, padded = (n + blocks - 1) / blocks * blocks;
    args.expect(v.dtype == DType::kDynamicUnsigned && m.numel() == padded && v.numel() == padded && m && v,
                "moments in 8 bits must be kDynamic and kDynamicUnsigned, whole blocks");
  } else {
    args.vector("m", m, n);
    args.vector("v", v, n);
  }
  args.expect(step.step >= 1, "steps count from one");
}

void decay_and_add(Activations types, TensorView weight, TensorView x) {
  const Arguments args("decay_and_add", types, "x", x);
  args.updated("weight", weight);
  args.vector("x", x, weight.numel());
}

void sum_of_squares(Activations types, TensorView x) {
  const Arguments args("sum_of_squares", types, "x", x);
  args.vector("x", x, x.numel());
}

}  // namespace owlet::check
