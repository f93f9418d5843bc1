// What Owlet computes, for the checks in this folder to hold against others: interop_logits MODEL IDS OUT [ADAPTER…]
//   IDS is JSON: {"rows": [[id, …], …], "prompt": tokens of the first row to go on from, "greedy": tokens to go on by}
//   OUT becomes safetensors: "logits.I" [T, V] of row I, in one pass; "greedy" with the likeliest tokens behind the prompt, one at a
//   time through the cache.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "apps/load_chat_model.h"
#include "apps/peft.h"
#include "core/file.h"
#include "core/json.h"
#include "io/safetensors.h"
#include "model/load.h"

namespace owlet {
namespace {

class Text {
 public:
  Text(Context context, const Model& model, int64_t reach)
      : cache_(model.config, reach / KvCache::kPageLen + 1), runner_(context, model, reach), pages_(static_cast<size_t>(cache_.n_pages())), reach_(reach) {
    std::iota(pages_.begin(), pages_.end(), 0);
  }
  // Logits of each of the tokens, which follow those before; valid until the next call.
  TensorView append(std::span<const int32_t> tokens) {
    RaggedBatch batch;
    for (const int32_t token : tokens) {
      batch.output_rows.push_back(static_cast<int32_t>(batch.tokens_N.size()));
      batch.positions_N.push_back(static_cast<int32_t>(done_ + static_cast<int64_t>(batch.tokens_N.size())));
      batch.tokens_N.push_back(token);
    }
    batch.sequences = {{0, static_cast<int64_t>(tokens.size()), done_, pages_}};
    batch.reach = {reach_};
    done_ += static_cast<int64_t>(tokens.size());
    return runner_.forward(batch, cache_);
  }

 private:
  KvCache cache_;
  Runner runner_;
  std::vector<int32_t> pages_;
  int64_t reach_, done_ = 0;
};

Tensor greedy(Context context, const Model& model, std::span<const int32_t> prompt, int64_t n) {
  Text text(context, model, static_cast<int64_t>(prompt.size()) + n);
  Tensor tokens(DType::kI32, Shape{n});
  for (int64_t i = 0; i < n; ++i) {
    const auto last = tokens.span<int32_t>().subspan(0, static_cast<size_t>(i));
    const TensorView logits = text.append(i == 0 ? prompt : last.last(1));
    const float* row = logits.f32() + (logits.shape[0] - 1) * model.config.vocab_size;
    tokens.span<int32_t>()[static_cast<size_t>(i)] = static_cast<int32_t>(std::max_element(row, row + model.config.vocab_size) - row);
  }
  return tokens;
}

Status run(const std::vector<std::string>& arguments) {
  if (arguments.size() < 3) return make_error(ErrorCode::kInvalidArgument, "interop_logits MODEL IDS OUT [ADAPTER…]");
  OWLET_ASSIGN(const auto machine, make_machine(1));
  OWLET_ASSIGN(Model model, load_model(arguments[0]));
  OWLET_TRY(use_adapters({arguments.begin() + 3, arguments.end()}, AdapterUse::kBeside, model));
  OWLET_ASSIGN(const std::string source, read_file(arguments[1]));
  OWLET_ASSIGN(const Json json, parse_json(source));
  const auto rows = json.at("rows").get<std::vector<std::vector<int32_t>>>();
  std::vector<Tensor> results;
  for (const auto& row : rows) {
    Text text(Context{*machine->ops}, model, static_cast<int64_t>(row.size()));
    const TensorView logits = text.append(row);
    results.emplace_back(DType::kF32, logits.shape);
    std::copy_n(logits.f32(), logits.numel(), results.back().f32());
  }
  const auto prompt = std::span(rows.at(0)).subspan(0, json.at("prompt").get<size_t>());
  results.push_back(greedy(Context{*machine->ops}, model, prompt, json.at("greedy").get<int64_t>()));
  std::vector<std::pair<std::string, TensorView>> named;
  for (size_t i = 0; i < rows.size(); ++i) named.emplace_back(fmt::format("logits.{}", i), results[i]);
  named.emplace_back("greedy", results.back());
  return write_safetensors(arguments[2], named);
}

}  // namespace
}  // namespace owlet

int main(int argc, char** argv) {
  const owlet::Status status = owlet::run({argv + 1, argv + argc});
  if (!status.ok()) fmt::print(stderr, "{}\n", status.error().to_string());
  return status.ok() ? 0 : 1;
}
