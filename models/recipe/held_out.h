// Questions for the examination: about facts that training teaches, in words that it never uses.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "facts.h"

namespace owlet::recipe {

struct ExamQuestion {
  std::string id;
  std::string question;
  std::vector<std::string> answers;  // lower case; any of them as a word of the answer counts
};

// 60 questions on capitals and 45 on elements, each in one of the held-out phrasings.
std::vector<ExamQuestion> exam(const Facts& facts);
// The normalized() forms of every held-out phrasing with every country and element, asked in the exam or not:
// no training question may be among them.
std::unordered_set<std::string> held_out_forms(const Facts& facts);

}  // namespace owlet::recipe
