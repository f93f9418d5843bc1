#include "io/hub/selection.h"

#include <algorithm>
#include <array>

#include "core/ascii.h"

namespace owlet {
namespace {

constexpr std::string_view kUsualTag = "q4_k_m";

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }
bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "model-00001-of-00003": the number of parts is the last five digits.
bool is_part(std::string_view stem) {
  constexpr size_t kTail = std::string_view("-00001-of-00003").size();
  if (stem.size() <= kTail) return false;
  const std::string_view tail = stem.substr(stem.size() - kTail);
  return tail[0] == '-' && is_digits(tail.substr(1, 5)) && tail.substr(6, 4) == "-of-" && is_digits(tail.substr(10));
}

// A GGUF that is a model of its own: image encoders for other models are not.
bool is_model_gguf(std::string_view path) {
  const std::string name = ascii_lower(name_of(path));
  return name.ends_with(".gguf") && name.find("mmproj") == std::string::npos && !name.starts_with("imatrix");
}

bool is_type_word(std::string_view word) {
  constexpr std::array<std::string_view, 5> kPlain = {"f32", "f16", "bf16", "fp16", "fp32"};
  const std::string w = ascii_lower(word);
  if (std::find(kPlain.begin(), kPlain.end(), w) != kPlain.end() || w.starts_with("mxfp4")) return true;
  const size_t q = w.starts_with("iq") || w.starts_with("tq") ? 1 : 0;
  return w.size() > q + 1 && w[q] == 'q' && is_digits(w.substr(q + 1, 1)) && (w.size() == q + 2 || w[q + 2] == '_');
}

std::string_view stem_of(std::string_view path) {
  const std::string_view name = name_of(path);
  return name.substr(0, name.rfind('.'));
}

// Weights of a folder: model.safetensors or its parts, an adapter's, else whatever there is.
std::vector<HubFile> pick_weights(const std::vector<HubFile>& top) {
  const auto where = [&](auto fits) {
    std::vector<HubFile> picked;
    std::copy_if(top.begin(), top.end(), std::back_inserter(picked),
                 [&](const HubFile& f) { return f.path.ends_with(".safetensors") && fits(stem_of(f.path)); });
    return picked;
  };
  auto picked = where([](std::string_view stem) { return stem == "model"; });
  if (picked.empty()) picked = where([](std::string_view stem) { return stem.starts_with("model-") && is_part(stem); });
  if (picked.empty()) picked = where([](std::string_view stem) { return stem == "adapter_model"; });
  return picked.empty() ? where([](std::string_view) { return true; }) : picked;
}

bool is_companion(std::string_view path) {
  return path.ends_with(".json") || path.ends_with(".jinja") || path == "merges.txt" || path == "vocab.txt" || path == "tokenizer.model";
}

std::vector<HubFile> select_folder(const std::vector<HubFile>& files) {
  std::vector<HubFile> top;
  std::copy_if(files.begin(), files.end(), std::back_inserter(top), [](const HubFile& f) { return f.path.find('/') == std::string::npos; });
  std::vector<HubFile> picked = pick_weights(top);
  if (picked.empty()) return picked;
  std::copy_if(top.begin(), top.end(), std::back_inserter(picked), [](const HubFile& f) { return is_companion(f.path); });
  const auto config = std::find_if(picked.begin(), picked.end(), [](const HubFile& f) { return f.path == "config.json"; });
  if (config != picked.end()) std::rotate(config, config + 1, picked.end());
  return picked;
}

// "Q4_K_M (1.2 GB), Q8_0 (2.3 GB)": what to ask for instead.
std::string describe(const std::vector<HubFile>& ggufs) {
  constexpr size_t kMost = 40;
  std::string text;
  for (size_t i = 0; i < std::min(ggufs.size(), kMost); ++i) {
    const std::string tag = quantization_tag(ggufs[i].path);
    const double gigabytes = static_cast<double>(ggufs[i].size) / 1e9;
    text += fmt::format("{}{} ({})", i == 0 ? "" : ", ", tag.empty() ? ggufs[i].path : tag,
                        gigabytes < 1 ? fmt::format("{:.1f} MB", 1000 * gigabytes) : fmt::format("{:.2f} GB", gigabytes));
  }
  return ggufs.size() > kMost ? text + ", …" : text;
}

Result<HubFile> select_gguf(const std::vector<HubFile>& ggufs, const std::string& repository, const std::string& wanted) {
  std::vector<HubFile> meant;
  std::copy_if(ggufs.begin(), ggufs.end(), std::back_inserter(meant), [&](const HubFile& f) { return is_meant(f.path, wanted); });
  if (meant.empty()) {
    return Error{ErrorCode::kNotFound, fmt::format("there is no {} in {}", wanted, repository),
                 ggufs.empty() ? "it has no GGUF file at all" : "there are: " + describe(ggufs)};
  }
  if (is_part(stem_of(meant.front().path))) {
    return Error{ErrorCode::kUnsupported, fmt::format("{} is split into several files", meant.front().path),
                 "a GGUF is read in one piece; choose a smaller one: " + describe(ggufs)};
  }
  if (meant.size() > 1) {
    std::string names;
    for (const HubFile& f : meant) names += (names.empty() ? "" : ", ") + f.path;
    return Error{ErrorCode::kInvalidArgument, fmt::format("{} files of {} are {}", meant.size(), repository, wanted), "name one: " + names};
  }
  return meant.front();
}

}  // namespace

std::string quantization_tag(std::string_view path) {
  std::string_view rest = stem_of(path);
  if (is_part(rest)) rest = rest.substr(0, rest.size() - std::string_view("-00001-of-00003").size());
  // The last word of the name, where words may be set apart by "_" too: "smollm2_q4_0".
  for (size_t at = rest.find_last_of("-._"); ; at = rest.find_last_of("-._", at - 1)) {
    const std::string_view word = at == std::string_view::npos ? rest : rest.substr(at + 1);
    if (is_type_word(word)) return std::string(word);
    if (at == std::string_view::npos || at == 0) return {};
  }
}

bool is_meant(std::string_view path, std::string_view wanted) {
  const std::string want = ascii_lower(wanted), full = ascii_lower(path), name(name_of(full));
  if (want.empty()) return false;
  if (full == want || name == want || stem_of(name) == want) return true;
  const std::string_view stem = stem_of(name);
  for (size_t at = stem.find(want); at != std::string_view::npos; at = stem.find(want, at + 1)) {
    const bool begins = at == 0 || std::string_view("-._").find(stem[at - 1]) != std::string_view::npos;
    const size_t end = at + want.size();
    if (begins && is_type_word(want.starts_with("ud-") ? want.substr(3) : want) &&
        (end == stem.size() || stem[end] == '-' || stem[end] == '.')) {
      return true;
    }
  }
  return false;
}

Result<std::vector<HubFile>> select_files(const std::vector<HubFile>& files, const std::string& repository, const std::string& wanted) {
  std::vector<HubFile> ggufs;
  std::copy_if(files.begin(), files.end(), std::back_inserter(ggufs), [](const HubFile& f) { return is_model_gguf(f.path); });
  if (wanted.empty()) {
    if (auto folder = select_folder(files); !folder.empty()) return folder;
    if (ggufs.size() == 1) return ggufs;
    if (ggufs.empty()) {
      return Error{ErrorCode::kNotFound, fmt::format("{} has neither safetensors nor GGUF files", repository),
                   "pick a repository that has; weights in other forms are not fetched"};
    }
    if (std::none_of(ggufs.begin(), ggufs.end(), [](const HubFile& f) { return is_meant(f.path, kUsualTag); })) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("{} has {} GGUF files", repository, ggufs.size()),
                   fmt::format("name one, as in {}:{}; there are: {}", repository,
                               quantization_tag(ggufs.front().path).empty() ? ggufs.front().path : quantization_tag(ggufs.front().path),
                               describe(ggufs))};
    }
  }
  OWLET_ASSIGN(HubFile gguf, select_gguf(ggufs, repository, wanted.empty() ? std::string(kUsualTag) : wanted));
  return std::vector<HubFile>{std::move(gguf)};
}

}  // namespace owlet
