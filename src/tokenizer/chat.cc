#include "tokenizer/chat.h"

#include <ctime>

#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/parser.h"

namespace owlet {
namespace {

constexpr size_t kMaxSource = size_t{1} << 20;

jinja::OrderedJson to_json(const std::vector<ChatMessage>& messages) {
  jinja::OrderedJson list = jinja::OrderedJson::array();
  for (const ChatMessage& message : messages) {
    jinja::OrderedJson entry = {{"role", message.role}, {"content", message.content}};
    if (!message.thinking.empty()) entry["reasoning_content"] = message.thinking;
    list.push_back(std::move(entry));
  }
  return list;
}

std::tm local_now() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return local;
}

}  // namespace

// A question ends with <q_end>; of thoughts only the last answer's are kept; a system message opens the next question. A
// thought is opened for the model where one is asked for; else the model decides.
const char* const kHomemadeTemplate =
    "{%- set ns = namespace(system='') -%}\n"
    "{%- for message in messages -%}\n"
    "  {%- if message.role == 'system' -%}\n"
    "    {%- set ns.system = ns.system ~ message.content ~ '\\n' -%}\n"
    "  {%- elif message.role == 'user' -%}\n"
    "    {{- ns.system ~ message.content ~ '<q_end>' -}}\n"
    "    {%- set ns.system = '' -%}\n"
    "  {%- elif message.role == 'assistant' -%}\n"
    "    {%- if loop.last and message.reasoning_content -%}\n"
    "      {{- '<think_start>' ~ message.reasoning_content ~ '<think_end>' -}}\n"
    "    {%- endif -%}\n"
    "    {{- message.content ~ '<a_end>' -}}\n"
    "  {%- else -%}\n"
    "    {{- raise_exception('the role ' ~ message.role ~ ' is not one of system, user and assistant') -}}\n"
    "  {%- endif -%}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt and (enable_thinking | default(false)) -%}\n"
    "  {{- '<think_start>' -}}\n"
    "{%- endif -%}\n";

struct ChatTemplate::Program {
  jinja::Block block;
};

Result<ChatTemplate> ChatTemplate::parse(std::string source) {
  if (source.size() > kMaxSource) {
    return make_error(ErrorCode::kTooLarge, "a chat template of {} bytes; at most {} are read", source.size(), kMaxSource);
  }
  try {
    ChatTemplate result;
    result.program_ = std::make_shared<const Program>(Program{jinja::parse(source)});
    result.source_ = std::move(source);
    return result;
  } catch (const jinja::Failure& failure) {
    return Error{ErrorCode::kUnsupported, fmt::format("chat template: {}", failure.what()), {}};
  }
}

Result<MarkedText> ChatTemplate::render(const ChatInput& input) const {
  try {
    std::map<std::string, jinja::Value> variables;
    for (const auto& [name, value] : input.trusted.items()) variables[name] = jinja::Value::from_json(value, true);
    for (const auto& [name, value] : input.untrusted.items()) variables[name] = jinja::Value::from_json(value, false);
    return jinja::Interpreter(std::move(variables), input.now ? *input.now : local_now()).render(program_->block);
  } catch (const jinja::Raised& raised) {
    return Error{ErrorCode::kInvalidArgument, raised.what(), {}};
  } catch (const jinja::Failure& failure) {
    return Error{ErrorCode::kInvalidArgument, failure.what(), {}};
  }
}

Result<MarkedText> ChatTemplate::render_marked(const std::vector<ChatMessage>& messages, bool add_generation_prompt,
                                               const TemplateVariables& variables) const {
  ChatInput input;
  for (const auto& [name, value] : variables) input.trusted[name] = value;
  input.trusted["add_generation_prompt"] = add_generation_prompt;
  input.untrusted["messages"] = to_json(messages);
  return render(input);
}

Result<std::string> ChatTemplate::render(const std::vector<ChatMessage>& messages, bool add_generation_prompt,
                                         const TemplateVariables& variables) const {
  OWLET_ASSIGN(const MarkedText text, render_marked(messages, add_generation_prompt, variables));
  return text.bytes();
}

TemplateVariables special_names(const Tokenizer& tokenizer) {
  const auto name = [&](TokenId id) { return id < 0 ? std::string() : tokenizer.spec().vocab[static_cast<size_t>(id)]; };
  return {{"bos_token", name(tokenizer.bos())}, {"eos_token", name(tokenizer.eos())}};
}

Result<std::vector<TokenId>> encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat_template,
                                         const std::vector<ChatMessage>& messages, bool add_generation_prompt,
                                         TemplateVariables variables) {
  variables.merge(special_names(tokenizer));
  OWLET_ASSIGN(const MarkedText text, chat_template.render_marked(messages, add_generation_prompt, variables));
  return tokenizer.encode(text);
}

}  // namespace owlet
