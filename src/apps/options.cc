#include "apps/command.h"

namespace owlet {

void CommonOptions::add_model(CLI::App& app) {
  app.add_option("-m,--model", model, "GGUF file, Hugging Face folder or PyTorch checkpoint; default: the bundled model");
}
void CommonOptions::add_rope_scaling(CLI::App& app) {
  app.add_option("--rope-scaling", rope_scaling, "stretch the context of a model that is not stretched yet: yarn:4, linear:2, dynamic:2");
}
void CommonOptions::add_adapters(CLI::App& app) {
  app.add_option("--adapter", adapters, "a PEFT folder (LoRA, DoRA) to use with the model; folder:0.5 for half of it; may be repeated");
}
void CommonOptions::add_quantize(CLI::App& app) {
  app.add_option("--quantize", quantize, "make a float model smaller as it is loaded, writing no file: q8_0, q6_k, q5_k_m, q4_k_m, q4_0, …");
}
void CommonOptions::add_threads(CLI::App& app) {
  app.add_option("--threads", threads, "threads to compute with; 0: one per core")->check(CLI::Range(0, 1024));
}
void CommonOptions::add_seed(CLI::App& app) { app.add_option("--seed", seed, "seed of everything random"); }
void CommonOptions::add_json(CLI::App& app) { app.add_flag("--json", json, "print JSON"); }

}  // namespace owlet
