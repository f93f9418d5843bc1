#include "apps/talker.h"

#include <algorithm>

#include "apps/memory_report.h"
#include "apps/progress.h"
#include "core/memory.h"

namespace owlet {
namespace {

constexpr int64_t kCacheBytes = int64_t{1} << 30;
constexpr int64_t kSequences = 32;
constexpr int64_t kUsualContext = 4096;

int64_t adapter_bytes(const std::map<std::string, std::shared_ptr<const RequestAdapter>>& adapters) {
  int64_t n = 0;
  for (const auto& [id, adapter] : adapters) {
    for (const auto& [linear, part] : adapter->parts) n += part.a_RI.bytes() + part.b_OR.bytes();
  }
  return n;
}

// Blocks of keys and values lie within a head.
Status check_kv_type(const ChatModel& chat, DType dtype) {
  const int64_t block = dtype_info(dtype).block_size, head_dim = chat.model->config.head_dim;
  if (head_dim % block == 0) return {};
  return Error{ErrorCode::kInvalidArgument,
               fmt::format("{} has heads of {} numbers, which do not divide into blocks of {}: its keys and values cannot be in {}", chat.id, head_dim,
                           block, to_string(dtype)),
               "leave out --kv-type"};
}

}  // namespace

EngineOptions engine_options(const ModelConfig& c, EngineSize size) {
  EngineOptions options;
  options.kv_dtype = size.kv_dtype;
  options.context_length = size.context > 0 ? std::min(size.context, c.max_positions) : std::min(c.max_positions, kUsualContext);
  options.max_sequences = size.sequences > 0 ? size.sequences : kSequences;
  const int64_t fit = kCacheBytes / std::max<int64_t>(1, KvCache::bytes_per_token(c, options.kv_dtype));
  options.kv_tokens = std::max(options.context_length, std::min(fit, options.max_sequences * options.context_length));
  return options;
}

RunSize run_size(const EngineOptions& options) {
  return {.context = options.context_length, .sequences = options.max_sequences, .rows = options.max_sequences + options.chunk_tokens,
          .kv_dtype = options.kv_dtype, .kv_tokens = options.kv_tokens};
}

std::string Talker::headline() const {
  const Model& m = *chat.model;
  return fmt::format("{}  {} parameters in {}, {}  context {}  {} threads", chat.id,
                     format_short(static_cast<double>(m.config.n_params())), m.dtype_name(),
                     format_bytes(static_cast<double>(m.bytes())), format_count(options.context_length), machine->pool.size());
}

void Talker::start() { engine = std::make_unique<Engine>(machine->context(), *chat.model, options); }

int64_t Talker::bytes() const { return plan_memory(*chat.model, run_size(options)).peak() + adapter_bytes(adapters); }

std::string Talker::memory() const {
  const MemoryPlan plan = plan_memory(*chat.model, run_size(options));
  const std::string adapted = adapters.empty() ? "" : fmt::format(" + {} adapters {}", adapters.size(), format_bytes(adapter_bytes(adapters)));
  return fmt::format("weights {}{} + keys and values {} ({} tokens in {}) + a step {} = {} of {}", format_bytes(plan.weights), adapted,
                     format_bytes(plan.kv), format_count(options.kv_tokens), to_string(options.kv_dtype), format_bytes(plan.activations),
                     format_bytes(bytes()), format_bytes(room));
}

Result<std::vector<int32_t>> Talker::encode(const std::vector<ChatMessage>& messages) const {
  if (!chat.chat_template) {
    return Error{ErrorCode::kUnsupported, fmt::format("{} has no chat template", chat.id),
                 "complete text instead: owlet generate --raw"};
  }
  return encode_chat(*chat.tokenizer, *chat.chat_template, messages, true);
}

Result<Talker> plan_talker(const CommonOptions& options, EngineSize size, const std::vector<NamedAdapter>& adapters) {
  Talker talker;
  talker.room = size.room > 0 ? size.room : machine_memory().available;
  OWLET_ASSIGN(talker.chat, load_chat_model(options.model));
  if (!options.rope_scaling.empty()) OWLET_TRY(stretch_context(talker.chat.model->config, options.rope_scaling));
  OWLET_TRY(use_adapters(options.adapters, AdapterUse::kBeside, *talker.chat.model));
  OWLET_ASSIGN(talker.machine, make_machine(options.threads));
  OWLET_TRY(quantize_in_memory(options.quantize, talker.chat, talker.machine->pool));
  const Model& model = *talker.chat.model;
  OWLET_TRY(check_kv_type(talker.chat, size.kv_dtype));
  for (const NamedAdapter& named : adapters) {
    OWLET_ASSIGN(const Adapter adapter, load_peft(named.from.folder, model));
    auto made = request_adapter(adapter, named.from.strength, model);
    if (!made.ok()) return std::move(made).error().in(fmt::format("adapter {}", named.from.folder));
    talker.adapters[named.id] = std::move(made).value();
  }
  EngineOptions& engine = talker.options;
  engine = engine_options(model.config, size);
  const int64_t room = talker.room - adapter_bytes(talker.adapters);
  const MemoryPlan plan = plan_memory(model, run_size(engine));
  const int64_t n_too_many = (plan.peak() - room) / plan.kv_per_token + KvCache::kPageLen;
  if (plan.peak() > room) engine.kv_tokens = std::max(engine.context_length, engine.kv_tokens - n_too_many);
  OWLET_TRY(check_memory(talker.chat.id, model, run_size(engine), room));
  engine.takes_memory = size.takes_memory;
  engine.pool = &talker.machine->pool;
  return talker;
}

Result<Talker> make_talker(const CommonOptions& options, EngineSize size) {
  OWLET_ASSIGN(Talker talker, plan_talker(options, size));
  talker.start();
  return talker;
}

}  // namespace owlet
