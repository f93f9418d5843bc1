#include <fmt/format.h>

#include "apps/drawing.h"

namespace owlet {
namespace {

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '"' ? "&quot;" : std::string(1, c);
  return out;
}

std::string element(const Drawing::Line& line) {
  std::string path;
  for (const auto& [x, y] : line.points) path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x, y);
  return fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"#{:06x}\" stroke-width=\"{}\" stroke-opacity=\"{}\"/>\n", path, line.rgb, line.width, line.opacity);
}

std::string element(const Drawing::Text& text) {
  constexpr const char* kAnchors[] = {"start", "middle", "end"};
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" fill=\"#{:06x}\" font-size=\"{}\">{}</text>\n", text.at.first, text.at.second,
                     kAnchors[static_cast<int>(text.anchor)], text.rgb, text.size, escaped(text.text));
}

}  // namespace

std::string draw_svg(const Drawing& drawing) {
  std::string svg = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\">\n"
                                "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n", drawing.width, drawing.height);
  for (const auto& item : drawing.items) svg += std::visit([](const auto& of_a_kind) { return element(of_a_kind); }, item);
  return svg + "</svg>\n";
}

}  // namespace owlet
