// Python's pickle format, protocols 2 to 5, restricted to what torch.save writes for tensors: a program for a stack machine with a
// memo. This one builds plain values and calls nothing; a global that is not a part of a tensor is refused by its name.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace owlet {

struct PickleValue {
  enum class Kind { kNone, kBool, kInt, kFloat, kText, kTuple, kList, kDict, kGlobal, kStorage, kTensor };
  Kind kind = Kind::kNone;
  int64_t integer = 0;
  double number = 0;
  std::string_view text = {};             // of the file; a global's module
  std::string_view name = {};             // a global's name
  std::vector<PickleValue*> items = {};   // of a dict: key, value, key, value …; of a storage: its id; of a tensor: its arguments
};

// Values refer to each other and to the bytes they were read from.
struct Pickle {
  std::deque<PickleValue> values;
  PickleValue* root = nullptr;
};

Result<Pickle> read_pickle(std::string_view bytes);

}  // namespace owlet
