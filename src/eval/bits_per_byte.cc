#include "eval/bits_per_byte.h"

#include <algorithm>
#include <numbers>

namespace owlet {

double BitsPerByte::value() const {
  return bytes == 0 ? 0.0 : nats / std::numbers::ln2 / static_cast<double>(bytes);
}

Status add_document(Scorer& scorer, const Tokenizer& tokenizer, std::string_view text, BitsPerByte& sum) {
  if (text.empty()) return {};
  std::vector<int32_t> ids = {tokenizer.bos() >= 0 ? tokenizer.bos() : std::max(0, tokenizer.eos())};
  const auto encoded = tokenizer.encode(text, {.add_special = false});
  ids.insert(ids.end(), encoded.begin(), encoded.end());
  std::vector<ScoredSequence> windows;
  const auto length = static_cast<size_t>(scorer.max_tokens());
  for (size_t begin = 0; begin + 1 < ids.size(); begin += length) {
    const size_t end = std::min(ids.size(), begin + length + 1);
    windows.push_back({{ids.begin() + static_cast<std::ptrdiff_t>(begin), ids.begin() + static_cast<std::ptrdiff_t>(end)}, 1});
  }
  OWLET_ASSIGN(const auto scores, scorer.score(windows));
  for (const auto& window : scores) {
    for (const TokenScore& token : window) sum.nats -= token.logprob;
    sum.tokens += static_cast<int64_t>(window.size());
  }
  sum.bytes += static_cast<int64_t>(text.size());
  return {};
}

}  // namespace owlet
