// tokenizer.json and tokenizer_config.json; where the first is empty, vocab.json and merges.txt. Then texts there and back.
#include "apps/test_chat_model.h"
#include "fuzz.h"

using namespace owlet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fuzz::Folder folder;
  const auto pieces = fuzz::pieces(data, size, 4);
  folder.write("tokenizer_config.json", pieces[1].empty() ? "{}" : pieces[1]);
  const auto tokenizer = pieces[0].empty() ? Tokenizer::load_vocab_merges(folder.write("vocab.json", pieces[2]), folder.write("merges.txt", pieces[3]))
                                           : Tokenizer::load(folder.write("tokenizer.json", pieces[0]));
  if (tokenizer.ok()) testing_chat::use(*tokenizer); else fuzz::expect_clear(tokenizer.error());
  return 0;
}
