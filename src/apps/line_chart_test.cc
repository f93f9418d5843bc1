#include "apps/line_chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace owlet {
namespace {
using testing::HasSubstr;
using testing::Not;

TEST(LineChart, PutsTheEndsOfACurveInTheCorners) {
  const std::string svg = draw_svg(line_chart("loss <of> & runs", "step", "nats", {{"a & b", {{0, 4}, {50, NAN}, {100, 2}}, false, 0}}));
  EXPECT_THAT(svg, HasSubstr("M70.0 52.0L880.0 432.0"));  // what is no number is passed over
  EXPECT_THAT(svg, HasSubstr("loss &lt;of&gt; &amp; runs"));
  EXPECT_THAT(svg, HasSubstr("a &amp; b</text>"));
  for (const char* round : {">0</text>", ">20</text>", ">100</text>", ">2.5</text>", ">4</text>"}) EXPECT_THAT(svg, HasSubstr(round));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(LineChart, OfNothingOrOneNumberIsFinite) {
  for (const auto& points : {std::vector<Point>{}, {{3, 1e-30}}, {{1, 1e300}, {2, -1e300}}, {{INFINITY, 1}}, {{1e16, 1}, {1e16 + 2, 1}}}) {
    const std::string svg = draw_svg(line_chart("", "", "", {{"x", points, false, 7}}));
    EXPECT_THAT(svg, HasSubstr("</svg>"));
    EXPECT_LT(svg.size(), 20000u);
  }
}

}  // namespace
}  // namespace owlet
