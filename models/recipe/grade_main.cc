// owlet_grade QUESTIONS ANSWERS: how many of the examination's questions were answered right, by topic, and
// the wrong answers.
//   QUESTIONS  {"id", "question", "answers": [accepted …]}, as owlet_make_data writes them
//   ANSWERS    {"id", "answer"}, as `owlet generate --file QUESTIONS --out ANSWERS` writes them
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <map>

#include "core/file.h"
#include "core/json.h"
#include "grade.h"

namespace owlet::recipe {
namespace {

template <class OnRow>
Status each_row(const std::filesystem::path& path, OnRow&& on_row) {
  OWLET_ASSIGN(LineReader reader, LineReader::open(path));
  std::string line;
  for (;;) {
    OWLET_ASSIGN(const bool more, reader.next(line));
    if (!more) return {};
    OWLET_ASSIGN(const Json row, parse_json(line));
    OWLET_TRY(on_row(row));
  }
}

struct Score {
  int n = 0;
  int right = 0;
};

void print(const std::string& name, const Score& score) {
  const double share = static_cast<double>(score.right) / score.n;
  fmt::print("{:<10} {:>3} of {:>3}  {:5.1f} % ± {:.1f}\n", name, score.right, score.n, 100 * share,
             100 * std::sqrt(share * (1 - share) / score.n));
}

Status grade(const std::filesystem::path& questions, const std::filesystem::path& answers) {
  std::map<std::string, std::string> said;
  OWLET_TRY(each_row(answers, [&](const Json& row) -> Status {
    OWLET_ASSIGN(const std::string id, get_string(row, "id"));
    OWLET_ASSIGN(said[id], get_string(row, "answer"));
    return {};
  }));
  std::map<std::string, Score> topics;
  Score all;
  OWLET_TRY(each_row(questions, [&](const Json& row) -> Status {
    OWLET_ASSIGN(const std::string id, get_string(row, "id"));
    OWLET_ASSIGN(const std::string question, get_string(row, "question"));
    std::vector<std::string> accepted;
    for (const Json& answer : row.value("answers", Json::array())) {
      if (answer.is_string()) accepted.push_back(answer.get<std::string>());
    }
    const bool right = is_right(said[id], accepted);
    for (Score* score : {&all, &topics[id.substr(0, id.find('-'))]}) {
      ++score->n;
      score->right += right ? 1 : 0;
    }
    if (!right) fmt::print("wrong  {}  →  {}\n", question, said[id].empty() ? "(no answer)" : said[id]);
    return {};
  }));
  if (all.n == 0) return make_error(ErrorCode::kInvalidArgument, "{} holds no questions", questions.string());
  for (const auto& [topic, score] : topics) print(topic, score);
  print("all", all);
  return {};
}

}  // namespace
}  // namespace owlet::recipe

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: owlet_grade QUESTIONS ANSWERS\n");
    return 2;
  }
  const owlet::Status status = owlet::recipe::grade(argv[1], argv[2]);
  if (!status.ok()) fmt::print(stderr, "owlet_grade: {}\n", status.error().to_string());
  return status.ok() ? 0 : 1;
}
