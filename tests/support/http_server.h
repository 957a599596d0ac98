// A small web server that fails on demand.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace cloob::testing {

/// What the server does with one request.
struct HttpFault {
  int status = 200;                   ///< any other status has an empty body
  std::int64_t break_off_after = -1;  ///< closes the connection after this many bytes of the body
  std::int64_t stall_after = -1;      ///< stops sending after this many bytes, but keeps the connection open
  bool ignores_range = false;         ///< sends the entire file, whatever range was requested
  bool is_endless = false;  ///< sends the body, also of an error, again and again until the client hangs up
  std::string content_range = {};  ///< instead of the one of the bytes that are sent
  std::string extra_header =
      {};  ///< lines with their line breaks; is_endless repeats them instead of the body
};

/// Serves texts by path on 127.0.0.1. Each request for a file takes the next of the faults that `fail` set
/// for it, if any.
class HttpServer {
 public:
  HttpServer();
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// "http://127.0.0.1:PORT/path".
  std::string address(const std::string& path) const;
  /// Adds or replaces a file. `path` has no leading slash.
  void put(const std::string& path, std::string content);
  /// Sets the faults of the next requests for a file, in order.
  void fail(const std::string& path, std::vector<HttpFault> faults);
  /// Bytes sent so far, all answers together.
  std::int64_t bytes_sent() const { return bytes_sent_; }
  /// The requests for a file so far: the byte range of each, or "-" without a Range header.
  std::vector<std::string> requests(const std::string& path) const;

 private:
  void serve();
  void answer(int connection);
  bool send_all(int connection, std::string_view text);

  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> files_;
  std::map<std::string, std::vector<HttpFault>> faults_;
  std::map<std::string, std::vector<std::string>> requests_;
  std::vector<int> stalled_;
  std::atomic<bool> is_stopping_ = false;
  std::atomic<std::int64_t> bytes_sent_ = 0;
  std::thread thread_;
};

}  // namespace cloob::testing
