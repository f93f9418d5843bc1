// Questions about chemical elements.
#include "kinds.h"

namespace owlet::recipe {
namespace {

using Sv = std::string_view;

constexpr Sv kSymbolThings[] = {"the symbol of {x}",
                                "the symbol for {x}",
                                "the chemical symbol of {x}",
                                "the chemical symbol for {x}",
                                "{x}'s symbol",
                                "the symbol of the element {x}",
                                "the sign for {x}",
                                "the letters for {x} in the periodic table",
                                "the short form of {x}",
                                "{x}'s chemical symbol",
                                "the abbreviation for {x}",
                                "the element symbol of {x}",
                                "the periodic table symbol for {x}"};
constexpr Sv kSymbolQuestions[] = {"what symbol does {x} have",
                                   "which symbol does {x} have",
                                   "which symbol stands for {x}",
                                   "what letters stand for {x}",
                                   "how is {x} written in chemistry",
                                   "how do you write {x} in chemistry",
                                   "what is {x} written as in the periodic table",
                                   "how do chemists write {x}",
                                   "what does {x} look like in the periodic table",
                                   "{x} symbol",
                                   "{x}: symbol",
                                   "how do you abbreviate {x}",
                                   "what is the element {x}'s symbol",
                                   "{x} has which symbol",
                                   "in chemistry, what is the symbol of {x}",
                                   "what sign is used for {x}",
                                   "which letters are used for {x}",
                                   "which letters mean {x}",
                                   "how is {x} shortened",
                                   "what symbol is used for {x}",
                                   "what do chemists write for {x}",
                                   "which one or two letters mean {x}",
                                   "if the element is {x}, what is the symbol",
                                   "how do we write {x} in a formula",
                                   "i read about {x}. what is its symbol",
                                   "what do you write for the element {x}",
                                   "the table of elements has which letters for {x}"};
constexpr Sv kSymbolOrders[] = {"name the symbol of {x}",
                                "give the chemical symbol of {x}",
                                "write the symbol for {x}",
                                "state the symbol of {x}",
                                "tell me which symbol {x} has",
                                "complete: the symbol of {x} is",
                                "name the chemical symbol for {x}",
                                "tell me how to write {x} in chemistry",
                                "element: {x}. symbol"};
constexpr Wording kSymbol{kSymbolThings, kSymbolQuestions, kSymbolOrders};

constexpr Sv kOfSymbolThings[] = {"the element with the symbol {x}",    "the name of the element {x}",
                                  "the element with symbol {x}",        "the element written {x}",
                                  "the chemical element {x}",           "the name for the symbol {x}",
                                  "the element that has the symbol {x}"};
constexpr Sv kOfSymbolQuestions[] = {"which element has the symbol {x}",
                                     "what element has the symbol {x}",
                                     "{x} is the symbol of which element",
                                     "what does {x} stand for in chemistry",
                                     "what does {x} mean in the periodic table",
                                     "what element is {x}",
                                     "which element is {x}",
                                     "{x} is which element",
                                     "{x} stands for which element",
                                     "in the periodic table, what is {x}",
                                     "what is {x} in chemistry",
                                     "which chemical element is written as {x}",
                                     "what is the element {x}",
                                     "what element does {x} stand for",
                                     "which element uses the symbol {x}",
                                     "the symbol {x} means what",
                                     "what does the symbol {x} stand for",
                                     "{x} is the chemical symbol of what",
                                     "whose symbol is {x}",
                                     "i see the letters {x}. which element do they mean",
                                     "if the symbol is {x}, what is the element",
                                     "there is a box with {x} in the table of elements, what element is it",
                                     "a formula has {x} in it, which element is that",
                                     "what is the full name of {x} in chemistry",
                                     "what element do we write as {x}"};
constexpr Sv kOfSymbolOrders[] = {"name the element with the symbol {x}",
                                  "tell me what {x} stands for in chemistry",
                                  "name the element {x}",
                                  "say which element {x} is",
                                  "symbol: {x}. element",
                                  "tell me which element has the symbol {x}",
                                  "complete: {x} is the symbol of"};
constexpr Wording kOfSymbol{kOfSymbolThings, kOfSymbolQuestions, kOfSymbolOrders};

constexpr Sv kNumberThings[] = {"the atomic number of {x}",
                                "the atomic number of {x}",
                                "{x}'s atomic number",
                                "the atomic number for {x}",
                                "the number of protons in {x}",
                                "the number of {x} in the periodic table",
                                "the atomic number of the element {x}",
                                "the number of the element {x}",
                                "the element number of {x}",
                                "the proton number of {x}",
                                "the periodic table number of {x}"};
constexpr Sv kNumberQuestions[] = {"what atomic number does {x} have",
                                   "which atomic number does {x} have",
                                   "how many protons does {x} have",
                                   "how many protons are in {x}",
                                   "what number is {x}",
                                   "what number is {x} in the periodic table",
                                   "which number does {x} have",
                                   "{x} has what atomic number",
                                   "{x} atomic number",
                                   "{x}: atomic number",
                                   "what number does {x} have in the periodic table",
                                   "how many protons does an atom of {x} have",
                                   "where does {x} stand in the periodic table by number",
                                   "which number is {x} in the periodic table",
                                   "what's {x}'s number in the periodic table",
                                   "at which number is {x}",
                                   "which element number is {x}",
                                   "if the element is {x}, what is the atomic number",
                                   "what number do we find above {x}",
                                   "which number belongs to {x}",
                                   "what atomic number belongs to the element {x}",
                                   "i read about {x}. what is its atomic number",
                                   "the box of {x} in the periodic table shows which number"};
constexpr Sv kNumberOrders[] = {"name the atomic number of {x}",         "give the atomic number of {x}",
                                "state the atomic number of {x}",        "tell me how many protons {x} has",
                                "write the atomic number of {x}",        "say what number {x} is",
                                "complete: the atomic number of {x} is", "element: {x}. number"};
constexpr Wording kNumber{kNumberThings, kNumberQuestions, kNumberOrders};

constexpr Sv kOfNumberThings[] = {"the element with atomic number {x}",
                                  "the element with the atomic number {x}",
                                  "element number {x}",
                                  "element {x}",
                                  "the element with {x} protons",
                                  "the name of element {x}",
                                  "number {x} in the periodic table"};
constexpr Sv kOfNumberQuestions[] = {"which element has the atomic number {x}",
                                     "what element has atomic number {x}",
                                     "which element has atomic number {x}",
                                     "which element has {x} protons",
                                     "what element has {x} protons",
                                     "which element is number {x}",
                                     "what element is number {x}",
                                     "which element is number {x} in the periodic table",
                                     "atomic number {x} belongs to which element",
                                     "{x} is the atomic number of which element",
                                     "what has the atomic number {x}",
                                     "whose atomic number is {x}",
                                     "what is at number {x} in the periodic table"};
constexpr Sv kOfNumberOrders[] = {
    "name the element with atomic number {x}", "name element number {x}", "name the element with {x} protons",
    "tell me which element has the atomic number {x}", "atomic number: {x}. element"};
constexpr Wording kOfNumber{kOfNumberThings, kOfNumberQuestions, kOfNumberOrders};

constexpr Sv kCategoryThings[] = {
    "the category of {x}", "the kind of element that {x} is",      "the family of {x}",
    "{x}'s category",      "the group of elements {x} belongs to", "the type of {x}"};
constexpr Sv kCategoryQuestions[] = {"what kind of element is {x}",
                                     "what type of element is {x}",
                                     "which category does {x} belong to",
                                     "is {x} a metal",
                                     "what category is {x} in",
                                     "what sort of element is {x}",
                                     "is {x} a metal or a nonmetal",
                                     "which family of elements is {x} in",
                                     "what class of element is {x}",
                                     "{x} is what kind of element",
                                     "is {x} a noble gas",
                                     "how is {x} classified"};
constexpr Sv kCategoryOrders[] = {"name the category of {x}", "tell me what kind of element {x} is",
                                  "classify {x}", "say what type of element {x} is"};
constexpr Wording kCategory{kCategoryThings, kCategoryQuestions, kCategoryOrders};

constexpr Sv kPhaseThings[] = {"the state of {x} at room temperature", "the phase of {x}", "the state of {x}",
                               "{x}'s phase"};
constexpr Sv kPhaseQuestions[] = {"is {x} a solid, a liquid or a gas",
                                  "is {x} a gas",
                                  "is {x} solid",
                                  "is {x} liquid",
                                  "what state is {x} in at room temperature",
                                  "is {x} a solid or a gas",
                                  "what phase is {x}",
                                  "is {x} a liquid",
                                  "in what state is {x}",
                                  "what is {x} at room temperature"};
constexpr Sv kPhaseOrders[] = {"tell me if {x} is a gas", "tell me whether {x} is solid, liquid or gas",
                               "name the phase of {x}"};
constexpr Wording kPhase{kPhaseThings, kPhaseQuestions, kPhaseOrders};

constexpr Sv kDiscovererThings[] = {"the discoverer of {x}", "the person who discovered {x}",
                                    "the name of the discoverer of {x}", "the person who found {x}"};
constexpr Sv kDiscovererQuestions[] = {"who discovered {x}",
                                       "who found {x}",
                                       "who was the discoverer of {x}",
                                       "who first discovered {x}",
                                       "by whom was {x} discovered",
                                       "who is credited with discovering {x}",
                                       "{x} was discovered by whom",
                                       "who discovered the element {x}",
                                       "who first found {x}",
                                       "who was the first to find {x}",
                                       "which scientist discovered {x}"};
constexpr Sv kDiscovererOrders[] = {"name the discoverer of {x}", "tell me who discovered {x}",
                                    "say who discovered {x}", "name the person who discovered {x}"};
constexpr Wording kDiscoverer{kDiscovererThings, kDiscovererQuestions, kDiscovererOrders};

constexpr Sv kPositionThings[] = {"the position of {x} in the periodic table",
                                  "the place of {x} in the periodic table", "the period and group of {x}",
                                  "the group of {x}", "the period of {x}"};
constexpr Sv kPositionQuestions[] = {
    "where is {x} in the periodic table", "which period is {x} in", "what group is {x} in",
    "which group does {x} belong to",     "what period is {x} in",  "in which row is {x}"};
constexpr Wording kPosition{kPositionThings, kPositionQuestions, {}};

constexpr Sv kAboutThings[] = {"something about {x}", "a few facts about {x}", "more about {x}"};
constexpr Sv kAboutQuestions[] = {"what is {x}",
                                  "what is {x}",
                                  "what's {x}",
                                  "what do you know about {x}",
                                  "is {x} an element",
                                  "what can you tell me about {x}",
                                  "what is the element {x}",
                                  "do you know {x}"};
constexpr Sv kAboutOrders[] = {"tell me about {x}",
                               "describe {x}",
                               "explain {x}",
                               "tell me something about {x}",
                               "tell me about the element {x}",
                               "explain what {x} is",
                               "give me facts about {x}"};
constexpr Wording kAbout{kAboutThings, kAboutQuestions, kAboutOrders};

Wording wording_of(ElementFact fact) {
  switch (fact) {
    case ElementFact::kSymbol:
      return kSymbol;
    case ElementFact::kNameOfSymbol:
      return kOfSymbol;
    case ElementFact::kNumber:
      return kNumber;
    case ElementFact::kNameOfNumber:
      return kOfNumber;
    case ElementFact::kCategory:
      return kCategory;
    case ElementFact::kPhase:
      return kPhase;
    case ElementFact::kDiscoverer:
      return kDiscoverer;
    case ElementFact::kPosition:
      return kPosition;
    case ElementFact::kAbout:
      return kAbout;
  }
  return kAbout;
}

Sv follow_up(ElementFact fact, Random& random) {
  static constexpr Sv kSymbols[] = {"its symbol", "the symbol", "its chemical symbol"};
  static constexpr Sv kNumbers[] = {"its atomic number", "the atomic number", "its number"};
  static constexpr Sv kCategories[] = {"its category", "the kind of element it is"};
  static constexpr Sv kPhases[] = {"its state at room temperature", "its phase"};
  static constexpr Sv kDiscoverers[] = {"its discoverer", "the discoverer", "the person who discovered it"};
  static constexpr Sv kPositions[] = {"its place in the periodic table", "its period and group"};
  switch (fact) {
    case ElementFact::kNumber:
      return pick(random, kNumbers);
    case ElementFact::kCategory:
      return pick(random, kCategories);
    case ElementFact::kPhase:
      return pick(random, kPhases);
    case ElementFact::kDiscoverer:
      return pick(random, kDiscoverers);
    case ElementFact::kPosition:
      return pick(random, kPositions);
    default:
      return pick(random, kSymbols);
  }
}

}  // namespace

std::string element_answer(const Element& e, ElementFact fact) {
  const std::string name = capitalized(e.name);
  switch (fact) {
    case ElementFact::kSymbol:
      return "The symbol of " + e.name + " is " + e.symbol + ".";
    case ElementFact::kNameOfSymbol:
      return e.symbol + " is the symbol of " + e.name + ".";
    case ElementFact::kNumber:
      return "The atomic number of " + e.name + " is " + std::to_string(e.number) + ".";
    case ElementFact::kNameOfNumber:
      return "The element with atomic number " + std::to_string(e.number) + " is " + e.name + ".";
    case ElementFact::kCategory:
      return name + " is " + e.category + ".";
    case ElementFact::kPhase:
      return name + " is a " + e.phase + " at room temperature.";
    case ElementFact::kDiscoverer:
      if (e.discoverer.empty())
        return "Nobody knows who discovered " + e.name + ". It has been known since ancient times.";
      return capitalized(e.name) + " was discovered by " + e.discoverer + ".";
    case ElementFact::kPosition:
      return name + " is in period " + std::to_string(e.period) + " and group " + std::to_string(e.group) +
             ".";
    case ElementFact::kAbout:
      return name + " is a chemical element. Its symbol is " + e.symbol + " and its atomic number is " +
             std::to_string(e.number) + ". It is " + e.category + ".";
  }
  return {};
}

Turn element_turn(const Element& element, ElementFact fact, Random& random) {
  std::string subject = element.aliases[random.below(element.aliases.size())];
  if (fact == ElementFact::kNameOfSymbol) subject = element.symbol;
  if (fact == ElementFact::kNameOfNumber) subject = std::to_string(element.number);
  return {ask(random, wording_of(fact), subject), element_answer(element, fact), {}};
}

Turn element_follow_up(const Element& element, ElementFact fact, Random& random) {
  if (fact == ElementFact::kNameOfSymbol || fact == ElementFact::kNameOfNumber ||
      fact == ElementFact::kAbout) {
    return element_turn(element, fact, random);
  }
  static constexpr Sv kFrames[] = {
      "and {t}", "what about {t}",      "and what is {t}", "what is {t}", "tell me {t} too",
      "{t}",     "do you also know {t}"};
  return {dress(random, fill(pick(random, kFrames), {{'t', follow_up(fact, random)}}), '?'),
          element_answer(element, fact),
          {}};
}

}  // namespace owlet::recipe
