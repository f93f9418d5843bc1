// What `owlet serve` was asked to serve: models and adapters by name, each planned before anything is served.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/talker.h"
#include "serve/model_catalog.h"

namespace owlet {

struct NamedModel {
  std::string id;
  std::string path;  // or a name of the store
  std::vector<NamedAdapter> adapters = {};
};

// `models`: "PATH", which goes by its file's name, or "NAME=PATH". `adapters`: "NAME=DIR" or "NAME=DIR:SCALE" beside the first model, or
// "MODEL:NAME=DIR" beside that one, served under all that stands before '='. Errors: two of one name; a model that is not there; an
// adapter without a name.
Result<std::vector<NamedModel>> name_models(const std::vector<std::string>& models, const std::vector<std::string>& adapters);

struct ServedModels {
  std::unique_ptr<ModelCatalog> catalog;
  std::string plan;  // what they take, in words
};

// Plans each model alone within the memory (`size.room`), with the adapters that `options` puts on all of them. Whatever cannot be planned
// is an error now, so that what is asked for later is known to fit. `shares_prefixes` is for all.
Result<ServedModels> plan_models(const CommonOptions& options, const EngineSize& size, const std::vector<NamedModel>& models, bool shares_prefixes);

// Loads it, and waits until it is there.
Status load_now(ModelCatalog& catalog, const std::string& id);

}  // namespace owlet
