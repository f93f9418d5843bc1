#include "apps/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace owlet {
namespace {

constexpr double kWidth = 900, kHeight = 480, kLeft = 70, kRight = 20, kTop = 52, kBottom = 48;
constexpr uint32_t kGrid = 0xeaeef2, kColours[] = {0x0969da, 0xcf222e, 0x1a7f37, 0x8250df, 0xbf8700, 0x0550ae, 0xbc4c00, 0x6e7781};

struct Span {
  double low = 0, high = 1;

  // Of about six round numbers.
  double step() const {
    const double raw = (high - low) / 6, power = std::pow(10.0, std::floor(std::log10(raw)));
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (raw <= factor * power) return factor * power;
    }
    return 10 * power;
  }
  // Counted, for beyond 2^53 numbers may not move when a little is added.
  std::vector<double> ticks() const {
    std::vector<double> all;
    const double first = std::ceil(low / step()) * step();
    for (int i = 0; i < 20 && first + i * step() <= high; ++i) all.push_back(first + i * step());
    return all;
  }
};

Span span_of(const std::vector<Curve>& curves, double Point::*axis) {
  double low = INFINITY, high = -INFINITY;
  for (const Curve& curve : curves) {
    for (const auto& point : curve.points) {
      if (!std::isfinite(point.first) || !std::isfinite(point.second)) continue;
      low = std::min(low, point.*axis);
      high = std::max(high, point.*axis);
    }
  }
  if (low > high) return {};
  if (low == high) return {low - 0.5, high + 0.5};
  return {low, high};
}

std::string number(double x) { return fmt::format("{:.6g}", std::abs(x) < 1e-12 ? 0.0 : x); }

double at_x(const Span& xs, double x) { return kLeft + (x - xs.low) / (xs.high - xs.low) * (kWidth - kLeft - kRight); }
double at_y(const Span& ys, double y) { return kHeight - kBottom - (y - ys.low) / (ys.high - ys.low) * (kHeight - kTop - kBottom); }

// Grid lines with their numbers, and what the axes are of.
void add_axes(Drawing& drawing, const Span& xs, const Span& ys, const std::string& x_name, const std::string& y_name) {
  const double bottom = kHeight - kBottom, right = kWidth - kRight;
  for (const double tick : xs.ticks()) {
    const double x = at_x(xs, tick);
    drawing.items.push_back(Drawing::Line{.points = {{x, kTop}, {x, bottom}}, .rgb = kGrid});
    drawing.items.push_back(Drawing::Text{.at = {x, bottom + 16}, .text = number(tick), .anchor = Drawing::Anchor::kMiddle});
  }
  for (const double tick : ys.ticks()) {
    const double y = at_y(ys, tick);
    drawing.items.push_back(Drawing::Line{.points = {{kLeft, y}, {right, y}}, .rgb = kGrid});
    drawing.items.push_back(Drawing::Text{.at = {kLeft - 6, y + 4}, .text = number(tick), .anchor = Drawing::Anchor::kEnd});
  }
  drawing.items.push_back(Drawing::Text{.at = {right, kHeight - 12}, .text = x_name, .anchor = Drawing::Anchor::kEnd});
  drawing.items.push_back(Drawing::Text{.at = {8, kTop - 8}, .text = y_name});
}

}  // namespace

Drawing line_chart(const std::string& title, const std::string& x_name, const std::string& y_name, const std::vector<Curve>& curves) {
  const Span xs = span_of(curves, &Point::first), ys = span_of(curves, &Point::second);
  Drawing drawing{.width = static_cast<int>(kWidth), .height = static_cast<int>(kHeight), .items = {}};
  drawing.items.push_back(Drawing::Text{.at = {8, 24}, .text = title, .size = 16});
  add_axes(drawing, xs, ys, x_name, y_name);
  double legend = kTop + 8;
  for (const Curve& curve : curves) {
    const uint32_t colour = kColours[curve.colour % std::size(kColours)];
    Drawing::Line line{.points = {}, .rgb = colour, .width = curve.faint ? 1.0 : 2.0, .opacity = curve.faint ? 0.3 : 1.0};
    for (const auto& [x, y] : curve.points) {
      if (std::isfinite(x) && std::isfinite(y)) line.points.emplace_back(at_x(xs, x), at_y(ys, y));
    }
    drawing.items.push_back(std::move(line));
    if (curve.faint) continue;
    legend += 16;
    drawing.items.push_back(Drawing::Text{.at = {kWidth - kRight - 8, legend}, .text = curve.name, .anchor = Drawing::Anchor::kEnd, .rgb = colour});
  }
  return drawing;
}

}  // namespace owlet
