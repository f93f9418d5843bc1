#include "io/hub/address.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace owlet {
namespace {

struct Block4 {
  uint32_t prefix;
  int bits;
  AddressScope scope;
};

constexpr uint32_t ip4(uint32_t a, uint32_t b, uint32_t c) { return a << 24 | b << 16 | c << 8; }

constexpr Block4 kBlocks4[] = {
    {ip4(0, 0, 0), 8, AddressScope::kLoopback},  // "this host": connecting to it reaches the machine itself
    {ip4(127, 0, 0), 8, AddressScope::kLoopback},
    {ip4(10, 0, 0), 8, AddressScope::kPrivate},
    {ip4(172, 16, 0), 12, AddressScope::kPrivate},
    {ip4(192, 168, 0), 16, AddressScope::kPrivate},
    {ip4(100, 64, 0), 10, AddressScope::kPrivate},  // shared by a provider's customers
    {ip4(169, 254, 0), 16, AddressScope::kLinkLocal},
    {ip4(192, 0, 0), 24, AddressScope::kReserved},
    {ip4(192, 0, 2), 24, AddressScope::kReserved},
    {ip4(192, 88, 99), 24, AddressScope::kReserved},
    {ip4(198, 18, 0), 15, AddressScope::kReserved},
    {ip4(198, 51, 100), 24, AddressScope::kReserved},
    {ip4(203, 0, 113), 24, AddressScope::kReserved},
    {ip4(224, 0, 0), 3, AddressScope::kReserved},  // multicast, future use, broadcast
};

in_addr ip4_at(const in6_addr& address, size_t offset) {
  in_addr inner;
  std::memcpy(&inner, address.s6_addr + offset, sizeof inner);
  return inner;
}

using Prefix = std::initializer_list<uint8_t>;

bool starts_with(const in6_addr& address, Prefix prefix) { return std::equal(prefix.begin(), prefix.end(), address.s6_addr); }

}  // namespace

AddressScope scope_of(const in_addr& address) {
  const uint32_t bits = ntohl(address.s_addr);
  for (const Block4& block : kBlocks4) {
    if ((bits ^ block.prefix) >> (32 - block.bits) == 0) return block.scope;
  }
  return AddressScope::kPublic;
}

AddressScope scope_of(const in6_addr& a) {
  const bool mapped = starts_with(a, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff});
  const bool compatible = starts_with(a, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  const bool nat64 = starts_with(a, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0});
  if (IN6_IS_ADDR_LOOPBACK(&a) || IN6_IS_ADDR_UNSPECIFIED(&a)) return AddressScope::kLoopback;
  if (mapped || compatible || nat64) return scope_of(ip4_at(a, 12));
  if (starts_with(a, {0x20, 0x02})) return scope_of(ip4_at(a, 2));
  if (starts_with(a, {0x20, 0x01, 0, 0}) || starts_with(a, {0x20, 0x01, 0x0d, 0xb8})) return AddressScope::kReserved;
  if ((a.s6_addr[0] & 0xfe) == 0xfc) return AddressScope::kPrivate;
  if (a.s6_addr[0] == 0xfe && (a.s6_addr[1] & 0xc0) == 0x80) return AddressScope::kLinkLocal;
  if (a.s6_addr[0] == 0xfe && (a.s6_addr[1] & 0xc0) == 0xc0) return AddressScope::kPrivate;
  return (a.s6_addr[0] & 0xe0) == 0x20 ? AddressScope::kPublic : AddressScope::kReserved;
}

AddressScope scope_of(const sockaddr& address) {
  if (address.sa_family == AF_INET) return scope_of(reinterpret_cast<const sockaddr_in&>(address).sin_addr);
  if (address.sa_family == AF_INET6) return scope_of(reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
  return AddressScope::kReserved;
}

std::string to_string(const sockaddr& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.sa_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  } else if (address.sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text, sizeof text);
  }
  return text;
}

std::vector<AddressScope> scopes_of_host(const std::string& host) {
  // A literal IPv6 address stands in brackets in a URL.
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  const std::string name = bracketed ? host.substr(1, host.size() - 2) : host;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  std::vector<AddressScope> scopes;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) scopes.push_back(scope_of(*at->ai_addr));
  return scopes;
}

}  // namespace owlet
