// Models with tokenizer and chat template, from one path and to it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "apps/chat_model.h"
#include "core/thread_pool.h"
#include "model/importance.h"
#include "model/mix.h"

namespace owlet {

// A file that comes with the program: in the source tree it was built from, else under share/owlet beside an installed program.
Result<std::filesystem::path> share_file(const std::string& name);

// The bundled model: $OWLET_MODEL, else beside the program or in its source tree. Says what to do where there is none.
Result<std::filesystem::path> bundled_model_path();

// Where a model lies that people name: a path, else a name of the store; empty: the bundled model.
Result<std::filesystem::path> find_model(const std::filesystem::path& given);

// What people call the model at a path: the file's or folder's name.
std::string model_name(const std::filesystem::path& path);

// The homemade form of chats. Models that were given the opening of every thought, and never learnt when to think, are given it in
// chats too (`opens_thoughts`), unless a request asks for none.
std::string homemade_template(bool opens_thoughts);

// A GGUF file, a Hugging Face folder or a PyTorch checkpoint with its tokenizer beside it, found by find_model(). Nothing of the weights is
// read yet.
Result<ChatModel> load_chat_model(const std::filesystem::path& path);

// Writes model, tokenizer and template where `to` says: a GGUF file (by its ending) or a Hugging Face folder, whose matrices are
// floats. `importance` may be null.
Status save_chat_model(const ChatModel& chat, const std::filesystem::path& to, const Mix& mix, const Importance* importance, ThreadPool& pool);

// What --quantize asks for: a float model's weights as blocks, in memory alone. Nothing where `type` is empty.
Status quantize_in_memory(const std::string& type, ChatModel& chat, ThreadPool& pool);

// generation_config.json of a Hugging Face folder: what the model advises, and the ids that end an answer.
Status save_generation_config(const ModelConfig& config, const SamplingParams& defaults, const std::vector<int32_t>& stop_ids,
                              const std::filesystem::path& folder);

// Tokenizer and template files of a Hugging Face folder, added to one that holds a model.
Status save_tokenizer_files(const Tokenizer& tokenizer, const std::optional<ChatTemplate>& chat_template,
                            const std::filesystem::path& folder);

}  // namespace owlet
