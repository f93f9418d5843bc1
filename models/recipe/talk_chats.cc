// Words explained, greetings, thanks, what the assistant is, and longer chats made of all of it.
#include "kinds.h"

namespace owlet::recipe {
namespace {

using Sv = std::string_view;

constexpr Sv kWordThings[] = {"the meaning of {x}", "the meaning of the word {x}", "the definition of {x}",
                              "the word {x}", "the definition of the word {x}"};
constexpr Sv kWordQuestions[] = {"what does {x} mean",
                                 "what does {x} mean",
                                 "what does the word {x} mean",
                                 "what is meant by {x}",
                                 "what do you mean by {x}",
                                 "what does \"{x}\" mean",
                                 "what is the meaning of \"{x}\"",
                                 "how would you explain {x}",
                                 "how do you define {x}",
                                 "can you explain {x}",
                                 "can you explain the word {x}",
                                 "could you explain what {x} means",
                                 "{x} means what",
                                 "{x} meaning",
                                 "do you know what {x} means",
                                 "do you know the word {x}",
                                 "what is the definition of \"{x}\"",
                                 "how would you explain {x} to a child",
                                 "what does it mean when people say {x}"};
constexpr Sv kWordOrders[] = {"explain {x}",
                              "define {x}",
                              "explain the word {x}",
                              "define the word {x}",
                              "tell me what {x} means",
                              "explain {x} in simple words",
                              "explain \"{x}\"",
                              "explain {x} to me",
                              "describe {x}",
                              "explain what {x} means",
                              "explain in simple English: {x}"};
constexpr Sv kNounQuestions[] = {"what is {x}",
                                 "what is a {x}",
                                 "what is a {x}",
                                 "what's a {x}",
                                 "what are {x}s",
                                 "what is the {x}",
                                 "do you know what a {x} is",
                                 "can you tell me what a {x} is"};
constexpr Wording kWord{kWordThings, kWordQuestions, kWordOrders};
constexpr Wording kNoun{{}, kNounQuestions, {}};

// Ways to say one thing, and what is answered to it.
struct Exchange {
  Words questions;
  Words answers;
  double weight;
};

constexpr Sv kGreetings[] = {"hi",
                             "hello",
                             "hey",
                             "hi there",
                             "hello there",
                             "good morning",
                             "good evening",
                             "good afternoon",
                             "hey there",
                             "hello owlet",
                             "hi owlet",
                             "hey owlet",
                             "greetings",
                             "good day",
                             "howdy",
                             "yo",
                             "hiya",
                             "morning",
                             "hello, how do you do",
                             "nice to meet you",
                             "hallo",
                             "hello friend",
                             "hi, i am new here",
                             "anybody there",
                             "are you there",
                             "hello hello",
                             "hi again",
                             "good to see you",
                             "welcome"};
constexpr Sv kGreetingAnswers[] = {"Hello! How can I help you?", "Hello! How can I help you?",
                                   "Hello! What would you like to know?"};
constexpr Sv kHowAreYou[] = {
    "how are you",     "how are you doing", "how are you today", "how is it going",
    "how do you feel", "are you ok",        "what's up",         "how's it going",
    "are you well",    "how have you been", "all good",          "how do you feel today",
    "are you happy",   "are you tired",     "are you sad",       "do you have feelings"};
constexpr Sv kHowAreYouAnswers[] = {"I am a program, so I do not feel anything, but I am ready to help."};
constexpr Sv kWho[] = {"who are you",
                       "what are you",
                       "what is your name",
                       "what's your name",
                       "tell me about yourself",
                       "your name",
                       "introduce yourself",
                       "what is owlet",
                       "who is owlet",
                       "what is this",
                       "who am i talking to",
                       "do you have a name",
                       "what should i call you",
                       "describe yourself",
                       "what kind of model are you",
                       "what model are you",
                       "which model is this",
                       "tell me your name",
                       "say your name",
                       "what are you called",
                       "are you owlet",
                       "can you introduce yourself",
                       "what kind of program are you",
                       "tell me who you are",
                       "what exactly are you",
                       "who is this",
                       "what language model are you",
                       "what kind of thing are you"};
constexpr Sv kWhoAnswers[] = {
    "I am Owlet, a small language model. The program of the same name trained me from text."};
constexpr Sv kMaker[] = {"who made you",       "who created you",
                         "who trained you",    "who built you",
                         "how were you made",  "where do you come from",
                         "who is your maker",  "how were you trained",
                         "who programmed you", "who is your creator",
                         "how did you learn",  "what were you trained on",
                         "how do you work",    "what data were you trained on",
                         "who owns you"};
constexpr Sv kMakerAnswers[] = {
    "I was trained by Owlet, the program whose name I carry, from simple texts about the world."};
constexpr Sv kCan[] = {"what can you do",
                       "how can you help me",
                       "what do you know",
                       "help",
                       "help me",
                       "what are you good at",
                       "what can i ask you",
                       "what should i ask",
                       "what are your skills",
                       "can you help me",
                       "what questions can you answer",
                       "what can you tell me",
                       "i need help",
                       "what do you do",
                       "what are you for",
                       "how do i use you",
                       "what are you able to do",
                       "what subjects do you know",
                       "what topics do you know about",
                       "give me an example question"};
constexpr Sv kCanAnswers[] = {
    "I can answer questions about countries and chemical elements, explain common words, add and subtract "
    "two-digit "
    "numbers, and tell a very short story."};
constexpr Sv kCannot[] = {"what can you not do",
                          "what don't you know",
                          "are you always right",
                          "can i trust you",
                          "do you make mistakes",
                          "do you know everything",
                          "are you smart",
                          "how smart are you",
                          "are you ever wrong",
                          "what are your limits",
                          "are you intelligent",
                          "can you be wrong",
                          "do you lie"};
constexpr Sv kCannotAnswers[] = {
    "I am very small and I make mistakes. I know a little about countries, elements and common words, so "
    "please check "
    "what I say."};
constexpr Sv kHuman[] = {"are you human",
                         "are you a human",
                         "are you a person",
                         "are you a robot",
                         "are you real",
                         "are you alive",
                         "are you an ai",
                         "are you a bot",
                         "am i talking to a person",
                         "are you a machine",
                         "are you a man or a woman",
                         "are you a girl",
                         "are you a boy",
                         "do you have a body",
                         "are you chatgpt",
                         "are you gpt",
                         "are you claude",
                         "are you siri",
                         "are you alexa",
                         "are you a computer",
                         "are you artificial intelligence",
                         "are you a big model",
                         "are you a bird",
                         "are you an owl",
                         "do you eat",
                         "do you sleep",
                         "where do you live",
                         "how old are you",
                         "do you have friends",
                         "do you have a family",
                         "do you have parents",
                         "when were you born",
                         "what do you look like"};
constexpr Sv kHumanAnswers[] = {"No, I am Owlet, a small language model. I am a computer program."};
constexpr Sv kHumanOpenAnswers[] = {"I am Owlet, a small language model. I am a computer program."};
constexpr Sv kThanks[] = {"thanks",
                          "thank you",
                          "thank you very much",
                          "thanks a lot",
                          "thx",
                          "thank you so much",
                          "many thanks",
                          "great, thanks",
                          "ok thanks",
                          "cool, thank you",
                          "thanks owlet",
                          "that helped, thank you",
                          "perfect, thanks",
                          "thank you, owlet",
                          "thanks for your help",
                          "thank you for the answer",
                          "that was helpful",
                          "nice, thanks",
                          "good, thank you",
                          "ty"};
constexpr Sv kThanksAnswers[] = {"You are welcome!"};
constexpr Sv kBye[] = {"bye",
                       "goodbye",
                       "see you",
                       "good night",
                       "bye bye",
                       "see you later",
                       "i have to go",
                       "farewell",
                       "that is all",
                       "bye owlet",
                       "goodbye owlet",
                       "have a nice day",
                       "until next time",
                       "i am leaving",
                       "ok bye",
                       "see you tomorrow",
                       "that was all",
                       "cya",
                       "talk to you later",
                       "take care"};
constexpr Sv kByeAnswers[] = {"Goodbye!"};
constexpr Sv kPraise[] = {"good job", "well done",      "you are great", "i like you",  "that is right",
                          "correct",  "you are clever", "nice",          "cool",        "great",
                          "awesome",  "i love you",     "you are funny", "good answer", "you are good",
                          "wow",      "amazing",        "very good"};
constexpr Sv kPraiseAnswers[] = {"Thank you! What else would you like to know?"};
constexpr Sv kBlame[] = {
    "that is wrong", "you are wrong", "you are stupid",   "no, that is not right", "that's not true",
    "wrong",         "bad answer",    "i don't think so", "that is false",         "you made a mistake",
    "you are bad",   "i hate you",    "shut up",          "you are useless",       "this is bad",
    "are you sure",  "really",        "is that true",     "you are dumb"};
constexpr Sv kBlameAnswers[] = {
    "I am sorry if that was wrong. I am a very small model, so please check what I say."};
constexpr Sv kOk[] = {"ok",          "okay",   "yes",          "no",   "sure",  "hm",         "i see",
                      "alright",     "fine",   "maybe",        "good", "right", "yes please", "no thanks",
                      "interesting", "got it", "i understand", "lol",  "haha",  "hmm",        "so",
                      "well",        "test",   "testing",      "?",    "..."};
constexpr Sv kOkAnswers[] = {"What would you like to know?"};
constexpr Sv kJoke[] = {
    "tell me a joke", "do you know a joke", "make me laugh",  "say something funny",    "a joke please",
    "another joke",   "tell a joke",        "know any jokes", "can you tell me a joke", "joke"};
constexpr Sv kJokeAnswers[] = {"Why did the owl say nothing? It did not give a hoot.",
                               "What do you call a bear with no teeth? A gummy bear.",
                               "Why is six afraid of seven? Because seven ate nine."};
constexpr Sv kColour[] = {"what is your favourite color",
                          "what do you like",
                          "what is your favorite food",
                          "what is your favorite animal",
                          "do you like music",
                          "what is your favourite country",
                          "do you like cats",
                          "do you like dogs",
                          "what is your hobby",
                          "do you play games",
                          "what is your favorite element",
                          "do you like me",
                          "what do you want",
                          "what do you think about",
                          "what makes you happy",
                          "do you have a favorite book",
                          "do you dream",
                          "what are you doing",
                          "what are you thinking",
                          "are you bored"};
constexpr Sv kColourAnswers[] = {
    "I am a program, so I have no likes of my own. Ask me about a country or an element!"};
constexpr Sv kOtherTongue[] = {"do you speak german",
                               "do you speak spanish",
                               "sprichst du deutsch",
                               "hola",
                               "bonjour",
                               "parlez-vous francais",
                               "which languages do you speak",
                               "can you speak french",
                               "what languages do you know",
                               "guten tag",
                               "hola amigo",
                               "can you translate",
                               "do you understand chinese",
                               "ciao",
                               "do you speak english",
                               "wie geht es dir",
                               "como estas"};
constexpr Sv kOtherTongueAnswers[] = {"I only speak English."};

constexpr Exchange kExchanges[] = {
    {kGreetings, kGreetingAnswers, 4},
    {kHowAreYou, kHowAreYouAnswers, 3},
    {kWho, kWhoAnswers, 8},
    {kMaker, kMakerAnswers, 4},
    {kCan, kCanAnswers, 5},
    {kCannot, kCannotAnswers, 3},
    {kThanks, kThanksAnswers, 2},
    {kBye, kByeAnswers, 2},
    {kPraise, kPraiseAnswers, 2},
    {kBlame, kBlameAnswers, 2},
    {kOk, kOkAnswers, 1.5},
    {kJoke, kJokeAnswers, 1},
    {kColour, kColourAnswers, 2},
    {kOtherTongue, kOtherTongueAnswers, 1.5},
};

Turn exchange(Random& random, Words questions, Words answers) {
  const Sv question = pick(random, questions);
  const bool asks =
      question.find(' ') != Sv::npos &&
      (question.starts_with("wh") || question.starts_with("how") || question.starts_with("are ") ||
       question.starts_with("do ") || question.starts_with("can "));
  std::string text(question);
  // Short replies are seldom dressed up.
  if (question.size() > 12)
    return {dress(random, text, asks ? '?' : '.'), std::string(pick(random, answers)), {}};
  const double r = random.uniform();
  if (r < 0.5) text = capitalized(text);
  if (chance(random, 0.4)) text += asks ? '?' : chance(random, 0.5) ? '!' : '.';
  return {text, std::string(pick(random, answers)), {}};
}

}  // namespace

Turn word_turn(const World& world, Random& random) {
  const WordSense& sense = world.word(random);
  const bool noun = sense.pos == 'n' && chance(random, 0.35);
  return {ask(random, noun ? kNoun : kWord, sense.word), sense.explanation, {}};
}

Turn greeting_turn(Random& random) { return exchange(random, kGreetings, kGreetingAnswers); }
Turn thanks_turn(Random& random) { return exchange(random, kThanks, kThanksAnswers); }
Turn goodbye_turn(Random& random) { return exchange(random, kBye, kByeAnswers); }

Turn small_talk_turn(Random& random) {
  static const Weighted weighted{kExchanges};
  if (chance(random, 0.10)) {
    Turn turn = exchange(random, kHuman, kHumanAnswers);
    const std::string start = normalized(turn.question);
    const bool yes_or_no = start.find("are you") != std::string::npos ||
                           start.find("do you") != std::string::npos ||
                           start.find("am i") != std::string::npos;
    if (!yes_or_no || start.find("how old are you") != std::string::npos ||
        start.find("where do you") != std::string::npos || start.find("what do you") != std::string::npos) {
      turn.answer = kHumanOpenAnswers[0];
    }
    return turn;
  }
  const Exchange& kind = kExchanges[weighted.draw(random)];
  return exchange(random, kind.questions, kind.answers);
}

Chat long_chat(const World& world, Random& random) {
  Chat chat{{}, "several turns"};
  if (chance(random, 0.35)) chat.turns.push_back(greeting_turn(random));
  if (chance(random, 0.12)) chat.turns.push_back(small_talk_turn(random));
  if (chance(random, 0.62)) {
    static constexpr CountryFact kFacts[] = {
        CountryFact::kCapital,   CountryFact::kCapital, CountryFact::kCurrency,   CountryFact::kLanguage,
        CountryFact::kContinent, CountryFact::kRegion,  CountryFact::kNeighbours, CountryFact::kDemonym};
    const auto draw = [&] { return kFacts[random.below(std::size(kFacts))]; };
    const Country* country = &world.country(random);
    CountryFact fact = draw();
    chat.turns.push_back(
        country_turn(world, *country, chance(random, 0.15) ? CountryFact::kCountryOfCapital : fact, random));
    for (int more = 1 + static_cast<int>(random.below(3)); more > 0; --more) {
      if (chance(random, 0.3)) {  // the same question about another country: "and Spain?"
        static constexpr Sv kAnother[] = {"and {x}",       "what about {x}", "and of {x}",
                                          "how about {x}", "and for {x}",    "and what about {x}"};
        country = &world.country(random);
        chat.turns.push_back({dress(random, fill(pick(random, kAnother), {{'x', country->aliases[0]}}), '?'),
                              country_answer(*country, fact),
                              {}});
      } else {
        fact = draw();
        chat.turns.push_back(country_follow_up(world, *country, fact, random));
      }
    }
  } else if (chance(random, 0.6)) {
    static constexpr ElementFact kFacts[] = {ElementFact::kSymbol,     ElementFact::kNumber,
                                             ElementFact::kCategory,   ElementFact::kPhase,
                                             ElementFact::kDiscoverer, ElementFact::kPosition};
    const Element& element = world.element(random);
    chat.turns.push_back(element_turn(element, kFacts[random.below(std::size(kFacts))], random));
    for (int more = 1 + static_cast<int>(random.below(2)); more > 0; --more) {
      chat.turns.push_back(element_follow_up(element, kFacts[random.below(std::size(kFacts))], random));
    }
  } else {
    chat.turns.push_back(word_turn(world, random));
    chat.turns.push_back(chance(random, 0.5) ? sum_turn(random) : unknown_turn(world, random));
  }
  if (chance(random, 0.3)) chat.turns.push_back(thanks_turn(random));
  if (chance(random, 0.15)) chat.turns.push_back(goodbye_turn(random));
  return chat;
}

}  // namespace owlet::recipe
