// owlet_make_data DATA OUT [SEED]: everything that the bundled model learns from, drawn from the data folder.
//   OUT/pretrain.jsonl      texts: thinned Simple English Wikipedia, easy stories, facts as plain sentences
//   OUT/chats.train.jsonl   chats; chats.valid.jsonl: others, from the same grammars
//   OUT/facts_unseen.jsonl  the examination, in words that no chat uses
#include <fmt/format.h>

#include <cstdio>
#include <map>

#include "core/file.h"
#include "core/json.h"
#include "held_out.h"
#include "kinds.h"
#include "texts.h"

namespace owlet::recipe {
namespace {
namespace fs = std::filesystem;

constexpr const char* kFiles[] = {"facts/countries.jsonl.zst", "facts/elements.jsonl.zst",
                                  "facts/dictionary.jsonl.zst", "pretrain/simplewiki.train.jsonl.zst",
                                  "pretrain/stories.jsonl.zst"};
constexpr size_t kWords = 2500;
constexpr size_t kTrainChats = 260000;
constexpr size_t kValidChats = 1500;

Status check_files(const fs::path& data) {
  for (const char* file : kFiles) {
    std::error_code code;
    if (!fs::exists(data / file, code)) {
      return Error{ErrorCode::kNotFound, fmt::format("{} is missing", (data / file).string()),
                   "models/README.md says what each file holds and where it comes from; put it there, or "
                   "name another data folder"};
    }
  }
  return {};
}

Json to_json(const Chat& chat) {
  Json messages = Json::array();
  for (const Turn& turn : chat.turns) {
    messages.push_back({{"role", "user"}, {"content", turn.question}});
    Json answer = {{"role", "assistant"}, {"content", turn.answer}};
    if (!turn.thinking.empty()) answer["thinking"] = turn.thinking;
    messages.push_back(std::move(answer));
  }
  return {{"messages", messages}};
}

Status write_chats(const World& world, const std::unordered_set<std::string>& held_out, const fs::path& path,
                   size_t n, Random random) {
  OWLET_ASSIGN(AtomicFile file, AtomicFile::create(path));
  std::map<std::string, std::pair<size_t, size_t>> table;  // kind → chats, bytes
  for (size_t i = 0; i < n;) {
    const Chat chat = draw_chat(world, random);
    bool clean = true;
    for (const Turn& turn : chat.turns) clean = clean && !held_out.contains(normalized(turn.question));
    if (!clean) continue;
    const std::string line = dump_json(to_json(chat)) + "\n";
    OWLET_TRY(file.write(line));
    auto& [count, bytes] = table[chat.kind];
    ++count;
    bytes += line.size();
    ++i;
  }
  fmt::print("{}: {:.1f} MB\n", path.string(), static_cast<double>(file.size()) / 1e6);
  for (const auto& [kind, row] : table)
    fmt::print("  {:<12} {:>7} chats {:>6.1f} MB\n", kind, row.first, static_cast<double>(row.second) / 1e6);
  return file.commit();
}

Status write_exam(const std::vector<ExamQuestion>& questions, const fs::path& path) {
  std::string text;
  for (const ExamQuestion& q : questions) {
    text += dump_json({{"id", q.id}, {"question", q.question}, {"answers", q.answers}}) + "\n";
  }
  return write_file(path, text);
}

Status run(const fs::path& data, const fs::path& out, uint64_t seed) {
  OWLET_TRY(check_files(data));
  std::error_code code;
  fs::create_directories(out, code);
  OWLET_ASSIGN(Facts facts, load_facts(data / "facts"));
  std::vector<std::string> skip;
  for (const Element& element : facts.elements) skip.push_back(element.name);
  OWLET_ASSIGN(auto words, load_words(data / kFiles[3], data / kFiles[2], skip, kWords));
  const World world(std::move(facts), std::move(words));
  const auto questions = exam(world.facts);
  const auto forms = held_out_forms(world.facts);
  OWLET_TRY(write_exam(questions, out / "facts_unseen.jsonl"));
  OWLET_TRY(write_chats(world, forms, out / "chats.train.jsonl", kTrainChats, {.seed = seed, .stream = 1}));
  OWLET_TRY(write_chats(world, forms, out / "chats.valid.jsonl", kValidChats, {.seed = seed, .stream = 2}));
  OWLET_ASSIGN(AtomicFile texts, AtomicFile::create(out / "pretrain.jsonl"));
  OWLET_TRY(write_articles(world, data / kFiles[3], {.seed = seed, .stream = 3}, texts));
  const uint64_t articles = texts.size();
  OWLET_TRY(write_picture_stories(data / kFiles[4], texts));
  const uint64_t stories = texts.size();
  OWLET_TRY(write_fact_texts(world, {.seed = seed, .stream = 5}, texts));
  fmt::print("articles {:.1f} MB, picture stories {:.1f} MB, facts {:.1f} MB\n",
             static_cast<double>(articles) / 1e6, static_cast<double>(stories - articles) / 1e6,
             static_cast<double>(texts.size() - stories) / 1e6);
  fmt::print("{}: {:.1f} MB\n", (out / "pretrain.jsonl").string(), static_cast<double>(texts.size()) / 1e6);
  return texts.commit();
}

}  // namespace
}  // namespace owlet::recipe

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: owlet_make_data DATA OUT [SEED]\n");
    return 2;
  }
  const owlet::Status status =
      owlet::recipe::run(argv[1], argv[2], argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1);
  if (!status.ok()) fmt::print(stderr, "owlet_make_data: {}\n", status.error().to_string());
  return status.ok() ? 0 : 1;
}
