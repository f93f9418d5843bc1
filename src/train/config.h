// Every setting of a training run. The names are the keys of the YAML file's `train:` section (apps/config.cc).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"

namespace owlet {

// Low-rank adapters instead of the weights themselves: `lora:` in the file.
struct LoraConfig {
  int64_t rank = 0;                 // 0: train the weights
  double alpha = 0;                 // updates are scaled by alpha / rank; 0: twice the rank
  double dropout = 0;               // of what adapters read
  std::vector<std::string> layers;  // patterns of linear layers; empty: all
  bool rank_stabilized = false;     // scaled by alpha / √rank (Kalajdzievski 2023)
  bool magnitude = false;           // DoRA (Liu et al. 2024)
  std::string base = "stored";      // the frozen weights: "stored" as the model has them, "nf4" (QLoRA, double quantization)

  double scale() const;
};

struct TrainConfig {
  int64_t steps = 1000;             // optimizer steps
  int64_t batch_rows = 8;           // B: rows per micro-batch
  int64_t seq_len = 512;            // T: tokens per row
  int64_t grad_accum_steps = 1;     // micro-batches per step; the loss is a mean over all their counted tokens
  std::string optimizer = "adamw";  // "adamw", or "muon": Muon for the blocks' matrices, AdamW for the rest
  double lr = 1e-3;                 // peak learning rate; Muon's steps are scaled to the size of AdamW's
  std::string schedule = "cosine";  // after warm-up: "constant", "linear", "cosine", "wsd"
  int64_t warmup_steps = 100;
  double decay_fraction = 0.2;      // wsd: the last share of the steps, in which the rate falls
  double min_lr_ratio = 0.1;        // where the decay ends, as a share of the peak
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;        // on tensors with two dimensions
  std::vector<std::string> no_decay;  // patterns of those that do not decay
  double clip_norm = 1.0;           // 0: no clipping
  double dropout = 0;               // share of what blocks' branches add to the stream (Srivastava et al. 2014)
  double z_loss = 0;                // weight of lse²: keeps logits from drifting; 0: none
  std::string precision = "bf16";   // of matrix products: "bf16" or "f32"; sums are float32
  std::string weights = "f32";      // of matrices: "f32", or "bf16" with updates rounded stochastically
  std::string states = "f32";       // of AdamW: "f32", or "8bit" in blocks of 256
  int64_t recompute_every = 0;      // of every k-th block only the input is kept, the rest computed again on the way back; 0: of none
  std::vector<std::string> freeze;  // patterns of tensors that are not trained
  int64_t eval_every = 200;         // steps between validations; 0: never
  int64_t checkpoint_every = 200;   // steps between checkpoints; one is always written at the end
  int64_t keep_checkpoints = 2;     // the newest
  bool keep_best = false;           // and that of the best validation, written then
  int64_t patience = 0;             // validations without improvement before the run ends; 0: to the last step
  uint64_t seed = 1;

  LoraConfig lora;

  // Each block is stepped as soon as its gradients are whole, which are then forgotten: nobody has to see all of them first.
  bool steps_on_the_way_back() const { return grad_accum_steps == 1 && clip_norm == 0; }
  // Refuses what makes no sense, naming the key.
  Status validate() const;
};

// Whether a name, or what follows one of its dots, is of the pattern's form; '*' stands for any characters.
// "q_proj", "mlp.*", "model.layers.1*.self_attn.v_proj"
bool matches(std::string_view pattern, std::string_view name);
bool matches_any(const std::vector<std::string>& patterns, std::string_view name);

// The share of the peak learning rate at `step` (counted from 0), as transformers' schedulers define it: linear warm-up over
// warmup_steps, then the schedule down to min_lr_ratio.
double lr_multiplier(const TrainConfig& config, int64_t step);

}  // namespace owlet
