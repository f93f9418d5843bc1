// A chat template, rendered with all that templates look at.
#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "tokenizer/chat.h"

using namespace owlet;

namespace {

ChatInput everything() {
  ChatInput input;
  input.trusted = {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"add_generation_prompt", true}, {"enable_thinking", false}};
  input.untrusted["messages"] = nlohmann::ordered_json::parse(R"([{"role":"system","content":"Be kind."},
      {"role":"user","content":[{"type":"text","text":"one <b>"},{"type":"image"}]},
      {"role":"assistant","content":"","reasoning_content":"hm","tool_calls":[{"function":{"name":"f","arguments":{"x":1.5,"y":[null,true]}}}]},
      {"role":"tool","content":"{}"},{"role":"user","content":"\u00fcber\n"}])");
  input.untrusted["tools"] = nlohmann::ordered_json::parse(R"([{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}])");
  input.now = std::tm{};
  return input;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const ChatInput input = everything();
  const auto parsed = ChatTemplate::parse(std::string(reinterpret_cast<const char*>(data), size));
  if (parsed.ok()) (void)parsed->render(input).ok(); else fuzz::expect_clear(parsed.error());
  return 0;
}
