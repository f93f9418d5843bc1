// Very short stories: who, where, what went wrong, who helped, how it ended.
#include "kinds.h"

namespace owlet::recipe {
namespace {

using Sv = std::string_view;

constexpr Sv kAnimals[] = {"fox",     "cat",    "dog",      "owl",  "mouse", "bear", "rabbit",
                           "duck",    "frog",   "hedgehog", "goat", "horse", "lion", "elephant",
                           "monkey",  "turtle", "squirrel", "crow", "bee",   "ant",  "fish",
                           "penguin", "wolf",   "sheep",    "cow",  "pig",   "hen",  "tiger"};
constexpr Sv kPeople[] = {"girl",  "boy",       "farmer",  "fisherman", "baker",    "king",
                          "queen", "princess",  "sailor",  "teacher",   "giant",    "dragon",
                          "robot", "old woman", "old man", "shepherd",  "gardener", "knight"};
constexpr Sv kNames[] = {"Mia",  "Tom",  "Lila", "Ben",   "Nia",   "Max",  "Zoe",  "Sam",  "Ada",  "Leo",
                         "Ruby", "Finn", "Kofi", "Amina", "Oscar", "Tara", "Milo", "Ella", "Hugo", "Ivy"};
constexpr Sv kTraits[] = {"little", "young",  "brave", "shy",    "curious", "hungry",
                          "clever", "lonely", "kind",  "sleepy", "happy",   "small"};
constexpr Sv kPlaces[] = {"in a green forest",       "by a wide river",
                          "on a high mountain",      "near the sea",
                          "in a small village",      "on an old farm",
                          "in a big city",           "on a quiet island",
                          "at the edge of a desert", "in a garden full of flowers",
                          "in a house on a hill",    "under a tall tree"};

// A trouble and the way out of it belong together.
struct Plot {
  Sv trouble;
  Sv attempt;
  Sv help;
  Sv end;
};
constexpr Plot kPlots[] = {
    {"One day it rained and rained, and the path home was under water.",
     "{n} called for help, but the wind was too loud.", "Then {f} came with a little boat.",
     "Together they rowed home and drank warm tea."},
    {"One morning {n} lost a red ball.", "{n} looked under every stone and behind every door.",
     "{F} had seen it roll into the tall grass.", "They found the ball and played until the sun went down."},
    {"One night {n} could not sleep because it was so dark.",
     "{n} counted the stars, but there were too many.", "{F} sat down close by and sang a soft song.",
     "Soon {n} was asleep and dreamed of the moon."},
    {"One winter there was nothing left to eat.",
     "{n} walked a long way through the snow and found only ice.",
     "At last {f} opened a door and shared some bread.", "From that day on they always shared their food."},
    {"{n} wanted to climb the highest hill, but the way was steep.", "Three times {n} slipped and fell.",
     "{F} said, \"Go slowly, one step at a time.\"",
     "So {n} went slowly, and at the top they could see the whole world."},
    {"{n} was sad because nobody wanted to play.", "{n} sat alone and drew pictures in the sand.",
     "{F} stopped to look and asked to draw too.", "After that {n} was never lonely again."},
    {"One evening {n} heard a strange noise behind the door.", "{n} was afraid, but looked anyway.",
     "It was only {f} that had lost its way.", "{n} gave it a warm place to sleep, and they became friends."},
    {"{n} found a golden key but did not know what it opened.",
     "{n} tried every door, and none of them moved.", "{F} pointed at an old box under the roots of a tree.",
     "Inside was a book of stories, and they read it together every night."},
    {"One summer the well ran dry and everyone was thirsty.", "{n} dug in the ground for three days.",
     "{F} came to help, and they dug on together.", "On the fourth day water came up, and everyone danced."},
    {"{n} told everybody, \"I need no help at all.\"", "Then a heavy branch fell, and {n} could not lift it.",
     "{F} pushed from the other side without a word.",
     "{n} said thank you and learned that friends are strong together."},
    {"One day {n} broke a pot that was very old.", "At first {n} wanted to hide the pieces.",
     "{F} said, \"It is better to tell the truth.\"", "{n} told the truth, and nobody was angry."},
    {"{n} wanted to fly like the birds.", "{n} jumped from a stone and landed in the mud.",
     "{F} laughed kindly and built a kite out of paper.",
     "The kite flew high, and it felt as if {n} flew with it."},
};

constexpr Sv kAny[] = {"tell me a story",
                       "tell me a short story",
                       "can you tell me a story",
                       "a story please",
                       "i want to hear a story",
                       "please tell me a story",
                       "tell me a very short story",
                       "do you know a story",
                       "write a story",
                       "write a short story",
                       "make up a story",
                       "tell me a bedtime story",
                       "story",
                       "story time",
                       "could you tell me a short story",
                       "invent a story",
                       "read me a story",
                       "tell a story",
                       "another story",
                       "one more story",
                       "give me a story",
                       "i would like a story",
                       "tell me something nice before i sleep",
                       "i am bored, tell me a story",
                       "tell me a tale",
                       "tell my child a story",
                       "i can't sleep, tell me a story",
                       "a short story",
                       "write me a little story"};
constexpr Sv kAbout[] = {"tell me a story about {x}",
                         "tell me a short story about {x}",
                         "a story about {x}",
                         "can you tell me a story about {x}",
                         "write a story about {x}",
                         "write a short story about {x}",
                         "i want a story about {x}",
                         "please tell me a story about {x}",
                         "do you know a story about {x}",
                         "make up a story about {x}",
                         "could you tell a story about {x}",
                         "story about {x}",
                         "tell us a story with {x}",
                         "invent a story about {x}",
                         "i would like to hear about {x} in a story"};

std::string article(Sv noun) {
  return (Sv("aeiou").find(noun[0]) != Sv::npos ? "an " : "a ") + std::string(noun);
}

std::string tell(Random& random, Sv hero, Sv name, Sv place) {
  const Plot& plot = kPlots[random.below(std::size(kPlots))];
  Sv friend_kind = pick(random, kAnimals);
  while (friend_kind == hero) friend_kind = pick(random, kAnimals);
  const std::string helper = article(friend_kind);
  std::string text = "Once there was " + article(pick(random, kTraits)) + " " + std::string(hero) +
                     " called " + std::string(name) + ".";
  text += " " + std::string(name) + " lived " + std::string(place) + ".";
  for (const Sv sentence : {plot.trouble, plot.attempt, plot.help, plot.end}) {
    text += " ";
    text += fill(sentence, {{'n', name}, {'f', helper}, {'F', capitalized(helper)}});
  }
  return text;
}

Sv hero_kind(Random& random) { return chance(random, 0.65) ? pick(random, kAnimals) : pick(random, kPeople); }

}  // namespace

std::string story_text(Random& random) {
  const Sv hero = hero_kind(random);
  const Sv name = pick(random, kNames);
  return tell(random, hero, name, pick(random, kPlaces));
}

Turn story_turn(Random& random) {
  const Sv hero = hero_kind(random);
  Sv name = pick(random, kNames);
  const Sv place = pick(random, kPlaces);
  std::string question;
  if (chance(random, 0.45)) {
    question = pick(random, kAny);
  } else {
    std::string subject = article(hero);
    if (chance(random, 0.2))
      subject = std::string(hero) + "s";
    else if (chance(random, 0.2))
      subject += " called " + std::string(name);
    else if (chance(random, 0.1))
      subject += " " + std::string(place);
    question = fill(pick(random, kAbout), {{'x', subject}});
  }
  return {dress(random, question, '.'), tell(random, hero, name, place), {}};
}

}  // namespace owlet::recipe
