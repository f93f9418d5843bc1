// What lies outside: invented countries and elements, people, news, weather, advice. The answer is that it is
// not known.
#include "kinds.h"

namespace owlet::recipe {
namespace {

using Sv = std::string_view;

constexpr Sv kStarts[] = {"Zu",  "Bro", "Val", "Kra", "Mor", "Tel", "Vin", "Gla", "Ost", "Dra", "Lum", "Fen",
                          "Quo", "Ska", "Wen", "Pra", "Nov", "Ery", "Bal", "Tro", "Yel", "Har", "Sil", "Cor",
                          "Jur", "Min", "Pol", "Ruz", "Gor", "Xan", "Elb", "Wak", "Ato", "Ara"};
constexpr Sv kMiddles[] = {"bro", "do", "ra",   "len", "ti", "mo", "ga", "ri", "ven", "to",
                           "li",  "ka", "stra", "pe",  "zu", "no", "di", "wa", "ku",  "den"};
constexpr Sv kCountryEnds[] = {"via",  "land", "stan", "nia",  "ria",  "dor", "lia", "mark",
                               "ania", "burg", "zia",  "ovia", "guay", "tia", "onia"};
constexpr Sv kElementEnds[] = {"nium", "rium", "dium", "lium", "ton", "gen", "tite", "xium", "vium", "stium"};
constexpr Sv kWordEnds[] = {"ble", "nk", "rp", "zzle", "ft", "mble", "x", "dge", "sk", "gle"};
constexpr Sv kFamous[] = {"Atlantis",  "Narnia",    "Wakanda",  "Middle-earth", "Gondor",   "Mordor",
                          "El Dorado", "Hogwarts",  "Genovia",  "Freedonia",    "Lilliput", "Neverland",
                          "Oz",        "Ruritania", "Latveria", "Elbonia",      "Sokovia",  "Utopia"};
constexpr Sv kFamousElements[] = {"vibranium", "adamantium", "kryptonite", "unobtanium",
                                  "mithril",   "dilithium",  "ununennium", "wonderflonium"};
constexpr Sv kRegions[] = {"Texas",     "California", "Bavaria",  "Ontario",   "Florida",   "Scotland",
                           "Catalonia", "Quebec",     "Tuscany",  "Ohio",      "Siberia",   "Queensland",
                           "Alaska",    "Kerala",     "Normandy", "Hawaii",    "Nevada",    "Andalusia",
                           "Wales",     "Saxony",     "Oregon",   "Bali",      "Africa",    "Europe",
                           "Asia",      "the moon",   "Mars",     "the world", "the ocean", "South America"};
constexpr Sv kFirst[] = {"John",   "Mary",    "Peter",  "Anna",   "Robert", "Julia", "David",
                         "Laura",  "Michael", "Sarah",  "Thomas", "Emma",   "James", "Linda",
                         "Carlos", "Elena",   "Ahmed",  "Fatima", "Wei",    "Yuki",  "Ivan",
                         "Olga",   "Pierre",  "Claire", "Hans",   "Greta",  "Paul",  "Nina"};
constexpr Sv kLast[] = {"Smith",  "Miller",  "Brown",  "Garcia",  "Wilson", "Taylor", "Anderson",
                        "Lopez",  "Lee",     "Harris", "Clark",   "Lewis",  "Walker", "Young",
                        "King",   "Wright",  "Hill",   "Scott",   "Green",  "Baker",  "Nelson",
                        "Carter", "Schmidt", "Rossi",  "Tanaka",  "Petrov", "Dubois", "Weber",
                        "Kim",    "Silva",   "Jones",  "Fischer", "Novak",  "Khan"};

std::string invented(Random& random, Words ends) {
  std::string word(pick(random, kStarts));
  if (chance(random, 0.6)) word += pick(random, kMiddles);
  return word + std::string(pick(random, ends));
}

constexpr Sv kPersonThings[] = {"the birthday of {x}", "the job of {x}", "the age of {x}", "the life of {x}",
                                "something about {x}"};
constexpr Sv kPersonQuestions[] = {
    "who is {x}",          "who was {x}",        "do you know {x}",   "what did {x} do",
    "how old is {x}",      "where was {x} born", "when was {x} born", "what is {x} famous for",
    "where does {x} live", "who is {x}'s wife",  "is {x} famous",     "have you heard of {x}",
    "why is {x} famous",   "when did {x} die"};
constexpr Sv kPersonOrders[] = {"tell me about {x}", "describe {x}", "tell me who {x} is", "write about {x}"};
constexpr Wording kPerson{kPersonThings, kPersonQuestions, kPersonOrders};

constexpr Sv kNowQuestions[] = {"what is the weather today",
                                "will it rain tomorrow",
                                "what time is it",
                                "what day is it today",
                                "what is the date",
                                "what is the news",
                                "who won the game yesterday",
                                "who is the president now",
                                "what happened today",
                                "what is the temperature outside",
                                "how is the weather",
                                "is it raining",
                                "what year is it",
                                "who won the election",
                                "what is the price of bitcoin",
                                "how much does gold cost today",
                                "what is the latest news",
                                "who won the world cup",
                                "is it cold outside",
                                "what is on tv tonight",
                                "what is the stock market doing",
                                "who is the prime minister of {x}",
                                "who is the president of {x}",
                                "what is the weather in {x}",
                                "what is the time in {x}",
                                "what is the news from {x}",
                                "who is the king of {x}",
                                "is there a war in {x}",
                                "is it warm in {x} today",
                                "who rules {x}",
                                "who governs {x}",
                                "what is the temperature in {x}",
                                "when is the next election in {x}"};
constexpr Sv kNowAnswers[] = {"I do not know. I have no news, no clock and no weather report."};
constexpr Wording kNow{{}, kNowQuestions, {}};

constexpr Sv kAdviceQuestions[] = {"should i quit my job",
                                   "how can i lose weight",
                                   "what should i do with my life",
                                   "my head hurts, what should i do",
                                   "should i buy a house",
                                   "how do i become rich",
                                   "which car should i buy",
                                   "should i marry her",
                                   "i feel sad, what can i do",
                                   "how do i get over a breakup",
                                   "what medicine should i take",
                                   "am i ill",
                                   "should i see a doctor",
                                   "how much should i sleep",
                                   "what stocks should i buy",
                                   "can i sue my neighbour",
                                   "what should i cook tonight",
                                   "how do i find friends",
                                   "is my boss right",
                                   "what should i study",
                                   "how do i stop smoking",
                                   "what should i wear",
                                   "where should i go on holiday",
                                   "should i invest in gold",
                                   "is this rash dangerous",
                                   "does she love me",
                                   "how do i make money",
                                   "what is the meaning of life",
                                   "does god exist",
                                   "who should i vote for",
                                   "i feel alone",
                                   "what is the best phone",
                                   "which religion is right",
                                   "how do i raise my child",
                                   "my dog is sick, what should i do"};
constexpr Sv kAdviceAnswers[] = {
    "I cannot give advice on that. I am only a small language model, so please ask a person who knows."};
constexpr Wording kAdvice{{}, kAdviceQuestions, {}};

constexpr Sv kTaskOrders[] = {"write a poem about love",
                              "write python code",
                              "write a program that sorts a list",
                              "translate this into german",
                              "write an essay about war",
                              "summarize this text",
                              "write an email to my boss",
                              "fix my code",
                              "draw a picture",
                              "play a song",
                              "open a website",
                              "call my mother",
                              "set an alarm",
                              "book a flight",
                              "order a pizza",
                              "search the internet",
                              "send a message",
                              "write a letter",
                              "make a plan for my week",
                              "write a business plan",
                              "translate hello into french",
                              "write html",
                              "show me a picture of a cat",
                              "solve x^2 = 4",
                              "prove the theorem",
                              "write a recipe for soup",
                              "turn on the light",
                              "write a song",
                              "compose music",
                              "correct my grammar",
                              "write a javascript function",
                              "what is the square root of 2",
                              "integrate x squared",
                              "what is 12 times 34",
                              "what is {a} * {b}",
                              "{a} times {b}",
                              "what is {a} divided by {b}",
                              "{a} / {b}",
                              "{a} x {b}",
                              "multiply {a} by {b}",
                              "divide {a} by {b}",
                              "what is {a}{b} + {b}{a}",
                              "{a}{b} - {b}3",
                              "{a}7 + {b}12",
                              "what is {a}4 plus {b}0{a}"};
constexpr Sv kTaskAnswers[] = {
    "I cannot do that. I can answer questions about countries and elements, explain words, add and subtract "
    "two-digit "
    "numbers, and tell short stories."};
constexpr Sv kSumAnswers[] = {"I can only add and subtract numbers with up to two digits."};

constexpr Sv kOtherQuestions[] = {"who wrote romeo and juliet",
                                  "when did world war two end",
                                  "who invented the telephone",
                                  "how far is the moon",
                                  "how tall is mount everest",
                                  "who painted the mona lisa",
                                  "what is the fastest car",
                                  "how many people live in {x}",
                                  "what is the population of {x}",
                                  "who won the oscar",
                                  "what is the longest river in {x}",
                                  "what is the highest mountain in {x}",
                                  "how big is {x}",
                                  "what do people eat in {x}",
                                  "what is the national anthem of {x}",
                                  "when did {x} become independent",
                                  "what is the history of {x}",
                                  "what are the colors of the flag of {x}",
                                  "who was the first man on the moon",
                                  "what is quantum mechanics",
                                  "how does a car engine work",
                                  "who sang yesterday",
                                  "when was the pyramid built",
                                  "who is the richest man in the world",
                                  "how do vaccines work",
                                  "what is the best movie",
                                  "who directed star wars",
                                  "how do planes fly",
                                  "what is the best football team in {x}",
                                  "what is the second largest city of {x}",
                                  "how old is {x}",
                                  "which animals live in {x}",
                                  "what is the national animal of {x}",
                                  "what is the phone code of {x}",
                                  "how many cities are in {x}",
                                  "what is the main religion in {x}",
                                  "why is the sky blue",
                                  "how many bones does a person have",
                                  "when was napoleon born",
                                  "who killed kennedy",
                                  "how fast is light",
                                  "what is the tallest building",
                                  "who discovered america",
                                  "what is the formula of water",
                                  "how deep is the ocean",
                                  "what is my name",
                                  "where am i",
                                  "how old am i",
                                  "what am i thinking",
                                  "what is in my pocket",
                                  "where do i live",
                                  "what did i eat today",
                                  "what is my favourite color"};
constexpr Sv kOtherAnswers[] = {"I do not know that."};
constexpr Wording kOther{{}, kOtherQuestions, {}};

Turn invented_country(const World& world, Random& random) {
  Country country;
  const double r = random.uniform();
  country.name = r < 0.72   ? invented(random, kCountryEnds)
                 : r < 0.84 ? std::string(pick(random, kFamous))
                            : std::string(pick(random, kRegions));
  country.aliases = {country.name};
  static constexpr CountryFact kFacts[] = {
      CountryFact::kCapital,  CountryFact::kCapital,   CountryFact::kCapital,    CountryFact::kCurrency,
      CountryFact::kLanguage, CountryFact::kContinent, CountryFact::kNeighbours, CountryFact::kRegion};
  Turn turn = country_turn(world, country, kFacts[random.below(std::size(kFacts))], random);
  turn.answer = "I do not know a country called " + country.name + ".";
  return turn;
}

Turn invented_element(Random& random) {
  Element element;
  element.name = lower(chance(random, 0.85) ? invented(random, kElementEnds)
                                            : std::string(pick(random, kFamousElements)));
  element.aliases = {element.name, capitalized(element.name)};
  static constexpr ElementFact kFacts[] = {ElementFact::kSymbol, ElementFact::kSymbol,
                                           ElementFact::kNumber, ElementFact::kCategory,
                                           ElementFact::kPhase,  ElementFact::kDiscoverer};
  Turn turn = element_turn(element, kFacts[random.below(std::size(kFacts))], random);
  turn.answer = "I do not know an element called " + element.name + ".";
  return turn;
}

Turn unknown_number(Random& random) {
  Element element;
  element.number = static_cast<int>(119 + random.below(300));
  element.aliases = {std::to_string(element.number)};
  Turn turn = element_turn(element, ElementFact::kNameOfNumber, random);
  turn.answer = "I do not know an element with atomic number " + std::to_string(element.number) + ".";
  return turn;
}

Turn invented_word(Random& random) {
  static constexpr Sv kQuestions[] = {"what does {x} mean",
                                      "explain {x}",
                                      "define {x}",
                                      "what is a {x}",
                                      "what is {x}",
                                      "what is the meaning of {x}",
                                      "explain the word {x}",
                                      "tell me what {x} means",
                                      "what does the word {x} mean"};
  const std::string word = lower(invented(random, kWordEnds));
  return {dress(random, fill(pick(random, kQuestions), {{'x', word}}), '?'),
          "I do not know the word \"" + word + "\".",
          {}};
}

Turn task(Random& random) {
  const std::string a = std::to_string(10 + random.below(90));
  const std::string b = std::to_string(2 + random.below(98));
  const Sv pattern = pick(random, kTaskOrders);
  const bool sum = pattern.find("{a}") != Sv::npos || pattern.find("square") != Sv::npos ||
                   pattern.find("times") != Sv::npos;
  const std::string question = fill(pattern, {{'a', a}, {'b', b}});
  return {dress(random, question, sum ? '?' : '.'), std::string(sum ? kSumAnswers[0] : kTaskAnswers[0]), {}};
}

}  // namespace

Turn unknown_turn(const World& world, Random& random) {
  const double r = random.uniform();
  if (r < 0.24) return invented_country(world, random);
  if (r < 0.36) return invented_element(random);
  if (r < 0.39) return unknown_number(random);
  if (r < 0.47) return invented_word(random);
  if (r < 0.63) {
    const std::string name = std::string(pick(random, kFirst)) + " " + std::string(pick(random, kLast));
    return {ask(random, kPerson, name), "I do not know who " + name + " is.", {}};
  }
  if (r < 0.73) return {ask(random, kNow, world.country(random).aliases[0]), std::string(kNowAnswers[0]), {}};
  if (r < 0.81) return {ask(random, kAdvice, {}), std::string(kAdviceAnswers[0]), {}};
  if (r < 0.90) return task(random);
  return {ask(random, kOther, world.country(random).aliases[0]), std::string(kOtherAnswers[0]), {}};
}

}  // namespace owlet::recipe
