#include "distributed/local_address.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>

#include "cloob/base/error.h"
#include "cloob/distributed/rank_environment.h"

namespace cloob {
namespace {

std::string text_of(const sockaddr* address, socklen_t size) {
  std::array<char, NI_MAXHOST> text{};
  const int status = ::getnameinfo(address, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
  return status == 0 ? text.data() : "";
}

bool is_loopback(const std::string& address) { return address.starts_with("127.") || address == "::1"; }

// The source address of packets to the host; sends none.
std::optional<std::string> address_towards(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return std::nullopt;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, &::freeaddrinfo);
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    const int handle = ::socket(entry->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (handle < 0) continue;
    sockaddr_storage own{};
    socklen_t size = sizeof(own);
    const bool is_known = ::connect(handle, entry->ai_addr, entry->ai_addrlen) == 0 &&
                          ::getsockname(handle, reinterpret_cast<sockaddr*>(&own), &size) == 0;
    ::close(handle);
    if (is_known) return text_of(reinterpret_cast<const sockaddr*>(&own), size);
  }
  return std::nullopt;
}

// Of an interface by name, or of any that is up and no loopback.
std::optional<std::string> address_of_interface(const std::optional<std::string>& name) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return std::nullopt;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> all(list, &::freeifaddrs);
  for (const int family : {AF_INET, AF_INET6}) {
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
      if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != family) continue;
      const bool is_usable = (entry->ifa_flags & IFF_UP) != 0 && (entry->ifa_flags & IFF_LOOPBACK) == 0;
      if (name ? *name != entry->ifa_name : !is_usable) continue;
      return text_of(entry->ifa_addr, family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    }
  }
  return std::nullopt;
}

}  // namespace

std::string local_address(const std::string& host, std::uint16_t port, bool is_one_machine) {
  if (const auto name = environment_variable("GLOO_SOCKET_IFNAME"); name && !name->empty()) {
    const auto address = address_of_interface(name);
    if (!address)
      throw_user_error("GLOO_SOCKET_IFNAME is '{}', which is no network interface with an address", *name);
    if (!is_one_machine && is_loopback(*address))
      throw_user_error(
          "GLOO_SOCKET_IFNAME is '{}', the loopback, on which ranks of other machines cannot reach this one",
          *name);
    return *address;
  }
  const auto address = address_towards(host, port);
  if (!address) throw_user_error("the address of rank 0, '{}', is not known: check MASTER_ADDR", host);
  if (is_one_machine || !is_loopback(*address)) return *address;
  if (const auto other = address_of_interface(std::nullopt)) return *other;
  throw_user_error(
      "this machine has no network interface besides the loopback: the ranks of other machines cannot reach it");
}

}  // namespace cloob
