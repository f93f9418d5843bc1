// A pickle alone, without the archive around it.
#include "fuzz.h"
#include "io/pickle.h"

using namespace owlet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (const auto pickle = read_pickle({reinterpret_cast<const char*>(data), size}); !pickle.ok()) fuzz::expect_clear(pickle.error());
  return 0;
}
