#include "apps/drawing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "apps/stroke_font.h"

namespace owlet {
namespace {

int red(const Image& image, int x, int y) { return image.rgb[static_cast<size_t>(3) * (static_cast<size_t>(y) * image.width + x)]; }

TEST(Drawing, LinesCoverWhatLiesUnderThem) {
  Drawing drawing{.width = 20, .height = 10, .items = {}};
  drawing.items.push_back(Drawing::Line{.points = {{4, 5}, {16, 5}}, .rgb = 0x00ff00, .width = 2});
  const Image image = rasterize(drawing, 1);
  ASSERT_EQ(image.rgb.size(), 600u);
  EXPECT_EQ(red(image, 10, 3), 255);
  EXPECT_EQ(red(image, 10, 4), 0);  // from 4 to 6, as wide as it is said
  EXPECT_EQ(red(image, 10, 5), 0);
  EXPECT_EQ(red(image, 10, 6), 255);
  EXPECT_EQ(red(image, 1, 4), 255);
  EXPECT_EQ(image.rgb[3 * (4 * 20 + 10) + 1], 255);  // green
}

TEST(Drawing, EdgesAreSoftAndCrossingsNoDarker) {
  Drawing drawing{.width = 20, .height = 20, .items = {}};
  drawing.items.push_back(Drawing::Line{.points = {{0, 4.5}, {20, 4.5}}, .width = 2});
  EXPECT_EQ(red(rasterize(drawing, 1), 10, 3), 128);  // half of the pixel is covered
  EXPECT_EQ(red(rasterize(drawing, 2), 20, 6), 255);
  EXPECT_EQ(red(rasterize(drawing, 2), 20, 7), 0);  // at two pixels a unit none is cut
  drawing.items = {Drawing::Line{.points = {{0, 10}, {20, 10}, {10, 0}, {10, 20}}, .width = 3, .opacity = 0.5}};
  const Image crossed = rasterize(drawing, 1);
  EXPECT_EQ(*std::min_element(crossed.rgb.begin(), crossed.rgb.end()), 128);
}

TEST(Drawing, WhatLiesOutsideIsCutOff) {
  Drawing drawing{.width = 8, .height = 8, .items = {}};
  drawing.items.push_back(Drawing::Line{.points = {{-1e9, -1e9}, {1e9, 1e9}}, .width = 1});
  drawing.items.push_back(Drawing::Line{.points = {{1e300, 4}}, .width = 5});
  drawing.items.push_back(Drawing::Text{.at = {-50, 400}, .text = "far away"});
  drawing.items.push_back(Drawing::Line{});
  const Image image = rasterize(drawing, 1);
  EXPECT_EQ(red(image, 4, 4), 0);
  EXPECT_EQ(red(image, 0, 7), 255);
}

TEST(Drawing, WordsStandOnTheirLineAtTheirAnchor) {
  const auto columns = [](Drawing::Anchor anchor) {
    Drawing drawing{.width = 60, .height = 30, .items = {}};
    drawing.items.push_back(Drawing::Text{.at = {30, 20}, .text = "HIE", .anchor = anchor, .size = 10});
    const Image image = rasterize(drawing, 2);
    std::set<int> xs, ys;
    for (int y = 0; y < image.height; ++y) {
      for (int x = 0; x < image.width; ++x) {
        if (red(image, x, y) < 128) xs.insert(x), ys.insert(y);
      }
    }
    EXPECT_NEAR(*ys.begin(), 2 * (20 - 7.2), 2);
    EXPECT_NEAR(*ys.rbegin(), 2 * 20, 2);
    return std::pair(*xs.begin(), *xs.rbegin());
  };
  const double width = 2 * write_strokes("HIE", 7.2).width;
  EXPECT_NEAR(columns(Drawing::Anchor::kStart).first, 60, 2);
  EXPECT_NEAR(columns(Drawing::Anchor::kStart).second, 60 + width, 2);
  EXPECT_NEAR(columns(Drawing::Anchor::kMiddle).first, 60 - width / 2, 2);
  EXPECT_NEAR(columns(Drawing::Anchor::kEnd).second, 60, 2);
}

TEST(StrokeFont, EveryLetterIsItsOwn) {
  std::set<std::vector<std::vector<Point>>> seen;
  for (char c = '!'; c <= '~'; ++c) {
    const Written letter = write_strokes(std::string(1, c), 6);
    ASSERT_FALSE(letter.strokes.empty()) << c;
    for (const auto& stroke : letter.strokes) {
      ASSERT_FALSE(stroke.empty()) << c;
      for (const auto& [x, y] : stroke) EXPECT_TRUE(x >= 0 && x <= 6.8 && y >= -2 && y <= 7.1) << c;
    }
    seen.insert(letter.strokes);
  }
  EXPECT_EQ(seen.size(), 93u);  // I and l are one stroke each
  EXPECT_EQ(write_strokes("é", 6).strokes, write_strokes("\n", 6).strokes);  // one box for one character
  EXPECT_EQ(write_strokes("", 6).width, 0);
  EXPECT_GT(write_strokes("a b", 6).width, write_strokes("ab", 6).width);
}

}  // namespace
}  // namespace owlet
