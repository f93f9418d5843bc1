// Text to token ids and back. Knows no tensors and no models.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "tokenizer/marked_text.h"

namespace owlet {

using TokenId = int32_t;

// A token that stands outside the merges: found in the text as a whole before anything is split.
struct AddedToken {
  TokenId id = 0;
  std::string text;
  bool special = true;  // control tokens: dropped by decode() unless asked for, and never matched in untrusted text
  bool single_word = false;  // only where no letter or digit touches it
  bool lstrip = false;       // takes the spaces on its left along
  bool rstrip = false;       // and on its right
  bool normalized = false;   // found only in what the others leave
};

// Everything that makes a byte-level BPE tokenizer, as read from tokenizer.json, from vocab.json + merges.txt or from
// a GGUF's metadata (the caller translates; this room knows no tensor files).
struct BpeSpec {
  std::vector<std::string> vocab;   // id → token in GPT-2's printable byte alphabet; "" where an id is not used
  std::vector<std::pair<std::string, std::string>> merges;  // in order of rank
  std::vector<AddedToken> added;    // their texts stand in `vocab` too
  std::string pre_tokenizer = "gpt2";
  bool add_prefix_space = false;  // before each stretch of text that does not begin with one
  bool ignore_merges = false;     // a piece that stands whole in `vocab` is that token, whatever the merges say
  bool add_bos = false;
  TokenId bos = -1;
  TokenId eos = -1;
};

struct EncodeOptions {
  bool add_special = true;     // bos where the tokenizer asks for one
  bool parse_special = false;  // recognise special added tokens inside the text: only for text that we rendered ourselves
};

class Tokenizer {
 public:
  static Result<Tokenizer> from_spec(BpeSpec spec);
  // A tokenizer.json, a folder that holds one, or a folder with vocab.json + merges.txt.
  static Result<Tokenizer> load(const std::filesystem::path& path);
  // A vocabulary and its merges. `added` names the control tokens among the vocabulary; where it is not given, they are
  // the tokens that are neither a byte nor what a merge makes.
  static Result<Tokenizer> load_vocab_merges(const std::filesystem::path& vocab, const std::filesystem::path& merges,
                                             std::optional<std::vector<std::string>> added = std::nullopt);
  // Writes tokenizer.json, tokenizer_config.json's tokenizer part is the caller's; vocab.json and merges.txt.
  Status save(const std::filesystem::path& folder) const;

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Linear in the text but for a logarithm of its longest piece. Any bytes are text.
  std::vector<TokenId> encode(std::string_view text, EncodeOptions options = {}) const;
  // Special tokens are recognised only where every byte of them is trusted. Nothing is put before the text.
  std::vector<TokenId> encode(const MarkedText& text) const;
  // The exact bytes of the tokens; special tokens are left out unless keep_special.
  std::string decode(const std::vector<TokenId>& ids, bool keep_special = false) const;
  // The bytes that one id stands for (empty for special tokens unless keep_special). Any int is allowed.
  std::string_view bytes_of(TokenId id, bool keep_special = false) const;

  int vocab_size() const;
  TokenId bos() const;
  TokenId eos() const;
  // The id of an added or ordinary token by its text, -1 where there is none.
  TokenId id_of(std::string_view token) const;
  bool is_special(TokenId id) const;
  const BpeSpec& spec() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Turns a stream of tokens into text that is valid UTF-8 at every step: bytes of an unfinished character wait.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool keep_special = false);
  std::string push(TokenId id);
  std::string finish();  // what is left, broken sequences as U+FFFD

 private:
  const Tokenizer* tokenizer_;
  bool keep_special_;
  std::string pending_;
};

}  // namespace owlet
