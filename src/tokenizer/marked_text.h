// Text that knows of each of its bytes whether we wrote it. A rendered chat mixes the template's own words, where a
// special token means what it says, with what people typed, where "<|im_end|>" is only nine characters and two bars.
#pragma once

#include <string>
#include <string_view>

namespace owlet {

class MarkedText {
 public:
  MarkedText() = default;
  MarkedText(std::string_view bytes, bool trusted) { append(bytes, trusted); }

  void append(std::string_view bytes, bool trusted) {
    bytes_ += bytes;
    marks_.append(bytes.size(), trusted ? '\1' : '\0');
  }
  void append(const MarkedText& other) {
    bytes_ += other.bytes_;
    marks_ += other.marks_;
  }
  MarkedText substr(size_t begin, size_t n = std::string::npos) const {
    MarkedText part;
    part.bytes_ = bytes_.substr(begin, n);
    part.marks_ = marks_.substr(begin, n);
    return part;
  }

  const std::string& bytes() const { return bytes_; }
  // One char a byte: not 0 where the byte is trusted.
  std::string_view marks() const { return marks_; }
  bool all_trusted() const { return marks_.find('\0') == std::string::npos; }
  // The same marks on as many other bytes.
  MarkedText with_bytes(std::string bytes) const {
    MarkedText other;
    other.marks_ = marks_;
    other.marks_.resize(bytes.size(), '\0');
    other.bytes_ = std::move(bytes);
    return other;
  }

 private:
  std::string bytes_;
  std::string marks_;
};

}  // namespace owlet
