#include "model/mix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/file.h"
#include "core/test_mutations.h"
#include "kernels/backend.h"
#include "model/importance.h"
#include "model/load.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

ModelConfig shape(int64_t n_layers, bool tied) {
  ModelConfig c;
  c.architecture = "llama";
  c.vocab_size = 40;
  c.dim = 256;
  c.n_layers = n_layers;
  c.n_heads = 4;
  c.n_kv_heads = 1;
  c.head_dim = 64;
  c.ffn_dim = 512;
  c.max_positions = 64;
  c.tie_embeddings = tied;
  return c;
}

DType type_of(const char* mix, const ModelConfig& c, const std::string& name, int64_t cols = 256, bool importance = false) {
  return type_in_mix(*find_mix(mix), c, name, Shape{40, cols}, importance);
}

// Of sixteen layers.
TEST(Mix, LayersThatMatterGetMoreBits) {
  const ModelConfig c = shape(16, false);
  std::string values, down;
  for (int i = 0; i < 16; ++i) {
    values += type_of("q4_k_m", c, fmt::format("blk.{}.attn_v.weight", i)) == DType::kQ6_K ? '6' : '4';
    down += type_of("q5_k_m", c, fmt::format("blk.{}.ffn_down.weight", i)) == DType::kQ6_K ? '6' : '5';
  }
  EXPECT_EQ(values, "6644644644644666");
  EXPECT_EQ(down, "6655655655655666");
  EXPECT_EQ(type_of("q4_k_m", c, "blk.0.attn_q.weight"), DType::kQ4_K);
  EXPECT_EQ(type_of("q4_k_m", c, "blk.0.attn_qkv.weight"), DType::kQ6_K);
  EXPECT_EQ(type_of("q5_k_m", c, "blk.0.ffn_up.weight"), DType::kQ5_K);
}

TEST(Mix, TheOutputGetsMoreBits) {
  const ModelConfig tied = shape(4, true), own = shape(4, false);
  for (const char* mix : {"q4_k_m", "q5_k_m", "q4_0", "q5_0", "iq4_nl", "q6_k"}) {
    EXPECT_EQ(type_of(mix, own, "output.weight"), DType::kQ6_K) << mix;
    EXPECT_EQ(type_of(mix, tied, "token_embd.weight"), DType::kQ6_K) << mix;
    EXPECT_EQ(type_of(mix, own, "token_embd.weight"), find_mix(mix)->most) << mix;
  }
  EXPECT_EQ(type_of("q8_0", own, "output.weight"), DType::kQ8_0);
  EXPECT_EQ(type_of("f16", own, "output.weight"), DType::kF16);
}

TEST(Mix, RowsThatDoNotDivideGetSmallerBlocks) {
  const ModelConfig c = shape(4, false);
  EXPECT_EQ(type_of("q4_k_m", c, "blk.0.attn_q.weight", 320), DType::kQ5_0);
  EXPECT_EQ(type_of("q5_k_m", c, "blk.0.attn_q.weight", 320), DType::kQ5_1);
  EXPECT_EQ(type_of("q4_k_m", c, "output.weight", 320), DType::kQ8_0);
  EXPECT_EQ(type_of("q4_0", c, "blk.0.attn_q.weight", 40), DType::kF16);
  EXPECT_EQ(type_in_mix(*find_mix("q4_0"), c, "blk.0.attn_norm.weight", Shape{256}, false), DType::kF32);
}

TEST(Mix, FirstLayersAreCareful) {
  const ModelConfig c = shape(16, false);
  EXPECT_EQ(type_of("iq4_nl", c, "blk.1.ffn_down.weight"), DType::kQ5_K);
  EXPECT_EQ(type_of("iq4_nl", c, "blk.1.ffn_down.weight", 256, true), DType::kIQ4_NL);
  EXPECT_EQ(type_of("iq4_nl", c, "blk.9.attn_v.weight"), DType::kQ5_K);  // four heads share it
  EXPECT_EQ(type_of("q4_0", c, "blk.1.ffn_down.weight", 256, true), DType::kQ4_1);
  EXPECT_EQ(type_of("q4_0", c, "blk.2.ffn_down.weight", 256, true), DType::kQ4_0);
}

TEST(Mix, AnUnknownNameListsTheOthers) {
  const auto mix = find_mix("q4");
  ASSERT_FALSE(mix.ok());
  EXPECT_THAT(mix.error().to_string(), testing::HasSubstr("q4_k_m"));
}

Model small_model(DType dtype = DType::kF32) {
  const ModelConfig c = shape(2, true);
  Weights weights = make_weights(c, dtype);
  if (dtype == DType::kF32) init_weights(weights, c, 3);
  return *make_model(c, std::move(weights));
}

std::vector<std::string> bytes_of(const Model& model) {
  std::vector<std::string> bytes;
  model.weights.for_each([&](const std::string&, const Tensor& tensor) {
    bytes.emplace_back(static_cast<const char*>(tensor.view().data), static_cast<size_t>(tensor.bytes()));
  });
  return bytes;
}

TEST(Quantize, InMemoryAsInAFile) {
  const Model model = small_model();
  const fs::path file = fs::path(testing::TempDir()) / "owlet_mix_test.gguf";
  const Mix mix = *find_mix("q4_k_m");
  GgufWriter writer;
  ASSERT_TRUE(add_to_gguf(model, mix, writer).ok());
  ASSERT_TRUE(writer.write(file).ok());
  const auto gguf = GgufFile::open(file);
  EXPECT_EQ(*gguf->get_int("general.file_type"), 15);
  EXPECT_EQ(*gguf->get_int("general.quantization_version"), 2);
  EXPECT_EQ(gguf->tensor("blk.1.attn_v.weight")->dtype(), DType::kQ6_K);
  const auto from_file = load_model(file);
  ASSERT_TRUE(from_file.ok());
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    Model in_memory = model;
    double share = 0;
    ASSERT_TRUE(quantize_weights(in_memory, mix, pool, [&](double s) { share = s; }).ok());
    EXPECT_NEAR(share, 1.0, 1e-9);
    const auto types = [](const Model& m) {
      std::vector<std::string_view> names;
      m.weights.for_each([&](const std::string&, const Tensor& tensor) { names.push_back(to_string(tensor.dtype())); });
      return names;
    };
    EXPECT_EQ(types(in_memory), types(*from_file));
    EXPECT_LT(in_memory.bytes(), model.bytes() / 5);
    // Queries and keys lie in another order there.
    EXPECT_EQ(bytes_of(in_memory)[0], bytes_of(*from_file)[0]);
    EXPECT_EQ(bytes_of(in_memory).back(), bytes_of(*from_file).back());
    Model again = in_memory;
    const Status refused = quantize_weights(again, mix, pool);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("quantized already"));
  }
}

// ---- Importance -----------------------------------------------------------------------------------------------------

// Runs a few tokens through the model with a collector looking.
fs::path collected(const Model& model) {
  ThreadPool pool(2);
  const auto ops = make_cpu_ops(pool);
  ImportanceCollector collector(model);
  const Context context{.ops = **ops, .observer = &collector};
  Runner runner(context, model, 16);
  const KvCache cache(model.config, 1);
  const std::vector<int32_t> pages = {0};
  const RaggedBatch batch{.tokens_N = {1, 2, 3, 4, 5}, .positions_N = {0, 1, 2, 3, 4}, .sequences = {{0, 5, 0, pages}}, .output_rows = {}};
  for (int i = 0; i < 2; ++i) runner.forward(batch, cache);
  const fs::path file = fs::path(testing::TempDir()) / "owlet_imatrix.gguf";
  EXPECT_TRUE(collector.write(file, {"a.txt"}, 2, 5).ok());
  return file;
}

TEST(Importance, SumsOfSquaresAreWritten) {
  const Model model = small_model();
  const fs::path file = collected(model);
  const auto gguf = GgufFile::open(file);
  ASSERT_TRUE(gguf.ok());
  EXPECT_EQ(*gguf->get_string("general.type"), "imatrix");
  EXPECT_EQ(*gguf->get_int("imatrix.chunk_count"), 2);
  EXPECT_EQ(gguf->tensor_names().size(), 2u * 7 * 2);  // q, k, v, o, gate, up and down of two layers
  EXPECT_EQ(gguf->tensor("blk.0.attn_q.weight.counts")->f32()[0], 10);
  // The first layer's queries see normed rows of the table.
  const auto sums = gguf->tensor("blk.0.attn_q.weight.in_sum2");
  std::vector<double> expected(256, 0.0);
  for (int token = 1; token <= 5; ++token) {
    const float* row = model.weights.embedding_VD.f32() + token * 256;
    double squares = 0;
    for (int i = 0; i < 256; ++i) squares += static_cast<double>(row[i]) * row[i];
    for (size_t i = 0; i < 256; ++i) expected[i] += 2 * row[i] * row[i] / (squares / 256 + model.config.rms_eps);
  }
  for (size_t i = 0; i < 256; ++i) EXPECT_NEAR(sums->f32()[i], expected[i], 1e-3 * expected[i] + 1e-6);
  EXPECT_EQ(gguf->tensor("blk.1.ffn_down.weight.in_sum2")->numel(), 512);
}

TEST(Importance, IsReadBackAndChangesWhatIsWritten) {
  const Model model = small_model();
  const auto importance = Importance::load(collected(model));
  ASSERT_TRUE(importance.ok()) << importance.error().to_string();
  EXPECT_TRUE(importance->check(model).ok());
  const float* columns = importance->find("blk.0.ffn_down.weight");
  ASSERT_NE(columns, nullptr);
  double sum = 0;
  for (int i = 0; i < 512; ++i) sum += columns[i];
  EXPECT_NEAR(sum, 512, 0.01);
  EXPECT_EQ(importance->find("output.weight"), nullptr);
  const fs::path with = fs::path(testing::TempDir()) / "with.gguf", without = fs::path(testing::TempDir()) / "without.gguf";
  for (const bool weighted : {false, true}) {
    GgufWriter writer;
    ASSERT_TRUE(add_to_gguf(model, *find_mix("q4_k_m"), writer, weighted ? &*importance : nullptr).ok());
    ASSERT_TRUE(writer.write(weighted ? with : without).ok());
  }
  EXPECT_NE(*read_file(with), *read_file(without));
  ModelConfig other = shape(2, true);
  other.ffn_dim = 256;
  EXPECT_THAT(importance->check(*make_model(other, make_weights(other))).error().message, testing::HasSubstr("512 columns"));
}

TEST(Importance, AModelIsNone) {
  const fs::path file = fs::path(testing::TempDir()) / "owlet_no_imatrix.gguf";
  const Model model = small_model();
  GgufWriter writer;
  ASSERT_TRUE(add_to_gguf(model, *find_mix("f16"), writer).ok());
  ASSERT_TRUE(writer.write(file).ok());
  const auto importance = Importance::load(file);
  ASSERT_FALSE(importance.ok());
  EXPECT_THAT(importance.error().message, testing::HasSubstr("not an importance matrix"));
}

TEST(Importance, DamagedFilesAreRefusedOrHoldOnlyNumbers) {
  GgufWriter writer;
  writer.set_string("general.type", "imatrix");
  for (const char* name : {"blk.0.attn_q.weight", "blk.0.attn_k.weight"}) {
    writer.add_tensor(std::string(name) + ".in_sum2", DType::kF32, {8}, [](int64_t, void* out) { std::fill_n(static_cast<float*>(out), 8, 2.0f); });
    writer.add_tensor(std::string(name) + ".counts", DType::kF32, {1}, [](int64_t, void* out) { *static_cast<float*>(out) = 4; });
  }
  const fs::path sample = fs::path(testing::TempDir()) / "imatrix.gguf", damaged = fs::path(testing::TempDir()) / "damaged_imatrix.gguf";
  ASSERT_TRUE(writer.write(sample).ok());
  ASSERT_TRUE(Importance::load(sample).ok());
  const std::string original = *read_file(sample);
  Random random{42};
  int refused = 0, read = 0;
  for (int i = 0; i < 4000; ++i) {
    fs::remove(damaged);
    std::FILE* file = std::fopen(damaged.c_str(), "wb");
    const std::string bytes = mutate(original, original.size(), random);
    std::fwrite(bytes.data(), 1, bytes.size(), file);
    std::fclose(file);
    const auto importance = Importance::load(damaged);
    if (!importance.ok()) {
      ++refused;
      EXPECT_GT(importance.error().message.size(), 10u);
      continue;
    }
    ++read;
    for (const char* name : {"blk.0.attn_q.weight", "blk.0.attn_k.weight"}) {
      const float* columns = importance->find(name);
      for (int c = 0; columns && c < 8; ++c) ASSERT_TRUE(std::isfinite(columns[c]) && columns[c] >= 0);
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(read, 50);
}

}  // namespace
}  // namespace owlet
