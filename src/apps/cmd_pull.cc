// pull: a model from a hub into the store.
#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <deque>

#include "apps/command.h"
#include "apps/progress.h"
#include "apps/store.h"
#include "core/file.h"
#include "io/hub/download.h"
#include "io/hub/selection.h"
#include "model/load.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

constexpr uint64_t kMaxTokenBytes = 4096;

std::atomic<bool> interrupted{false};
void note_interrupt(int) { interrupted = true; }

struct PullOptions {
  std::string model;
  std::string hub;         // empty: $OWLET_HUB, $HF_ENDPOINT, Hugging Face
  std::string token_file;  // empty: $OWLET_HUB_TOKEN, $HF_TOKEN, none
  std::string revision = "main";
};

// The first of these variables of the environment that is set to something.
std::string from_environment(std::initializer_list<const char*> names, const std::string& otherwise) {
  for (const char* name : names) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  return otherwise;
}

Result<HubOptions> hub_options(const PullOptions& options) {
  HubOptions hub;
  hub.base = options.hub.empty() ? from_environment({"OWLET_HUB", "HF_ENDPOINT"}, hub.base) : options.hub;
  hub.token = from_environment({"OWLET_HUB_TOKEN", "HF_TOKEN"}, "");
  hub.trusted_file = from_environment({"CURL_CA_BUNDLE", "SSL_CERT_FILE"}, "");
  if (!options.token_file.empty()) {
    OWLET_ASSIGN(hub.token, read_file(options.token_file, kMaxTokenBytes));
    while (!hub.token.empty() && (hub.token.back() == '\n' || hub.token.back() == '\r' || hub.token.back() == ' ')) hub.token.pop_back();
  }
  hub.cancelled = &interrupted;
  return hub;
}

// Bytes a second over the last few seconds.
class Rate {
 public:
  double update(uint64_t bytes) {
    const auto now = Clock::now();
    points_.emplace_back(now, bytes);
    while (now - points_.front().first > std::chrono::seconds(5)) points_.pop_front();
    const double seconds = std::chrono::duration<double>(now - points_.front().first).count();
    return seconds > 0 ? static_cast<double>(bytes - std::min(bytes, points_.front().second)) / seconds : 0;
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::deque<std::pair<Clock::time_point, uint64_t>> points_;
};

// Room for the rest of the line in 80 columns.
std::string shortened(const std::string& name) {
  constexpr size_t kMost = 14, kTail = 7;
  return name.size() <= kMost ? name : name.substr(0, kMost - kTail - 1) + "…" + name.substr(name.size() - kTail);
}

struct Wanted {
  HubFile file;
  fs::path to;
  bool is_there = false;
};

// Fetches those that are not there, with one line for all.
Status fetch(const Hub& hub, const HubRepository& repository, const std::string& name, const std::vector<Wanted>& files) {
  uint64_t total = 0, to_come = 0, done = 0;
  for (const Wanted& wanted : files) {
    if (wanted.is_there) continue;
    total += wanted.file.size;
    to_come += wanted.file.size - bytes_kept(wanted.file, wanted.to);
  }
  OWLET_TRY(check_space(files.front().to.parent_path(), to_come));
  Progress progress;
  Rate rate;
  const std::string label = shortened(name);
  DownloadOptions options;
  options.on_note = [&](const std::string& note) { progress.note(note); };
  options.on_progress = [&](uint64_t received) {
    const uint64_t now = done + received;
    progress.update(fmt::format("pull  {}  {}  {}/s", label, format_bytes_of(static_cast<double>(now), static_cast<double>(total)),
                                format_bytes(rate.update(now))),
                    static_cast<double>(now) / static_cast<double>(total));
  };
  for (const Wanted& wanted : files) {
    if (wanted.is_there) continue;
    Status status = download(hub, repository, wanted.file, wanted.to, options);
    if (!status.ok()) progress.finish();
    if (!status.ok() && status.error().code == ErrorCode::kCancelled) {
      return Error{ErrorCode::kCancelled, "stopped; what came is kept", "the same command goes on from there"};
    }
    OWLET_TRY(std::move(status));
    done += wanted.file.size;
  }
  progress.finish();
  return {};
}

// What was fetched, in a line, and what to do with it.
void report(const std::string& name, const fs::path& model, const std::vector<Wanted>& files) {
  uint64_t bytes = 0;
  size_t checked = 0, fetched = 0;
  for (const Wanted& wanted : files) {
    bytes += wanted.file.size;
    checked += wanted.file.sha256.empty() ? 0 : 1;
    fetched += wanted.is_there ? 0 : 1;
  }
  const std::string what = files.size() == 1 ? files.front().file.path : fmt::format("{} files", files.size());
  const std::string digests = checked == files.size() ? "SHA-256 checked" : fmt::format("SHA-256 of {} checked, the hub gives no others", checked);
  fmt::print("{}  {}, {}{}  {}\n", name, what, format_bytes(static_cast<double>(bytes)), fetched == 0 ? ", here already" : "", digests);
  if (const auto config = load_config(model); config.ok()) {
    fmt::print("\n  owlet chat -m {}\n", name);
  } else if (fs::path adapter = model / "adapter_config.json"; fs::exists(adapter)) {
    fmt::print("\n  owlet chat -m BASE --adapter {}\n", model.string());
  } else {
    fmt::print("It does not run here: {}\n", config.error().to_string());
  }
}

Status run(const PullOptions& options) {
  OWLET_ASSIGN(const StoreName name, parse_store_name(options.model));
  const HubRepository repository{.name = name.folder, .revision = options.revision};
  OWLET_TRY(check_repository_name(repository.name));
  const Store store = Store::open();
  OWLET_TRY(store.check_free(name));
  OWLET_ASSIGN(HubOptions hub_settings, hub_options(options));
  OWLET_ASSIGN(const Hub hub, Hub::open(std::move(hub_settings)));
  struct sigaction action {};
  action.sa_handler = note_interrupt;
  action.sa_flags = SA_RESETHAND;  // the second one ends the program
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);

  OWLET_ASSIGN(const std::vector<HubFile> listing, hub.list(repository));
  OWLET_ASSIGN(const std::vector<HubFile> selected, select_files(listing, repository.name, name.wanted));
  std::vector<Wanted> files;
  for (const HubFile& file : selected) {
    const fs::path to = store.folder(name) / file.path;
    OWLET_ASSIGN(const bool is_there, is_same_file(file, to, &interrupted));
    files.push_back({file, to, is_there});
  }
  const bool is_gguf = files.front().to.extension() == ".gguf";
  const std::string tag = is_gguf ? quantization_tag(files.front().file.path) : "";
  const std::string full_name = name.folder + (tag.empty() ? "" : ":" + tag);
  OWLET_TRY(fetch(hub, repository, full_name.substr(full_name.find('/') + 1), files));
  report(full_name, is_gguf ? files.front().to : store.folder(name), files);
  return {};
}

}  // namespace

Command pull_command() {
  return {"pull", "fetch a model from Hugging Face, or another hub like it",
          "  owlet pull HuggingFaceTB/SmolLM2-135M-Instruct            the folder: weights, tokenizer, template\n"
          "  owlet pull bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M    one GGUF, by its quantization or its file's name\n"
          "  owlet pull my-org/my-model --hub https://hub.example --token-file token.txt",
          [](CLI::App& app) -> std::function<Status()> {
            auto options = std::make_shared<PullOptions>();
            app.add_option("model", options->model, "ORG/NAME, or ORG/NAME:QUANTIZATION, or ORG/NAME:FILE.gguf")->required();
            app.add_option("--hub", options->hub, "the hub's address; default: $OWLET_HUB, $HF_ENDPOINT, https://huggingface.co");
            app.add_option("--token-file", options->token_file,
                           "a file that holds your token, for what is private or gated; default: $OWLET_HUB_TOKEN, $HF_TOKEN");
            app.add_option("--revision", options->revision, "a branch, tag or commit")->capture_default_str();
            return [options] { return run(*options); };
          }};
}

}  // namespace owlet
