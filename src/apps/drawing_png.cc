#include <algorithm>
#include <cmath>

#include "apps/drawing.h"
#include "apps/stroke_font.h"
#include "io/png.h"

namespace owlet {
namespace {

// Of a font's size, as in most fonts.
constexpr double kCapitalHeight = 0.72, kPenWidth = 0.1, kDotWidth = 0.15;
constexpr int kPixelsPerUnit = 2;

double clamped(double x) { return std::clamp(x, 0.0, 1.0); }

// A page that lines are laid over. Where a line crosses itself it is no darker: its pixels' coverage is the greatest of its pieces'.
class Page {
 public:
  Page(int width, int height)
      : image_{width, height, std::vector<uint8_t>(static_cast<size_t>(3) * width * height, 255)}, coverage_(static_cast<size_t>(width) * height) {}

  void add_stroke(const std::vector<Point>& points, double width) {
    for (size_t i = 0; i < points.size(); ++i) add_piece(points[i], points[std::min(i + 1, points.size() - 1)], width / 2);
  }

  // What was added since the last time, in this colour.
  void paint(uint32_t rgb, double opacity) {
    for (size_t i = 0; i < coverage_.size(); ++i) {
      if (coverage_[i] == 0) continue;
      for (int channel = 0; channel < 3; ++channel) {
        uint8_t& value = image_.rgb[3 * i + static_cast<size_t>(channel)];
        const double colour = rgb >> (16 - 8 * channel) & 255;
        value = static_cast<uint8_t>(std::lround(value + opacity * static_cast<double>(coverage_[i]) * (colour - value)));
      }
      coverage_[i] = 0;
    }
  }

  Image take() { return std::move(image_); }

 private:
  // A pixel is covered as far as its middle lies within `radius` of the line from a to b, and half a pixel more.
  void add_piece(Point a, Point b, double radius) {
    const double reach = radius + 1;
    const double dx = b.first - a.first, dy = b.second - a.second, square = dx * dx + dy * dy;
    const int top = row(std::min(a.second, b.second) - reach, image_.height), bottom = row(std::max(a.second, b.second) + reach, image_.height);
    for (int y = top; y < bottom; ++y) {
      // Of the line, what is near this row of pixels.
      const double t0 = dy == 0 ? 0 : clamped((y - reach - a.second) / dy), t1 = dy == 0 ? 1 : clamped((y + 1 + reach - a.second) / dy);
      const double x0 = a.first + t0 * dx, x1 = a.first + t1 * dx;
      const int left = row(std::min(x0, x1) - reach, image_.width), right = row(std::max(x0, x1) + reach, image_.width);
      for (int x = left; x < right; ++x) {
        const double px = x + 0.5 - a.first, py = y + 0.5 - a.second;
        const double t = square == 0 ? 0 : clamped((px * dx + py * dy) / square);
        const double distance = std::hypot(px - t * dx, py - t * dy);
        float& coverage = coverage_[static_cast<size_t>(y) * image_.width + x];
        coverage = std::max(coverage, static_cast<float>(clamped(radius + 0.5 - distance)));
      }
    }
  }
  static int row(double at, int n) { return static_cast<int>(std::clamp(std::ceil(at), 0.0, static_cast<double>(n))); }

  Image image_;
  std::vector<float> coverage_;
};

void draw(Page& page, const Drawing::Line& line, double scale) {
  std::vector<Point> points;
  for (const auto& [x, y] : line.points) points.emplace_back(scale * x, scale * y);
  page.add_stroke(points, scale * line.width);
  page.paint(line.rgb, line.opacity);
}

void draw(Page& page, const Drawing::Text& text, double scale) {
  const double size = scale * text.size;
  Written written = write_strokes(text.text, kCapitalHeight * size);
  const double left = scale * text.at.first - 0.5 * static_cast<int>(text.anchor) * written.width;
  for (auto& stroke : written.strokes) {
    for (auto& [x, y] : stroke) {
      x += left;
      y = scale * text.at.second - y;
    }
    page.add_stroke(stroke, (stroke.size() == 1 ? kDotWidth : kPenWidth) * size);
  }
  page.paint(text.rgb, 1);
}

}  // namespace

Image rasterize(const Drawing& drawing, int pixels_per_unit) {
  Page page(drawing.width * pixels_per_unit, drawing.height * pixels_per_unit);
  for (const auto& item : drawing.items) std::visit([&](const auto& of_a_kind) { draw(page, of_a_kind, pixels_per_unit); }, item);
  return page.take();
}

std::string draw_png(const Drawing& drawing) {
  const Image image = rasterize(drawing, kPixelsPerUnit);
  return encode_png(image.width, image.height, image.rgb);
}

}  // namespace owlet
