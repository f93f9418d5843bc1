#include "train/parameters.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

namespace owlet {
namespace {

int64_t bucket_of(std::string_view name, int64_t n_layers) {
  constexpr std::string_view kLayers = "model.layers.";
  if (name.starts_with("model.embed_tokens.")) return 0;
  if (!name.starts_with(kLayers)) return n_layers + 1;
  int64_t layer = 0;
  std::from_chars(name.data() + kLayers.size(), name.data() + name.size(), layer);
  return layer + 1;
}

// A tensor of the model and where its gradient belongs.
struct Place {
  std::string name;
  Tensor weight;
  Tensor* gradient;
};

std::vector<Place> places_of(const Model& model, Weights& gradients) {
  std::vector<Place> places;
  model.weights.for_each([&](const std::string& name, const Tensor& tensor) { places.push_back({name, tensor, nullptr}); });
  size_t next = 0;
  gradients.for_each([&](const std::string&, Tensor& tensor) { places[next++].gradient = &tensor; });
  std::vector<std::pair<std::string, const Linear*>> linears;
  model.weights.for_each_linear([&](const std::string& name, const Linear& linear) { linears.emplace_back(name, &linear); });
  next = 0;
  gradients.for_each_linear([&](const std::string& name, Linear& gradient) {
    const Linear& linear = *linears[next++].second;
    gradient.low_rank.resize(linear.low_rank.size());
    for (size_t i = 0; i < linear.low_rank.size(); ++i) {
      const LowRank& part = linear.low_rank[i];
      LowRank& d = gradient.low_rank[i];
      places.push_back({name + ".lora_A.weight", part.a_RI, &d.a_RI});
      places.push_back({name + ".lora_B.weight", part.b_OR, &d.b_OR});
      if (part.magnitude_O) places.push_back({name + ".lora_magnitude_vector", part.magnitude_O, &d.magnitude_O});
    }
  });
  return places;
}

}  // namespace

Parameters::Parameters(const Model& model, const Filter& trains, bool one_at_a_time)
    : dtype_(model.compute_dtype()), gradients_(empty_weights(model.config)),
      buckets_(static_cast<size_t>(model.config.n_layers) + 2), parameters_(buckets_.size()) {
  const std::vector<Place> places = places_of(model, gradients_);
  std::vector<size_t> index(places.size());
  for (size_t i = 0; i < places.size(); ++i) {
    const Place& place = places[i];
    if (trains(place.name)) index[i] = buckets_[static_cast<size_t>(bucket_of(place.name, model.config.n_layers))].add(dtype_, place.weight.shape());
  }
  allocate(one_at_a_time, !model.config.tie_embeddings);
  for (size_t i = 0; i < places.size(); ++i) {
    const Place& place = places[i];
    if (!trains(place.name)) continue;
    const auto b = static_cast<size_t>(bucket_of(place.name, model.config.n_layers));
    *place.gradient = buckets_[b][index[i]];
    parameters_[b].push_back({place.name, place.weight, *place.gradient});
  }
}

// Memory for every bucket, or for the largest of those that are never in use together.
void Parameters::allocate(bool one_at_a_time, bool two_tables) {
  const size_t last = buckets_.size() - 1;
  std::vector<std::vector<size_t>> groups;
  if (one_at_a_time && last > 1) {
    groups.emplace_back();
    for (size_t i = 1; i < last; ++i) groups[0].push_back(i);
    if (two_tables) groups.push_back({0, last});
  }
  std::vector<bool> placed(buckets_.size());
  for (const auto& group : groups) {
    int64_t largest = 0;
    for (const size_t i : group) largest = std::max(largest, buckets_[i].bytes());
    buckets_[group[0]].allocate(largest);
    gradient_bytes_ += largest;
    for (const size_t i : group) {
      if (i != group[0]) buckets_[i].allocate_in(buckets_[group[0]]);
      placed[i] = true;
    }
  }
  for (size_t i = 0; i < buckets_.size(); ++i) {
    if (placed[i]) continue;
    buckets_[i].allocate();
    gradient_bytes_ += buckets_[i].bytes();
  }
}

void Parameters::zero(int64_t bucket) const {
  const TensorView all = buckets_[static_cast<size_t>(bucket)].all(dtype_);
  if (all.numel() > 0) std::memset(all.data, 0, static_cast<size_t>(all.bytes()));
}

double Parameters::sum_of_squares(Ops& ops, int64_t bucket) const {
  const TensorView all = buckets_[static_cast<size_t>(bucket)].all(dtype_);
  return all.numel() > 0 ? ops.sum_of_squares(all) : 0.0;
}

int64_t Parameters::numel() const {
  int64_t n = 0;
  for (const auto& bucket : parameters_) {
    for (const Parameter& parameter : bucket) n += parameter.weight.numel();
  }
  return n;
}

double gradient_norm(Ops& ops, const Parameters& parameters) {
  double sum = 0;
  for (int64_t i = 0; i < parameters.n_buckets(); ++i) sum += parameters.sum_of_squares(ops, i);
  return std::sqrt(sum);
}

}  // namespace owlet
