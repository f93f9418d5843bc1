// Rotary embeddings (Su et al. 2021) and the ways in which people stretch them to longer contexts, equal to transformers'.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/tensor.h"

namespace owlet {

struct ModelConfig;

enum class RopeScaling : uint8_t {
  kNone,
  kLinear,    // all positions divided by the factor (Chen et al. 2023)
  kDynamic,   // the base grows with the length beyond the original context (NTK-aware)
  kYarn,      // slow frequencies divided, fast ones kept (Peng et al. 2023)
  kLlama3,    // the same by wavelength (Grattafiori et al. 2024)
  kLongRope,  // a factor for each frequency, one set for short texts and one for long ones (Ding et al. 2024)
};

struct RopeConfig {
  double theta = 10000;
  double local_theta = 0;         // of layers with a sliding window that have a rotation of their own (Gemma 3); 0: none has
  int64_t rotary_dim = 0;         // numbers of a head that are rotated, even; 0: all
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1;
  int64_t original_positions = 0; // the context before it was stretched
  double attention_factor = 0;    // cosines and sines are multiplied by it; 0: what the kind of scaling says
  double beta_fast = 32;          // yarn
  double beta_slow = 1;
  double mscale = 0;
  double mscale_all_dim = 0;
  bool truncate = true;
  double low_freq_factor = 1;     // llama3
  double high_freq_factor = 4;
  std::vector<double> short_factors;  // longrope, one for each frequency
  std::vector<double> long_factors;

  Status validate(int64_t head_dim) const;
  // Frequencies depend on how long a text may become.
  bool depends_on_reach() const { return scaling == RopeScaling::kDynamic || scaling == RopeScaling::kLongRope; }
  // Texts that may come to reaches of one kind are rotated alike.
  int64_t kind_of_reach(int64_t reach) const;
};

// "linear", "yarn" …, as config.json names them.
std::string_view to_string(RopeScaling scaling);
Result<RopeScaling> parse_rope_scaling(std::string_view name);

// Stretches a model that has no scaling yet: "yarn:4" makes its context four times as long; linear and dynamic too.
Status stretch_context(ModelConfig& config, std::string_view how);

// Which rotation a layer's queries and keys get.
enum class Rotation : uint8_t { kNone, kGlobal, kLocal };

struct RopeFrequencies {
  std::vector<float> per_position;  // radians, one for each pair
  double attention_factor = 1;
};
// For a text that may reach `reach` tokens; the same for every reach unless the config depends on it.
RopeFrequencies rope_frequencies(const ModelConfig& config, Rotation rotation, int64_t reach);

// Cosines and sines of a batch's rows. They are made for each batch: a table of all positions of a long context would be larger
// than many a model, and frequencies may differ from request to request.
class RotaryAngles {
 public:
  RotaryAngles(const ModelConfig& config, int64_t max_rows, DType dtype);
  // Rows begin, begin + 1 … stand at these positions of a text that may reach `reach` tokens.
  void set(int64_t begin, std::span<const int32_t> positions, int64_t reach);
  // [n, R]: R/2 cosines, then R/2 sines, in every row; row_ids are its "positions".
  TensorView rows(Rotation rotation, int64_t n) const;
  std::span<const int32_t> row_ids(int64_t n) const { return {ids_.data(), static_cast<size_t>(n)}; }

 private:
  struct Table {
    Rotation rotation;
    int64_t reach = -1;
    RopeFrequencies frequencies;
    Tensor cos_sin_NR;
  };
  const ModelConfig& config_;
  std::vector<Table> tables_;
  std::vector<int32_t> ids_;
};

}  // namespace owlet
