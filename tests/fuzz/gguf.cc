// A GGUF: every key by every reader, every tensor's numbers, then the model, the tokenizer and the template in it, used.
#include "apps/test_chat_model.h"
#include "fuzz.h"
#include "io/gguf.h"

using namespace owlet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fuzz::Folder folder;
  const auto path = folder.write("model.gguf", fuzz::pieces(data, size, 1)[0]);
  const auto file = GgufFile::open(path);
  if (!file.ok()) {
    fuzz::expect_clear(file.error());
    return 0;
  }
  for (const auto& [key, value] : file->metadata()) {
    (void)file->get_strings(key).ok();
    (void)file->ints_or_empty(key).ok();
    (void)file->floats_or_empty(key).ok();
    (void)file->string_or(key, "").ok();
    (void)file->bool_or(key, false).ok();
  }
  for (const std::string& name : file->tensor_names()) {
    if (const auto tensor = file->tensor(name); tensor.ok()) testing_chat::touch(*tensor); else fuzz::expect_clear(tensor.error());
  }
  if (const auto chat = load_chat_model(path); chat.ok()) testing_chat::use(*chat); else fuzz::expect_clear(chat.error());
  return 0;
}
