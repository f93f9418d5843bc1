#include "io/png.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <vector>

namespace owlet {
namespace {
using namespace std::string_literals;

uint32_t number_at(const std::string& bytes, size_t at) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<uint8_t>(bytes[at + i]);
  return number;
}

TEST(Png, IsAHeaderTheRowsAndAnEnd) {
  std::vector<uint8_t> rgb(3 * 5 * 2);
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<uint8_t>(7 * i);
  const std::string png = encode_png(5, 2, rgb);
  EXPECT_EQ(png.substr(0, 29), "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\5\0\0\0\2\x08\x02\0\0\0"s);
  EXPECT_EQ(png.substr(png.size() - 12), "\0\0\0\0IEND\xae\x42\x60\x82"s);  // the CRC that every PNG ends with
  const uint32_t packed = number_at(png, 33);
  EXPECT_EQ(png.substr(37, 4), "IDAT");
  EXPECT_EQ(33 + 12 + packed + 12, png.size());
  std::string rows(100, '\0');
  uLongf size = rows.size();
  ASSERT_EQ(::uncompress(reinterpret_cast<Bytef*>(rows.data()), &size, reinterpret_cast<const Bytef*>(png.data()) + 41, packed), Z_OK);
  rows.resize(size);
  const std::string pixels(rgb.begin(), rgb.end());
  EXPECT_EQ(rows, "\0"s + pixels.substr(0, 15) + "\0"s + pixels.substr(15));
}

}  // namespace
}  // namespace owlet
