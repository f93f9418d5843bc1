// Text to token ids and back. Knows no tensors and no models.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "core/thread_pool.h"
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

// Byte-level BPE in few words: what a trainer learns, what vocab.json + merges.txt say. describe() has it in full.
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

enum class TokenModelKind { kBpe, kUnigram, kWordPiece, kWordLevel };

// Everything that makes a tokenizer, as read from tokenizer.json or from a GGUF's metadata (the caller translates; this room
// knows no tensor files). The stages stay in the words of tokenizer.json, so that what was read is what is written.
struct TokenizerSpec {
  TokenModelKind kind = TokenModelKind::kBpe;
  std::vector<std::string> vocab;  // id → token as the file spells it; "" where an id is not used
  size_t model_size = 0;           // ids below are the model's own; the added tokens above stand beside it (0: not said)
  std::vector<std::pair<std::string, std::string>> merges;  // BPE, in order of rank
  std::vector<double> scores;      // Unigram: log-probabilities; BPE without merges: SentencePiece's, the highest is merged first
  std::vector<AddedToken> added;   // their texts stand in `vocab` too
  TokenId unk = -1;                // for what the vocabulary lacks; −1: it is left out
  bool byte_fallback = false;      // unknown characters become the tokens <0x00> … <0xFF>
  bool fuse_unk = false;           // BPE: unknown neighbours are one token
  bool ignore_merges = false;      // BPE: a piece that stands whole in `vocab` is that token, whatever the merges say
  std::string continuing_prefix;   // of tokens that do not begin a piece: "##"
  std::string word_suffix;         // BPE: of tokens that end a piece: "</w>"
  int64_t max_word_chars = 100;    // WordPiece: longer words are unknown
  std::string normalizer = "null", pre_tokenizer = "null", post_processor = "null", decoder = "null";  // JSON
  TokenId bos = -1;
  TokenId eos = -1;
};

// Errors: an unknown splitter, a token before each text that is not said or not there.
Result<TokenizerSpec> describe(BpeSpec spec);

struct EncodeOptions {
  bool add_special = true;     // the control tokens around a text that the tokenizer asks for: bos, eos
  bool parse_special = false;  // recognise special added tokens inside the text: only for text that we rendered ourselves
};

class Tokenizer {
 public:
  static Result<Tokenizer> from_spec(TokenizerSpec spec);
  static Result<Tokenizer> from_spec(BpeSpec spec);
  // A tokenizer.json, a folder that holds one, or a folder with vocab.json + merges.txt.
  static Result<Tokenizer> load(const std::filesystem::path& path);
  // A vocabulary and its merges. `added` names the control tokens among the vocabulary; where it is not given, they are
  // the tokens that are neither a byte nor what a merge makes.
  static Result<Tokenizer> load_vocab_merges(const std::filesystem::path& vocab, const std::filesystem::path& merges,
                                             std::optional<std::vector<std::string>> added = std::nullopt);
  // Writes tokenizer.json, and for BPE with merges vocab.json and merges.txt; tokenizer_config.json is the caller's.
  Status save(const std::filesystem::path& folder) const;

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Linear in the text but for a logarithm of its longest piece. Any bytes are text. No text becomes a control token unless
  // parse_special says so, whatever the vocabulary holds.
  std::vector<TokenId> encode(std::string_view text, EncodeOptions options = {}) const;
  // Each text by itself, by all threads of the pool.
  std::vector<std::vector<TokenId>> encode_batch(std::span<const std::string> texts, ThreadPool& pool, EncodeOptions options = {}) const;
  // Special tokens are recognised only where every byte of them is trusted. Nothing is put before the text.
  std::vector<TokenId> encode(const MarkedText& text) const;
  // The text of the tokens, in byte-level vocabularies the exact bytes; special tokens are left out unless keep_special.
  std::string decode(const std::vector<TokenId>& ids, bool keep_special = false) const;
  // The bytes that one id stands for in the middle of a text (empty for special tokens unless keep_special). Any int is allowed.
  std::string_view bytes_of(TokenId id, bool keep_special = false) const;

  int vocab_size() const;
  TokenId bos() const;
  TokenId eos() const;
  // The id of an added or ordinary token by its text, -1 where there is none.
  TokenId id_of(std::string_view token) const;
  bool is_special(TokenId id) const;
  const TokenizerSpec& spec() const;
  // The control tokens that encode() puts around a text.
  const std::vector<TokenId>& before_text() const;
  const std::vector<TokenId>& after_text() const;

 private:
  friend class StreamDecoder;
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Turns a stream of tokens into text that is valid UTF-8 at every step: bytes of an unfinished character wait.
class StreamDecoder {
 public:
  // `continues`: the tokens go on behind others, so that the space before the first word, which some vocabularies leave out at
  // the beginning of a text, is kept.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool keep_special = false, bool continues = false);
  std::string push(TokenId id);
  std::string finish();  // what is left, broken sequences as U+FFFD

 private:
  friend class Tokenizer;
  void take(TokenId id);  // the token's bytes, to the end of pending_
  void trim_end();

  const Tokenizer* tokenizer_;
  bool keep_special_;
  bool first_;
  size_t to_trim_;  // characters that may still go from the beginning
  std::string pending_;
  std::string held_, held_last_;  // how the last token ends where another follows, and where none does
};

}  // namespace owlet
