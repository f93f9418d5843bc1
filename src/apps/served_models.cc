#include "apps/served_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <optional>

#include "apps/progress.h"

namespace owlet {
namespace {

namespace fs = std::filesystem;

// What stands before the first '=' and behind it; no name where there is none, or where the whole is a file.
std::pair<std::string, std::string> split_name(const std::string& given) {
  std::error_code code;
  const size_t equals = given.find('=');
  if (equals == std::string::npos || fs::exists(given, code)) return {"", given};
  return {given.substr(0, equals), given.substr(equals + 1)};
}

// The model that an adapter's name begins with, before its last ':'; the first where it has none.
Result<NamedModel*> model_of_adapter(const std::string& id, std::vector<NamedModel>& models) {
  const size_t colon = id.rfind(':');
  if (colon == std::string::npos) return &models.front();
  const auto found = std::find_if(models.begin(), models.end(), [&](const NamedModel& model) { return model.id == id.substr(0, colon); });
  if (found != models.end()) return &*found;
  return Error{ErrorCode::kNotFound, fmt::format("the adapter '{}' is for a model '{}', which is not served", id, id.substr(0, colon)),
               "name it NAME=DIR for the first model, or MODEL:NAME=DIR"};
}

Status check_names(const std::vector<NamedModel>& models) {
  std::vector<std::string> names;
  for (const NamedModel& model : models) {
    names.push_back(model.id);
    for (const NamedAdapter& adapter : model.adapters) names.push_back(adapter.id);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return {};
  return Error{ErrorCode::kInvalidArgument, fmt::format("two of those that are to be served are called '{}'", *twice),
               "give one another name: other=PATH"};
}

// How a model is loaded, whenever it is.
struct Plan {
  CommonOptions options;
  EngineSize size;
  NamedModel model;
  int64_t bytes = 0;
  bool shares_prefixes = false;
  std::shared_ptr<std::optional<Talker>> planned = std::make_shared<std::optional<Talker>>();  // for the first time that it is loaded
};

std::unique_ptr<ServedModel> start(Talker planned, bool shares_prefixes) {
  const auto talker = std::make_shared<Talker>(std::move(planned));
  talker->settle();
  talker->start();
  const ChatModel& chat = talker->chat;
  return std::make_unique<ServedModel>(ServedModel{.owner = talker,
                                                   .engine = *talker->engine,
                                                   .tokenizer = *chat.tokenizer,
                                                   .chat_template = chat.chat_template ? &*chat.chat_template : nullptr,
                                                   .stop_ids = chat.stop_ids,
                                                   .adapters = talker->adapters,
                                                   .shares_prefixes = shares_prefixes});
}

// Has weights that lie in a file read from the disk: the first answer would wait for it, without anybody knowing how long.
void read_weights(const Model& model, std::atomic<double>& share) {
  constexpr int64_t kPage = 4096, kWord = int64_t{8} << 20;  // bytes; between two words on how far it is
  const auto all = static_cast<double>(model.bytes());
  int64_t done = 0;
  model.weights.for_each([&](const std::string&, const Tensor& tensor) {
    const auto* bytes = tensor.view().as<const volatile std::byte>();
    for (int64_t at = 0; at < tensor.bytes(); at += kPage) {
      static_cast<void>(bytes[at]);
      if ((done + at) % kWord < kPage) share = static_cast<double>(done + at) / all;
    }
    done += tensor.bytes();
  });
}

// As it was planned: in the same memory, or not at all.
Result<std::unique_ptr<ServedModel>> load(const Plan& plan, std::atomic<double>& share) {
  if (plan.planned->has_value()) {
    Talker talker = std::move(**plan.planned);
    plan.planned->reset();
    return start(std::move(talker), plan.shares_prefixes);
  }
  OWLET_ASSIGN(Talker talker, plan_talker(plan.options, plan.size, plan.model.adapters));
  if (talker.bytes() > plan.bytes) {
    return Error{ErrorCode::kCorrupt, "its files have changed since the server was started, and need more memory than was planned", "start it again"};
  }
  read_weights(*talker.chat.model, share);
  return start(std::move(talker), plan.shares_prefixes);
}

ModelCard card_of(const NamedModel& named, const Talker& talker) {
  const ChatModel& chat = talker.chat;
  return {.id = named.id, .description = chat.description, .size_bytes = chat.model->bytes(), .n_params = chat.model->config.n_params(),
          .context_length = talker.options.context_length, .defaults = chat.defaults};
}

}  // namespace

Result<std::vector<NamedModel>> name_models(const std::vector<std::string>& models, const std::vector<std::string>& adapters) {
  std::vector<NamedModel> named;
  for (const std::string& given : models) {
    auto [name, path] = split_name(given);
    OWLET_ASSIGN(const fs::path found, find_model(path));
    named.push_back({name.empty() ? model_name(found) : name, found.string()});
  }
  for (const std::string& given : adapters) {
    auto [name, path] = split_name(given);
    OWLET_ASSIGN(AdapterChoice choice, parse_adapter(path));
    if (name.empty()) return make_error(ErrorCode::kInvalidArgument, "the adapter '{}' has no name: NAME=DIR", given);
    OWLET_ASSIGN(NamedModel* const model, model_of_adapter(name, named));
    model->adapters.push_back({name, std::move(choice)});
  }
  OWLET_TRY(check_names(named));
  return named;
}

Result<ServedModels> plan_models(const CommonOptions& options, const EngineSize& size, const std::vector<NamedModel>& models, bool shares_prefixes) {
  ServedModels served{.catalog = std::make_unique<ModelCatalog>(size.room), .plan = {}};
  int64_t all = 0;
  for (const NamedModel& model : models) {
    Plan plan{.options = options, .size = size, .model = model, .shares_prefixes = shares_prefixes};
    plan.options.model = model.path;
    auto talker = plan_talker(plan.options, plan.size, model.adapters);
    if (!talker.ok()) return std::move(talker).error().in(model.id);
    plan.bytes = talker->bytes();
    all += plan.bytes;
    talker->chat.id = model.id;
    served.plan += fmt::format("{}\n{}\n", talker->headline(), talker->memory());
    served.catalog->add(card_of(model, *talker), plan.bytes, [plan](std::atomic<double>& share) { return load(plan, share); });
    if (&model == &models.front()) *plan.planned = std::move(talker).value();
    for (const NamedAdapter& adapter : model.adapters) {
      served.catalog->add_adapter(adapter.id, model.id);
      served.plan += fmt::format("adapter {} ({})\n", adapter.id, adapter.from.folder);
    }
  }
  if (models.size() > 1) {
    served.plan += fmt::format("{} models {} of {}: {}\n", models.size(), format_bytes(all), format_bytes(size.room),
                               all <= size.room ? "all have room at once" : "the least recently asked for makes room for another");
  }
  return served;
}

Status load_now(ModelCatalog& catalog, const std::string& id) {
  std::promise<Status> loaded;
  const auto found = catalog.find(id);
  OWLET_CHECK(std::holds_alternative<const ModelCard*>(found), "[serve] {} is in no catalog", id);
  catalog.use(*std::get<const ModelCard*>(found), [&](std::variant<ModelUse, ApiError> answer) {
    const ApiError* error = std::get_if<ApiError>(&answer);
    loaded.set_value(error ? Status(Error{ErrorCode::kIo, error->message, {}}) : Status());
  });
  return loaded.get_future().get();
}

}  // namespace owlet
