#pragma once

#include <cstdint>
#include <string>

namespace cloob {

/// The address of this machine under which the other ranks can reach it: that of the interface through which it reaches
/// `host`, or of GLOO_SOCKET_IFNAME. On several machines never a loopback address, which a machine's own name often stands
/// for. Throws UserError if there is none.
std::string local_address(const std::string& host, std::uint16_t port, bool is_one_machine);

}  // namespace cloob
