// Chat templates against transformers' sandboxed Jinja.
#include <cstdio>
#include <ctime>

#include "core/file.h"
#include "report.h"
#include "tokenizer/chat.h"

namespace owlet::golden {
namespace fs = std::filesystem;
namespace {
using Ordered = nlohmann::ordered_json;

ChatInput input_of(const Ordered& test, const std::string& now) {
  ChatInput input;
  input.trusted = test["variables"];
  input.untrusted = {{"messages", test["messages"]}, {"tools", nullptr}, {"documents", nullptr}};
  for (const char* name : {"tools", "documents"}) {
    if (input.trusted.contains(name)) input.untrusted[name] = input.trusted[name];
  }
  std::tm time{};
  std::sscanf(now.c_str(), "%d-%d-%dT%d:%d:%d", &time.tm_year, &time.tm_mon, &time.tm_mday, &time.tm_hour, &time.tm_min, &time.tm_sec);
  time.tm_year -= 1900;
  time.tm_mon -= 1;
  time.tm_isdst = -1;
  std::mktime(&time);
  input.now = time;
  return input;
}

// What is wrong with one case, empty where it agrees.
std::string disagreement(const ChatTemplate& chat_template, const Ordered& test, const std::string& now) {
  const auto text = chat_template.render(input_of(test, now));
  if (test.contains("error")) {
    const std::string error = test["error"], own = "TemplateError: ";
    if (text.ok()) return "no error, expected " + error;
    return error.starts_with(own) && text.error().message != error.substr(own.size()) ? text.error().message : "";
  }
  if (!text.ok()) return text.error().message;
  return text->bytes() == test["text"].get<std::string>() ? "" : "the text differs";
}

Status check_template(const fs::path& file, const fs::path& expected, Report& report) {
  OWLET_ASSIGN(std::string source, read_file(file));
  OWLET_ASSIGN(const std::string text, read_file(expected));
  const Ordered golden = Ordered::parse(text);
  const auto chat_template = ChatTemplate::parse(std::move(source));
  size_t wrong = 0;
  std::string first;
  for (const Ordered& test : golden["cases"]) {
    const std::string why = chat_template.ok() ? disagreement(*chat_template, test, golden["now"]) : chat_template.error().message;
    if (!why.empty() && wrong++ == 0) first = fmt::format(", first '{}': {}", test["name"].get<std::string>(), why);
  }
  report.check(wrong == 0, file, fmt::format("{} of {} chats differ{}", wrong, golden["cases"].size(), first));
  return {};
}

}  // namespace

void check_templates(const fs::path& root, Report& report) {
  for (const fs::path& file : entries(root / "templates")) {
    if (file.extension() != ".jinja") continue;
    fs::path expected = file;
    expected.replace_extension(".expected.json");
    if (!fs::exists(expected)) {
      report.skip(file, "nothing expected beside it");
    } else if (const Status done = check_template(file, expected, report); !done.ok()) {
      report.fail(file, done.error().to_string());
    }
  }
}

}  // namespace owlet::golden
