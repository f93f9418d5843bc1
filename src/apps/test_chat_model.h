// For tests: a small model with all that a file can hold beside it, saved in every form, and a loaded one used as the program would.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "apps/load_chat_model.h"
#include "core/file.h"
#include "io/test_torch_file.h"
#include "kernels/backend.h"
#include "model/homemade.h"
#include "quant/blocks.h"

namespace owlet::testing_chat {

constexpr const char* kTemplate =
    "{% for m in messages %}{{ '<|' + m.role + '|>' }}{{ m.content | trim }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

// Thirty thousand bytes in all, in rows that blocks of 32 can hold.
inline ModelConfig tiny_config() {
  ModelConfig c{.vocab_size = 16, .dim = 32, .n_layers = 1, .n_heads = 4, .n_kv_heads = 2, .head_dim = 8, .ffn_dim = 32, .max_positions = 64};
  c.bos = 0;
  c.eos = {1};
  return c;
}

inline Tokenizer tiny_tokenizer() {
  BpeSpec spec{.vocab = {"<s>", "</s>", "a", "b", "c", "ab", "abc", "\xc4\xa0"}, .merges = {{"a", "b"}, {"ab", "c"}}, .added = {{0, "<s>"}, {1, "</s>"}}};
  spec.add_bos = true;
  spec.bos = 0;
  spec.eos = 1;
  auto tokenizer = Tokenizer::from_spec(std::move(spec));
  OWLET_CHECK(tokenizer.ok(), "{}", tokenizer.error().message);
  return std::move(tokenizer).value();
}

inline ChatModel tiny_chat_model(ModelConfig config = tiny_config()) {
  ChatModel chat;
  chat.id = "tiny";
  Weights weights = make_weights(config);
  init_weights(weights, config, 7);
  auto model = make_model(std::move(config), std::move(weights));
  OWLET_CHECK(model.ok(), "{}", model.error().message);
  chat.model = std::make_unique<Model>(std::move(model).value());
  chat.tokenizer = std::make_unique<Tokenizer>(tiny_tokenizer());
  chat.chat_template = std::move(ChatTemplate::parse(kTemplate)).value();
  chat.stop_ids = {1};
  return chat;
}

// The bytes of a .pt of its weights, as Meta's code and its descendants name them.
inline std::string torch_bytes(const Model& model, bool zip64) {
  std::vector<std::pair<std::string, TensorView>> tensors;
  model.weights.for_each([&](const std::string& name, const Tensor& tensor) { tensors.emplace_back(name_in_checkpoint(name), tensor); });
  return testing_torch::state_dict(tensors, zip64);
}

// Reads every number of a tensor, and gives their sum.
inline float touch(const TensorView& tensor) {
  std::vector<float> row(static_cast<size_t>(tensor.cols()));
  float sum = 0;
  for (int64_t r = 0; r < tensor.rows(); ++r) {
    dequantize_row(tensor.dtype, tensor.row_range(r, r + 1).data, row.data(), tensor.cols());
    for (const float x : row) sum += x;
  }
  return sum;
}

// Three tokens through the whole of it; the highest ids are likeliest to lie outside of something.
inline void use(const Model& model) {
  static ThreadPool one(1);
  static const auto ops = make_cpu_ops(one);
  const auto last = static_cast<int32_t>(model.config.vocab_size - 1);
  const std::vector<int32_t> pages = {0};
  const KvCache cache(model.config, 1);
  Runner runner({**ops, Precision::kF32}, model, 4);
  RaggedBatch batch{.tokens_N = {0, last, last / 2}, .positions_N = {0, 1, 2}, .sequences = {{0, 3, 0, pages}}, .output_rows = {2}};
  batch.reach = {model.config.max_positions};
  touch(runner.forward(batch, cache));
}

inline void use(const Tokenizer& tokenizer) {
  for (const std::string_view text : {"", "abc ab <s> a\xff\n\xe2\x96\x81x 12", "  Ünï\u0301 \xf0\x9f\xa6\x89 cc\r\n\t"}) {
    for (const bool trusted : {false, true}) {
      const auto ids = tokenizer.encode(text, {.add_special = true, .parse_special = trusted});
      (void)tokenizer.decode(ids, trusted);
      StreamDecoder stream(tokenizer, trusted);
      for (const TokenId id : ids) (void)stream.push(id);
      (void)stream.finish();
    }
  }
}

inline void use(const ChatModel& chat) {
  chat.model->weights.for_each([](const std::string&, const Tensor& tensor) { touch(tensor); });
  use(*chat.model);
  use(*chat.tokenizer);
  if (!chat.chat_template) return;
  (void)encode_chat(*chat.tokenizer, *chat.chat_template, {{"user", "abc", ""}, {"assistant", "a", "b"}, {"user", "c", ""}}, true).ok();
}

}  // namespace owlet::testing_chat
