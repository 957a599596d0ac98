#include "data/stream/http_stream.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/base/timer.h"
#include "data/stream/http_answer.h"

namespace cloob {
namespace {

using Kind = StreamError::Kind;

constexpr std::size_t kMaxBuffered = 4 << 20;  // bytes that are received but not read yet

void initialize_curl() {
  static const CURLcode status = curl_global_init(CURL_GLOBAL_DEFAULT);
  CLOOB_CHECK(status == CURLE_OK, "{}", curl_easy_strerror(status));
}

Kind kind_of_failure(CURLcode code) {
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_OUT_OF_MEMORY:
      return Kind::permanent;
    default:
      return Kind::transient;
  }
}

}  // namespace

struct HttpStream::Transfer {
  CURLM* multi = nullptr;
  CURL* easy = nullptr;
  std::array<char, CURL_ERROR_SIZE> message{};
  HttpAnswer answer;
  std::uint64_t received = 0;  // bytes of the body
  std::vector<std::byte> buffered;
  std::size_t begin = 0;  // of the part of `buffered` that is not read yet
  bool is_paused = false;
  CURLcode result = CURLE_OK;
  bool is_over = false;
  double timeout_seconds = 0;
  std::stop_token stop;

  explicit Transfer(std::uint64_t offset) : answer(offset) {}
  ~Transfer() {
    if (easy != nullptr) curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }

  void begin_body() {
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    answer.begin_body(status);
  }

  // Returns another number of bytes than there are to pause or to end the transfer.
  std::size_t receive(std::span<const std::byte> bytes) {
    if (!answer.has_begun()) begin_body();
    if (buffered.size() - begin >= kMaxBuffered) {
      is_paused = true;
      return CURL_WRITEFUNC_PAUSE;
    }
    const auto wanted = answer.take_body(bytes);
    if (!wanted) return 0;
    received += bytes.size();
    buffered.insert(buffered.end(), wanted->begin(), wanted->end());
    return bytes.size();
  }

  static std::size_t write(char* data, std::size_t size, std::size_t count, void* transfer) {
    return static_cast<Transfer*>(transfer)->receive(std::as_bytes(std::span(data, size * count)));
  }

  static std::size_t write_header(char* data, std::size_t size, std::size_t count, void* transfer) {
    return static_cast<Transfer*>(transfer)->answer.take_header({data, size * count}) ? size * count : 0;
  }

  // Lets the transfer run for a moment.
  void advance() {
    constexpr int kStopCheckMs = 100;
    if (std::exchange(is_paused, false)) curl_easy_pause(easy, CURLPAUSE_CONT);
    int running = 0;
    curl_multi_perform(multi, &running);
    int num_messages = 0;
    while (const CURLMsg* done = curl_multi_info_read(multi, &num_messages)) {
      if (done->msg != CURLMSG_DONE) continue;
      result = done->data.result;
      is_over = true;
    }
    if (!is_over && buffered.empty()) curl_multi_poll(multi, nullptr, 0, kStopCheckMs, nullptr);
  }

  void wait_for_bytes() {
    Timer timer;
    while (buffered.empty() && !is_over) {
      const std::uint64_t before = received;
      advance();
      if (received > before) timer.restart();
      if (stop.stop_requested()) throw StreamStopped();
      if (timer.seconds() > timeout_seconds) {
        throw StreamError(Kind::transient, fmt::format("no data for {} s", shortest(timeout_seconds)));
      }
    }
  }

  void check_result() {
    if (!answer.has_begun()) begin_body();
    if (answer.refused()) answer.check_end();
    if (result != CURLE_OK) {
      throw StreamError(kind_of_failure(result),
                        message[0] != '\0' ? message.data() : curl_easy_strerror(result));
    }
    answer.check_end();
  }
};

HttpStream::HttpStream(const std::string& address, std::uint64_t offset, double timeout_seconds,
                       std::stop_token stop)
    : transfer_(std::make_unique<Transfer>(offset)) {
  initialize_curl();
  Transfer& transfer = *transfer_;
  transfer.timeout_seconds = timeout_seconds;
  transfer.stop = std::move(stop);
  transfer.multi = curl_multi_init();
  transfer.easy = curl_easy_init();
  CLOOB_CHECK(transfer.multi != nullptr && transfer.easy != nullptr, "libcurl is out of memory");
  const auto set = [&](CURLoption option, auto value) {
    const CURLcode status = curl_easy_setopt(transfer.easy, option, value);
    CLOOB_CHECK(status == CURLE_OK, "libcurl option {}: {}", static_cast<int>(option),
                curl_easy_strerror(status));
  };
  set(CURLOPT_URL, address.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 1L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_USERAGENT, "cloob");
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(timeout_seconds * 1000));
  set(CURLOPT_ERRORBUFFER, transfer.message.data());
  set(CURLOPT_WRITEFUNCTION, &Transfer::write);
  set(CURLOPT_WRITEDATA, &transfer);
  set(CURLOPT_HEADERFUNCTION, &Transfer::write_header);
  set(CURLOPT_HEADERDATA, &transfer);
  if (offset > 0) set(CURLOPT_RANGE, fmt::format("{}-", offset).c_str());
  curl_multi_add_handle(transfer.multi, transfer.easy);
}

HttpStream::~HttpStream() = default;

std::size_t HttpStream::read(std::span<std::byte> into) {
  Transfer& transfer = *transfer_;
  transfer.wait_for_bytes();
  const std::size_t count = std::min(into.size(), transfer.buffered.size() - transfer.begin);
  if (count == 0) {
    transfer.check_result();
    return 0;
  }
  std::memcpy(into.data(), transfer.buffered.data() + transfer.begin, count);
  transfer.begin += count;
  if (transfer.begin == transfer.buffered.size()) {
    transfer.buffered.clear();
    transfer.begin = 0;
  }
  return count;
}

}  // namespace cloob
