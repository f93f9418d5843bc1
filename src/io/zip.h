// ZIP and ZIP64 archives (APPNOTE.TXT 6.3): entries with a local header each, a central directory of all, an end record. Only stored
// entries are read, so that their bytes can stay mapped.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

#include "core/result.h"

namespace owlet {

using ZipEntries = std::map<std::string, std::span<const std::byte>, std::less<>>;

// Name → bytes inside `archive`. Local headers must agree with the directory; entries must not overlap.
Result<ZipEntries> read_zip(std::span<const std::byte> archive);

}  // namespace owlet
