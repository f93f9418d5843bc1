// Valid files for the fuzz programs to start from: fuzz_seeds FOLDER writes FOLDER/NAME/… for each of them.
#include <cstdio>

#include "apps/gguf_tokenizer.h"
#include "apps/test_chat_model.h"
#include "fuzz.h"
#include "io/gguf_types.h"
#include "io/safetensors.h"
#include "model/load.h"
#include "tokenizer/test_tokenizer_files.h"

using namespace owlet;
using namespace std::string_literals;
namespace fs = std::filesystem;

namespace {

class Seeds {
 public:
  Seeds(const fs::path& root, const std::string& program) : dir_(root / program) { fs::create_directories(dir_); }
  void add(const std::vector<std::string>& pieces) {
    std::string all = pieces[0];
    for (size_t i = 1; i < pieces.size(); ++i) all += std::string(fuzz::kCut) + pieces[i];
    check(write_file(next(), all));
  }
  fs::path next() { return dir_ / fmt::format("seed-{:02}", n_++); }
  static void check(const Status& status) { OWLET_CHECK(status.ok(), "{}", status.error().to_string()); }

 private:
  fs::path dir_;
  int n_ = 0;
};

std::string text_of(const fs::path& file) {
  auto text = read_file(file);
  Seeds::check(text.status());
  return std::move(text).value();
}

// One architecture for each of a block's parts.
std::vector<ModelConfig> configs() {
  std::vector<ModelConfig> all(4, testing_chat::tiny_config());
  all[1].tie_embeddings = true;
  all[1].rope.scaling = RopeScaling::kYarn;
  all[1].rope.factor = 4;
  all[1].rope.original_positions = 16;
  all[2].architecture = "qwen2";
  all[2].qkv_bias = true;
  all[2].rope = {.scaling = RopeScaling::kLongRope, .factor = 2, .original_positions = 32, .attention_factor = 1.1,
                 .short_factors = {1, 1, 2, 2}, .long_factors = {1, 2, 3, 4}};
  all[3].architecture = "phi3";
  all[3].layers = {{.window = 2}};
  return all;
}

// Every type that GGUF has for us, rows of 256 beside each other.
GgufWriter every_type() {
  GgufWriter writer;
  const auto zeros = [](int64_t, void*) {};
  for (const gguf::TensorType& type : gguf::kTensorTypes) {
    if (type.dtype) writer.add_tensor(std::string(type.name), *type.dtype, {1, 256}, zeros);
  }
  return writer;
}

void write_models(const fs::path& root, const fs::path& scratch) {
  Seeds gguf(root, "gguf"), folders(root, "safetensors"), torch(root, "torch");
  for (const ModelConfig& config : configs()) {
    const ChatModel chat = testing_chat::tiny_chat_model(config);
    for (const DType dtype : {DType::kF16, DType::kQ4_0}) Seeds::check(save_chat_model(chat, gguf.next().concat(".gguf"), dtype));
    fs::remove_all(scratch);
    Seeds::check(save_hf(*chat.model, scratch, DType::kBF16));
    const std::string config_json = text_of(scratch / "config.json"), weights = text_of(scratch / "model.safetensors");
    folders.add({config_json, "", weights});
    folders.add({config_json, R"({"metadata":{},"weight_map":{"model.norm.weight":"a.safetensors"}})", weights, weights});
  }
  Seeds::check(every_type().write(gguf.next()));
  const ChatModel chat = testing_chat::tiny_chat_model();
  torch.add({R"({"n_heads":4,"norm_eps":1e-5,"rope_theta":10000,"max_seq_len":64})", testing_chat::torch_bytes(*chat.model, false)});
  torch.add({R"({"n_heads":4})", testing_chat::torch_bytes(*chat.model, true)});
}

void write_pickles(const fs::path& root) {
  Seeds seeds(root, "pickle");
  using namespace testing_torch;
  seeds.add({pickle("}" + text("model") + "}(" + text("x") + tensor("FloatStorage", "0", 6, 0, {2, 3}, {3, 1}) + "us")});
  seeds.add({pickle("ctorch._utils\n_rebuild_parameter\n" + tuple(number(1) + "\x88" + "ccollections\nOrderedDict\n)R") + "R")});
  seeds.add({pickle("](K\1M\2\2\x8a\2\3\3G\0\0\0\0\0\0\0\0N\x88\x89\x8c\1aq\1h\1\x94" "e"s)});
}

void write_tokenizers(const fs::path& root, const fs::path& scratch) {
  Seeds seeds(root, "tokenizer");
  const Tokenizer tiny = testing_chat::tiny_tokenizer();
  Seeds::check(save_tokenizer_files(tiny, {}, scratch));
  seeds.add({text_of(scratch / "tokenizer.json"), text_of(scratch / "tokenizer_config.json")});
  seeds.add({"", "", text_of(scratch / "vocab.json"), text_of(scratch / "merges.txt")});
  for (const std::string& file : every_kind_of_tokenizer()) seeds.add({file, R"({"bos_token":"<s>"})"});
}

void write_templates(const fs::path& root) {
  Seeds seeds(root, "chat_template");
  for (const char* source : {testing_chat::kTemplate, kHomemadeTemplate,
       "{%- macro show(x, n=1) %}{{ x | tojson(indent=2) }}{{ n * 2 ** 3 // 2 % 5 - 1 }}{% endmacro -%}{% for t in tools if t.type == 'function' %}{{ loop.index0 }}{{ show(t, n=loop.length) }}{% else %}none{% endfor %}",
       "{% set ns = namespace(found=false, n=0) %}{% for m in messages[1:][::-1] %}{% if not ns.found and m['role'] != 'tool' %}{% set ns.found = true %}{% continue %}{% endif %}{% set ns.n = ns.n + 1 %}{% if loop.last %}{% break %}{% endif %}{% endfor %}{{ ns.n }}",
       "{% set x %}a{{ messages | length }}{% endset %}{{ x.split('a') | join('-') | upper }}{{ x.replace('a', 'bb').strip().startswith('b') }}{{ 'q' in x or x is defined and x is not none }}{{ strftime_now('%d %b %Y') }}",
       "{{ messages | map(attribute='role') | unique | list | sort(reverse=true) }}{{ messages | selectattr('role', 'equalto', 'user') | first }}{{ (messages | last).content[:3] ~ range(3) | list }}{{ {'a': 1, 2: [none, true]}.items() | list }}{{ 'x' * 3 if add_generation_prompt else raise_exception('no') }}"}) {
    seeds.add({source});
  }
}

void write_adapters(const fs::path& root, const fs::path& scratch) {
  Seeds seeds(root, "adapter");
  const Tensor a(DType::kF32, {2, 32}), b(DType::kF32, {32, 2}), lengths(DType::kF32, {32}), table_a(DType::kF32, {2, 16});
  const std::string layer = "base_model.model.model.layers.0.self_attn.q_proj.", table = "base_model.model.model.embed_tokens.lora_embedding_";
  Seeds::check(write_safetensors(scratch / "plain", {{layer + "lora_A.weight", a}, {layer + "lora_B.weight", b}}));
  Seeds::check(write_safetensors(scratch / "dora", {{layer + "lora_A.weight", a}, {layer + "lora_B.weight", b}, {layer + "lora_magnitude_vector", lengths},
                                                    {table + "A", table_a}, {table + "B", b}, {"base_model.model.model.norm.weight", lengths}}));
  seeds.add({R"({"peft_type":"LORA","r":2,"lora_alpha":4,"use_rslora":true})", text_of(scratch / "plain")});
  seeds.add({R"({"peft_type":"LORA","r":9,"lora_alpha":4,"rank_pattern":{"q_proj":2,"embed.*":2},"alpha_pattern":{"layers\\.\\d+\\..*":8}})", text_of(scratch / "dora")});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "fuzz_seeds FOLDER\n");
    return 2;
  }
  const fs::path root = argv[1], scratch = root / "scratch";
  write_models(root, scratch);
  write_pickles(root);
  write_tokenizers(root, scratch);
  write_templates(root);
  write_adapters(root, scratch);
  fs::remove_all(scratch);
}
