// A PEFT folder, put beside a model's weights and into them.
#include "apps/peft.h"
#include "apps/test_chat_model.h"
#include "fuzz.h"

using namespace owlet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fuzz::Folder folder;
  static const ChatModel base = testing_chat::tiny_chat_model();
  const auto pieces = fuzz::pieces(data, size, 2);
  folder.write("adapter_config.json", pieces[0]);
  folder.write("adapter_model.safetensors", pieces[1]);
  const auto adapter = load_peft(folder.path(), *base.model);
  if (!adapter.ok()) {
    fuzz::expect_clear(adapter.error());
    return 0;
  }
  for (const auto put : {apply_adapter, merge_adapter}) {
    Model model = *base.model;
    if (const Status status = put(*adapter, 0.5, model); status.ok()) testing_chat::use(model); else fuzz::expect_clear(status.error());
  }
  return 0;
}
