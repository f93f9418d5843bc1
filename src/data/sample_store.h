// Samples on their way from files to batches: kept in a temporary file and mapped, so that what training holds in memory does not grow
// with what it trains on. Four bytes a token on disk, eight bytes a sample in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/file.h"

namespace owlet {

// counted[i]: whether predicting ids[i] counts in the loss.
struct Sample {
  std::vector<int32_t> ids;
  std::vector<uint8_t> counted;
};

// A sample where it is kept. Valid as long as its store.
class StoredSample {
 public:
  explicit StoredSample(std::span<const uint32_t> tokens) : tokens_(tokens) {}
  size_t size() const { return tokens_.size(); }
  int32_t id(size_t i) const { return static_cast<int32_t>(tokens_[i] >> 1); }
  bool counted(size_t i) const { return (tokens_[i] & 1) != 0; }

 private:
  std::span<const uint32_t> tokens_;  // id · 2 + counted
};

// In the order they were added. Copies share what is kept.
class SampleStore {
 public:
  static Result<SampleStore> of(std::span<const Sample> samples);
  size_t size() const { return ends_.size(); }
  StoredSample operator[](size_t i) const;
  // Of all samples together; how many of them count in the loss.
  int64_t n_tokens() const { return ends_.empty() ? 0 : static_cast<int64_t>(ends_.back()); }
  int64_t n_counted() const { return n_counted_; }

 private:
  friend class SampleWriter;
  std::shared_ptr<const MappedFile> file_;
  std::vector<uint64_t> ends_;  // in tokens
  int64_t n_counted_ = 0;
};

class SampleWriter {
 public:
  static Result<SampleWriter> create();
  Status add(const Sample& sample);
  Result<SampleStore> finish() &&;

 private:
  explicit SampleWriter(ScratchFile file) : file_(std::move(file)) {}
  Status flush();

  ScratchFile file_;
  std::vector<uint32_t> waiting_;
  SampleStore store_;  // all but its file
};

}  // namespace owlet
