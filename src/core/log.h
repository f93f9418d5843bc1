// The logging front: spdlog to standard error, so that standard output stays the program's answer.
#pragma once

#include <spdlog/spdlog.h>

namespace owlet::log {

using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;

// Called once by main: quiet format on standard error, level from OWLET_LOG (debug, info, warn, error) or `info`.
void init();

}  // namespace owlet::log
