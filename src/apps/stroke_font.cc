#include "apps/stroke_font.h"

#include <algorithm>
#include <array>

namespace owlet {
namespace {

// From '!' to '~'. A stroke is a list of points, two digits each: x from the left, y from 0 (where descenders end) over 2 (the line), 6 (small
// letters) to 8 (capitals). After '~' the points pull at a curve that only begins and ends on them: a quadratic B-spline. ';' lifts the pen.
constexpr std::array<std::string_view, 94> kGlyphs = {
    "08 04;02", "08 06;28 26", "12 18;32 38;04 44;06 46", "~47 48 08 05 45 42 02 03;21 29", "02 48;~18 28 26 06 08 18;~34 44 42 22 24 34",
    "~42 16 18 38 36 05 02 32 44", "08 06", "~29 07 03 21", "~09 27 23 01", "24 28;05 47;07 45", "23 27;05 45", "12 00", "05 35", "02", "01 39",
    "~28 48 42 02 08 28", "07 28 22;02 42", "~07 08 48 45 02;02 42", "~07 08 48 45 15;~15 45 42 02 03", "32 38 04 44", "48 08 05;~05 16 46 42 02 03",
    "~47 48 08 02 42 46 06 04", "08 48 12", "~28 48 45 05 08 28;~25 45 42 02 05 25", "~03 02 42 48 08 04 44 46", "05;02", "15;12 00", "47 05 43",
    "04 44;06 46", "07 45 03", "~07 08 48 45 25 24;22", "~46 26 23 43 46;46 43;~43 63 68 08 02 52", "02 38 62;14 54",
    "22 02 08 28;~28 48 45 25;05 25;~25 45 42 22", "~47 48 08 02 42 43", "22 02 08 28;~28 48 42 22", "48 08 02 42;05 35", "48 08 02;05 35",
    "~47 48 08 02 42 45;45 25", "08 02;48 42;05 45", "08 02", "38 34;~34 32 02 03", "08 02;48 04;15 42", "08 02 42", "02 08 34 68 62", "02 08 42 48",
    "~28 58 52 02 08 28", "02 08 28;~28 48 44 24;24 04", "~28 58 52 02 08 28;34 52", "02 08 28;~28 48 44 24;24 04;24 42", "~47 48 08 05 45 42 02 03",
    "08 48;28 22", "08 05;~05 02 42 45;45 48", "08 22 48", "08 12 38 52 68", "08 42;02 48", "08 25 48;25 22", "08 48 02 42", "29 09 01 21", "09 31",
    "09 29 21 01", "06 28 46", "01 41", "08 17", "46 42;~44 46 06 02 42 44", "08 02;~04 06 46 42 02 04", "~45 46 06 02 42 43", "48 42;~44 46 06 02 42 44",
    "04 44;~44 46 06 02 42 43", "~38 18 15;15 12;06 26", "46 42;~44 46 06 02 42 44;~42 40 00 01", "08 02;~04 06 46 43;43 42", "06 02;08",
    "16 12;~12 10 00;18", "08 02;36 03;14 32", "08 02", "06 02;~04 06 36 33;33 32;~34 36 66 63;63 62", "06 02;~04 06 46 43;43 42", "~26 46 42 02 06 26",
    "06 00;~04 06 46 42 02 04", "46 40;~44 46 06 02 42 44", "06 02;~04 06 36", "~45 46 06 04 44 42 02 03", "17 14;~14 12 32;06 36",
    "06 04;~04 02 42 44;46 42", "06 22 46", "06 12 36 52 66", "06 42;02 46", "06 22;46 10", "06 46 02 42", "~29 19 16 05;~05 14 11 21", "09 01",
    "~09 19 16 25;~25 14 11 01", "~04 16 34 46"};
constexpr std::string_view kOther = "02 08 38 32 02";
constexpr double kBaseline = 2, kCapital = 6, kGap = 2, kSpace = 4;
constexpr int kPiecesOfACurve = 6;

Point between(Point a, Point b, double t) { return {a.first + t * (b.first - a.first), a.second + t * (b.second - a.second)}; }

// Parabolas from the middle of one side of the polygon to that of the next.
std::vector<Point> curve(const std::vector<Point>& pulls) {
  std::vector<Point> points{pulls.front()};
  for (size_t i = 1; i + 1 < pulls.size(); ++i) {
    const Point begin = points.back(), end = i + 2 == pulls.size() ? pulls.back() : between(pulls[i], pulls[i + 1], 0.5);
    for (int k = 1; k <= kPiecesOfACurve; ++k) {
      const double t = static_cast<double>(k) / kPiecesOfACurve;
      points.push_back(between(between(begin, pulls[i], t), between(pulls[i], end, t), t));
    }
  }
  return points;
}

// Strokes in the table's units, from the line upwards.
std::vector<std::vector<Point>> strokes_of(std::string_view glyph) {
  std::vector<std::vector<Point>> strokes;
  while (!glyph.empty()) {
    std::string_view stroke = glyph.substr(0, glyph.find(';'));
    glyph.remove_prefix(std::min(glyph.size(), stroke.size() + 1));
    const bool curved = stroke.front() == '~';
    std::vector<Point> points;
    for (size_t i = curved ? 1 : 0; i + 1 < stroke.size(); i += 3) points.emplace_back(stroke[i] - '0', stroke[i + 1] - '0' - kBaseline);
    strokes.push_back(curved ? curve(points) : points);
  }
  return strokes;
}

}  // namespace

Written write_strokes(std::string_view text, double capital_height) {
  const double unit = capital_height / kCapital;
  Written written;
  double x = 0;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x80 && byte < 0xc0) continue;  // goes on with a character that has its box
    if (c == ' ') {
      x += kSpace;
      continue;
    }
    double right = 0;
    for (auto& stroke : strokes_of(c > ' ' && c <= '~' ? kGlyphs[static_cast<size_t>(c - '!')] : kOther)) {
      for (auto& [px, py] : stroke) {
        right = std::max(right, px);
        px = (x + px) * unit;
        py *= unit;
      }
      written.strokes.push_back(std::move(stroke));
    }
    x += right + kGap;
    written.width = (x - kGap) * unit;
  }
  return written;
}

}  // namespace owlet
