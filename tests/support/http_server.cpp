#include "support/http_server.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <string_view>

namespace cloob::testing {
namespace {

std::string read_request(int connection) {
  std::string text;
  char piece[4096];
  while (text.find("\r\n\r\n") == std::string::npos) {
    const ssize_t count = ::recv(connection, piece, sizeof(piece), 0);
    if (count <= 0) break;
    text.append(piece, static_cast<std::size_t>(count));
  }
  return text;
}

// The text between `before` and `after`; empty when `before` does not occur.
std::string text_between(const std::string& text, const std::string& before, const std::string& after) {
  const std::size_t begin = text.find(before);
  if (begin == std::string::npos) return "";
  const std::size_t from = begin + before.size();
  return text.substr(from, text.find(after, from) - from);
}

}  // namespace

HttpServer::HttpServer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || ::bind(listener_, generic, size) != 0 || ::listen(listener_, 16) != 0 ||
      ::getsockname(listener_, generic, &size) != 0) {
    throw std::runtime_error("cannot start the test's web server");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

HttpServer::~HttpServer() {
  is_stopping_ = true;
  thread_.join();
  for (const int connection : stalled_) ::close(connection);
  ::close(listener_);
}

std::string HttpServer::address(const std::string& path) const {
  return fmt::format("http://127.0.0.1:{}/{}", port_, path);
}

void HttpServer::put(const std::string& path, std::string content) {
  const std::lock_guard lock(mutex_);
  files_[path] = std::move(content);
}

void HttpServer::fail(const std::string& path, std::vector<HttpFault> faults) {
  const std::lock_guard lock(mutex_);
  faults_[path] = std::move(faults);
}

std::vector<std::string> HttpServer::requests(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = requests_.find(path);
  return found == requests_.end() ? std::vector<std::string>() : found->second;
}

// False if the client has hung up, or the test is over.
bool HttpServer::send_all(int connection, std::string_view text) {
  while (!text.empty() && !is_stopping_) {
    pollfd waiting{connection, POLLOUT, 0};
    if (::poll(&waiting, 1, 20) == 0) continue;
    const ssize_t count = ::send(connection, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count <= 0) return false;
    bytes_sent_ += count;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return text.empty();
}

void HttpServer::serve() {
  while (!is_stopping_) {
    pollfd waiting{listener_, POLLIN, 0};
    if (::poll(&waiting, 1, 20) <= 0) continue;
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection >= 0) answer(connection);
  }
}

void HttpServer::answer(int connection) {
  const std::string request = read_request(connection);
  const std::string path = text_between(request, "GET /", " ");
  const std::string range = text_between(request, "Range: bytes=", "\r\n");
  HttpFault fault;
  std::string body;
  bool exists = false;
  {
    const std::lock_guard lock(mutex_);
    requests_[path].push_back(range.empty() ? "-" : range);
    if (auto& faults = faults_[path]; !faults.empty()) {
      fault = faults.front();
      faults.erase(faults.begin());
    }
    if (const auto found = files_.find(path); found != files_.end()) {
      exists = true;
      body = found->second;
    }
  }
  int status = exists ? fault.status : 404;
  std::string extra;
  if (status != 200) {
    if (!fault.is_endless) body.clear();
  } else if (!range.empty() && !fault.ignores_range) {
    const std::size_t begin = std::min(body.size(), static_cast<std::size_t>(std::stoull(range)));
    status = 206;
    extra = fmt::format("Content-Range: {}\r\n",
                        !fault.content_range.empty()
                            ? fault.content_range
                            : fmt::format("bytes {}-{}/{}", begin, body.size() - 1, body.size()));
    body = body.substr(begin);
  }
  const std::string length = fault.is_endless ? "" : fmt::format("Content-Length: {}\r\n", body.size());
  send_all(connection, fmt::format("HTTP/1.1 {} X\r\n{}{}", status, length, extra));
  while (send_all(connection, fault.extra_header) && fault.is_endless && !fault.extra_header.empty()) {
  }
  send_all(connection, "Connection: close\r\n\r\n");
  while (fault.is_endless && send_all(connection, body)) {
  }
  const std::int64_t limit = std::max(fault.break_off_after, fault.stall_after);
  send_all(connection,
           std::string_view(body).substr(0, limit < 0 ? body.npos : static_cast<std::size_t>(limit)));
  if (fault.stall_after >= 0) {
    stalled_.push_back(connection);
  } else {
    ::close(connection);
  }
}

}  // namespace cloob::testing
