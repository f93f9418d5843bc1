// Every description, one line each, for the registry. Several may share a name in GGUF: the first is what a file of that name is.
#pragma once

#include "model/architecture.h"

#define OWLET_ARCHITECTURES(X) \
  X(kLlama)                    \
  X(kMistral)                  \
  X(kQwen2)                    \
  X(kQwen3)                    \
  X(kSmolLm3)                  \
  X(kPhi3)                     \
  X(kGemma2)                   \
  X(kGemma3)                   \
  X(kOlmo2)                    \
  X(kGranite)                  \
  X(kExaone4)

namespace owlet {

#define OWLET_DECLARE(name) extern const Architecture name;
OWLET_ARCHITECTURES(OWLET_DECLARE)
#undef OWLET_DECLARE

}  // namespace owlet
