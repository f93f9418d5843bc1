#include "data/packing.h"

#include <algorithm>
#include <cmath>

#include "core/random.h"

namespace owlet {
namespace {

// Rows that are still open while samples are placed; more of them pack tighter, and search longer.
constexpr size_t kOpenRows = 32;

}  // namespace

int64_t Corpus::n_samples() const {
  int64_t n = 0;
  for (const Part& part : parts) n += static_cast<int64_t>(part.samples.size());
  return n;
}

Result<BatchStream> BatchStream::create(Corpus corpus, int64_t B, int64_t T, uint64_t seed) {
  BatchStream stream;
  stream.corpus_ = std::move(corpus);
  stream.B_ = B;
  stream.T_ = T;
  stream.seed_ = seed;
  for (const Corpus::Part& part : stream.corpus_.parts) {
    for (size_t i = 0; i < part.samples.size(); ++i) {
      const size_t size = part.samples[i].size();
      if (static_cast<int64_t>(size) > T + 1) return make_error(ErrorCode::kTooLarge, "a sample of {} tokens does not fit in rows of {}", size, T);
    }
  }
  stream.plan_epoch();
  if (stream.rows_.empty()) {
    return Error{ErrorCode::kInvalidArgument, "there is nothing to train on", "name files in data.train that hold text or chats"};
  }
  return stream;
}

void BatchStream::plan_epoch() {
  std::vector<StoredSample> order;
  for (size_t p = 0; p < corpus_.parts.size(); ++p) {
    const Corpus::Part& part = corpus_.parts[p];
    const double whole = std::floor(part.weight);
    Random draw{.seed = seed_, .stream = (epoch_ << 16) | (p + 1)};
    for (size_t i = 0; i < part.samples.size(); ++i) {
      const auto copies = static_cast<int64_t>(whole) + (draw.uniform() < part.weight - whole ? 1 : 0);
      if (part.samples[i].size() > 1) order.insert(order.end(), static_cast<size_t>(copies), part.samples[i]);
    }
  }
  Random shuffle{.seed = seed_, .stream = epoch_ << 16};
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[shuffle.below(i)]);

  // Best fit among the open rows; when none has room, the fullest is closed.
  rows_.clear();
  std::vector<std::pair<int64_t, Row>> open;  // (free tokens, samples)
  for (const StoredSample& sample : order) {
    const auto need = static_cast<int64_t>(sample.size()) - 1;
    std::pair<int64_t, Row>* best = nullptr;
    for (auto& row : open) {
      if (row.first >= need && (!best || row.first < best->first)) best = &row;
    }
    if (!best) {
      if (open.size() == kOpenRows) {
        const auto fullest = std::min_element(open.begin(), open.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
        rows_.push_back(std::move(fullest->second));
        *fullest = {T_, {}};
        best = &*fullest;
      } else {
        best = &open.emplace_back(T_, Row{});
      }
    }
    best->first -= need;
    best->second.push_back(sample);
  }
  for (auto& row : open) rows_.push_back(std::move(row.second));
}

void BatchStream::fill_row(Batch& batch, int64_t row, const Row& samples) const {
  auto at = static_cast<size_t>(row * T_);
  const auto end = static_cast<size_t>((row + 1) * T_);
  int32_t segment = 0;
  for (const StoredSample& sample : samples) {
    for (size_t i = 0; i + 1 < sample.size(); ++i, ++at) {
      batch.tokens[at] = sample.id(i);
      batch.targets[at] = sample.counted(i + 1) ? sample.id(i + 1) : -100;
      batch.positions[at] = static_cast<int32_t>(i);
      batch.segments[at] = segment;
    }
    ++segment;
  }
  for (int32_t i = 0; at < end; ++at, ++i) {
    batch.positions[at] = i;
    batch.segments[at] = segment;
  }
}

Result<Batch> BatchStream::next() {
  const auto size = static_cast<size_t>(B_ * T_);
  Batch batch{B_, T_, std::vector<int32_t>(size), std::vector<int32_t>(size, -100), std::vector<int32_t>(size),
              std::vector<int32_t>(size)};
  for (int64_t row = 0; row < B_; ++row) {
    if (next_row_ == rows_.size()) {
      ++epoch_;
      next_row_ = 0;
      plan_epoch();
      if (rows_.empty()) return make_error(ErrorCode::kInvalidArgument, "no sample was drawn in epoch {}", epoch_);
    }
    fill_row(batch, row, rows_[next_row_++]);
  }
  return batch;
}

int64_t BatchStream::filled_tokens() const {
  int64_t tokens = 0;
  for (const Row& row : rows_) {
    for (const StoredSample& sample : row) tokens += static_cast<int64_t>(sample.size()) - 1;
  }
  return tokens;
}

Json BatchStream::state() const { return {{"epoch", epoch_}, {"row", next_row_}, {"rows", rows_.size()}}; }

Status BatchStream::restore(const Json& state) {
  OWLET_ASSIGN(const int64_t epoch, get_int(state, "epoch"));
  OWLET_ASSIGN(const int64_t row, get_int(state, "row"));
  OWLET_ASSIGN(const int64_t rows, get_int(state, "rows"));
  epoch_ = static_cast<uint64_t>(epoch);
  plan_epoch();
  if (rows != static_cast<int64_t>(rows_.size()) || row < 0 || row > rows) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("the data gives {} rows an epoch; the checkpoint was made with {}", rows_.size(), rows),
                 "resume with the same files, tokenizer, seq_len and seed"};
  }
  next_row_ = static_cast<size_t>(row);
  return {};
}

std::vector<Batch> BatchStream::first_batches(int64_t limit) {
  std::vector<Batch> batches;
  const auto size = static_cast<size_t>(B_ * T_);
  for (size_t begin = 0; begin < rows_.size() && static_cast<int64_t>(batches.size()) < limit; begin += static_cast<size_t>(B_)) {
    Batch batch{B_, T_, std::vector<int32_t>(size), std::vector<int32_t>(size, -100), std::vector<int32_t>(size),
                std::vector<int32_t>(size)};
    for (int64_t row = 0; row < B_; ++row) {
      const size_t i = begin + static_cast<size_t>(row);
      fill_row(batch, row, i < rows_.size() ? rows_[i] : Row{});
    }
    batches.push_back(std::move(batch));
  }
  return batches;
}

int64_t target_bytes(const std::vector<Batch>& batches, const Tokenizer& tokenizer) {
  int64_t bytes = 0;
  for (const Batch& batch : batches) {
    for (int32_t target : batch.targets) {
      if (target >= 0 && !tokenizer.is_special(target)) bytes += static_cast<int64_t>(tokenizer.bytes_of(target).size());
    }
  }
  return bytes;
}

}  // namespace owlet
