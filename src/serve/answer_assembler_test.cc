#include "serve/answer_assembler.h"

#include <gtest/gtest.h>

#include <map>

#include "serve/test_tokenizer.h"

namespace owlet {
namespace {

using T = TestTokens;

// All text of an answer, and whether a stop string ended it.
struct Outcome {
  AnswerText text;
  bool stopped = false;
};

std::vector<TokenId> tokens(std::initializer_list<std::variant<const char*, TokenId>> parts) {
  std::vector<TokenId> ids;
  for (const auto& part : parts) {
    if (const TokenId* id = std::get_if<TokenId>(&part)) {
      ids.push_back(*id);
    } else {
      for (const char byte : std::string_view(std::get<const char*>(part)))
        ids.push_back(static_cast<unsigned char>(byte));
    }
  }
  return ids;
}

Outcome run(const Tokenizer& tokenizer, AnswerFormat format, const std::vector<TokenId>& ids) {
  format.marks = thought_marks_of(tokenizer);
  AnswerAssembler assembler(tokenizer, format);
  Outcome result;
  for (const TokenId id : ids) {
    const AnswerText piece = assembler.push(id);
    result.text.thinking += piece.thinking;
    result.text.content += piece.content;
  }
  const AnswerText rest = assembler.finish();
  result.text.thinking += rest.thinking;
  result.text.content += rest.content;
  result.stopped = assembler.stopped();
  return result;
}

class AnswerAssemblerTest : public testing::Test {
 protected:
  Tokenizer marked_ = make_test_tokenizer(true);
  Tokenizer plain_ = make_test_tokenizer(false);
};

TEST_F(AnswerAssemblerTest, PlainTextPassesExactly) {
  const Outcome r = run(marked_, {}, tokens({"Hello,\n wörld \n"}));
  EXPECT_EQ(r.text.content, "Hello,\n wörld \n");
  EXPECT_EQ(r.text.thinking, "");
  EXPECT_FALSE(r.stopped);
}

TEST_F(AnswerAssemblerTest, CharactersAreNeverCut) {
  AnswerAssembler assembler(marked_, {});
  EXPECT_EQ(assembler.push(0xC3).content, "");
  EXPECT_EQ(assembler.push(0xB6).content, "ö");
  EXPECT_EQ(assembler.push(0xE2).content, "");
  EXPECT_EQ(assembler.finish().content, "\xEF\xBF\xBD");
}

TEST_F(AnswerAssemblerTest, ThoughtsBetweenTokens) {
  const Outcome r = run(marked_, {}, tokens({"\n", T::kThinkStart, "\n hmm \n", T::kThinkEnd, "\n\nYes "}));
  EXPECT_EQ(r.text.thinking, "hmm");
  EXPECT_EQ(r.text.content, "Yes ");
}

TEST_F(AnswerAssemblerTest, ThoughtsInPlainText) {
  const Outcome r = run(plain_, {}, tokens({" <think>2 < 3 </thin k</think>\nYes <think>x</think>"}));
  EXPECT_EQ(r.text.thinking, "2 < 3 </thin k");
  EXPECT_EQ(r.text.content, "Yes <think>x</think>") << "marks count at the beginning only";
}

TEST_F(AnswerAssemblerTest, TheNamesOfTheTokensAreOrdinaryTextWhereThereAreTokens) {
  EXPECT_EQ(run(marked_, {}, tokens({"<think>no</think>"})).text.content, "<think>no</think>");
}

TEST_F(AnswerAssemblerTest, WhatLooksLikeAMarkButIsNotComesOut) {
  EXPECT_EQ(run(plain_, {}, tokens({"  <thin"})).text.content, "  <thin");
  EXPECT_EQ(run(plain_, {}, tokens({"<think"})).text.content, "<think");
  EXPECT_EQ(run(plain_, {}, tokens({"   "})).text.content, "   ");
  EXPECT_EQ(run(plain_, {}, tokens({"<think>a</thi"})).text.thinking, "a</thi");
}

TEST_F(AnswerAssemblerTest, AnswersMayStartInAThought) {
  const Outcome token = run(marked_, {.starts_in_thought = true}, tokens({"so", T::kThinkEnd, "Yes"}));
  EXPECT_EQ(token.text.thinking, "so");
  EXPECT_EQ(token.text.content, "Yes");
  const Outcome text = run(plain_, {.starts_in_thought = true}, tokens({"so</think>Yes"}));
  EXPECT_EQ(text.text.thinking, "so");
  EXPECT_EQ(text.text.content, "Yes");
}

TEST_F(AnswerAssemblerTest, AThoughtThatNeverEnds) {
  EXPECT_EQ(run(marked_, {}, tokens({T::kThinkStart, "on and on "})).text.thinking, "on and on");
}

TEST_F(AnswerAssemblerTest, WithoutSplittingMarksAreDropped) {
  EXPECT_EQ(run(marked_, {.split_thoughts = false}, tokens({" a", T::kThinkStart, "b"})).text.content, " ab");
  EXPECT_EQ(run(plain_, {.split_thoughts = false}, tokens({"<think>b"})).text.content, "<think>b");
}

TEST_F(AnswerAssemblerTest, StopStringsAcrossTokens) {
  const Outcome r = run(marked_, {.stops = {"STOP", "\n\n"}}, tokens({"one STO two STOP three"}));
  EXPECT_EQ(r.text.content, "one STO two ");
  EXPECT_TRUE(r.stopped);
  EXPECT_EQ(run(marked_, {.stops = {"STOP"}}, tokens({"ends in STO"})).text.content, "ends in STO");
  EXPECT_EQ(run(marked_, {.stops = {"aab"}}, tokens({"aaab"})).text.content, "a")
      << "a match inside a failed one";
  EXPECT_EQ(run(marked_, {.stops = {"ö"}}, tokens({"schön"})).text.content, "sch");
}

TEST_F(AnswerAssemblerTest, TheStopThatIsCompleteFirstWins) {
  EXPECT_EQ(run(marked_, {.stops = {"abc", "b"}}, tokens({"xabc"})).text.content, "xa");
  EXPECT_EQ(run(marked_, {.stops = {"bc", "abc"}}, tokens({"xabc"})).text.content, "x");
}

TEST_F(AnswerAssemblerTest, ThePossibleBeginningOfAStopIsHeldBack) {
  AnswerAssembler assembler(marked_, {.stops = {"END"}});
  EXPECT_EQ(assembler.push('x').content, "x");
  EXPECT_EQ(assembler.push('E').content, "");
  EXPECT_EQ(assembler.push('N').content, "");
  EXPECT_EQ(assembler.push('E').content, "EN");
  EXPECT_EQ(assembler.push('N').content, "");
  EXPECT_EQ(assembler.push('D').content, "");
  EXPECT_TRUE(assembler.stopped());
  EXPECT_EQ(assembler.push('z').content, "");
}

TEST_F(AnswerAssemblerTest, StopsDoNotLookIntoThoughts) {
  const Outcome r = run(marked_, {.stops = {"."}}, tokens({T::kThinkStart, "a.b", T::kThinkEnd, "c.d"}));
  EXPECT_EQ(r.text.thinking, "a.b");
  EXPECT_EQ(r.text.content, "c");
}

// A text in every way of cutting it into three tokens: marks and stop strings lie across every boundary.
TEST(AnswerAssembler, IsTheSameAtEveryBoundary) {
  const std::string text = " <think>a </thin b</think>\n\nYes END more";
  std::vector<std::string> pieces;
  std::map<std::string, TokenId> id_of;
  for (size_t begin = 0; begin < text.size(); ++begin) {
    for (size_t end = begin + 1; end <= text.size(); ++end) {
      const std::string piece = text.substr(begin, end - begin);
      if (piece == "<think>" || piece == "</think>") continue;  // as tokens they would be the marks
      if (id_of.emplace(piece, static_cast<TokenId>(T::kVocabSize + static_cast<int>(pieces.size()))).second) pieces.push_back(piece);
    }
  }
  const Tokenizer tokenizer = make_test_tokenizer(false, pieces);
  for (size_t first = 0; first <= text.size(); ++first) {
    for (size_t second = first; second <= text.size(); ++second) {
      std::vector<TokenId> ids;
      for (const std::string& piece : {text.substr(0, first), text.substr(first, second - first), text.substr(second)}) {
        if (const auto it = id_of.find(piece); it != id_of.end()) {
          ids.push_back(it->second);
        } else {
          for (const char byte : piece) ids.push_back(static_cast<unsigned char>(byte));
        }
      }
      const Outcome r = run(tokenizer, {.stops = {"END", "s EN!"}}, ids);
      ASSERT_EQ(r.text.thinking, "a </thin b") << first << ", " << second;
      ASSERT_EQ(r.text.content, "Yes ") << first << ", " << second;
      ASSERT_TRUE(r.stopped);
    }
  }
}

TEST_F(AnswerAssemblerTest, SeesThatAPromptEndsInAThought) {
  const ThoughtMarks by_token = thought_marks_of(marked_);
  EXPECT_EQ(by_token.start, T::kThinkStart);
  EXPECT_TRUE(ends_in_thought(marked_, by_token, tokens({"hi", T::kThinkStart, "\n"})));
  EXPECT_FALSE(ends_in_thought(marked_, by_token, tokens({"hi", T::kThinkStart, "a", T::kThinkEnd})));
  EXPECT_FALSE(ends_in_thought(marked_, by_token, {}));
  const ThoughtMarks by_text = thought_marks_of(plain_);
  EXPECT_EQ(by_text.start, -1);
  EXPECT_TRUE(ends_in_thought(plain_, by_text, tokens({"assistant: <think>\n"})));
  EXPECT_FALSE(ends_in_thought(plain_, by_text, tokens({"<think> no"})));
}

}  // namespace
}  // namespace owlet
