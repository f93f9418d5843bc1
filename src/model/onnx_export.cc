#include "model/onnx_export.h"

#include <limits>
#include <map>
#include <utility>

#include "model/onnx_graph.h"
#include "model/onnx_weights.h"

namespace owlet {
namespace {

using Value = OnnxGraph::Value;

class Exporter {
 public:
  Exporter(const Model& model, OnnxWeights weights, OnnxWriter& writer)
      : model_(model), config_(model.config), int8_(weights == OnnxWeights::kInt8), writer_(writer), g_(writer) {
    model.weights.for_each([this](const std::string& name, const Tensor& tensor) { names_[&tensor] = name; });
  }
  void forward();

 private:
  struct Angles {
    Value cos, sin;  // [B, 1, T, R/2]
  };

  void declare();
  StoredTensor stored(const Tensor& tensor) const;
  Value vector(const Tensor& tensor) { return g_.tensor(float_rows(stored(tensor))); }

  Value embed();
  Value output_logits(const Value& h_BTD);
  Value product(const Value& x, const Tensor& weight_OI);
  Value int8_product(const Value& x, const Value& quantized_IO, const Value& scale_O);
  Value linear(const Value& x, const Linear& linear);
  Value rms_norm(const Value& x, const Tensor& norm) { return g_.rms_norm(x, vector(norm), config_.rms_eps); }

  Value frequencies(Rotation rotation);
  Value reach();
  const Angles& angles(Rotation rotation);
  Value rotate(const Value& x_BHTE, Rotation rotation);
  const Value& mask(int64_t window);

  Value block(int64_t i, const Value& x_BTD);
  Value project_head(int64_t i, const Value& x, const Linear& linear, const Tensor& norm, int64_t n_heads);
  Value heads(const Value& x, int64_t n_heads) { return g_.transpose(g_.reshape(x, {0, 0, n_heads, config_.head_dim}), {0, 2, 1, 3}); }
  Value cached(int64_t i, const std::string& part, const Value& x_BKTE);
  Value attend(int64_t i, const Value& q_BHTE, const Value& k_BKSE, const Value& v_BKSE);
  Value add_branch(const Value& x, const Value& branch, const Tensor& norm);

  const Model& model_;
  const ModelConfig& config_;
  bool int8_;
  OnnxWriter& writer_;
  OnnxGraph g_;
  std::map<const Tensor*, std::string> names_;
  std::map<Value, std::vector<Value>> quantized_;  // what several matrices multiply is quantized once
  std::map<Rotation, Angles> angles_;
  std::map<int64_t, Value> masks_;
};

void Exporter::declare() {
  const OnnxDim batch = "batch_size", sequence = "sequence_length", past = "past_sequence_length", total = "total_sequence_length";
  writer_.add_input("input_ids", OnnxType::kInt64, {batch, sequence});
  writer_.add_input("attention_mask", OnnxType::kInt64, {batch, total});
  writer_.add_input("position_ids", OnnxType::kInt64, {batch, sequence});
  writer_.add_output("logits", OnnxType::kFloat, {batch, sequence, config_.vocab_size});
  for (int64_t i = 0; i < config_.n_layers; ++i) {
    for (const char* part : {"key", "value"}) {
      const auto dims = [&](const OnnxDim& length) { return std::vector<OnnxDim>{batch, config_.n_kv_heads, length, config_.head_dim}; };
      writer_.add_input(fmt::format("past_key_values.{}.{}", i, part), OnnxType::kFloat, dims(past));
      writer_.add_output(fmt::format("present.{}.{}", i, part), OnnxType::kFloat, dims(total));
    }
  }
}

StoredTensor Exporter::stored(const Tensor& tensor) const {
  const std::string& name = names_.at(&tensor);
  StoredTensor one(name, config_, {.interleaved = false});
  one.add(name, tensor);
  return one;
}

// ---- Matrices -------------------------------------------------------------------------------------------------------

Value Exporter::int8_product(const Value& x, const Value& quantized_IO, const Value& scale_O) {
  const auto [it, fresh] = quantized_.try_emplace(x);
  if (fresh) it->second = g_.quantize(x);
  const std::vector<Value>& q = it->second;
  const Value sum = g_.to_float(g_.op("MatMulInteger", {q[0], quantized_IO, q[2], g_.byte(kInt8Zero)}));
  return g_.multiply(sum, g_.multiply(q[1], scale_O));
}

Value Exporter::product(const Value& x, const Tensor& weight_OI) {
  const StoredTensor weight = stored(weight_OI);
  if (!int8_) return g_.matmul(x, g_.tensor(float_columns(weight)));
  return int8_product(x, g_.tensor(int8_columns(weight)), g_.tensor(int8_scales(weight)));
}

Value Exporter::linear(const Value& x, const Linear& linear) {
  const Value out = product(x, linear.weight_OI);
  return linear.bias_O ? g_.add(out, vector(linear.bias_O)) : out;
}

Value Exporter::embed() {
  const StoredTensor table = stored(model_.weights.embedding_VD);
  Value x = g_.gather(g_.tensor(int8_ ? int8_rows(table) : float_rows(table)), "input_ids");
  if (int8_) {
    const Value scale_BT1 = g_.unsqueeze(g_.gather(g_.tensor(int8_scales(table)), "input_ids"), {-1});
    x = g_.multiply(g_.subtract(g_.to_float(x), g_.number(kInt8Zero)), scale_BT1);
  }
  return g_.scale(x, config_.embedding_scale);
}

// A tied table is stored once, with a row for each token as the embedding wants it.
Value Exporter::output_logits(const Value& h_BTD) {
  const StoredTensor table = stored(model_.weights.output());
  Value logits;
  if (!config_.tie_embeddings) {
    logits = product(h_BTD, model_.weights.output());
  } else if (int8_) {
    logits = int8_product(h_BTD, g_.transpose(g_.tensor(int8_rows(table)), {1, 0}), g_.tensor(int8_scales(table)));
  } else {
    // Gemm turns its matrix on the way, without a copy; it wants rows alone.
    const Value rows = g_.op("Gemm", {g_.reshape(h_BTD, {-1, config_.dim}), g_.tensor(float_rows(table))}, {{"transB", int64_t{1}}});
    const Value shape = g_.concat({g_.op("Shape", {"input_ids"}), g_.integers({config_.vocab_size})}, 0);
    logits = g_.op("Reshape", {rows, shape});
  }
  return g_.soft_cap(g_.scale(logits, config_.logit_scale), config_.logit_soft_cap);
}

// ---- Positions ------------------------------------------------------------------------------------------------------

// Tokens that this call comes to.
Value Exporter::reach() {
  const Value last = g_.op("ReduceMax", {"position_ids"}, {{"keepdims", int64_t{0}}});
  return g_.add(g_.to_float(last), g_.number(1));
}

Value Exporter::frequencies(Rotation rotation) {
  const bool local = rotation == Rotation::kLocal;
  const RopeConfig& rope = config_.rope;
  const int64_t original = rope.original_positions;
  const Value plain = g_.floats(local ? "local_frequencies" : "frequencies", rope_frequencies(config_, rotation, original).per_position);
  if (local || !rope.depends_on_reach()) return plain;
  if (rope.scaling == RopeScaling::kLongRope) {
    const Value stretched = g_.floats("long_frequencies", rope_frequencies(config_, rotation, original + 1).per_position);
    return g_.op("Where", {g_.op("Greater", {reach(), g_.number(static_cast<float>(original))}), stretched, plain});
  }
  // theta · stretch^(R / (R − 2)) in place of theta is stretch^(−2i / (R − 2)) times the i-th frequency.
  const auto n = static_cast<float>(original), n_rotated = static_cast<float>(config_.rotary_dim());
  const Value lengths = g_.op("Div", {g_.op("Max", {reach(), g_.number(n)}), g_.number(n)});
  const Value stretch = g_.subtract(g_.scale(lengths, rope.factor), g_.number(static_cast<float>(rope.factor - 1)));
  std::vector<float> powers;
  for (int64_t i = 0; i < config_.rotary_dim(); i += 2) powers.push_back(-static_cast<float>(i) / (n_rotated - 2));
  return g_.multiply(plain, g_.op("Pow", {stretch, g_.floats("stretch_powers", powers)}));
}

const Exporter::Angles& Exporter::angles(Rotation rotation) {
  const auto [it, fresh] = angles_.try_emplace(rotation);
  if (!fresh) return it->second;
  g_.enter(rotation == Rotation::kLocal ? "local_rotation" : "rotation");
  const Value positions_B1T1 = g_.unsqueeze(g_.to_float("position_ids"), {1, 3});
  const Value angles = g_.multiply(positions_B1T1, frequencies(rotation));
  const double factor = rope_frequencies(config_, rotation, config_.rope.original_positions).attention_factor;
  it->second = {g_.scale(g_.op("Cos", {angles}), factor), g_.scale(g_.op("Sin", {angles}), factor)};
  return it->second;
}

Value Exporter::rotate(const Value& x_BHTE, Rotation rotation) {
  if (rotation == Rotation::kNone) return x_BHTE;
  const Angles& a = angles_.at(rotation);
  const int64_t half = config_.rotary_dim() / 2, rest = config_.head_dim - 2 * half;
  std::vector<Value> x = g_.split(x_BHTE, rest > 0 ? std::vector{half, half, rest} : std::vector{half, half});
  const Value first = g_.subtract(g_.multiply(x[0], a.cos), g_.multiply(x[1], a.sin));
  x[1] = g_.add(g_.multiply(x[1], a.cos), g_.multiply(x[0], a.sin));
  x[0] = first;
  return g_.concat(x, -1);
}

// What is added to scores: 0 where a query sees a key, else the least number: [B, 1, T, P + T]. A query sees itself and what is
// before it, padding excepted, at most `window` of them.
const Value& Exporter::mask(int64_t window) {
  const auto [it, fresh] = masks_.try_emplace(window);
  if (!fresh) return it->second;
  g_.enter(window > 0 ? fmt::format("mask_{}", window) : "mask");
  const Value total = g_.size_of("attention_mask", 1), past = g_.subtract(total, g_.size_of("input_ids", 1));
  const Value keys_S = g_.op("Range", {g_.integer(0), total, g_.integer(1)});
  const Value queries_T1 = g_.unsqueeze(g_.op("Range", {past, total, g_.integer(1)}), {1});
  Value sees = g_.op("LessOrEqual", {keys_S, queries_T1});
  if (window > 0) sees = g_.op("And", {sees, g_.op("Greater", {keys_S, g_.subtract(queries_T1, g_.integer(window))})});
  const Value is_text_B11S = g_.unsqueeze(g_.cast("attention_mask", OnnxType::kBool), {1, 2});
  it->second = g_.op("Where", {g_.op("And", {is_text_B11S, sees}), g_.number(0), g_.number(std::numeric_limits<float>::lowest())});
  return it->second;
}

// ---- The block, as in block.cc --------------------------------------------------------------------------------------

Value Exporter::project_head(int64_t i, const Value& x, const Linear& projection, const Tensor& norm, int64_t n_heads) {
  Value out = linear(x, projection);
  if (norm && config_.qk_norm == QkNorm::kWhole) out = rms_norm(out, norm);
  out = heads(out, n_heads);
  if (norm && config_.qk_norm == QkNorm::kPerHead) out = rms_norm(out, norm);
  return rotate(out, config_.layer(i).rotation);
}

Value Exporter::cached(int64_t i, const std::string& part, const Value& x_BKTE) {
  return g_.concat({fmt::format("past_key_values.{}.{}", i, part), x_BKTE}, 2, fmt::format("present.{}.{}", i, part));
}

// The queries of all heads that share keys are rows of one product.
Value Exporter::attend(int64_t i, const Value& q_BHTE, const Value& k_BKSE, const Value& v_BKSE) {
  const int64_t n_heads = config_.n_heads, n_kv = config_.n_kv_heads, e = config_.head_dim;
  const Value q = g_.reshape(g_.scale(q_BHTE, config_.attention_scale()), {0, n_kv, -1, e});
  const Value scores_BHTS = g_.reshape(g_.matmul(q, g_.transpose(k_BKSE, {0, 1, 3, 2})), {0, n_heads, -1, 0});
  const Value capped = g_.soft_cap(scores_BHTS, config_.attention_soft_cap);
  const Value weights_BHTS = g_.softmax(g_.add(capped, masks_.at(config_.layer(i).window)));
  const Value mixed = g_.matmul(g_.reshape(weights_BHTS, {0, n_kv, -1, 0}), v_BKSE);
  return g_.reshape(g_.transpose(g_.reshape(mixed, {0, n_heads, -1, e}), {0, 2, 1, 3}), {0, 0, n_heads * e});
}

Value Exporter::add_branch(const Value& x, const Value& branch, const Tensor& norm) {
  return g_.add(x, g_.scale(norm ? rms_norm(branch, norm) : branch, config_.residual_scale));
}

Value Exporter::block(int64_t i, const Value& x_BTD) {
  const LayerWeights& w = model_.weights.layers[static_cast<size_t>(i)];
  g_.enter(fmt::format("layers.{}", i));
  const Value attn_in = w.attn_norm_D ? rms_norm(x_BTD, w.attn_norm_D) : x_BTD;
  const Value q = project_head(i, attn_in, w.q, w.q_norm, config_.n_heads);
  const Value k = cached(i, "key", project_head(i, attn_in, w.k, w.k_norm, config_.n_kv_heads));
  const Value v = cached(i, "value", heads(linear(attn_in, w.v), config_.n_kv_heads));
  const Value mid_BTD = add_branch(x_BTD, linear(attend(i, q, k, v), w.o), w.attn_out_norm_D);

  const Value ffn_in = w.ffn_norm_D ? rms_norm(mid_BTD, w.ffn_norm_D) : mid_BTD;
  const Value gate = linear(ffn_in, w.gate), up = linear(ffn_in, w.up);
  const Value act = config_.activation == Activation::kSilu ? g_.silu(gate) : g_.gelu_tanh(gate);
  return add_branch(mid_BTD, linear(g_.multiply(act, up), w.down), w.ffn_out_norm_D);
}

void Exporter::forward() {
  declare();
  g_.enter("embedding");
  Value x = embed();
  for (int64_t i = 0; i < config_.n_layers; ++i) {
    const LayerConfig layer = config_.layer(i);
    if (layer.rotation != Rotation::kNone) angles(layer.rotation);
    mask(layer.window);
    x = block(i, x);
  }
  g_.enter("output");
  g_.op("Identity", {output_logits(rms_norm(x, model_.weights.final_norm_D))}, {}, "logits");
}

}  // namespace

Status save_onnx(const Model& model, const std::filesystem::path& file, OnnxWeights weights) {
  OnnxWriter writer;
  Exporter(model, weights, writer).forward();
  return writer.write(file);
}

}  // namespace owlet
