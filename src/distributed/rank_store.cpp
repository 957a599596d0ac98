#include "distributed/rank_store.h"

#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/exception.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/first_line.h"
#include "cloob/base/rank_failure.h"

namespace cloob {
namespace {

std::vector<std::uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }
std::string text_of(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

// Of c10d's text the first line, without the addresses in it, which are not those that were asked for.
std::string reason_in(const std::string& text) {
  const std::string line = first_line(text);
  return line.substr(0, line.find(" [")).substr(0, 200);
}

c10::intrusive_ptr<c10d::Store> open_store(const RankEnvironment& environment, bool hosts,
                                           std::chrono::milliseconds timeout) {
  // What goes wrong is said in messages of our own, without c10d's stack traces.
  if (!environment_variable("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = c10::GLOG_FATAL;
  c10d::TCPStoreOptions options;
  options.port = environment.port;
  options.isServer = hosts;
  options.waitWorkers = false;  // the ranks are counted by us, so that a missing one can be named
  options.timeout = timeout;
  const auto store = c10::make_intrusive<c10d::TCPStore>(environment.address, options);
  if (environment.store_prefix.empty()) return store;
  return c10::make_intrusive<c10d::PrefixStore>(environment.store_prefix, store);
}

c10::intrusive_ptr<c10d::Store> connect(const RankEnvironment& environment, bool hosts,
                                        std::chrono::milliseconds timeout) {
  try {
    return open_store(environment, hosts, timeout);
  } catch (const std::exception& error) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout).count();
    if (hosts)
      throw_user_error(
          "rank 0 cannot be reached on its port {} within {} seconds ({}): set MASTER_PORT to another one if it is in use",
          environment.port, seconds, reason_in(error.what()));
    throw_user_error(
        "rank 0 was not reached at {}:{} within {} seconds ({}): check MASTER_ADDR and MASTER_PORT, and whether rank 0 has "
        "started",
        environment.address, environment.port, seconds, reason_in(error.what()));
  }
}

// c10d's errors of a store are about its connection.
template <class Work>
auto with_store(const std::string& where, const Work& work) {
  try {
    return work();
  } catch (const c10::Error& error) {
    throw RankFailure(fmt::format(
        "the connection to rank 0 ({}) is lost: it, its launcher or its machine has ended", where));
  }
}

}  // namespace

RankStore::RankStore(const RankEnvironment& environment, std::chrono::milliseconds timeout)
    : store_(connect(environment, environment.rank == 0 && !environment.launcher_hosts_store, timeout)),
      where_(fmt::format("{}:{}", environment.address, environment.port)) {}

RankStore::RankStore(const RankStore& other, const RankEnvironment& environment,
                     std::chrono::milliseconds timeout)
    : store_(connect(environment, /*hosts=*/false, timeout)), where_(other.where_) {}

void RankStore::set(const std::string& key, std::string_view value) const {
  with_store(where_, [&] { store_->set(key, bytes_of(value)); });
}

void RankStore::set_if_absent(const std::string& key, std::string_view value) const {
  with_store(where_, [&] { store_->compareSet(key, {}, bytes_of(value)); });
}

std::string RankStore::get(const std::string& key) const {
  return with_store(where_, [&] { return text_of(store_->get(key)); });
}

std::optional<std::string> RankStore::find(const std::string& key) const {
  if (!has_all({key})) return std::nullopt;
  return get(key);
}

bool RankStore::has_all(const std::vector<std::string>& keys) const {
  return with_store(where_, [&] { return store_->check(keys); });
}

}  // namespace cloob
