#include "serve/model_catalog.h"

#include <fmt/format.h>

#include <algorithm>

namespace owlet {
namespace {

constexpr size_t kShownBytes = 200;  // of a name that a client made up
constexpr size_t kShownNames = 20;
constexpr size_t kShownNameBytes = 64;

const std::string& model_of(const ModelCard& card) { return card.parent.empty() ? card.id : card.parent; }

ApiError to_api_error(const ModelCard& card, const Error& error) {
  if (error.code == ErrorCode::kCancelled) return {.status = 503, .message = "the server is stopping", .code = "stopping"};
  const std::string message = fmt::format("The model '{}' cannot be loaded: {}", model_of(card), error.to_string());
  const bool is_full = error.code == ErrorCode::kTooLarge;
  return {.status = is_full ? 503 : 500, .message = message, .param = "model", .code = "model_not_loaded"};
}

}  // namespace

std::shared_ptr<const RequestAdapter> ModelUse::adapter() const {
  return card->parent.empty() ? nullptr : model->adapters.at(card->id);
}

void ModelCatalog::add(ModelCard card, int64_t bytes, Shelf::Load load) {
  shelf_.add(card.id, bytes, std::move(load));
  cards_.push_back(std::move(card));
}

void ModelCatalog::put(ModelCard card, std::unique_ptr<ServedModel> model) {
  shelf_.put(card.id, std::move(model));
  cards_.push_back(std::move(card));
}

void ModelCatalog::add_adapter(std::string id, const std::string& parent) {
  const auto its_model = std::find_if(cards_.begin(), cards_.end(), [&](const ModelCard& card) { return card.id == parent; });
  OWLET_CHECK(its_model != cards_.end(), "[catalog] the adapter {} has no model {}", id, parent);
  ModelCard card = *its_model;
  card.id = std::move(id);
  card.parent = parent;
  cards_.push_back(std::move(card));
}

std::variant<const ModelCard*, ApiError> ModelCatalog::find(const std::string& name) const {
  if (name.empty()) return &cards_.front();
  const auto found = std::find_if(cards_.begin(), cards_.end(), [&](const ModelCard& card) { return card.id == name; });
  if (found != cards_.end()) return &*found;
  std::string names;
  for (size_t i = 0; i < std::min(cards_.size(), kShownNames); ++i) {
    names += fmt::format("{}'{}'", i == 0 ? "" : ", ", cards_[i].id.substr(0, kShownNameBytes));
  }
  if (cards_.size() > kShownNames) names += fmt::format(" and {} more", cards_.size() - kShownNames);
  return ApiError{.status = 404,
                  .message = fmt::format("The model '{}' is not served here. There are: {}.", name.substr(0, kShownBytes), names),
                  .param = "model",
                  .code = "model_not_found"};
}

void ModelCatalog::use(const ModelCard& card, Ready ready) {
  shelf_.get(model_of(card), [&card, ready = std::move(ready)](Result<Shelf::Lent> lent) {
    if (!lent.ok()) return ready(to_api_error(card, lent.error()));
    ready(ModelUse{std::move(lent).value(), &card});
  });
}

std::string_view ModelCatalog::state(const ModelCard& card) const {
  switch (shelf_.state(model_of(card))) {
    case Shelf::State::kLoaded: return "loaded";
    case Shelf::State::kLoading: return "loading";
    case Shelf::State::kUnloaded: break;
  }
  return "unloaded";
}

double ModelCatalog::progress(const ModelCard& card) const { return shelf_.progress(model_of(card)); }

std::vector<std::pair<std::string, Engine::Snapshot>> ModelCatalog::snapshots() const {
  std::vector<std::pair<std::string, Engine::Snapshot>> snapshots;
  for (const ModelCard& card : cards_) {
    if (!card.parent.empty()) continue;
    if (const auto model = shelf_.loaded(card.id)) snapshots.emplace_back(card.id, model->engine.snapshot());
  }
  return snapshots;
}

}  // namespace owlet
