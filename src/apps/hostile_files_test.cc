// Whole models with damage: ten thousand copies of each kind of file are refused with a message, or loaded and used to the last
// number; and what is refused costs neither time nor memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <limits>
#include <map>

#include "apps/test_chat_model.h"
#include "core/json.h"
#include "core/test_mutations.h"
#include "io/gguf_types.h"
#include "io/safetensors.h"
#include "model/architecture.h"
#include "model/load.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr int kMutations = 10000;

fs::path scratch(const std::string& name) {
  const fs::path dir = fs::path(testing::TempDir()) / "owlet_hostile_files_test" / name;
  fs::remove_all(dir);
  fs::create_directories(dir);
  return dir;
}

// Not atomically: waiting for the device ten thousand times is not what is tested.
void write(const fs::path& file, const std::string& bytes) {
  fs::remove(file);
  std::FILE* out = std::fopen(file.c_str(), "wb");
  std::fwrite(bytes.data(), 1, bytes.size(), out);
  std::fclose(out);
}

struct Tally {
  int loaded = 0, refused = 0;
};

// Damages the files in turn, each within its first `head` bytes for the most part, and loads what `path` names.
Tally damage(const fs::path& path, const std::vector<std::pair<fs::path, size_t>>& files, int n = kMutations) {
  Tally tally;
  Random random{.seed = 11};
  std::vector<std::string> originals;
  for (const auto& [file, head] : files) originals.push_back(read_file(file).value());
  for (int i = 0; i < n; ++i) {
    const size_t at = static_cast<size_t>(i) % files.size();
    write(files[at].first, mutate(originals[at], std::min(files[at].second, originals[at].size()), random));
    const auto chat = load_chat_model(path);
    if (chat.ok()) {
      ++tally.loaded;
      testing_chat::use(*chat);
    } else {
      ++tally.refused;
      EXPECT_GT(chat.error().message.size(), 10u);
    }
    write(files[at].first, originals[at]);
  }
  return tally;
}

void expect_both(const Tally& tally) {
  EXPECT_GT(tally.refused, kMutations / 10);
  EXPECT_GT(tally.loaded, kMutations / 50);
}

TEST(HostileFiles, DamagedGguf) {
  const fs::path file = scratch("gguf") / "model.gguf";
  ThreadPool pool(1);
  ASSERT_TRUE(save_chat_model(testing_chat::tiny_chat_model(), file, *find_mix("q4_0"), nullptr, pool).ok());
  expect_both(damage(file, {{file, 2600}}));
}

TEST(HostileFiles, DamagedHuggingFaceFolder) {
  const fs::path dir = scratch("hf");
  ThreadPool pool(1);
  ASSERT_TRUE(save_chat_model(testing_chat::tiny_chat_model(), dir, *find_mix("bf16"), nullptr, pool).ok());
  const size_t all = SIZE_MAX;
  expect_both(damage(dir, {{dir / "config.json", all}, {dir / "model.safetensors", 1500}, {dir / "tokenizer.json", all}, {dir / "tokenizer_config.json", all}}));
}

TEST(HostileFiles, DamagedCheckpoint) {
  const fs::path dir = scratch("torch");
  const ChatModel chat = testing_chat::tiny_chat_model();
  const std::string bytes = testing_chat::torch_bytes(*chat.model, true);
  write(dir / "model.pt", bytes);
  write(dir / "params.json", R"({"n_heads":4,"norm_eps":1e-5,"rope_theta":10000,"max_seq_len":64})");
  ASSERT_TRUE(save_tokenizer_files(*chat.tokenizer, chat.chat_template, dir).ok());
  expect_both(damage(dir / "model.pt", {{dir / "model.pt", 3000}, {dir / "params.json", SIZE_MAX}}));
}

// ---- What refusing costs ----

#ifdef __has_feature
#define OWLET_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWLET_SANITIZED 1
#else
#define OWLET_SANITIZED 0
#endif
#if OWLET_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Kilobytes that resident memory grows by at most while load() runs, in a process of its own; −1 where it did not refuse.
template <class Load>
int64_t peak_of_refusal(const Load& load) {
  int pipe_ends[2];
  OWLET_CHECK(::pipe(pipe_ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    rusage before{}, after{};
    ::getrusage(RUSAGE_SELF, &before);
    const bool refused = !load();
    ::getrusage(RUSAGE_SELF, &after);
    const int64_t grown = refused ? after.ru_maxrss - before.ru_maxrss : -1;
    ::_exit(::write(pipe_ends[1], &grown, sizeof grown) == sizeof grown ? 0 : 1);
  }
  int64_t grown = -1;
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  OWLET_CHECK(::read(pipe_ends[0], &grown, sizeof grown) == sizeof grown);
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
  return grown;
}

template <class T>
void put(std::string& out, T value) { testing_torch::put(out, value); }
void put_text(std::string& out, const std::string& text) {
  put(out, uint64_t{text.size()});
  out += text;
}

// As many keys and tensors as are read, long names all, and a last tensor beyond the end.
std::string crowded_gguf() {
  std::string out = "GGUF";
  put<uint32_t>(out, 3);
  put<uint64_t>(out, 1 << 17);
  put<uint64_t>(out, 1 << 16);
  for (int i = 0; i < 1 << 16; ++i) {
    put_text(out, fmt::format("{:0200}", i));
    put<uint32_t>(out, gguf::kU8);
    out += '\1';
  }
  for (int i = 0; i < 1 << 17; ++i) {
    put_text(out, fmt::format("{:060}", i));
    put<uint32_t>(out, 1);
    put<uint64_t>(out, 1);
    put<uint32_t>(out, 0);
    put<uint64_t>(out, uint64_t{32} * static_cast<uint64_t>(i));
  }
  return out;
}

std::string with_length(const std::string& header) {
  std::string out;
  put(out, uint64_t{header.size()});
  return out + header;
}
std::string repeated(std::string_view text, size_t n) {
  std::string out;
  out.reserve(text.size() * n);
  for (size_t i = 0; i < n; ++i) out += text;
  return out;
}
std::string crowded_safetensors() {
  std::string header = "{";
  for (int i = 0; i < 1 << 17; ++i) header += fmt::format(R"("{:0100}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}},)", i);
  return with_length(header + R"("last":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}})");
}
// A vocabulary and merges as large models have them, and one token too few.
std::string large_tokenizer() {
  std::string text = R"({"model":{"type":"BPE","vocab":{)";
  for (int i = 0; i < 130'000; ++i) text += fmt::format("\"{}\":{},", i, i);
  text += R"("last":130000},"merges":[)";
  for (int i = 0; i < 280'000; ++i) text += fmt::format("[\"{}\",\"{}\"],", i % 350, i / 10);
  return text + R"(["last","first"]]}})";
}
std::string torch_of(const std::string& value) { return testing_torch::zip({{"m/data.pkl", testing_torch::pickle(value)}}); }

TEST(HostileFiles, RefusingCostsNoMemory) {
  if (kSanitized) GTEST_SKIP() << "sanitizers have memory of their own";
  constexpr int64_t kAllowedKb = 64 << 10;
  const fs::path dir = scratch("memory");
  const std::string config = R"({"model_type":"llama","vocab_size":16,"hidden_size":32,"num_hidden_layers":4096,"num_attention_heads":4,"intermediate_size":32})";
  std::string keys;
  for (int i = 0; i < 1'000'000; ++i) keys += fmt::format("\"{}\":{{}},", i);
  const std::vector<std::pair<const char*, std::string>> files = {
      {"keys.gguf", crowded_gguf()},
      {"list.gguf", "GGUF" + std::string("\3\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0k\t\0\0\0\t\0\0\0", 37) + std::string(8 << 20, '\0')},
      {"crowded.safetensors", crowded_safetensors()},
      {"deep.safetensors", with_length(repeated("{\"a\":", 1 << 21))},
      {"lists.safetensors", with_length(repeated("[],", 1 << 22))},
      {"tuples.pt", torch_of("(" + repeated(")", 190'000) + "t" + repeated("\x94", 190'000) + repeated("\x85", 190'000))},
      {"marks.pt", torch_of(repeated("(", 1'900'000))},
      {"texts.pt", torch_of(repeated("h\0", 4 << 20))},
      {"params.json", repeated("[", 4 << 20)},
      {"tokenizer.json", large_tokenizer()},
      {"lists/tokenizer.json", "[" + repeated("[],", 4 << 20) + "[]]"},
      {"keys/tokenizer.json", "{\"model\":{\"vocab\":{" + keys + "\"last\":{}}}}"},
  };
  for (const auto& [name, bytes] : files) {
    const fs::path file = dir / name;
    fs::create_directories(file.parent_path());
    write(file, bytes);
    const auto load = [&] {
      if (file.filename() == "tokenizer.json") return Tokenizer::load(file).ok();
      if (file.extension() == ".safetensors") return Safetensors::open(file).ok();
      if (file.extension() == ".json") return parse_json(*read_file(file)).ok();
      return load_model(file).ok();
    };
    const int64_t grown = peak_of_refusal(load);
    EXPECT_GE(grown, 0) << name << " is not refused";
    EXPECT_LT(grown, kAllowedKb + static_cast<int64_t>(bytes.size() >> 10)) << name;
  }
  const fs::path folder = scratch("memory/layers");
  write(folder / "config.json", config);
  write(folder / "model.safetensors", with_length("{}"));
  EXPECT_LT(peak_of_refusal([&] { return load_model(folder).ok(); }), kAllowedKb);
}

// ---- Numbers that make no sense ----

TEST(HostileFiles, NumbersOfAConfigAreRefusedByName) {
  const Json good = Json::parse(R"({"model_type":"llama","vocab_size":16,"hidden_size":32,"num_hidden_layers":1,"num_attention_heads":4,
      "num_key_value_heads":2,"intermediate_size":32,"max_position_embeddings":64})");
  ASSERT_TRUE(config_from_hf(good).ok());
  const std::vector<std::tuple<const char*, Json, const char*>> bad = {
      {"num_attention_heads", 0, "num_attention_heads"}, {"num_attention_heads", 3, "n_kv_heads"}, {"num_attention_heads", 1 << 20, "n_heads"},
      {"num_key_value_heads", 0, "n_kv_heads"}, {"num_key_value_heads", 3, "n_kv_heads"}, {"num_key_value_heads", -4, "n_kv_heads"},
      {"head_dim", 0, "head_dim"}, {"head_dim", 7, "head_dim"}, {"head_dim", int64_t{1} << 62, "head_dim"}, {"vocab_size", 0, "vocab_size"},
      {"vocab_size", -1, "vocab_size"}, {"vocab_size", UINT64_MAX, "vocab_size"}, {"vocab_size", 16.5, "vocab_size"}, {"hidden_size", 0, "dim"},
      {"hidden_size", INT64_MAX, "dim"}, {"intermediate_size", 0, "ffn_dim"}, {"num_hidden_layers", 0, "n_layers"},
      {"num_hidden_layers", -1, "num_hidden_layers"}, {"num_hidden_layers", 1 << 30, "num_hidden_layers"},
      {"max_position_embeddings", 0, "max_positions"}, {"max_position_embeddings", INT64_MAX, "max_positions"}, {"rms_norm_eps", 0, "rms_eps"},
      {"rms_norm_eps", -1, "rms_eps"}, {"rope_theta", 0, "theta"}, {"rope_theta", 1e300, "theta"}, {"rope_theta", "x", "rope_theta"},
      {"eos_token_id", -2, "eos"}, {"bos_token_id", -2, "bos"}, {"pad_token_id", "x", "pad_token_id"}, {"eos_token_id", Json::array({1, "x"}), "eos_token_id"}, {"partial_rotary_factor", 0, "partial_rotary_factor"},
      {"rope_scaling", {{"rope_type", "linear"}, {"factor", 0}}, "factor"}, {"rope_scaling", {{"rope_type", "tilted"}}, "tilted"},
      {"rope_scaling", {{"rope_type", "yarn"}, {"factor", 2}, {"original_max_position_embeddings", 0}}, "original context"},
      {"rope_scaling", {{"rope_type", "longrope"}, {"short_factor", {1}}, {"long_factor", {1}}}, "short_factor"},
      {"rope_scaling", 5, "rope_scaling"}, {"tie_word_embeddings", 1, "tie_word_embeddings"}};
  for (const auto& [key, value, names] : bad) {
    Json json = good;
    json[key] = value;
    const auto config = config_from_hf(json);
    ASSERT_FALSE(config.ok()) << key << " " << value;
    EXPECT_THAT(config.error().message, HasSubstr(names)) << key << " " << value;
  }
  Json far = good;
  far["max_position_embeddings"] = INT64_MAX;
  far["rope_scaling"] = {{"rope_type", "dynamic"}, {"factor", 999}};
  EXPECT_THAT(config_from_hf(far).error().message, HasSubstr("max_positions"));
}

// One key of a good file's metadata is another number.
TEST(HostileFiles, NumbersOfAGgufAreRefusedByName) {
  const auto refusal = [](const std::string& key, const std::function<void(GgufWriter&)>& set) {
    const fs::path file = scratch("numbers") / "model.gguf";
    GgufWriter writer;
    const std::map<std::string, uint32_t> good = {{"context_length", 64}, {"embedding_length", 32}, {"block_count", 1}, {"feed_forward_length", 32},
                                                  {"attention.head_count", 4}, {"attention.head_count_kv", 2}};
    writer.set_string("general.architecture", "llama");
    for (const auto& [name, value] : good) {
      if (name != key) writer.set_u32("llama." + name, value);
    }
    if (key != "attention.layer_norm_rms_epsilon") writer.set_f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    set(writer);
    writer.add_tensor("token_embd.weight", DType::kF32, {16, 32}, [](int64_t, void*) {});
    writer.add_tensor("blk.0.attn_norm.weight", DType::kF32, {32}, [](int64_t, void*) {});
    EXPECT_TRUE(writer.write(file).ok());
    const auto config = load_config(file);
    return config.ok() ? std::string() : config.error().message;
  };
  const auto whole = [&](const std::string& key, uint32_t value) {
    return refusal(key, [&](GgufWriter& writer) { writer.set_u32((key.starts_with("tokenizer") ? "" : "llama.") + key, value); });
  };
  const auto fraction = [&](const std::string& key, float value) {
    return refusal(key, [&](GgufWriter& writer) { writer.set_f32("llama." + key, value); });
  };
  EXPECT_EQ(refusal("", [](GgufWriter&) {}), "");
  EXPECT_THAT(whole("attention.head_count", 0), HasSubstr("head_count"));
  EXPECT_THAT(whole("attention.head_count", 3), HasSubstr("n_kv_heads"));
  EXPECT_THAT(whole("attention.head_count_kv", 0), HasSubstr("n_kv_heads"));
  EXPECT_THAT(whole("attention.key_length", 0), HasSubstr("head_dim"));
  EXPECT_THAT(whole("attention.key_length", UINT32_MAX), HasSubstr("head_dim"));
  EXPECT_THAT(whole("embedding_length", 0), HasSubstr("dim"));
  EXPECT_THAT(whole("context_length", 0), HasSubstr("max_positions"));
  EXPECT_THAT(whole("block_count", 0), HasSubstr("n_layers"));
  EXPECT_THAT(whole("block_count", UINT32_MAX), HasSubstr("block_count"));
  EXPECT_THAT(whole("rope.dimension_count", 7), HasSubstr("rotated"));
  EXPECT_EQ(whole("tokenizer.ggml.eos_token_id", 16), "");  // no such token: none
  EXPECT_EQ(whole("tokenizer.ggml.bos_token_id", UINT32_MAX), "");
  EXPECT_THAT(fraction("rope.freq_base", std::numeric_limits<float>::quiet_NaN()), HasSubstr("theta"));
  EXPECT_THAT(fraction("rope.freq_base", 0), HasSubstr("theta"));
  EXPECT_THAT(fraction("attention.layer_norm_rms_epsilon", std::numeric_limits<float>::quiet_NaN()), HasSubstr("rms_eps"));
  EXPECT_THAT(fraction("embedding_scale", std::numeric_limits<float>::infinity()), HasSubstr("embedding_scale"));
  EXPECT_THAT(refusal("context_length", [](GgufWriter& w) { w.set_string("llama.context_length", "64"); }), HasSubstr("llama.context_length"));
  EXPECT_THAT(refusal("block_count", [](GgufWriter& w) { w.set_f32("llama.block_count", 1); }), HasSubstr("llama.block_count"));
}

}  // namespace
}  // namespace owlet
