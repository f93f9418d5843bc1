#include "io/hub/sha256.h"

#include <openssl/evp.h>

#include <algorithm>

#include "core/file.h"

namespace owlet {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  OWLET_CHECK(state_->context && EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;

void Sha256::add(std::span<const std::byte> bytes) {
  OWLET_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  OWLET_CHECK(EVP_DigestFinal_ex(state_->context, digest, &size) == 1);
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

Result<std::string> sha256_of_file(const std::filesystem::path& path, const std::atomic<bool>* cancelled) {
  constexpr size_t kPiece = 4 << 20;
  OWLET_ASSIGN(const auto file, MappedFile::open(path));
  Sha256 sha256;
  for (std::span<const std::byte> rest = file->bytes(); !rest.empty(); rest = rest.subspan(std::min(kPiece, rest.size()))) {
    if (cancelled != nullptr && cancelled->load()) return Error{ErrorCode::kCancelled, "stopped", {}};
    sha256.add(rest.first(std::min(kPiece, rest.size())));
  }
  return sha256.finish();
}

std::string as_sha256(std::string text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  if (text.size() != 64) return {};
  for (char& c : text) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) return {};
  }
  return text;
}

}  // namespace owlet
