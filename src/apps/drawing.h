// Lines and words on a white ground, as an SVG or as a PNG.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/result.h"

namespace owlet {

using Point = std::pair<double, double>;  // x to the right, y down

struct Drawing {
  enum class Anchor { kStart, kMiddle, kEnd };
  struct Line {
    std::vector<Point> points;
    uint32_t rgb = 0;  // 0xrrggbb
    double width = 1;
    double opacity = 1;
  };
  struct Text {
    Point at;  // of the anchor, on the line that letters stand on
    std::string text;
    Anchor anchor = Anchor::kStart;
    uint32_t rgb = 0;
    double size = 12;
  };
  int width = 0;
  int height = 0;
  std::vector<std::variant<Line, Text>> items;  // later ones lie over earlier ones
};

std::string draw_svg(const Drawing& drawing);

// Two pixels a unit, edges softened; words in letters of strokes (stroke_font.h), so that no font has to be installed.
std::string draw_png(const Drawing& drawing);

// draw_svg or draw_png, as the file's name ends.
Result<std::string (*)(const Drawing&)> drawing_format(const std::filesystem::path& file);

struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;  // three bytes a pixel, row by row from the top
};
Image rasterize(const Drawing& drawing, int pixels_per_unit);

}  // namespace owlet
