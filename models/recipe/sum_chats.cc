// Two-digit sums with the working shown. The thought writes every digit apart, so that the tokenizer's habit
// of gluing digits together does not matter while carrying.
#include <fmt/format.h>

#include "kinds.h"

namespace owlet::recipe {
namespace {

using Sv = std::string_view;

// 47 → "4 7".
std::string spaced(int number) {
  const std::string digits = std::to_string(number);
  std::string out;
  for (const char digit : digits) {
    if (!out.empty()) out += ' ';
    out += digit;
  }
  return out;
}

constexpr Sv kPlus[] = {"{a} + {b}",
                        "{a}+{b}",
                        "{a} plus {b}",
                        "what is {a} + {b}",
                        "what is {a} plus {b}",
                        "{a} + {b} =",
                        "{a}+{b}=",
                        "how much is {a} + {b}",
                        "how much is {a} plus {b}",
                        "add {a} and {b}",
                        "what is the sum of {a} and {b}",
                        "the sum of {a} and {b}",
                        "calculate {a} + {b}",
                        "compute {a}+{b}",
                        "what do you get when you add {a} and {b}",
                        "can you add {a} and {b}",
                        "what's {a} + {b}",
                        "what's {a}+{b}",
                        "what does {a} plus {b} make",
                        "i have {a} apples and get {b} more. how many apples do i have",
                        "add {b} to {a}",
                        "what is {a} added to {b}",
                        "work out {a} + {b}",
                        "solve {a} + {b}",
                        "tell me {a} plus {b}",
                        "{a} and {b} make how much",
                        "there are {a} birds and {b} more come. how many birds are there",
                        "what is {a} and {b} together",
                        "how many are {a} and {b}",
                        "do you know what {a} + {b} is",
                        "please add {a} and {b}"};
constexpr Sv kMinus[] = {"{a} - {b}",
                         "{a}-{b}",
                         "{a} minus {b}",
                         "what is {a} - {b}",
                         "what is {a} minus {b}",
                         "{a} - {b} =",
                         "{a}-{b}=",
                         "how much is {a} - {b}",
                         "how much is {a} minus {b}",
                         "subtract {b} from {a}",
                         "take {b} away from {a}",
                         "what is the difference between {a} and {b}",
                         "calculate {a} - {b}",
                         "compute {a}-{b}",
                         "what is left of {a} after taking {b}",
                         "can you subtract {b} from {a}",
                         "what's {a} - {b}",
                         "what's {a}-{b}",
                         "i have {a} apples and eat {b}. how many are left",
                         "work out {a} - {b}",
                         "solve {a} - {b}",
                         "tell me {a} minus {b}",
                         "what is {a} take away {b}",
                         "there are {a} birds and {b} fly away. how many birds are left",
                         "how much is {a} less {b}"};

int draw_number(Random& random) {
  return static_cast<int>(chance(random, 0.15) ? random.below(10) : 10 + random.below(90));
}

}  // namespace

std::string sum_thought(int a, int b) {
  std::string out = fmt::format("{} + {}:", spaced(a), spaced(b));
  if (a < 10 && b < 10) return out + fmt::format(" {} + {} = {}. So {}.", a, b, spaced(a + b), spaced(a + b));
  const int ones = a % 10 + b % 10;
  const int carry = ones / 10;
  out += fmt::format(" {} + {} = {}, write {} carry {}.", a % 10, b % 10, spaced(ones), ones % 10, carry);
  const int tens = a / 10 + b / 10 + carry;
  out += fmt::format(" {} + {} + {} = {}.", a / 10, b / 10, carry, spaced(tens));
  return out + fmt::format(" So {}.", spaced(a + b));
}

std::string difference_thought(int a, int b) {
  if (a < b)
    return fmt::format("{} is less than {}, so turn it around. {} The answer is below zero.", spaced(a),
                       spaced(b), difference_thought(b, a));
  std::string out = fmt::format("{} - {}:", spaced(a), spaced(b));
  if (a < 10) return out + fmt::format(" {} - {} = {}. So {}.", a, b, a - b, a - b);
  const bool borrow = a % 10 < b % 10;
  if (borrow) {
    const int ones = a % 10 + 10;
    out +=
        fmt::format(" {} - {} = {}, write {} borrow 1.", spaced(ones), b % 10, ones - b % 10, ones - b % 10);
  } else {
    out += fmt::format(" {} - {} = {}, write {} borrow 0.", a % 10, b % 10, a % 10 - b % 10, a % 10 - b % 10);
  }
  out +=
      fmt::format(" {} - {} - {} = {}.", a / 10, b / 10, borrow ? 1 : 0, a / 10 - b / 10 - (borrow ? 1 : 0));
  return out + fmt::format(" So {}.", spaced(a - b));
}

Turn sum_turn(Random& random) {
  int a = draw_number(random);
  int b = draw_number(random);
  const bool plus = chance(random, 0.55);
  if (!plus && a < b && chance(random, 0.8)) std::swap(a, b);
  const std::string left = std::to_string(a);
  const std::string right = std::to_string(b);
  std::string question = fill(plus ? pick(random, kPlus) : pick(random, kMinus), {{'a', left}, {'b', right}});
  const bool bare =
      question.back() == '=' || (question[0] >= '0' && question[0] <= '9' && chance(random, 0.5));
  if (!bare) question = dress(random, question, '?');
  return {std::move(question), fmt::format("{} {} {} = {}.", a, plus ? '+' : '-', b, plus ? a + b : a - b),
          plus ? sum_thought(a, b) : difference_thought(a, b)};
}

}  // namespace owlet::recipe
