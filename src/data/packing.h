// Samples packed into rows of one length, and rows into batches, in an order that a seed decides and a few numbers resume.
#pragma once

#include <cstdint>
#include <vector>

#include "core/json.h"
#include "data/samples.h"

namespace owlet {

// B rows of T tokens, end to end. A row holds several samples; each attends only to itself and counts its positions from 0.
struct Batch {
  int64_t B = 0;
  int64_t T = 0;
  std::vector<int32_t> tokens;     // [B·T]
  std::vector<int32_t> targets;    // [B·T] the next token, −100 where it does not count
  std::vector<int32_t> positions;  // [B·T]
  std::vector<int32_t> segments;   // [B·T] which sample of its row; padding is the last
};

// Samples of a run with how often each file's are seen per epoch (0.5: every other one, drawn anew each epoch; 3: three times).
struct Corpus {
  struct Part {
    SampleStore samples;
    double weight = 1;
  };
  std::vector<Part> parts;
  int64_t n_samples() const;
};

// An endless stream of batches: epoch after epoch, each shuffled anew. The same seed gives the same batches.
class BatchStream {
 public:
  // Samples of more than T + 1 tokens are refused (cut them when they are made); an empty corpus too.
  static Result<BatchStream> create(Corpus corpus, int64_t B, int64_t T, uint64_t seed);

  Result<Batch> next();
  // Where the stream stands, and going back there: the batches to come are the same.
  Json state() const;
  Status restore(const Json& state);

  // Up to `limit` batches of the first epoch, for validation; the last may be padded with empty rows.
  std::vector<Batch> first_batches(int64_t limit);
  int64_t rows_per_epoch() const { return static_cast<int64_t>(rows_.size()); }
  // Tokens of this epoch's rows that are not padding.
  int64_t filled_tokens() const;

 private:
  using Row = std::vector<StoredSample>;
  BatchStream() = default;
  void plan_epoch();  // fills rows_ from (seed_, epoch_)
  void fill_row(Batch& batch, int64_t row, const Row& samples) const;

  Corpus corpus_;
  int64_t B_ = 0;
  int64_t T_ = 0;
  uint64_t seed_ = 0;
  uint64_t epoch_ = 0;
  size_t next_row_ = 0;
  std::vector<Row> rows_;
};

// Bytes of text that the counted targets stand for: what bits per byte divide by.
int64_t target_bytes(const std::vector<Batch>& batches, const Tokenizer& tokenizer);

}  // namespace owlet
