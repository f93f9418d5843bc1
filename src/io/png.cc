#include "io/png.h"

#include <zlib.h>

#include "core/result.h"

namespace owlet {
namespace {

std::string big_endian(uint32_t number) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift & 255);
  return bytes;
}

std::string chunk(const std::string& name, const std::string& bytes) {
  const std::string named = name + bytes;
  const uint32_t sum = static_cast<uint32_t>(::crc32(0, reinterpret_cast<const Bytef*>(named.data()), static_cast<uInt>(named.size())));
  return big_endian(static_cast<uint32_t>(bytes.size())) + named + big_endian(sum);
}

}  // namespace

std::string encode_png(int width, int height, std::span<const uint8_t> rgb) {
  const size_t stride = static_cast<size_t>(3) * width;
  OWLET_CHECK(rgb.size() == stride * height, "pixels of an image");
  std::string rows;
  for (int y = 0; y < height; ++y) {
    rows += '\0';  // no filter
    rows.append(reinterpret_cast<const char*>(rgb.data()) + y * stride, stride);
  }
  uLongf size = ::compressBound(rows.size());
  std::string packed(size, '\0');
  const int status = ::compress2(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(rows.data()), rows.size(), Z_BEST_COMPRESSION);
  OWLET_CHECK(status == Z_OK, "room for zlib's stream");
  packed.resize(size);
  // 8 bits each of red, green and blue; the only compression and filtering there are; not interlaced.
  const std::string kind = {8, 2, 0, 0, 0};
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", big_endian(static_cast<uint32_t>(width)) + big_endian(static_cast<uint32_t>(height)) + kind) +
         chunk("IDAT", packed) + chunk("IEND", "");
}

}  // namespace owlet
