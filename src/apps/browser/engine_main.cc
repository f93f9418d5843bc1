// The engine as a browser's worker sees it: a model from a GGUF file's bytes, and the server's API over it, without a network. Whoever
// holds the module gives it Module.onResponse(id, status, contentType), onBytes(id, bytes) and onEnd(id), and calls owlet_step() until
// it returns 0. Everything happens on the caller's turn; only kernels use other threads, where there are any.
#include <emscripten.h>

#include <cstdlib>
#include <deque>
#include <map>

#include "apps/chat_model.h"
#include "apps/memory_report.h"
#include "apps/peft.h"
#include "core/json.h"
#include "serve/api.h"

EM_JS(void, owlet_on_response, (int id, int status, const char* type, size_t n), {
  Module.onResponse(id, status, new TextDecoder().decode(HEAPU8.slice(type, type + n)));
});
EM_JS(void, owlet_on_bytes, (int id, const char* bytes, size_t n), { Module.onBytes(id, HEAPU8.slice(bytes, bytes + n)); });
EM_JS(void, owlet_on_end, (int id), { Module.onEnd(id); });

namespace owlet {
namespace {

constexpr int64_t kUsualContext = 4096;
constexpr int64_t kLeastContext = 512;
constexpr int64_t kCacheBytes = 256 << 20;  // for keys and values: a tab is not the only one
constexpr int64_t kSequences = 8;
constexpr int64_t kChunkTokens = 64;  // of a prompt in a step: who stops an answer waits for one

std::deque<std::function<void()>> tasks;  // what was posted, in order

// One request's way back.
class BrowserWriter : public ResponseWriter {
 public:
  explicit BrowserWriter(int id) : id_(id) {}
  ~BrowserWriter() override { end(); }
  void send(HttpResponse response) override {
    stream_begin(std::move(response));
    end();
  }
  void stream_begin(HttpResponse head) override {
    owlet_on_response(id_, head.status, head.content_type.data(), head.content_type.size());
    stream_write(std::move(head.body));
  }
  void stream_write(std::string bytes) override {
    if (!bytes.empty() && !ended_) owlet_on_bytes(id_, bytes.data(), bytes.size());
  }
  void stream_end() override { end(); }
  void on_disconnect(std::function<void()> gone) override { gone_ = std::move(gone); }
  void post(std::function<void()> task) override { tasks.push_back(std::move(task)); }
  void disconnect() {
    end();
    if (const auto gone = std::exchange(gone_, nullptr)) gone();
  }

 private:
  void end() {
    if (!std::exchange(ended_, true)) owlet_on_end(id_);
  }

  int id_;
  bool ended_ = false;
  std::function<void()> gone_;
};

struct Loaded {
  std::unique_ptr<Machine> machine;
  ChatModel chat;
  ModelCatalog models{0};  // outlives the engine, whose requests hold what it lends
  std::unique_ptr<Engine> engine;
  ServedModel* served = nullptr;  // lies in `models`
  std::unique_ptr<Api> api;
  std::map<int, std::weak_ptr<BrowserWriter>> writers;
};
std::unique_ptr<Loaded> loaded;

// The usual context in half precision where that fits into kCacheBytes, else in 8 bits, and of a model too large for that as much as fits.
void size_cache(EngineOptions& options, const ModelConfig& config) {
  const auto room = [&config](DType dtype) { return kCacheBytes / std::max<int64_t>(1, KvCache::bytes_per_token(config, dtype)); };
  const int64_t context = std::min(config.max_positions, kUsualContext);
  options.kv_dtype = room(DType::kF16) >= context || config.head_dim % dtype_info(DType::kQ8_0).block_size != 0 ? DType::kF16 : DType::kQ8_0;
  options.context_length = std::min(context, std::max(kLeastContext, room(options.kv_dtype)));
  options.kv_tokens = options.context_length;
}

Status load(void* bytes, size_t size, const std::string& name, int threads, int64_t most_bytes) {
  loaded = nullptr;
  auto next = std::make_unique<Loaded>();
  OWLET_ASSIGN(const GgufFile file, GgufFile::read(MappedFile::adopt(bytes, size), name));
  OWLET_ASSIGN(next->chat, read_chat_model(file, name));
  OWLET_ASSIGN(next->machine, make_machine(threads));
  const Model& model = *next->chat.model;
  EngineOptions options{.max_sequences = kSequences, .chunk_tokens = kChunkTokens, .pool = &next->machine->pool, .has_thread = false};
  size_cache(options, model.config);
  OWLET_TRY(check_memory(next->chat.id, model,
                         {.context = options.context_length, .sequences = options.max_sequences,
                          .rows = options.max_sequences + options.chunk_tokens, .kv_dtype = options.kv_dtype, .kv_tokens = options.kv_tokens},
                         most_bytes));
  next->engine = std::make_unique<Engine>(next->machine->context(), model, options);
  const ChatModel& chat = next->chat;
  auto served = std::make_unique<ServedModel>(ServedModel{.engine = *next->engine, .tokenizer = *chat.tokenizer,
                                                          .chat_template = chat.chat_template ? &*chat.chat_template : nullptr,
                                                          .stop_ids = chat.stop_ids, .shares_prefixes = true});
  next->served = served.get();
  next->models.put({.id = chat.id, .description = chat.description, .size_bytes = model.bytes(), .n_params = model.config.n_params(),
                    .context_length = options.context_length, .defaults = chat.defaults},
                   std::move(served));
  next->api = std::make_unique<Api>(ApiOptions{}, next->models);
  loaded = std::move(next);
  return {};
}

Status add_adapter(const std::string& id, double strength, const std::string& config, void* bytes, size_t size) {
  const auto file = MappedFile::adopt(bytes, size);
  auto made = [&]() -> Result<std::shared_ptr<const RequestAdapter>> {
    if (std::holds_alternative<const ModelCard*>(loaded->models.find(id))) return make_error(ErrorCode::kInvalidArgument, "the name is taken");
    OWLET_ASSIGN(const Safetensors tensors, Safetensors::read(file, "its file"));
    OWLET_ASSIGN(const Adapter adapter, read_peft(config, tensors, *loaded->chat.model));
    return request_adapter(adapter, strength, *loaded->chat.model);
  }();
  if (!made.ok()) return std::move(made).error().in(fmt::format("adapter {}", id));
  loaded->served->adapters[id] = *made;
  loaded->models.add_adapter(id, loaded->chat.id);
  return {};
}

char* what_is_wrong(const Status& status) { return status.ok() ? nullptr : strdup(status.error().to_string().c_str()); }

void run_tasks() {
  while (!tasks.empty()) {
    const auto task = std::move(tasks.front());
    tasks.pop_front();
    task();
  }
}

}  // namespace
}  // namespace owlet

extern "C" {

// Room for a file of so many bytes, aligned as its tensors are; null where there is none.
EMSCRIPTEN_KEEPALIVE void* owlet_allocate(size_t bytes) { return std::aligned_alloc(64, (bytes + 63) / 64 * 64); }

// The file that stands in what was allocated becomes the model; its bytes stay where they are and are freed with it. Everything that ran
// before ends. Null, or what is wrong, to be freed.
EMSCRIPTEN_KEEPALIVE char* owlet_load(void* bytes, size_t size, const char* name, int threads, double most_bytes) {
  return owlet::what_is_wrong(owlet::load(bytes, size, name, threads, static_cast<int64_t>(most_bytes)));
}

// An adapter beside the model that was loaded, for requests that ask for `id`; before the first request. PEFT's two files: the text of
// adapter_config.json, and adapter_model.safetensors in what was allocated, which is freed here. Null, or what is wrong, to be freed.
EMSCRIPTEN_KEEPALIVE char* owlet_add_adapter(const char* id, double strength, const char* config, void* bytes, size_t size) {
  return owlet::what_is_wrong(owlet::add_adapter(id, strength, config, bytes, size));
}

// A request of the server's API; what comes of it goes to Module.onResponse() and so on under its `id`.
EMSCRIPTEN_KEEPALIVE void owlet_request(int id, const char* method, const char* path, const char* body) {
  if (!owlet::loaded) return owlet_on_end(id);
  const auto writer = std::make_shared<owlet::BrowserWriter>(id);
  owlet::loaded->writers[id] = writer;
  owlet::loaded->api->handle({.method = method, .path = path, .query = {}, .headers = {{"Host", "localhost"}}, .body = body}, writer);
  owlet::run_tasks();
}

// Nobody reads the answer any more: its work ends within one step.
EMSCRIPTEN_KEEPALIVE void owlet_cancel(int id) {
  if (!owlet::loaded) return;
  const auto found = owlet::loaded->writers.find(id);
  if (found == owlet::loaded->writers.end()) return;
  if (const auto writer = found->second.lock()) writer->disconnect();
  owlet::loaded->writers.erase(found);
}

// One step of what runs: a token of each answer, or a piece of a prompt. 0: nothing is left to do.
EMSCRIPTEN_KEEPALIVE int owlet_step() {
  if (!owlet::loaded) return 0;
  const bool stepped = owlet::loaded->engine->step();
  owlet::run_tasks();
  std::erase_if(owlet::loaded->writers, [](const auto& entry) { return entry.second.expired(); });
  return stepped ? 1 : 0;
}

}  // extern "C"
