// PNG files (ISO/IEC 15948), written only: a signature, then chunks of uint32 length · four letters · bytes · CRC-32 of letters and bytes,
// big-endian. IHDR says the size and the kind of pixels, IDAT is zlib's stream of all rows, each behind a byte that names its filter.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace owlet {

// `rgb`: width · height · 3 bytes, row by row from the top.
std::string encode_png(int width, int height, std::span<const uint8_t> rgb);

}  // namespace owlet
