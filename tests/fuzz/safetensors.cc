// A Hugging Face folder: config.json, the index, and the two files that it may name; without an index, one file.
#include "apps/test_chat_model.h"
#include "fuzz.h"
#include "io/safetensors.h"
#include "model/load.h"

using namespace owlet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fuzz::Folder folder;
  const auto pieces = fuzz::pieces(data, size, 4);
  folder.write("config.json", pieces[0]);
  std::error_code code;
  std::filesystem::remove(folder.path() / "model.safetensors", code);
  folder.write("model.safetensors.index.json", pieces[1]);
  folder.write(pieces[1].empty() ? "model.safetensors" : "a.safetensors", pieces[2]);
  folder.write("b.safetensors", pieces[3]);
  const auto tensors = Safetensors::open_folder(folder.path());
  if (!tensors.ok()) fuzz::expect_clear(tensors.error());
  for (const std::string& name : tensors.ok() ? tensors->names() : std::vector<std::string>()) {
    if (const auto tensor = tensors->tensor(name); tensor.ok()) testing_chat::touch(*tensor); else fuzz::expect_clear(tensor.error());
  }
  if (const auto model = load_model(folder.path()); model.ok()) testing_chat::use(*model); else fuzz::expect_clear(model.error());
  return 0;
}
