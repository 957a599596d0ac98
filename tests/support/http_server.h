// A small web server that misbehaves on demand.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace cloob::testing {

/// What the server does with one request.
struct HttpFault {
  int status = 200;                   ///< anything else is answered with an empty body
  std::int64_t break_off_after = -1;  ///< closes the connection after so many bytes of the body
  std::int64_t stall_after = -1;      ///< sends no more after so many bytes, and keeps the connection
  bool ignores_range = false;         ///< sends everything, whatever was asked for
};

/// Serves texts by their paths on 127.0.0.1. Every request gets the next fault of `faults`, if there is one.
class HttpServer {
 public:
  HttpServer();
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// "http://127.0.0.1:PORT/path".
  std::string address(const std::string& path) const;
  /// Adds a file, or replaces it. `path` without the slash in front.
  void put(const std::string& path, std::string content);
  /// Faults of the next requests for a file, in their order.
  void fail(const std::string& path, std::vector<HttpFault> faults);
  /// Requests so far for a file, each with its Range header, or "-".
  std::vector<std::string> requests(const std::string& path) const;

 private:
  void serve();
  void answer(int connection);

  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> files_;
  std::map<std::string, std::vector<HttpFault>> faults_;
  std::map<std::string, std::vector<std::string>> requests_;
  std::vector<int> stalled_;
  std::atomic<bool> is_over_ = false;
  std::thread thread_;
};

}  // namespace cloob::testing
