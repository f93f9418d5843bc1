#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include <atomic>
#include <cmath>

#include "core/file.h"
#include "core/half.h"
#include "core/json.h"
#include "core/random.h"
#include "core/tensor.h"
#include "core/thread_pool.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

fs::path scratch(const std::string& name) {
  const fs::path dir = fs::path(testing::TempDir()) / "owlet_core_test";
  fs::create_directories(dir);
  return dir / name;
}

TEST(Half, EveryHalfSurvivesARoundTrip) {
  for (uint32_t h = 0; h < 0x10000; ++h) {
    const float f = f16_to_f32(static_cast<uint16_t>(h));
    if (std::isnan(f)) continue;
    EXPECT_EQ(f32_to_f16(f), h);
  }
  for (uint32_t h = 0; h < 0x10000; ++h) {
    const float f = bf16_to_f32(static_cast<uint16_t>(h));
    if (std::isnan(f)) continue;
    EXPECT_EQ(f32_to_bf16(f), h);
  }
}

TEST(Half, RoundsToNearestEvenAndOverflowsToInfinity) {
  EXPECT_EQ(f32_to_f16(1.0f + 0x1p-11f), 0x3c00);            // a tie goes to the even neighbour
  EXPECT_EQ(f32_to_f16(1.0f + 3 * 0x1p-11f), 0x3c02);
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(-0x1p-24f), 0x8001);                  // the smallest subnormal
  EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(NAN))));
  EXPECT_EQ(f32_to_bf16(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(NAN))));
}

// Known answers of Philox4x32-10 as published with the Random123 library (all zeros, all ones).
TEST(Random, PhiloxKnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint32_t f = 0xffffffff;
  EXPECT_EQ(philox({f, f, f, f}, {f, f}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(ThreadPool, EveryIndexOnceAtAnySize) {
  for (int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    for (int64_t n : {0, 1, 7, 64, 1000}) {
      std::vector<std::atomic<int>> hits(static_cast<size_t>(n));
      pool.parallel_for(n, 8, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) hits[static_cast<size_t>(i)]++;
      });
      for (const auto& hit : hits) EXPECT_EQ(hit, 1);
    }
  }
}

TEST(File, AScratchFileHasNoNameAndLivesAsLongAsItsReaders) {
  const fs::path folder = scratch("temporary");  // of its own: other programs have files among the system's
  fs::create_directories(folder);
  ASSERT_EQ(::setenv("TMPDIR", folder.c_str(), 1), 0);
  std::shared_ptr<const MappedFile> mapped;
  {
    auto file = ScratchFile::create();
    ASSERT_TRUE(file.ok());
    const std::string text(100000, 'o');
    ASSERT_TRUE(file->write(std::as_bytes(std::span(text))).ok());
    EXPECT_TRUE(fs::is_empty(folder));
    mapped = file->map().value();
  }
  ::unsetenv("TMPDIR");
  ASSERT_EQ(mapped->bytes().size(), 100000u);
  EXPECT_EQ(mapped->bytes().back(), std::byte{'o'});
}

TEST(File, AtomicWriteLeavesTheOldFileUntilCommit) {
  const fs::path path = scratch("atomic.txt");
  ASSERT_TRUE(write_file(path, "old").ok());
  {
    auto file = AtomicFile::create(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->write("new").ok());
  }  // dropped without commit
  EXPECT_EQ(read_file(path).value(), "old");
  EXPECT_FALSE(fs::exists(path.string() + ".tmp"));
  EXPECT_FALSE(read_file(path, 2).ok());
  EXPECT_EQ(read_file(scratch("absent")).error().code, ErrorCode::kNotFound);
}

std::vector<std::string> lines_of(const fs::path& path) {
  auto reader = LineReader::open(path);
  EXPECT_TRUE(reader.ok());
  std::vector<std::string> lines;
  std::string line;
  while (reader->next(line).value()) lines.push_back(line);
  return lines;
}

TEST(File, LineReaderReadsPlainAndZstd) {
  std::string text = "one\n\nthree\n";
  for (int i = 0; i < 100000; ++i) text += fmt::format("line {}\n", i);
  text += "no newline at the end";
  ASSERT_TRUE(write_file(scratch("lines.txt"), text).ok());
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  ASSERT_TRUE(write_file(scratch("lines.txt.zst"), packed).ok());
  const auto plain = lines_of(scratch("lines.txt"));
  EXPECT_EQ(plain, lines_of(scratch("lines.txt.zst")));
  ASSERT_EQ(plain.size(), 100004u);
  EXPECT_EQ(plain[1], "");
  EXPECT_EQ(plain.back(), "no newline at the end");

  ASSERT_TRUE(write_file(scratch("cut.zst"), std::string_view(packed).substr(0, packed.size() / 2)).ok());
  auto cut = LineReader::open(scratch("cut.zst"));
  ASSERT_TRUE(cut.ok());
  std::string line;
  Result<bool> more = true;
  while (more.ok() && *more) more = cut->next(line);
  EXPECT_FALSE(more.ok());
}

TEST(Json, RefusesDepthDuplicatesAndGarbage) {
  EXPECT_TRUE(parse_json(R"({"a":[1,2,{"b":null}]})").ok());
  EXPECT_THAT(parse_json(std::string(100000, '[')).error().message, testing::HasSubstr("deeper"));
  EXPECT_THAT(parse_json(R"({"a":1,"a":2})").error().message, testing::HasSubstr("'a' stands twice"));
  EXPECT_THAT(parse_json("{\"a\":\"\xff\"}").error().message, testing::HasSubstr("byte"));
  EXPECT_FALSE(parse_json("").ok());
  EXPECT_TRUE(check_json(R"({"a":[{}]})").ok());
  EXPECT_THAT(check_json("[[[]]]", 2).error().message, testing::HasSubstr("deeper than 2"));
  std::string keys = "{";
  for (int i = 0; i <= 1 << 19; ++i) keys += fmt::format("\"{}\":1,", i);
  EXPECT_THAT(check_json(keys + "\"x\":1}").error().message, testing::HasSubstr("more than 524288 keys"));
}

TEST(Shape, KnowsItsRows) {
  EXPECT_EQ((Shape{2, 3, 4}).rows(), 6);
  EXPECT_EQ((Shape{2, 3, 4}).to_string(), "[2, 3, 4]");
  EXPECT_EQ(row_bytes(DType::kQ4_0, 64), 36);
}

}  // namespace
}  // namespace owlet
