#include "io/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "core/file.h"
#include "core/half.h"
#include "core/random.h"
#include "quant/blocks.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

fs::path scratch(const std::string& name) {
  const fs::path dir = fs::path(testing::TempDir()) / "owlet_gguf_test";
  fs::create_directories(dir);
  return dir / name;
}

// Folder of numbers from outside; empty where it is absent.
fs::path golden() {
  const char* from_environment = std::getenv("OWLET_GOLDEN");
  const fs::path dir = from_environment ? fs::path(from_environment) : fs::path("../shared/golden");
  return fs::exists(dir / "gguf") ? dir / "gguf" : fs::path();
}

GgufWriter::RowWriter counting(DType dtype, int64_t cols) {
  return [dtype, cols](int64_t row, void* out) {
    std::vector<float> x(static_cast<size_t>(cols));
    for (int64_t i = 0; i < cols; ++i) x[static_cast<size_t>(i)] = static_cast<float>(row * cols + i);
    quantize_row(dtype, x.data(), out, cols);
  };
}

fs::path write_sample() {
  GgufWriter writer;
  writer.set_string("general.architecture", "llama");
  writer.set_u32("llama.block_count", 2);
  writer.set_f32("llama.rope.freq_base", 0.5f);
  writer.set_bool("flag", true);
  writer.set_strings("tokens", {"a", "", "Ünï"});
  writer.set_i32s("types", {-1, 3});
  writer.set_f32s("scores", {0.25f, -2});
  writer.add_tensor("norm", DType::kF32, {5}, counting(DType::kF32, 5));
  writer.add_tensor("w", DType::kQ8_0, {3, 64}, counting(DType::kQ8_0, 64));
  writer.add_tensor("h", DType::kF16, {2, 2, 4}, counting(DType::kF16, 4));
  const fs::path path = scratch("sample.gguf");
  EXPECT_TRUE(writer.write(path).ok());
  return path;
}

TEST(Gguf, WhatIsWrittenIsRead) {
  const auto file = GgufFile::open(write_sample());
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_EQ(*file->get_string("general.architecture"), "llama");
  EXPECT_EQ(*file->get_int("llama.block_count"), 2);
  EXPECT_EQ(*file->get_float("llama.rope.freq_base"), 0.5);
  EXPECT_EQ(*file->bool_or("flag", false), true);
  EXPECT_EQ(*file->bool_or("other", true), true);
  EXPECT_EQ(*file->string_or("other", "x"), "x");
  EXPECT_THAT(*file->get_strings("tokens"), ElementsAre("a", "", "Ünï"));
  EXPECT_THAT(*file->ints_or_empty("types"), ElementsAre(-1, 3));
  EXPECT_THAT(*file->floats_or_empty("scores"), ElementsAre(0.25, -2));
  EXPECT_THAT(*file->floats_or_empty("other"), testing::IsEmpty());
  EXPECT_THAT(file->tensor_names(), ElementsAre("h", "norm", "w"));
  const auto w = file->tensor("w");
  ASSERT_TRUE(w.ok());
  EXPECT_EQ(w->shape(), (Shape{3, 64}));
  std::vector<float> row(64), expected(64);
  std::vector<std::byte> encoded(static_cast<size_t>(row_bytes(DType::kQ8_0, 64)));
  counting(DType::kQ8_0, 64)(2, encoded.data());
  EXPECT_EQ(std::memcmp(w->view().row_range(2, 3).data, encoded.data(), encoded.size()), 0);
  const auto h = file->tensor("h");
  EXPECT_EQ(h->shape(), (Shape{2, 2, 4}));
  dequantize_row(DType::kF16, h->view().row_range(3, 4).data, row.data(), 4);
  EXPECT_EQ(row[3], 15.0f);
  EXPECT_EQ(file->tensor("norm")->f32()[4], 4.0f);
}

TEST(Gguf, AFileInMemoryIsReadWhereItLies) {
  const std::string bytes = read_file(write_sample()).value();
  void* memory = std::malloc(bytes.size());
  std::memcpy(memory, bytes.data(), bytes.size());
  const auto file = GgufFile::read(MappedFile::adopt(memory, bytes.size()), "sample");
  ASSERT_TRUE(file.ok());
  const TensorView norm = file->tensor("norm").value();
  EXPECT_EQ(norm.f32()[4], 4.0f);
  const auto* at = static_cast<const std::byte*>(norm.data);
  EXPECT_TRUE(at > memory && at < static_cast<std::byte*>(memory) + bytes.size());
  EXPECT_THAT(GgufFile::read(MappedFile::adopt(std::malloc(4), 0), "nothing").error().to_string(), HasSubstr("nothing"));
}

TEST(Gguf, ErrorsNameTheKey) {
  const auto file = GgufFile::open(write_sample());
  EXPECT_THAT(file->get_int("gone").error().message, HasSubstr("'gone' is missing"));
  EXPECT_THAT(file->get_int("tokens").error().message, HasSubstr("'tokens' must be a whole number"));
  EXPECT_THAT(file->get_strings("types").error().message, HasSubstr("'types' must be a list of texts"));
  EXPECT_THAT(file->ints_or_empty("tokens").error().message, HasSubstr("'tokens' must be a list of whole numbers"));
  EXPECT_THAT(file->floats_or_empty("types").error().message, HasSubstr("'types' must be"));
  EXPECT_THAT(file->int_or("flag", 1).error().message, HasSubstr("'flag'"));
  EXPECT_THAT(file->tensor("gone").error().message, HasSubstr("'gone' is missing"));
}

TEST(Gguf, WritingRefusesWhatOthersWouldNotLoad) {
  const auto refusal = [](const std::string& name, Shape shape, int times) {
    GgufWriter writer;
    for (int i = 0; i < times; ++i) writer.add_tensor(name, DType::kQ4_0, shape, counting(DType::kQ4_0, shape.last()));
    const Status status = writer.write(scratch("refused.gguf"));
    return status.ok() ? "" : status.error().message;
  };
  EXPECT_EQ(refusal("w", {32}, 1), "");
  EXPECT_THAT(refusal("w", {32}, 2), HasSubstr("two tensors"));
  EXPECT_THAT(refusal("w", {2, 48}, 1), HasSubstr("multiples of 32"));
  EXPECT_THAT(refusal(std::string(64, 'w'), {32}, 1), HasSubstr("63"));
  GgufWriter writer;
  writer.set_u32("k", 1);
  writer.set_u32("k", 2);
  EXPECT_THAT(writer.write(scratch("refused.gguf")).error().message, HasSubstr("'k' stands twice"));
}

// A file put together by hand, so that it can lie.
class Bytes {
 public:
  Bytes(uint64_t n_tensors, uint64_t n_keys, uint32_t version = 3) { raw("GGUF").u32(version).u64(n_tensors).u64(n_keys); }
  Bytes& raw(std::string_view text) { bytes_ += text; return *this; }
  Bytes& u32(uint32_t value) { return raw({reinterpret_cast<const char*>(&value), 4}); }
  Bytes& u64(uint64_t value) { return raw({reinterpret_cast<const char*>(&value), 8}); }
  Bytes& text(std::string_view text) { return u64(text.size()).raw(text); }
  Bytes& tensor(std::string_view name, std::initializer_list<uint64_t> dims, uint32_t type, uint64_t offset) {
    text(name).u32(static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) u64(dim);
    return u32(type).u64(offset);
  }
  Bytes& data(size_t n) {
    bytes_.resize((bytes_.size() + 31) / 32 * 32 + n, '\1');
    return *this;
  }
  std::string refusal() const {
    EXPECT_TRUE(write_file(scratch("bytes.gguf"), bytes_).ok());
    const auto file = GgufFile::open(scratch("bytes.gguf"));
    return file.ok() ? "" : file.error().message;
  }

 private:
  std::string bytes_;
};

constexpr uint32_t kF32 = 0, kQ8_0 = 8, kQ4_K = 12;

TEST(Gguf, ReadsVersionTwo) { EXPECT_EQ(Bytes(1, 0, 2).tensor("w", {4}, kF32, 0).data(16).refusal(), ""); }

TEST(Gguf, FilesThatLieAreRefused) {
  EXPECT_THAT(Bytes(0, 0, 1).refusal(), HasSubstr("version 1"));
  EXPECT_THAT(Bytes(0, 0, 0x03000000).refusal(), HasSubstr("version 3, big-endian"));
  EXPECT_THAT(Bytes(1ull << 60, 0).refusal(), HasSubstr("tensors; at most"));
  EXPECT_THAT(Bytes(0, 1ull << 60).refusal(), HasSubstr("metadata keys; at most"));
  EXPECT_THAT(Bytes(0, 1).refusal(), HasSubstr("ends at byte"));
  EXPECT_THAT(Bytes(0, 1).u64(~0ull).refusal(), HasSubstr("past the end"));
  EXPECT_THAT(Bytes(0, 1).text("k").u32(99).refusal(), HasSubstr("k: unknown metadata type 99"));
  EXPECT_THAT(Bytes(0, 1).text("k").u32(7).raw("\2").refusal(), HasSubstr("a truth value is 2"));
  EXPECT_THAT(Bytes(0, 1).text("k").u32(10).u64(~0ull).refusal(), HasSubstr("too large"));
  EXPECT_THAT(Bytes(0, 1).text("k").u32(9).u32(4).u64(1ull << 62).refusal(), HasSubstr("does not fit"));
  EXPECT_THAT(Bytes(0, 1).text("k").u32(9).u32(8).u64(1ull << 61).refusal(), HasSubstr("does not fit"));
  EXPECT_THAT(Bytes(0, 1).text("k").u32(9).u32(9).u64(1).refusal(), HasSubstr("lists of type 9"));
  EXPECT_THAT(Bytes(0, 2).text("k").u32(4).u32(1).text("k").u32(4).u32(1).refusal(), HasSubstr("'k' stands twice"));
  EXPECT_THAT(Bytes(0, 1).text("general.alignment").u32(4).u32(24).refusal(), HasSubstr("power of two"));
}

TEST(Gguf, TensorsThatLieAreRefused) {
  EXPECT_THAT(Bytes(1, 0).tensor("w", {1, 1, 1, 1, 1}, kF32, 0).refusal(), HasSubstr("5 dimensions"));
  EXPECT_THAT(Bytes(1, 0).tensor("w", {}, kF32, 0).refusal(), HasSubstr("0 dimensions"));
  EXPECT_THAT(Bytes(1, 0).tensor("w", {0}, kF32, 0).refusal(), HasSubstr("impossible shape"));
  EXPECT_THAT(Bytes(1, 0).tensor("w", {1ull << 40, 1ull << 40}, kF32, 0).refusal(), HasSubstr("impossible shape"));
  EXPECT_THAT(Bytes(1, 0).tensor("w", {33}, kQ8_0, 0).data(64).refusal(), HasSubstr("not a multiple of 32"));
  EXPECT_THAT(Bytes(1, 0).tensor("w", {4}, kF32, 8).data(64).refusal(), HasSubstr("not aligned"));
  EXPECT_THAT(Bytes(1, 0).tensor("w", {4}, kF32, 0).data(15).refusal(), HasSubstr("past the end"));
  EXPECT_THAT(Bytes(1, 0).tensor("w", {4}, kF32, ~0ull << 5).data(16).refusal(), HasSubstr("past the end"));
  EXPECT_THAT(Bytes(2, 0).tensor("a", {9}, kF32, 0).tensor("b", {4}, kF32, 32).data(64).refusal(), HasSubstr("overlap"));
  EXPECT_THAT(Bytes(2, 0).tensor("a", {4}, kF32, 0).tensor("a", {4}, kF32, 32).data(64).refusal(), HasSubstr("stands twice"));
}

TEST(Gguf, TypesThatAreNotReadAreRefusedOnlyWhenAskedFor) {
  ASSERT_EQ(Bytes(2, 0).tensor("k", {256}, kQ4_K, 0).tensor("later", {7}, 99, 160).data(200).refusal(), "");
  const auto file = GgufFile::open(scratch("bytes.gguf"));
  EXPECT_THAT(file->tensor("later").error().message, HasSubstr("'later' is of type number 99"));
  EXPECT_THAT(file->tensor("later").error().hint, HasSubstr("q8_0"));
}

TEST(Gguf, EveryGoldenFileOpens) {
  if (golden().empty()) GTEST_SKIP() << "no golden files";
  for (const auto& entry : fs::directory_iterator(golden())) {
    if (entry.path().extension() != ".gguf") continue;
    const auto file = GgufFile::open(entry.path());
    ASSERT_TRUE(file.ok()) << file.error().to_string();
    EXPECT_EQ(*file->get_string("general.architecture"), "llama");
    EXPECT_EQ(*file->get_int("llama.block_count"), 2);
    EXPECT_TRUE(file->has_tensor("token_embd.weight"));
  }
}

std::vector<float> to_floats(const TensorView& tensor) {
  std::vector<float> out(static_cast<size_t>(tensor.numel()));
  for (int64_t r = 0; r < tensor.rows(); ++r) {
    dequantize_row(tensor.dtype, tensor.row_range(r, r + 1).data, out.data() + r * tensor.cols(), tensor.cols());
  }
  return out;
}

// llama.cpp made its 8-bit file from the float32 weights of which a-f16 holds the roundings. Most blocks are the same bytes; where a
// number stood on a boundary, numbers differ by a step.
TEST(Gguf, OurEightBitsAreLlamaCpps) {
  if (golden().empty()) GTEST_SKIP() << "no golden files";
  const auto halves = GgufFile::open(golden() / "a-f16.gguf");
  ASSERT_TRUE(halves.ok());
  for (const auto& [dtype, least_equal] : {std::pair(DType::kQ8_0, 0.5)}) {
    const auto theirs = GgufFile::open(golden() / fmt::format("a-{}.gguf", to_string(dtype)));
    ASSERT_TRUE(theirs.ok());
    double blocks = 0, equal = 0;
    for (const std::string& name : theirs->tensor_names()) {
      const auto expected = theirs->tensor(name), from = halves->tensor(name);
      if (!expected.ok() || !from.ok() || expected->dtype() != dtype) continue;
      Tensor ours(dtype, expected->shape());
      quantize_row(dtype, to_floats(*from).data(), ours.view().data, ours.numel());
      const std::vector<float> a = to_floats(ours), b = to_floats(*expected);
      const int bytes = dtype_info(dtype).block_bytes;
      for (int64_t i = 0; i < ours.numel() / kBlock; ++i, ++blocks) {
        const auto* block = expected->view().as<std::byte>() + i * bytes;
        equal += std::memcmp(ours.view().as<std::byte>() + i * bytes, block, static_cast<size_t>(bytes)) == 0;
        uint16_t scale;
        std::memcpy(&scale, block, sizeof scale);
        const float step = std::fabs(f16_to_f32(scale)) * 1.3f;  // and the scale's own rounding
        for (size_t j = static_cast<size_t>(i) * kBlock; j < static_cast<size_t>(i + 1) * kBlock; ++j) EXPECT_NEAR(a[j], b[j], step);
      }
    }
    EXPECT_GT(blocks, 10000);
    EXPECT_GT(equal / blocks, least_equal) << to_string(dtype);
  }
}

// Of every type that llama.cpp wrote, our blocks are nearer to the weights than its own.
TEST(Gguf, OurBlocksAreNearerThanLlamaCpps) {
  if (golden().empty()) GTEST_SKIP() << "no golden files";
  const auto halves = GgufFile::open(golden() / "a-f16.gguf");
  ASSERT_TRUE(halves.ok());
  for (const char* type : {"q4_0", "q4_1", "q5_0", "q5_1", "q4_k_m", "q5_k_m", "q6_k", "iq4_nl"}) {
    const auto theirs = GgufFile::open(golden() / fmt::format("a-{}.gguf", type));
    ASSERT_TRUE(theirs.ok());
    double our_error = 0, their_error = 0;
    for (const std::string& name : theirs->tensor_names()) {
      const auto expected = theirs->tensor(name), from = halves->tensor(name);
      if (!expected.ok() || !from.ok() || !is_quantized(expected->dtype()) || !is_encodable(expected->dtype())) continue;
      const std::vector<float> exact = to_floats(*from);
      Tensor ours(expected->dtype(), expected->shape());
      quantize_row(ours.dtype(), exact.data(), ours.view().data, ours.numel());
      const std::vector<float> a = to_floats(ours), b = to_floats(*expected);
      for (size_t i = 0; i < exact.size(); ++i) {
        our_error += std::pow(static_cast<double>(a[i]) - exact[i], 2);
        their_error += std::pow(static_cast<double>(b[i]) - exact[i], 2);
      }
    }
    EXPECT_GT(their_error, 0) << type;
    EXPECT_LT(our_error, their_error) << type;
    fmt::print("{:<8} squared error {:.6e}, llama.cpp's {:.6e}\n", type, our_error, their_error);
  }
}

TEST(Gguf, ThreadsWriteTheSameBytes) {
  const auto write = [](const fs::path& path, ThreadPool* pool) {
    GgufWriter writer;
    writer.set_string("general.architecture", "llama");
    for (const DType dtype : {DType::kQ4_K, DType::kQ6_K, DType::kF16, DType::kQ5_0}) {
      writer.add_tensor(std::string(to_string(dtype)), dtype, {3000, 256}, [dtype](int64_t row, void* out) {
        std::vector<float> x(256);
        Random random{.seed = 9, .stream = static_cast<uint64_t>(row)};
        for (float& value : x) value = static_cast<float>(random.normal());
        quantize_row(dtype, x.data(), out, 256);
      });
    }
    double last = 0;
    ASSERT_TRUE(writer.write(path, pool, [&last](double share) {
      EXPECT_GE(share, last);
      last = share;
    }).ok());
    EXPECT_GT(last, 0.99);
    EXPECT_LE(last, 1.0);
  };
  const fs::path dir(testing::TempDir());
  write(dir / "one.gguf", nullptr);
  for (const int threads : {2, 5}) {
    ThreadPool pool(threads);
    write(dir / "many.gguf", &pool);
    EXPECT_EQ(*read_file(dir / "one.gguf"), *read_file(dir / "many.gguf")) << threads;
  }
}

}  // namespace
}  // namespace owlet
