#include <gtest/gtest.h>

#include "grade.h"
#include "held_out.h"
#include "kinds.h"

namespace owlet::recipe {
namespace {

Country country(std::string name, std::string capital) {
  Country c;
  c.name = name;
  c.aliases = {name};
  c.capitals = {std::move(capital)};
  c.continent = "Europe";
  c.region = "Northern Europe";
  c.languages = {"Plain"};
  c.currencies = {"crown"};
  c.demonym = "Northern";
  return c;
}

// Few subjects, so that the draws go deep into the phrasings of each.
const World& world() {
  static const World small = [] {
    Facts facts;
    facts.countries = {country("Norway", "Oslo"), country("the Netherlands", "Amsterdam")};
    facts.countries[0].neighbours = {"Sweden", "Finland", "Russia"};
    Element iron;
    iron.name = "iron";
    iron.aliases = {"iron", "Iron"};
    iron.symbol = "Fe";
    iron.number = 26;
    iron.category = "a transition metal";
    iron.phase = "solid";
    facts.elements = {iron};
    return World(std::move(facts), {{"river", 'n', "A river is a stream of water.", 1}});
  }();
  return small;
}

TEST(Recipe, NoQuestionIsAskedInAHeldOutPhrasing) {
  const auto held_out = held_out_forms(world().facts);
  Random random{.seed = 11};
  for (int i = 0; i < 60000; ++i) {
    for (const Turn& turn : draw_chat(world(), random).turns) {
      ASSERT_FALSE(held_out.contains(normalized(turn.question))) << turn.question;
    }
  }
}

TEST(Recipe, ManyWaysToAskForOneFact) {
  Random random{.seed = 12};
  std::unordered_set<std::string> forms;
  for (int i = 0; i < 5000; ++i) {
    const Turn turn = country_turn(world(), world().facts.countries[0], CountryFact::kCapital, random);
    forms.insert(normalized(turn.question));
    EXPECT_EQ(turn.answer, "The capital of Norway is Oslo.");
  }
  EXPECT_GT(forms.size(), 1500u);
}

TEST(Recipe, TheSameSeedDrawsTheSameChats) {
  const auto draw = [](uint64_t seed) {
    Random random{.seed = seed};
    std::string all;
    for (int i = 0; i < 200; ++i) {
      for (const Turn& turn : draw_chat(world(), random).turns)
        all += turn.question + turn.thinking + turn.answer;
    }
    return all;
  };
  EXPECT_EQ(draw(3), draw(3));
  EXPECT_NE(draw(3), draw(4));
}

TEST(Recipe, AnswersHaveNoHolesLeft) {
  Random random{.seed = 13};
  for (int i = 0; i < 20000; ++i) {
    for (const Turn& turn : draw_chat(world(), random).turns) {
      EXPECT_FALSE(turn.answer.empty());
      for (const std::string* text : {&turn.question, &turn.answer, &turn.thinking}) {
        EXPECT_EQ(text->find_first_of("{}"), std::string::npos) << *text;
      }
    }
  }
}

// The digits after "So", glued together.
int result_of(const std::string& thought) {
  std::string digits;
  for (size_t i = thought.find("So ") + 3; thought[i] != '.'; ++i) {
    if (thought[i] != ' ') digits += thought[i];
  }
  return std::stoi(digits);
}

TEST(Recipe, EverySumIsWorkedOutRight) {
  for (int a = 0; a < 100; ++a) {
    for (int b = 0; b < 100; ++b) {
      EXPECT_EQ(result_of(sum_thought(a, b)), a + b);
      EXPECT_EQ(result_of(difference_thought(a, b)), std::abs(a - b));
    }
  }
  EXPECT_EQ(sum_thought(47, 25), "4 7 + 2 5: 7 + 5 = 1 2, write 2 carry 1. 4 + 2 + 1 = 7. So 7 2.");
  EXPECT_EQ(difference_thought(52, 27), "5 2 - 2 7: 1 2 - 7 = 5, write 5 borrow 1. 5 - 2 - 1 = 2. So 2 5.");
}

TEST(Grade, AcceptsWholeWordsOnly) {
  EXPECT_TRUE(is_right("The capital of Norway is Oslo.", {"oslo"}));
  EXPECT_TRUE(is_right("It is Washington, D.C.", {"washington d.c."}));
  EXPECT_FALSE(is_right("The symbol of iron is Fe.", {"f"}));
  EXPECT_FALSE(is_right("The capital of Norway is Osloville.", {"oslo"}));
  EXPECT_FALSE(is_right("I do not know an element called so.", {"i"}));
  EXPECT_FALSE(is_right("", {"oslo"}));
}

TEST(Phrasing, NormalFormsForgetCaseAndMarks) {
  EXPECT_EQ(normalized("  What's the capital of France?! "), "whats the capital of france");
  EXPECT_EQ(capitalized("île"), "Île");
  EXPECT_EQ(without_accents("Bogotá"), "Bogota");
  EXPECT_EQ(fill("{x} and {y}", {{'x', "a"}}), "a and {y}");
}

TEST(Words, FirstSentencesLoseTheirBrackets) {
  EXPECT_EQ(first_sentence("A cat (Felis catus) is a small wild animal. It meows.", 100),
            "A cat is a small wild animal.");
  EXPECT_EQ(first_sentence("No end here", 100), "");
  EXPECT_EQ(first_sentence("A sentence that is rather long. Yes.", 10), "");
}

}  // namespace
}  // namespace owlet::recipe
