#include <cstring>

#include "model/block.h"
#include "model/model.h"

namespace owlet {

KvCache::KvCache(const ModelConfig& config, int64_t n_pages, DType dtype) : n_pages_(n_pages) {
  const Shape values{n_pages, config.n_kv_heads, kPageLen, config.head_dim};
  const Shape keys = is_quantized(dtype) ? values : Shape{n_pages, config.n_kv_heads, config.head_dim, kPageLen};
  for (int64_t i = 0; i < config.n_layers; ++i) layers_.emplace_back(Tensor(dtype, keys), Tensor(dtype, values));
}

KvPages KvCache::layer(int64_t i) const {
  const auto& [k, v] = layers_[static_cast<size_t>(i)];
  return {k, v};
}

void KvCache::copy_page(int32_t from, int32_t to) const {
  if (from == to) return;
  const auto copy = [&](const Tensor& pages) {
    const auto bytes = static_cast<size_t>(pages.bytes() / n_pages_);
    std::byte* first = pages.view().as<std::byte>();
    std::memcpy(first + static_cast<size_t>(to) * bytes, first + static_cast<size_t>(from) * bytes, bytes);
  };
  for (const auto& [k, v] : layers_) {
    copy(k);
    copy(v);
  }
}

void KvCache::touch() const {
  for (const auto& [k, v] : layers_) {
    k.zero();
    v.zero();
  }
}

int64_t KvCache::bytes_per_token(const ModelConfig& c, DType dtype) { return 2 * c.n_layers * c.n_kv_heads * row_bytes(dtype, c.head_dim); }

int64_t KvCache::bytes() const {
  int64_t total = 0;
  for (const auto& [k, v] : layers_) total += k.bytes() + v.bytes();
  return total;
}

// One block's worth, used by every block in turn.
struct Runner::Activations {
  Activations(const ModelConfig& c, int64_t rows, DType t)
      : angles(c, rows, t), x(t, {rows, c.dim}), normed(t, {rows, c.dim}), q(t, {rows, c.q_dim()}), k(t, {rows, c.kv_dim()}),
        v(t, {rows, c.kv_dim()}), attn(t, {rows, c.q_dim()}), gate(t, {rows, c.ffn_dim}), up(t, {rows, c.ffn_dim}),
        logits(t, {rows, c.vocab_size}) {}

  BlockActivations rows(int64_t n) const {
    const auto head = [n](const Tensor& t) { return t.view().row_range(0, n); };
    const TensorView stream = head(x);
    const TensorView branch = head(normed);
    return {.x_ND = stream, .attn_in_ND = branch, .attn_rstd_N = {}, .q_raw_NHE = head(q), .k_raw_NKE = head(k), .q_rstd_NH = {},
            .k_rstd_NK = {}, .q_NHE = head(q), .k_NKE = head(k), .v_NKE = head(v), .attn_NHE = head(attn), .lse_NH = {},
            .attn_out_ND = branch, .attn_out_rstd_N = {}, .mid_ND = stream, .ffn_in_ND = branch, .ffn_rstd_N = {},
            .gate_NF = head(gate), .up_NF = head(up), .act_NF = head(gate), .ffn_out_ND = branch, .ffn_out_rstd_N = {},
            .out_ND = stream, .normed_ND = branch};
  }

  // Every sequence's rotation, by what it may come to.
  void set_angles(const RaggedBatch& batch) {
    for (size_t i = 0; i < batch.sequences.size(); ++i) {
      const SequenceRows& s = batch.sequences[i];
      const auto positions = std::span(batch.positions_N).subspan(static_cast<size_t>(s.row_begin), static_cast<size_t>(s.row_end - s.row_begin));
      angles.set(s.row_begin, positions, batch.reach.empty() ? s.first_position + s.row_end - s.row_begin : batch.reach[i]);
    }
  }

  RotaryAngles angles;
  Tensor x, normed, q, k, v, attn, gate, up, logits;
};

Runner::Runner(Context context, const Model& model, int64_t max_rows)
    : context_(context), model_(model), max_rows_(max_rows),
      activations_(std::make_unique<Activations>(model.config, max_rows, model.compute_dtype())) {}
Runner::~Runner() = default;

// The tensors of Activations, in their order.
int64_t Runner::bytes(const ModelConfig& c, int64_t rows, DType t) {
  const int64_t n_tables = c.rope.local_theta > 0 ? 2 : 1;
  int64_t row = n_tables * row_bytes(t, c.rotary_dim());
  for (const int64_t n : {c.dim, c.dim, c.q_dim(), c.kv_dim(), c.kv_dim(), c.q_dim(), c.ffn_dim, c.ffn_dim, c.vocab_size}) {
    row += row_bytes(t, n);
  }
  return rows * row;
}

namespace {

// Rows of sequences that stand beside each other and have the same adapter.
std::vector<AdaptedRows> adapted_rows(const RaggedBatch& batch) {
  std::vector<AdaptedRows> adapted;
  for (size_t i = 0; i < batch.adapters.size(); ++i) {
    const auto& [begin, end, position, pages] = batch.sequences[i];
    if (!batch.adapters[i]) continue;
    if (!adapted.empty() && adapted.back().parts == batch.adapters[i] && adapted.back().end == begin) {
      adapted.back().end = end;
    } else {
      adapted.push_back({begin, end, batch.adapters[i]});
    }
  }
  return adapted;
}

// The rows whose logits are wanted as a batch of their own: its sequences and their adapters. Neighbours stay together.
RaggedBatch outputs_of(const RaggedBatch& batch) {
  RaggedBatch out;
  size_t sequence = 0;
  int32_t before = -1;
  for (const int32_t row : batch.output_rows) {
    OWLET_CHECK(row > before && row < std::ssize(batch.tokens_N), "[runner] output row {} behind {}", row, before);
    const size_t last = sequence;
    while (batch.sequences[sequence].row_end <= row) ++sequence;
    const SequenceRows& x = batch.sequences[sequence];
    const int64_t i = out.sequences.empty() ? 0 : out.sequences.back().row_end;
    if (i > 0 && sequence == last && row == before + 1) {
      ++out.sequences.back().row_end;
    } else {
      out.sequences.push_back({i, i + 1, x.first_position + row - x.row_begin, x.pages});
      if (!batch.adapters.empty()) out.adapters.push_back(batch.adapters[sequence]);
    }
    before = row;
  }
  return out;
}

// Moves these rows, ascending, to the front.
void keep_rows(TensorView x, std::span<const int32_t> rows) {
  const int64_t bytes = row_bytes(x.dtype, x.shape.last());
  for (size_t i = 0; i < rows.size(); ++i) {
    std::byte* first = x.as<std::byte>();
    std::memmove(first + static_cast<int64_t>(i) * bytes, first + rows[i] * bytes, static_cast<size_t>(bytes));
  }
}

}  // namespace

TensorView Runner::forward(const RaggedBatch& batch, const KvCache& cache) {
  const int64_t n = static_cast<int64_t>(batch.tokens_N.size());
  const int64_t n_out = static_cast<int64_t>(batch.output_rows.size());
  OWLET_CHECK(n > 0 && n <= max_rows_, "[runner] {} rows, room for {}", n, max_rows_);
  BlockActivations a = activations_->rows(n);
  const BlockActivations kept = activations_->rows(n_out);
  Ops& ops = context_.ops;

  std::vector<AdaptedRows> adapted = adapted_rows(batch);
  Context context = context_;
  context.adapted = adapted;
  std::span<const SequenceRows> sequences = batch.sequences;
  const RaggedBatch outputs = outputs_of(batch);
  activations_->set_angles(batch);
  embed(context, model_, a.x_ND, batch.tokens_N);
  // Of the other rows nobody wants more than their keys and values; an observer wants all of them in every layer.
  const int64_t n_layers = model_.config.n_layers, narrow_at = context.observer ? n_layers : n_layers - 1;
  for (int64_t i = 0; i < n_layers; ++i) {
    const BlockInput input{model_.config, i, activations_->angles};
    const LayerWeights& weights = model_.weights.layers[static_cast<size_t>(i)];
    const KvPages pages = cache.layer(i);
    block_until_attention(context, input, weights, a);
    ops.kv_store(pages, a.k_NKE, a.v_NKE, batch.sequences);
    if (i == narrow_at) {
      if (n_out == 0) break;
      keep_rows(a.q_NHE, batch.output_rows);
      keep_rows(a.x_ND, batch.output_rows);
      a = kept;
      sequences = outputs.sequences;
      context.adapted = adapted = adapted_rows(outputs);
    }
    ops.attention_paged(a.attn_NHE, a.q_NHE, pages, sequences, input.attention());
    block_after_attention(context, input, weights, a);
  }
  const TensorView logits = activations_->logits.view().row_range(0, n_out);
  if (n_out == 0) return logits;
  if (context.observer) keep_rows(a.x_ND, batch.output_rows);
  ops.rms_norm(kept.normed_ND, {}, kept.x_ND, model_.weights.final_norm_D, model_.config.rms_eps);
  output_logits(context, model_, logits, kept.normed_ND);
  return logits;
}

}  // namespace owlet
