// Thousands of damaged copies of small valid files: each is refused with a message, or loads and can be read to its last byte.
#include <gtest/gtest.h>

#include "core/file.h"
#include "core/test_mutations.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "io/test_torch_file.h"
#include "io/torch_file.h"
#include "quant/blocks.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

constexpr int kMutations = 10000;

fs::path damaged_file(const std::string& name) {
  const fs::path dir = fs::path(testing::TempDir()) / "owlet_mutation_test";
  fs::create_directories(dir);
  return dir / name;
}

// Reads every number of a tensor.
float touch(const TensorView& tensor) {
  std::vector<float> row(static_cast<size_t>(tensor.cols()));
  float sum = 0;
  for (int64_t r = 0; r < tensor.rows(); ++r) {
    dequantize_row(tensor.dtype, tensor.row_range(r, r + 1).data, row.data(), tensor.cols());
    for (const float x : row) sum += x;
  }
  return sum;
}

void expect_clear(const Error& error) { EXPECT_GT(error.message.size(), 10u); }

struct Tally {
  int loaded = 0, refused = 0;
};

void read_gguf(const fs::path& path, Tally& tally) {
  const auto file = GgufFile::open(path);
  if (!file.ok()) {
    ++tally.refused;
    return expect_clear(file.error());
  }
  ++tally.loaded;
  for (const auto& [key, value] : file->metadata()) {
    (void)file->get_strings(key).ok();
    (void)file->ints_or_empty(key).ok();
    (void)file->floats_or_empty(key).ok();
    (void)file->string_or(key, "").ok();
  }
  for (const std::string& name : file->tensor_names()) {
    const auto tensor = file->tensor(name);
    if (tensor.ok()) touch(*tensor); else expect_clear(tensor.error());
  }
}

// Safetensors and TorchFile are read alike.
template <class File>
void read_tensors(const fs::path& path, Tally& tally) {
  const auto file = File::open(path);
  if (!file.ok()) {
    ++tally.refused;
    return expect_clear(file.error());
  }
  ++tally.loaded;
  for (const std::string& name : file->names()) {
    const auto tensor = file->tensor(name);
    if (tensor.ok()) touch(*tensor); else expect_clear(tensor.error());
  }
}

Tally run(const fs::path& sample, size_t head, void (*read)(const fs::path&, Tally&)) {
  const auto original = read_file(sample);
  const fs::path damaged = damaged_file("damaged");
  Tally tally;
  Random random{42};
  for (int i = 0; i < kMutations; ++i) {
    // A new file each time, and not atomically: waiting for the device ten thousand times is not what is tested.
    fs::remove(damaged);
    std::FILE* file = std::fopen(damaged.c_str(), "wb");
    const std::string bytes = mutate(*original, head, random);
    std::fwrite(bytes.data(), 1, bytes.size(), file);
    std::fclose(file);
    read(damaged, tally);
  }
  return tally;
}

TEST(Mutation, Gguf) {
  GgufWriter writer;
  writer.set_string("general.architecture", "llama");
  writer.set_u32("general.alignment", 32);
  writer.set_f32("f", 1.5f);
  writer.set_bool("b", true);
  writer.set_strings("tokens", {"a", "bc", "", "defg"});
  writer.set_i32s("types", {1, 2, 3});
  writer.set_f32s("scores", {1, 2, 3});
  const auto zeros = [](int64_t, void*) {};
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_K, DType::kQ3_K}) {
    writer.add_tensor(std::string(to_string(dtype)), dtype, {2, 256}, zeros);
  }
  ASSERT_TRUE(writer.write(damaged_file("sample.gguf")).ok());
  const Tally tally = run(damaged_file("sample.gguf"), 640, read_gguf);
  EXPECT_GT(tally.refused, kMutations / 4);
  EXPECT_GT(tally.loaded, kMutations / 50);
}

TEST(Mutation, Safetensors) {
  std::vector<Tensor> keep;
  std::vector<std::pair<std::string, TensorView>> tensors;
  for (const DType dtype : {DType::kF16, DType::kF32, DType::kBF16, DType::kI32, DType::kF64}) {
    keep.emplace_back(dtype, Shape{3, 5});
    tensors.emplace_back(std::string(to_string(dtype)), keep.back());
  }
  ASSERT_TRUE(write_safetensors(damaged_file("sample.safetensors"), tensors, {{"k", "v"}}).ok());
  const Tally tally = run(damaged_file("sample.safetensors"), 440, read_tensors<Safetensors>);
  EXPECT_GT(tally.refused, kMutations / 4);
  EXPECT_GT(tally.loaded, kMutations / 50);
}

TEST(Mutation, TorchFile) {
  const Tensor a(DType::kF32, {3, 5}), b(DType::kBF16, {4});
  for (const bool zip64 : {false, true}) {
    const std::string bytes = testing_torch::state_dict({{"a", a}, {"b", b}}, zip64);
    ASSERT_TRUE(write_file(damaged_file("sample.pt"), bytes).ok());
    const Tally tally = run(damaged_file("sample.pt"), bytes.size(), read_tensors<TorchFile>);
    EXPECT_GT(tally.refused, kMutations / 4);
    EXPECT_GT(tally.loaded, kMutations / 50);
  }
}

}  // namespace
}  // namespace owlet
