#include "core/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>

#include <cstdlib>

namespace owlet::log {

void init() {
  auto logger = spdlog::stderr_color_mt("owlet");
  logger->set_pattern("%^%l%$ %v");
  spdlog::set_default_logger(std::move(logger));
  if (const char* level = std::getenv("OWLET_LOG")) spdlog::set_level(spdlog::level::from_str(level));
}

}  // namespace owlet::log
