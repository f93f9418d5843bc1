#include "io/hub/sha256.h"

#include <openssl/evp.h>

#include <fstream>
#include <span>
#include <vector>

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

// Read in pieces: a mapped file would count as memory of ours.
Result<std::string> sha256_of_file(const std::filesystem::path& path, const std::atomic<bool>* cancelled) {
  constexpr size_t kPiece = 1 << 20;
  std::ifstream file(path, std::ios::binary);
  if (!file) return make_error(ErrorCode::kIo, "cannot open {}", path.string());
  Sha256 sha256;
  std::vector<char> piece(kPiece);
  while (file) {
    if (cancelled != nullptr && cancelled->load()) return Error{ErrorCode::kCancelled, "stopped", {}};
    file.read(piece.data(), kPiece);
    sha256.add(std::as_bytes(std::span(piece.data(), static_cast<size_t>(file.gcount()))));
  }
  if (!file.eof()) return make_error(ErrorCode::kIo, "cannot read {}", path.string());
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
