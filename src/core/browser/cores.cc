// Where nobody tells cores apart.
#include "core/cores.h"

#include <algorithm>
#include <thread>

namespace owlet {

int usable_cores() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

void stay_on_fast_cores() {}

}  // namespace owlet
