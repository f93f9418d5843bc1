// Decoders: from the vocabulary's spelling of tokens back to text (tokenizer.json's "decoder").
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace owlet {

// What a decoder does to one token, and what to the text as a whole.
class TokenDecoder {
 public:
  // Reads ByteLevel, Metaspace, ByteFallback, Fuse, Strip, Replace, WordPiece, BPEDecoder and Sequence. None: bytes where the
  // vocabulary spells bytes, else tokens with spaces between. Errors name what is not known or broken. A Replace behind a Fuse
  // works token by token too.
  static Result<TokenDecoder> read(const Json& node, bool spells_bytes);

  // Where a token stands, and whether it is an added one: those are text even among spelled bytes, where the bytes that they would
  // spell are none.
  struct Context {
    bool first = false, last = false, added = false;
  };
  // The bytes of a token.
  std::string decode(std::string_view token, Context context) const;
  // Whether the last token's may be others.
  bool minds_last() const { return minds_last_; }

  // Characters that are taken from the beginning and the end of the whole text, where they are there.
  struct Trim {
    std::string character;
    size_t at_most = 0;
  };
  const Trim& left() const { return left_; }
  const Trim& right() const { return right_; }

 private:
  using Step = std::function<void(std::string& token, Context context)>;
  Status add(const Json& node, int depth);
  Status add_strip(const Json& node);
  Status add_metaspace(const Json& node);
  Status add_word_piece(const Json& node);
  void add_byte_level();

  std::vector<Step> steps_;
  Trim left_, right_;
  bool fused_ = false, minds_last_ = false;
};

}  // namespace owlet
