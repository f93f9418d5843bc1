#include "apps/talker.h"

#include <algorithm>

#include "apps/peft.h"
#include "apps/progress.h"

namespace owlet {
namespace {

constexpr int64_t kCacheBytes = int64_t{1} << 30;
constexpr int64_t kMostSequences = 16;
constexpr int64_t kUsualContext = 4096;

EngineOptions engine_options(const ModelConfig& c, EngineSize size) {
  EngineOptions options;
  options.context_length = size.context > 0 ? std::min(size.context, c.max_positions) : std::min(c.max_positions, kUsualContext);
  const int64_t per_token = 2 * c.n_layers * row_bytes(options.kv_dtype, c.kv_dim());
  const int64_t fit = kCacheBytes / std::max<int64_t>(1, per_token * options.context_length);
  options.max_sequences = size.sequences > 0 ? size.sequences : std::clamp<int64_t>(fit, 1, kMostSequences);
  return options;
}

}  // namespace

std::string Talker::headline() const {
  const Model& m = *chat.model;
  return fmt::format("{}  {} parameters in {}, {}  context {}  {} threads", chat.id,
                     format_short(static_cast<double>(m.config.n_params())), m.dtype_name(),
                     format_bytes(static_cast<double>(m.bytes())), format_count(engine->context_length()), machine->pool.size());
}

Result<std::vector<int32_t>> Talker::encode(const std::vector<ChatMessage>& messages) const {
  if (!chat.chat_template) {
    return Error{ErrorCode::kUnsupported, fmt::format("{} has no chat template", chat.id),
                 "complete text instead: owlet generate --raw"};
  }
  return encode_chat(*chat.tokenizer, *chat.chat_template, messages, true);
}

Result<Talker> make_talker(const CommonOptions& options, EngineSize size) {
  Talker talker;
  OWLET_ASSIGN(talker.chat, load_chat_model(options.model));
  if (!options.rope_scaling.empty()) OWLET_TRY(stretch_context(talker.chat.model->config, options.rope_scaling));
  OWLET_TRY(use_adapters(options.adapters, false, *talker.chat.model));
  OWLET_ASSIGN(talker.machine, make_machine(options.threads));
  OWLET_TRY(quantize_in_memory(options.quantize, talker.chat, talker.machine->pool));
  const Model& model = *talker.chat.model;
  talker.engine = std::make_unique<Engine>(talker.machine->context(), model, engine_options(model.config, size));
  return talker;
}

}  // namespace owlet
