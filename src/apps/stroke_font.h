// Letters as a pen draws them: printable ASCII; a box stands for every other character.
#pragma once

#include <string_view>
#include <vector>

#include "apps/drawing.h"

namespace owlet {

struct Written {
  std::vector<std::vector<Point>> strokes;  // a single point is a dot
  double width = 0;
};

// `text`, UTF-8, from the origin on along the line that it stands on; y up, capitals are as high as `capital_height`.
Written write_strokes(std::string_view text, double capital_height);

}  // namespace owlet
