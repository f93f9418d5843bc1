#include "apps/training_start.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "apps/progress.h"
#include "model/load.h"
#include "train/lora.h"

namespace owlet {
namespace {

constexpr size_t kSamplesLookedAt = 1000;  // of a file

// The shape of a fresh model: what the file leaves at 0 follows from the rest.
void complete_shape(ModelConfig& c, const Tokenizer& tokenizer) {
  if (c.vocab_size == 0) c.vocab_size = tokenizer.vocab_size();
  if (c.n_kv_heads == 0) c.n_kv_heads = c.n_heads;
  if (c.head_dim == 0 && c.n_heads > 0) c.head_dim = c.dim / c.n_heads;
  c.bos = tokenizer.bos();
  c.pad = tokenizer.id_of("<pad>");
  for (const char* name : {"<a_end>", "<text_end>"}) {
    if (const int32_t id = tokenizer.id_of(name); id >= 0) c.eos.push_back(id);
  }
}

}  // namespace

Result<Start> load_start(RunConfig& config) {
  if (!config.init.empty()) {
    OWLET_ASSIGN(ChatModel chat, load_chat_model(config.init));
    const int64_t bytes = chat.model->bytes();
    return Start{std::move(*chat.model), std::move(*chat.tokenizer), std::move(chat.chat_template), bytes, std::move(chat.defaults), std::move(chat.stop_ids)};
  }
  if (config.tokenizer.empty()) {
    return Error{ErrorCode::kInvalidArgument, "no tokenizer is named",
                 "set tokenizer: to a folder that `owlet tokenizer train` wrote"};
  }
  OWLET_ASSIGN(Tokenizer tokenizer, Tokenizer::load(config.tokenizer));
  complete_shape(config.model, tokenizer);
  OWLET_TRY(config.model.validate());
  OWLET_ASSIGN(ChatTemplate chat_template, ChatTemplate::parse(homemade_template(false)));
  SamplingParams defaults;
  defaults.temperature = kUsualTemperature;
  return Start{{config.model, empty_weights(config.model)}, std::move(tokenizer), std::move(chat_template), 0, std::move(defaults), config.model.eos};
}

Status settle_template(Start& start, const Corpus& corpus) {
  const auto tokens = ChatTokens::find(start.tokenizer);
  if (!tokens.ok()) return {};
  int64_t chats = 0, opened = 0;
  for (const Corpus::Part& part : corpus.parts) {
    for (size_t s = 0; s < std::min(part.samples.size(), kSamplesLookedAt); ++s) {
      const StoredSample sample = part.samples[s];
      bool is_chat = false, is_opened = false;
      for (size_t i = 0; i < sample.size(); ++i) {
        is_chat = is_chat || sample.id(i) == tokens->q_end;
        is_opened = is_opened || (sample.id(i) == tokens->think_start && !sample.counted(i));
      }
      chats += is_chat;
      opened += is_opened;
    }
  }
  if (chats == 0) return {};
  OWLET_ASSIGN(start.chat_template, ChatTemplate::parse(homemade_template(2 * opened > chats)));
  return {};
}

Status check_plan(const TrainingPlan& plan, const Start& start, const TrainConfig& config, int64_t available) {
  if (plan.peak() <= available) return {};
  const auto settings = settings_that_fit(start.model.config, config, start.stored_bytes, available);
  return Error{ErrorCode::kTooLarge,
               fmt::format("the run needs {} of memory and {} can be had: weights {}, gradients {}, optimizer {}, activations {}, logits {}",
                           format_bytes(plan.peak()), format_bytes(available), format_bytes(plan.weights), format_bytes(plan.gradients), format_bytes(plan.states),
                           format_bytes(plan.activations), format_bytes(plan.logits)),
               settings.empty() ? "no setting would make it fit: choose a smaller model or a shorter train.seq_len"
                                : fmt::format("this would fit: --set {}", fmt::join(settings, " --set "))};
}

Status prepare_weights(Start& start, const TrainConfig& config, Machine& machine) {
  Model& model = start.model;
  if (!model.weights.embedding_VD) {
    Weights weights = make_weights(model.config);
    init_weights(weights, model.config, config.seed);
    OWLET_ASSIGN(model, make_model(model.config, std::move(weights)));
  }
  if (config.lora.rank > 0) {
    if (config.lora.base == "nf4") quantize_base(model, machine.pool);
    return add_adapters(machine.context(), model, config.lora, config.seed);
  }
  const DType matrices = config.weights == "bf16" ? DType::kBF16 : DType::kF32;
  convert_weights(model, [&](const std::string&, const Tensor& tensor) { return tensor.shape().rank() == 2 ? matrices : DType::kF32; },
                  machine.pool);
  return {};
}

}  // namespace owlet
