// How a model's cost grows with what it reads and keeps.
#pragma once

#include <filesystem>
#include <vector>

#include "apps/drawing.h"
#include "core/result.h"
#include "model/model.h"

namespace owlet {

// Of one length: a prompt of so many tokens, and an answer's token behind them.
struct GrowthPoint {
  int64_t tokens = 0;
  double prompt_ms = 0;            // per token of the prompt
  double prompt_attention_ms = 0;  // of that
  double answer_ms = 0;            // a token behind as many others
  double kept_mb = 0;              // memory that this process took for their keys and values; 0 where the system does not tell
};

// Measures prompts of 64, 128 … tokens, up to `longest`; medians of `repeats`.
std::vector<GrowthPoint> measure_growth(Context context, const Model& model, int64_t longest, int repeats);

// Three charts, one below the other: time per token of prompts, time of an answer's token, memory.
Drawing draw_growth(const std::vector<GrowthPoint>& points);

}  // namespace owlet
