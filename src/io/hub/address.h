// What an internet address is for (RFC 6890 and its registries): a server on the internet has no business sending us to the machines
// around us.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <vector>

namespace owlet {

enum class AddressScope : uint8_t { kPublic, kPrivate, kLinkLocal, kLoopback, kReserved };

// IPv4 inside IPv6 (mapped, compatible, 6to4, NAT64) counts as the IPv4 address that it is.
AddressScope scope_of(const in_addr& address);
AddressScope scope_of(const in6_addr& address);
AddressScope scope_of(const sockaddr& address);  // kReserved where it is neither

// "127.0.0.1", "::1", for messages.
std::string to_string(const sockaddr& address);

// The scopes of every address that a name has now; empty where it has none.
std::vector<AddressScope> scopes_of_host(const std::string& host);

}  // namespace owlet
