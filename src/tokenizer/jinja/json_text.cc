#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tokenizer/jinja/value.h"
#include "tokenizer/unicode.h"

namespace owlet::jinja {
namespace {

class Writer {
 public:
  explicit Writer(const JsonStyle& style) : style_(style) {}

  void write(const Value& value, int level) {
    if (value.is_string()) return string(value.text());
    if (value.is_none()) return own("null");
    if (value.is_bool()) return own(value.as_int() ? "true" : "false");
    if (value.is_int()) return own(std::to_string(value.as_int()));
    if (value.is_float()) return number(value.as_double());
    if (value.is_list() && !value.as_list().generator) return list(value.as_list(), level);
    if (value.is_dict()) return dict(value.as_dict(), level);
    throw Failure(fmt::format("Object of type {} is not JSON serializable", value.type_name()));
  }
  MarkedText take() { return std::move(out_); }

 private:
  void own(std::string_view text) { out_.append(text, true); }

  void number(double value) {
    if (std::isnan(value)) return own("NaN");
    if (std::isinf(value)) return own(value > 0 ? "Infinity" : "-Infinity");
    own(float_repr(value));
  }

  void new_line(int level) {
    if (style_.indent >= 0) own("\n" + std::string(static_cast<size_t>(level) * static_cast<size_t>(style_.indent), ' '));
  }
  void separate(bool first, int level) {
    if (!first) own(style_.item_separator);
    new_line(level);
  }

  void list(const List& list, int level) {
    if (list.items.empty()) return own("[]");
    own("[");
    for (size_t i = 0; i < list.items.size(); ++i) {
      separate(i == 0, level + 1);
      write(list.items[i], level + 1);
    }
    new_line(level);
    own("]");
  }

  void dict(const Dict& dict, int level) {
    if (dict.entries.empty()) return own("{}");
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys) {
      std::sort(entries.begin(), entries.end(), [](auto* a, auto* b) { return less(a->first, b->first); });
    }
    own("{");
    for (size_t i = 0; i < entries.size(); ++i) {
      separate(i == 0, level + 1);
      const Value& key = entries[i]->first;
      if (key.is_string()) {
        string(key.text());
      } else {
        own("\"");
        write(key, level);
        own("\"");
      }
      own(style_.key_separator);
      write(entries[i]->second, level + 1);
    }
    new_line(level);
    own("}");
  }

  void string(const MarkedText& text) {
    own("\"");
    for (size_t at = 0; at < text.bytes().size();) {
      const unicode::CodePoint c = unicode::code_point_at(text.bytes(), at);
      const std::string escaped = escape(c.value);
      if (escaped.empty()) {
        out_.append(text.substr(at, c.length));
      } else {
        out_.append(escaped, text.marks()[at] != 0);
      }
      at += c.length;
    }
    own("\"");
  }

  std::string escape(uint32_t c) const {
    switch (c) {
      case '"': return "\\\"";
      case '\\': return "\\\\";
      case '\n': return "\\n";
      case '\r': return "\\r";
      case '\t': return "\\t";
      case '\b': return "\\b";
      case '\f': return "\\f";
      default: break;
    }
    if (c == unicode::kBroken || (c >= 0x20 && !(style_.ensure_ascii && c > 0x7e))) return "";
    if (c < 0x10000) return fmt::format("\\u{:04x}", c);
    return fmt::format("\\u{:04x}\\u{:04x}", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
  }

  const JsonStyle& style_;
  MarkedText out_;
};

}  // namespace

MarkedText to_json(const Value& value, const JsonStyle& style) {
  Writer writer(style);
  writer.write(value, 0);
  return writer.take();
}

}  // namespace owlet::jinja
