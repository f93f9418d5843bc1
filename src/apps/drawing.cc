#include "apps/drawing.h"

#include <fmt/format.h>

namespace owlet {

Result<std::string (*)(const Drawing&)> drawing_format(const std::filesystem::path& file) {
  if (file.extension() == ".svg") return &draw_svg;
  if (file.extension() == ".png") return &draw_png;
  return Error{ErrorCode::kInvalidArgument, fmt::format("{} is neither an SVG nor a PNG by its name", file.string()), "let it end in .svg or .png"};
}

}  // namespace owlet
