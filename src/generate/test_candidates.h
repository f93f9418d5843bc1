// Candidates of a sampler, for tests: ids 0, 1, … with such scores, and back.
#pragma once

#include <vector>

#include "generate/sampler.h"

namespace owlet {

inline Candidates candidates_of(const std::vector<float>& scores) {
  Candidates candidates;
  for (size_t i = 0; i < scores.size(); ++i) candidates.push_back({static_cast<int32_t>(i), scores[i]});
  return candidates;
}

inline std::vector<int32_t> ids_of(const Candidates& candidates) {
  std::vector<int32_t> ids;
  for (const Candidate& c : candidates) ids.push_back(c.id);
  return ids;
}

}  // namespace owlet
