#pragma once

#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cloob/distributed/rank_environment.h"

namespace cloob {

/// The store in which ranks find each other and tell each other why they end: c10d's TCPStore, hosted by rank 0 or by the
/// launcher. Throws RankFailure when its host is gone.
class RankStore {
 public:
  /// Throws UserError if the store cannot be hosted or reached within `timeout`.
  RankStore(const RankEnvironment& environment, std::chrono::milliseconds timeout);
  /// Another connection to the same store, for another thread.
  RankStore(const RankStore& other, const RankEnvironment& environment, std::chrono::milliseconds timeout);

  void set(const std::string& key, std::string_view value) const;
  /// Keeps what another rank has set.
  void set_if_absent(const std::string& key, std::string_view value) const;
  /// Waits until the key is set.
  std::string get(const std::string& key) const;
  std::optional<std::string> find(const std::string& key) const;
  bool has_all(const std::vector<std::string>& keys) const;

  const c10::intrusive_ptr<c10d::Store>& c10d_store() const { return store_; }

 private:
  c10::intrusive_ptr<c10d::Store> store_;
  std::string where_;  // "host:port"
};

}  // namespace cloob
