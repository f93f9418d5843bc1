// The models and adapters that a server serves, by the names that clients ask for. Each model is loaded when somebody asks for it or for
// one of its adapters, and the least recently asked for makes room within the memory that all may have together.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "generate/model_shelf.h"
#include "serve/api_error.h"
#include "serve/served_model.h"

namespace owlet {

// A model as one request uses it; it stays loaded meanwhile.
struct ModelUse {
  std::shared_ptr<const ServedModel> model;
  const ModelCard* card = nullptr;  // the model's, or an adapter's

  // The adapter that was asked for; null: none.
  std::shared_ptr<const RequestAdapter> adapter() const;
};

class ModelCatalog {
 public:
  using Shelf = ModelShelf<ServedModel>;
  using Ready = std::function<void(std::variant<ModelUse, ApiError>)>;
  explicit ModelCatalog(int64_t budget_bytes) : shelf_(budget_bytes) {}

  // Before any request; the first model is the one that is meant where no name is given. `bytes` are what it takes once loaded, with
  // its adapters. Names must differ.
  void add(ModelCard card, int64_t bytes, Shelf::Load load);
  // One that is loaded already, for good.
  void put(ModelCard card, std::unique_ptr<ServedModel> model);
  // One of those that the model brings along.
  void add_adapter(std::string id, const std::string& parent);

  // Everything below is thread-safe.
  const std::vector<ModelCard>& cards() const { return cards_; }
  // The card of that name, of the first model where it is empty; an error that says which names there are.
  std::variant<const ModelCard*, ApiError> find(const std::string& name) const;
  // Calls `ready` once: at once where the model is loaded, else when it is, from another thread. Errors: 503 where it cannot be had now,
  // 500 with the reason where it cannot be loaded.
  void use(const ModelCard& card, Ready ready);
  // Those who wait for a model get an error, and none is loaded any more.
  void stop() { shelf_.stop(); }

  // "loaded", "loading" or "unloaded"; of an adapter, what its model is.
  std::string_view state(const ModelCard& card) const;
  // Of a model that is being loaded: the share that is done, 0 to 1.
  double progress(const ModelCard& card) const;
  // The engines of all that are loaded now, under the names of their models.
  std::vector<std::pair<std::string, Engine::Snapshot>> snapshots() const;

 private:
  std::vector<ModelCard> cards_;
  Shelf shelf_;
};

}  // namespace owlet
