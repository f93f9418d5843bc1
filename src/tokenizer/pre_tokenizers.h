// Pre-tokenizers: they cut text into pieces that no token crosses (tokenizer.json's "pre_tokenizer").
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "tokenizer/pre_tokenizer.h"

namespace owlet {

// Text in pieces. Where a step changes a piece, the new text lives in `made`.
struct Pieces {
  struct Piece {
    std::string_view text;
    size_t first;  // so many of its bytes stem from the first character of the whole text (normalizers.h)

    Piece part(size_t begin, size_t end) const { return {text.substr(begin, end - begin), begin < first ? std::min(first, end) - begin : 0}; }
  };
  std::vector<Piece> list;
  std::deque<std::string> made;
};

class PreTokenizer {
 public:
  // Reads ByteLevel, Split, Digits, Metaspace, Whitespace, WhitespaceSplit, Punctuation, BertPreTokenizer, CharDelimiterSplit,
  // FixedLength and Sequence; null cuts nothing. Errors name what is not known or broken.
  static Result<PreTokenizer> read(const Json& node);

  // The last step is ByteLevel. Pieces come as plain bytes all the same; byte_alphabet.h has the spelling that is meant.
  bool spells_bytes() const { return spells_bytes_; }
  // Where one splitter is all there is to do, and a space before text that has none if `prefix_space`: the fast way.
  PieceEnd sole_splitter() const { return sole_splitter_; }
  bool prefix_space() const { return prefix_space_; }
  void cut(Pieces& pieces) const;

 private:
  using Step = std::function<void(Pieces&)>;
  Status add(const Json& node, bool last);
  Status add_split(const Json& node);
  void add_byte_level(const Json& node, bool last);
  void add_splitter(PieceEnd piece_end);

  std::vector<Step> steps_;
  std::vector<PieceEnd> splitters_;  // of the steps that are one
  bool spells_bytes_ = false;
  bool prefix_space_ = false;
  PieceEnd sole_splitter_ = nullptr;
};

// tokenizer.json's form of a byte-level pre-tokenizer whose splitter has this name (see pre_tokenizer.h).
Json byte_level_pre_tokenizer(std::string_view splitter, bool add_prefix_space);

}  // namespace owlet
