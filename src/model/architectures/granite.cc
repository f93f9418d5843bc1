// Granite 3 (IBM 2024): Llama with scales on the embedding, the scores, what goes into the stream, and the logits.
#include "model/architectures/architectures.h"

namespace owlet {
namespace {

Status read_hf(const Json& json, ModelConfig& config) {
  OWLET_ASSIGN(config.embedding_scale, number_or(json, "embedding_multiplier", 1.0));
  OWLET_ASSIGN(config.residual_scale, number_or(json, "residual_multiplier", 1.0));
  OWLET_ASSIGN(config.query_scale, number_or(json, "attention_multiplier", 1.0));
  OWLET_ASSIGN(const double logits, number_or(json, "logits_scaling", 1.0));
  if (!(logits > 0)) return make_error(ErrorCode::kInvalidArgument, "'logits_scaling' is {}", logits);
  config.logit_scale = 1.0 / logits;
  return read_biases(json, config);
}

void write_hf(const ModelConfig& config, Json& json) {
  write_biases(config, json);
  json["embedding_multiplier"] = config.embedding_scale;
  json["residual_multiplier"] = config.residual_scale;
  json["attention_multiplier"] = config.attention_scale();
  json["logits_scaling"] = 1.0 / config.logit_scale;
}

}  // namespace

const Architecture kGranite = {.name = "granite",
                               .hf_class = "GraniteForCausalLM",
                               .gguf = "granite",
                               .read_hf = read_hf,
                               .write_hf = write_hf,
                               .gguf_can = {.scales = true, .biases = true},
                               .gguf_interleaved = true};

}  // namespace owlet
