#include "io/hub/selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace owlet {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<HubFile> files(std::initializer_list<const char*> paths) {
  std::vector<HubFile> result;
  for (const char* path : paths) result.push_back({path, 1500000000, ""});
  return result;
}

// Paths, or the error.
std::vector<std::string> selected(const std::vector<HubFile>& from, const std::string& wanted) {
  const auto picked = select_files(from, "org/model", wanted);
  if (!picked.ok()) return {picked.error().to_string()};
  std::vector<std::string> paths;
  for (const HubFile& file : *picked) paths.push_back(file.path);
  return paths;
}

const auto kGgufs = files({"README.md", "Tiny-Q4_K_M.gguf", "Tiny-Q4_K_S.gguf", "Tiny-Q8_0.gguf", "tiny.f16.gguf", "mmproj-tiny-Q8_0.gguf",
                           "big/Tiny-F32-00001-of-00002.gguf", "big/Tiny-F32-00002-of-00002.gguf"});

TEST(Selection, TagsOfNames) {
  for (const auto& [path, tag] : std::map<std::string, std::string>{
           {"a/Tiny-Q4_K_M.gguf", "Q4_K_M"}, {"tiny.f16.gguf", "f16"}, {"smollm2_q4_0.gguf", "q4_0"}, {"Tiny-IQ4_XS.gguf", "IQ4_XS"},
           {"Tiny-UD-Q2_K_XL.gguf", "Q2_K_XL"}, {"qwen-7b.gguf", ""}, {"Tiny-Q8_0-00001-of-00002.gguf", "Q8_0"}, {"q8_0.gguf", "q8_0"},
           {"Tiny.Q6_K.gguf", "Q6_K"}, {"gpt-mxfp4.gguf", "mxfp4"}, {"quick.gguf", ""}, {"-.gguf", ""}, {".gguf", ""}, {"tiny-Q.gguf", ""}}) {
    const std::string found = quantization_tag(path);
    // A name whose parts are set apart by "_" gives its last words' tag.
    EXPECT_EQ(found, tag) << path;
  }
}

TEST(Selection, AGgufByTagOrName) {
  EXPECT_THAT(selected(kGgufs, "q4_k_m"), ElementsAre("Tiny-Q4_K_M.gguf"));
  EXPECT_THAT(selected(kGgufs, "Q8_0"), ElementsAre("Tiny-Q8_0.gguf"));
  EXPECT_THAT(selected(kGgufs, "F16"), ElementsAre("tiny.f16.gguf"));
  EXPECT_THAT(selected(kGgufs, "Tiny-Q4_K_S.gguf"), ElementsAre("Tiny-Q4_K_S.gguf"));
  EXPECT_THAT(selected(kGgufs, "tiny-q4_k_s"), ElementsAre("Tiny-Q4_K_S.gguf"));
  EXPECT_THAT(selected(kGgufs, ""), ElementsAre("Tiny-Q4_K_M.gguf"));
  EXPECT_THAT(selected(files({"only.gguf", "README.md"}), ""), ElementsAre("only.gguf"));
  EXPECT_THAT(selected(files({"x_iq4_nl.gguf", "x_q4_0.gguf"}), "q4_0"), ElementsAre("x_q4_0.gguf"));
}

TEST(Selection, WhatThereIsIsListed) {
  EXPECT_THAT(selected(kGgufs, "Q3_K").front(), HasSubstr("there is no Q3_K in org/model\n  there are: Q4_K_M (1.50 GB), Q4_K_S (1.50 GB), Q8_0"));
  EXPECT_THAT(selected(kGgufs, "Q4_K").front(), HasSubstr("there is no Q4_K"));
  EXPECT_THAT(selected(kGgufs, "Tiny").front(), HasSubstr("there is no Tiny"));
  EXPECT_THAT(selected(kGgufs, "F32").front(), HasSubstr("is split into several files"));
  EXPECT_THAT(selected(files({"a-Q4_0.gguf", "b-Q4_0.gguf"}), "q4_0").front(), HasSubstr("name one: a-Q4_0.gguf, b-Q4_0.gguf"));
  EXPECT_THAT(selected(files({"a-Q4_0.gguf", "b-Q8_0.gguf"}), "").front(), HasSubstr("name one, as in org/model:Q4_0"));
  EXPECT_THAT(selected(files({"README.md", "run.py", "model.bin"}), "").front(), HasSubstr("neither safetensors nor GGUF"));
}

TEST(Selection, AFolderOfSafetensorsAndNothingElse) {
  EXPECT_THAT(selected(files({".gitattributes", "README.md", "config.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx", "merges.txt",
                              "tokenizer.json", "chat_template.jinja", "modeling.py", "tokenizer.model", "onnx/config.json", "Tiny-Q8_0.gguf"}), ""),
              ElementsAre("model.safetensors", "merges.txt", "tokenizer.json", "chat_template.jinja", "tokenizer.model", "config.json"));
  EXPECT_THAT(selected(files({"config.json", "consolidated.safetensors", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                              "model.safetensors.index.json"}), ""),
              ElementsAre("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json", "config.json"));
  EXPECT_THAT(selected(files({"adapter_config.json", "adapter_model.safetensors"}), ""), ElementsAre("adapter_model.safetensors", "adapter_config.json"));
}

}  // namespace
}  // namespace owlet
