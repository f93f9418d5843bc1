#pragma once

#include "model/architecture.h"

namespace owlet {
extern const Architecture kLlama;
}
