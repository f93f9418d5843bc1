// A PyTorch checkpoint: the archive, and a params.json beside it.
#include "apps/test_chat_model.h"
#include "fuzz.h"
#include "io/torch_file.h"
#include "model/load.h"

using namespace owlet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fuzz::Folder folder;
  const auto pieces = fuzz::pieces(data, size, 2);
  folder.write("params.json", pieces[0].empty() ? "{}" : pieces[0]);
  const auto path = folder.write("model.pt", pieces[1]);
  const auto file = TorchFile::open(path);
  if (!file.ok()) fuzz::expect_clear(file.error());
  for (const std::string& name : file.ok() ? file->names() : std::vector<std::string>()) {
    if (const auto tensor = file->tensor(name); tensor.ok()) testing_chat::touch(*tensor); else fuzz::expect_clear(tensor.error());
  }
  if (const auto model = load_model(path); model.ok()) testing_chat::use(*model); else fuzz::expect_clear(model.error());
  return 0;
}
