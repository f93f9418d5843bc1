// TLS for tests: a certificate that has signed itself, made as the test runs, and connections of a server that shows it.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <csignal>
#include <memory>
#include <string>

#include "core/result.h"

namespace owlet {

struct FreeTls {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* connection) const { SSL_free(connection); }
  void operator()(BIO* memory) const { BIO_free(memory); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};
template <class T>
using TlsPtr = std::unique_ptr<T, FreeTls>;

// Whoever trusts it trusts a server of that name.
class TestCertificate {
 public:
  // `name` as in "IP:127.0.0.1" or "DNS:hub.example"; good from a day ago to `days` from now, negative: no longer.
  explicit TestCertificate(const std::string& name = "IP:127.0.0.1", int days = 1)
      : key_(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")), certificate_(X509_new()) {
    constexpr long kDay = 24 * 60 * 60;
    X509* x509 = certificate_.get();
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), std::min(-1, days - 1) * kDay);
    X509_gmtime_adj(X509_getm_notAfter(x509), days * kDay);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test hub"), -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(x509));
    X509_set_pubkey(x509, key_.get());
    extend(NID_subject_alt_name, name);
    extend(NID_basic_constraints, "critical,CA:TRUE");
    OWLET_CHECK(X509_sign(x509, key_.get(), EVP_sha256()) > 0);
  }

  // As a file of trusted certificates holds it.
  std::string pem() const {
    const TlsPtr<BIO> memory(BIO_new(BIO_s_mem()));
    OWLET_CHECK(PEM_write_bio_X509(memory.get(), certificate_.get()) == 1);
    char* text = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &text);
    return std::string(text, static_cast<size_t>(size));
  }

  // A server's side that shows it.
  TlsPtr<SSL_CTX> server() const {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
    TlsPtr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
    OWLET_CHECK(SSL_CTX_use_certificate(context.get(), certificate_.get()) == 1 && SSL_CTX_use_PrivateKey(context.get(), key_.get()) == 1);
    return context;
  }

 private:
  void extend(int nid, const std::string& value) {
    const TlsPtr<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str()));
    OWLET_CHECK(extension && X509_add_ext(certificate_.get(), extension.get(), -1) == 1);
  }

  TlsPtr<EVP_PKEY> key_;
  TlsPtr<X509> certificate_;
};

}  // namespace owlet
