#include "apps/config.h"

#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <numeric>

#include "core/file.h"

namespace owlet {
namespace {

constexpr uint64_t kMaxFileBytes = 1 << 20;

// Levenshtein distance, for "did you mean".
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

Error unknown_key(const std::vector<Field>& fields, std::string_view key) {
  const auto nearest = std::min_element(fields.begin(), fields.end(), [&](const Field& a, const Field& b) {
    return edit_distance(a.key, key) < edit_distance(b.key, key);
  });
  return Error{ErrorCode::kInvalidArgument, fmt::format("'{}' is not a setting", key),
               fmt::format("did you mean '{}'? `owlet pretrain --help` lists all", nearest->key)};
}

template <class Number>
Status parse_number(std::string_view key, const std::string& text, const char* expected, Number& out) {
  std::string plain;
  for (char c : text) {
    if (c != '_') plain += c;  // 1_000_000
  }
  Number value{};
  const auto [end, code] = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  if (code != std::errc() || end != plain.data() + plain.size()) {
    return make_error(ErrorCode::kInvalidArgument, "{} is '{}'; expected {}", key, text, expected);
  }
  out = value;
  return {};
}

struct Setter {
  std::string_view key;
  const std::string& text;
  Status operator()(int64_t* out) const { return parse_number(key, text, "a whole number", *out); }
  Status operator()(uint64_t* out) const { return parse_number(key, text, "a whole number of 0 or more", *out); }
  Status operator()(double* out) const { return parse_number(key, text, "a number", *out); }
  Status operator()(std::string* out) const {
    *out = text;
    return {};
  }
  Status operator()(bool* out) const {
    if (text != "true" && text != "false") {
      return make_error(ErrorCode::kInvalidArgument, "{} is '{}'; expected true or false", key, text);
    }
    *out = text == "true";
    return {};
  }
  Status operator()(std::vector<std::string>* out) const {
    out->clear();
    for (size_t begin = 0; begin < text.size();) {
      const size_t comma = std::min(text.find(',', begin), text.size());
      out->push_back(text.substr(begin, comma - begin));
      begin = comma + 1;
    }
    return {};
  }
};

struct Printer {
  std::string operator()(const int64_t* v) const { return fmt::format("{}", *v); }
  std::string operator()(const uint64_t* v) const { return fmt::format("{}", *v); }
  std::string operator()(const double* v) const { return fmt::format("{}", *v); }
  std::string operator()(const bool* v) const { return *v ? "true" : "false"; }
  std::string operator()(const std::string* v) const { return *v; }
  std::string operator()(const std::vector<std::string>* v) const { return fmt::format("{}", fmt::join(*v, ",")); }
};

// YAML as dotted keys. Only maps of scalars and lists of scalars have a meaning here, so depth is bounded by the key table and
// an alias can multiply nothing.
Status read_node(const std::vector<Field>& fields, const YAML::Node& node, const std::string& prefix, int depth) {
  if (depth > 3) return make_error(ErrorCode::kInvalidArgument, "{}: settings are nested at most two deep", prefix);
  if (!node.IsMap()) return make_error(ErrorCode::kInvalidArgument, "{} must hold settings, one a line", prefix);
  for (const auto& entry : node) {
    const std::string key = (prefix.empty() ? "" : prefix + ".") + entry.first.Scalar();
    const YAML::Node& value = entry.second;
    if (value.IsMap()) {
      OWLET_TRY(read_node(fields, value, key, depth + 1));
    } else if (value.IsSequence()) {
      std::vector<std::string> items;
      for (const auto& item : value) {
        if (!item.IsScalar()) return make_error(ErrorCode::kInvalidArgument, "{} must be a list of names", key);
        items.push_back(item.Scalar());
      }
      const auto field = std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.key == key; });
      if (field == fields.end()) return unknown_key(fields, key);
      auto* const list = std::get_if<std::vector<std::string>*>(&field->value);
      if (!list) return make_error(ErrorCode::kInvalidArgument, "{} is one value, not a list", key);
      **list = std::move(items);
    } else {
      OWLET_TRY(set_field(fields, key, value.IsNull() ? "" : value.Scalar()));
    }
  }
  return {};
}

}  // namespace

std::vector<Field> run_fields(RunConfig& c) {
  ModelConfig& m = c.model;
  TrainConfig& t = c.training;
  return {
      {"out", &c.out, "folder of the run: checkpoints, log"},
      {"init", &c.init, "model to start from (folder or GGUF); empty: fresh weights of the shape below"},
      {"tokenizer", &c.tokenizer, "tokenizer.json, or a folder that holds one; empty: the init model's"},
      {"data.train", &c.train, "training files, PATH or PATH@WEIGHT (how often an epoch): .txt, or .jsonl of texts, completions or chats; .zst too"},
      {"data.valid", &c.valid, "held-out files for validation"},
      {"data.valid_share", &c.valid_share, "share of the training files' lines that is held out, by their hash"},
      {"data.ask", &c.ask, "questions whose answers are shown at each validation"},
      {"data.choices", &c.choices, "files of multiple choice (as `owlet eval` reads them) that are scored at each validation"},
      {"data.choices_limit", &c.choices_limit, "questions of each of them, from its beginning; 0: all"},
      {"model.vocab_size", &m.vocab_size, "0: the tokenizer's"},
      {"model.dim", &m.dim, "width of the residual stream"},
      {"model.n_layers", &m.n_layers, "blocks"},
      {"model.n_heads", &m.n_heads, "query heads"},
      {"model.n_kv_heads", &m.n_kv_heads, "key/value heads; 0: as many as query heads"},
      {"model.head_dim", &m.head_dim, "width of a head; 0: dim / n_heads"},
      {"model.ffn_dim", &m.ffn_dim, "width of the feed-forward part"},
      {"model.max_positions", &m.max_positions, "context the model is made for"},
      {"model.rms_eps", &m.rms_eps, "epsilon of the norms"},
      {"model.rope_theta", &m.rope.theta, "base of the rotary embedding"},
      {"model.tie_embeddings", &m.tie_embeddings, "share the output layer with the embedding table"},
      {"train.steps", &t.steps, "optimizer steps"},
      {"train.batch_rows", &t.batch_rows, "rows per micro-batch"},
      {"train.seq_len", &t.seq_len, "tokens per row"},
      {"train.grad_accum_steps", &t.grad_accum_steps, "micro-batches per step"},
      {"train.optimizer", &t.optimizer, "adamw, or muon (Muon for the blocks' matrices, AdamW for the rest)"},
      {"train.lr", &t.lr, "peak learning rate"},
      {"train.schedule", &t.schedule, "after warm-up: constant, linear, cosine or wsd"},
      {"train.warmup_steps", &t.warmup_steps, "steps of linear warm-up"},
      {"train.decay_fraction", &t.decay_fraction, "wsd: the last share of the steps, in which the rate falls"},
      {"train.min_lr_ratio", &t.min_lr_ratio, "where the decay ends, as a share of the peak"},
      {"train.beta1", &t.beta1, "AdamW: decay of the first moment"},
      {"train.beta2", &t.beta2, "AdamW: decay of the second moment"},
      {"train.eps", &t.eps, "AdamW: keeps the division finite"},
      {"train.weight_decay", &t.weight_decay, "on tensors with two dimensions"},
      {"train.no_decay", &t.no_decay, "those that do not decay, as patterns: embed_tokens.*"},
      {"train.clip_norm", &t.clip_norm, "longest gradient; 0: no clipping"},
      {"train.dropout", &t.dropout, "share of what blocks' branches add to the stream that is dropped"},
      {"train.z_loss", &t.z_loss, "weight of the squared log of softmax's denominator; 0: none"},
      {"train.precision", &t.precision, "of matrix products: bf16 or f32"},
      {"train.weights", &t.weights, "how matrices are kept: f32, or bf16 (half the memory, updates rounded stochastically)"},
      {"train.states", &t.states, "how AdamW's moments are kept: f32, or 8bit (a quarter of the memory)"},
      {"train.recompute_every", &t.recompute_every, "1: activations are computed again on the way back; k: of every k-th block; 0: kept"},
      {"train.freeze", &t.freeze, "tensors that are not trained, as patterns: embed_tokens.*,layers.0.*"},
      {"train.eval_every", &t.eval_every, "steps between validations; 0: never"},
      {"train.checkpoint_every", &t.checkpoint_every, "steps between checkpoints; 0: only at the end"},
      {"train.keep_checkpoints", &t.keep_checkpoints, "how many are kept"},
      {"train.keep_best", &t.keep_best, "keep that of the best validation too"},
      {"train.patience", &t.patience, "validations without improvement before the run ends; 0: to the last step"},
      {"train.seed", &t.seed, "of weights, shuffling, rounding and dropout"},
      {"lora.rank", &t.lora.rank, "train adapters of this rank instead of the weights; 0: the weights"},
      {"lora.alpha", &t.lora.alpha, "adapters are scaled by alpha / rank; 0: alpha is twice the rank"},
      {"lora.dropout", &t.lora.dropout, "share of what adapters read that is dropped"},
      {"lora.layers", &t.lora.layers, "linear layers, as patterns: q_proj,v_proj or layers.1*.mlp.*; empty: all"},
      {"lora.rank_stabilized", &t.lora.rank_stabilized, "rsLoRA: scaled by alpha / √rank"},
      {"lora.magnitude", &t.lora.magnitude, "DoRA: lengths of rows are trained too"},
      {"lora.base", &t.lora.base, "the frozen weights: stored as the model has them, or nf4 (QLoRA)"},
  };
}

Status set_field(const std::vector<Field>& fields, std::string_view key, const std::string& value) {
  for (const Field& field : fields) {
    if (field.key == key) return std::visit(Setter{key, value}, field.value);
  }
  return unknown_key(fields, key);
}

Result<RunConfig> load_run_config(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  RunConfig config;
  config.model.n_kv_heads = config.model.head_dim = 0;
  const std::vector<Field> fields = run_fields(config);
  if (!path.empty()) {
    OWLET_ASSIGN(const std::string text, read_file(path, kMaxFileBytes));
    try {
      const Status status = read_node(fields, YAML::Load(text), "", 1);
      if (!status.ok()) return Error(status.error()).in(path.string());
    } catch (const YAML::Exception& e) {
      return corrupt("{}:{}: {}", path.string(), e.mark.line + 1, e.msg);
    }
  }
  for (const std::string& assignment : overrides) {
    const size_t equals = assignment.find('=');
    if (equals == std::string::npos) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("--set {}: no '='", assignment), "for example --set train.lr=3e-4"};
    }
    OWLET_TRY(set_field(fields, assignment.substr(0, equals), assignment.substr(equals + 1)));
  }
  OWLET_TRY(config.training.validate());
  if (config.valid_share < 0 || config.valid_share >= 1) return make_error(ErrorCode::kInvalidArgument, "data.valid_share must be in [0, 1)");
  return config;
}

std::string describe_fields() {
  RunConfig defaults;
  std::string text;
  for (const Field& field : run_fields(defaults)) {
    const std::string value = std::visit(Printer{}, field.value);
    text += fmt::format("  {:<24} {:<10} {}\n", field.key, value.empty() ? "–" : value, field.doc);
  }
  return text;
}

}  // namespace owlet
