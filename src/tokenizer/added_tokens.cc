#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "tokenizer/unicode.h"

namespace owlet {
namespace {
using namespace unicode;

size_t spaces_end(std::string_view text, size_t at) {
  while (at < text.size()) {
    const Symbol s = symbol_at(text, at);
    if (!s.is(kSpace)) break;
    at += s.length;
  }
  return at;
}

size_t spaces_begin(std::string_view text, size_t end, size_t limit) {
  while (end > limit) {
    const Symbol s = symbol_before(text, end);
    if (!s.is(kSpace)) break;
    end -= s.length;
  }
  return std::max(end, limit);
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  const bool open = begin == 0 || !symbol_before(text, begin).is(kWord);
  const bool close = end == text.size() || !symbol_at(text, end).is(kWord);
  return open && close;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)), trie_(1) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    uint32_t node = 0;
    for (const char byte : tokens_[i].text) {
      uint32_t next = child(node, byte);
      if (next == 0) {
        next = static_cast<uint32_t>(trie_.size());
        auto& children = trie_[node].children;
        const std::pair<char, uint32_t> edge(byte, next);
        children.insert(std::upper_bound(children.begin(), children.end(), edge), edge);
        trie_.emplace_back();
      }
      node = next;
    }
    trie_[node].token = static_cast<int32_t>(i);
    first_bytes_[static_cast<uint8_t>(tokens_[i].text[0])] = true;
  }
}

uint32_t AddedTokenFinder::child(uint32_t node, char byte) const {
  const auto& children = trie_[node].children;
  const auto it = std::lower_bound(children.begin(), children.end(), std::pair<char, uint32_t>(byte, 0));
  return it != children.end() && it->first == byte ? it->second : 0;
}

const AddedToken* AddedTokenFinder::longest_at(std::string_view text, size_t at, Trust trust) const {
  const AddedToken* longest = nullptr;
  uint32_t node = 0;
  bool trusted = true;
  for (; at < text.size(); ++at) {
    node = child(node, text[at]);
    if (node == 0) break;
    trusted = trusted && trust.at(at);
    if (trie_[node].token < 0) continue;
    const AddedToken& token = tokens_[static_cast<size_t>(trie_[node].token)];
    if (trusted || !token.special) longest = &token;
  }
  return longest;
}

std::vector<AddedTokenFinder::Stretch> AddedTokenFinder::cut(std::string_view text, Trust trust) const {
  std::vector<Stretch> stretches;
  size_t done = 0, run_end = 0;  // spaces that a token took along end at run_end
  const auto text_until = [&](size_t end) {
    if (done < end) stretches.push_back({text.substr(done, end - done), -1});
  };
  for (size_t at = 0; !tokens_.empty() && at < text.size();) {
    const AddedToken* token =
        first_bytes_[static_cast<uint8_t>(text[at])] ? longest_at(text, at, trust) : nullptr;
    if (!token) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->text.size();
    at = end;
    if (token->single_word && !stands_alone(text, begin, end)) continue;
    if (token->lstrip) begin = spaces_begin(text, begin, done);
    if (token->rstrip) end = run_end = end <= run_end ? run_end : spaces_end(text, end);
    text_until(begin);
    if (begin < end) stretches.push_back({text.substr(begin, end - begin), token->id});
    done = end;
  }
  text_until(text.size());
  return stretches;
}

}  // namespace owlet
