#include "data/sample_store.h"

namespace owlet {
namespace {

constexpr size_t kWaitingTokens = size_t{1} << 18;

}  // namespace

Result<SampleStore> SampleStore::of(std::span<const Sample> samples) {
  OWLET_ASSIGN(SampleWriter writer, SampleWriter::create());
  for (const Sample& sample : samples) OWLET_TRY(writer.add(sample));
  return std::move(writer).finish();
}

StoredSample SampleStore::operator[](size_t i) const {
  const uint64_t begin = i == 0 ? 0 : ends_[i - 1];
  return StoredSample({reinterpret_cast<const uint32_t*>(file_->bytes().data()) + begin, static_cast<size_t>(ends_[i] - begin)});
}

Result<SampleWriter> SampleWriter::create() {
  OWLET_ASSIGN(ScratchFile file, ScratchFile::create());
  return SampleWriter(std::move(file));
}

Status SampleWriter::add(const Sample& sample) {
  for (size_t i = 0; i < sample.ids.size(); ++i) {
    const bool counted = sample.counted[i] != 0;
    waiting_.push_back(static_cast<uint32_t>(sample.ids[i]) << 1 | counted);
    store_.n_counted_ += counted;
  }
  store_.ends_.push_back(static_cast<uint64_t>(store_.n_tokens()) + sample.ids.size());
  return waiting_.size() < kWaitingTokens ? Status() : flush();
}

Status SampleWriter::flush() {
  OWLET_TRY(file_.write(std::as_bytes(std::span(waiting_))));
  waiting_.clear();
  return {};
}

Result<SampleStore> SampleWriter::finish() && {
  OWLET_TRY(flush());
  OWLET_ASSIGN(store_.file_, file_.map());
  return std::move(store_);
}

}  // namespace owlet
