#include "core/huge_pages.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "core/file.h"
#include "core/printable.h"

namespace owlet {
namespace {

// A mapped file of some megabytes, no two of whose pages are the same.
struct Mapped {
  explicit Mapped(size_t size) : bytes(size, '\0') {
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 13);
    EXPECT_TRUE(write_file(path, bytes).ok());
    file = *MappedFile::open(path);
  }
  ~Mapped() { std::filesystem::remove(path); }
  bool holds() const { return std::equal(bytes.begin(), bytes.end(), reinterpret_cast<const char*>(file->bytes().data())); }

  std::filesystem::path path = std::filesystem::path(testing::TempDir()) / fmt::format("owlet_huge_{}", ::getpid());
  std::string bytes;
  std::shared_ptr<const MappedFile> file;
};

TEST(HugePages, ReadersSeeTheSameBytes) {
  const Mapped mapped((9 << 20) + 5);
  std::atomic<bool> stop{false}, same{true};
  std::thread reader([&] {
    while (!stop) same = same && mapped.holds();
  });
  const int64_t moved = move_to_huge_pages({mapped.file->bytes()});
  stop = true;
  reader.join();
  EXPECT_TRUE(same);
  EXPECT_TRUE(mapped.holds());
  EXPECT_EQ(moved % (2 << 20), 0);
  EXPECT_LE(moved, 8 << 20);
  EXPECT_EQ(move_to_huge_pages({mapped.file->bytes()}), 0) << "they are no file's any more";
}

TEST(HugePages, OnlyWhatIsMappedFromFiles) {
  std::vector<std::byte> heap(8 << 20, std::byte{7});
  EXPECT_EQ(move_to_huge_pages({heap}), 0);
  heap.front() = std::byte{8};  // still ours to write
  EXPECT_EQ(heap.back(), std::byte{7});
}

TEST(HugePages, MemoryOfZerosThatBeginsOnAPage) {
  constexpr size_t kBytes = (3 << 20) + 5;
  const auto memory = allocate_huge_pages(kBytes);
  const std::span bytes(static_cast<std::byte*>(memory.get()), kBytes);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % 4096, 0u);
  EXPECT_TRUE(std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; }));
  bytes.front() = bytes.back() = std::byte{1};
}

}  // namespace
}  // namespace owlet
