// Python's two ways to put values into a text.
#pragma once

#include "tokenizer/jinja/interpreter.h"

namespace owlet::jinja {

// "{} {0:>5} {name[key]!r}".format(…)
MarkedText format_braces(Interpreter& interpreter, const MarkedText& text, const Arguments& arguments);
// "%s %(name)05d" % values: a tuple's items in turn, a dict's by name, else the one value.
MarkedText format_percent(Interpreter& interpreter, const MarkedText& text, const Value& values);
// Text of so many characters, filled at the sides that `align` leaves: '<', '>', '^' as formats have it, 'c' as
// center() does, which rounds the other way.
MarkedText padded(Interpreter& interpreter, const MarkedText& text, int64_t width, std::string_view fill, char align);

}  // namespace owlet::jinja
