// Curves: axes with round numbers, and a legend.
#pragma once

#include <string>
#include <vector>

#include "apps/drawing.h"

namespace owlet {

struct Curve {
  std::string name;
  std::vector<Point> points;  // by ascending x; what is no finite number is left out
  bool faint = false;                             // drawn thin and pale, without a name
  size_t colour = 0;                              // the same number, the same colour
};

// Nothing to draw gives axes alone.
Drawing line_chart(const std::string& title, const std::string& x_name, const std::string& y_name, const std::vector<Curve>& curves);

}  // namespace owlet
