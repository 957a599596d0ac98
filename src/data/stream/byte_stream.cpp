#include "data/stream/byte_stream.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/data/source_names.h"
#include "data/stream/gunzip_stream.h"
#include "data/stream/http_stream.h"
#include "data/stream/pipe_stream.h"

namespace cloob {
namespace {

class FileStream final : public ByteStream {
 public:
  explicit FileStream(const std::string& path) try : file_(path) {
  } catch (const UserError& error) {
    throw StreamError(StreamError::Kind::permanent, error.what());
  }
  std::size_t read(std::span<std::byte> into) override {
    const std::uint64_t left = file_.size() - offset_;
    into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left)));
    try {
      file_.read(offset_, into);
    } catch (const UserError& error) {
      throw StreamError(StreamError::Kind::transient, error.what());
    }
    offset_ += into.size();
    return into.size();
  }

 private:
  RandomAccessFile file_;
  std::uint64_t offset_ = 0;
};

/// Opens a stream at a byte offset.
using OpenAt = std::function<std::unique_ptr<ByteStream>(std::uint64_t offset)>;

/// Reopens a broken stream and continues where it broke.
class RetryingStream final : public ByteStream {
 public:
  RetryingStream(std::string name, OpenAt open, const StreamConfig& config, std::stop_token stop)
      : name_(std::move(name)), open_(std::move(open)), config_(config), stop_(std::move(stop)) {}

  std::size_t read(std::span<std::byte> into) override {
    for (;;) {
      try {
        if (!stream_) stream_ = open_(offset_);
        const std::size_t count = stream_->read(into);
        offset_ += count;
        failures_ = 0;
        return count;
      } catch (const StreamError& error) {
        stream_.reset();
        back_off(error);
      }
    }
  }

 private:
  void back_off(const StreamError& error) {
    if (error.kind() != StreamError::Kind::transient || failures_ == config_.retries) {
      const bool has_retried = error.kind() == StreamError::Kind::transient && failures_ > 0;
      const std::string tries = has_retried ? fmt::format(", {} times in a row", failures_ + 1) : "";
      throw StreamError(error.kind(), fmt::format("{}{}", error.what(), tries));
    }
    constexpr double kMaxSeconds = 300;
    const double doublings = static_cast<double>(std::min<std::int64_t>(failures_, 30));
    const double seconds = std::min(kMaxSeconds, config_.retry_seconds * std::exp2(doublings));
    ++failures_;
    log_warning("data", "'{}': {} at byte {}; retry {} of {} in {} s", name_, error.what(),
                with_thousands(static_cast<std::int64_t>(offset_)), failures_, config_.retries,
                shortest(seconds));
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any never;
    never.wait_for(lock, stop_, std::chrono::duration<double>(seconds), [] { return false; });
    if (stop_.stop_requested()) throw StreamStopped();
  }

  std::string name_;
  OpenAt open_;
  StreamConfig config_;
  std::stop_token stop_;
  std::unique_ptr<ByteStream> stream_;
  std::uint64_t offset_ = 0;
  std::int64_t failures_ = 0;  // since the last received byte
};

std::unique_ptr<ByteStream> open_as_stored(const std::string& name, const StreamConfig& config,
                                           const std::stop_token& stop) {
  if (is_pipe_name(name)) {
    const std::string command = name.substr(name.find(':') + 1);
    const OpenAt open = [=](std::uint64_t offset) {
      auto stream = std::make_unique<PipeStream>(command, config.timeout_seconds, stop);
      skip_bytes(*stream, offset);
      return stream;
    };
    return std::make_unique<RetryingStream>(name, open, config, stop);
  }
  if (is_http_name(name)) {
    const OpenAt open = [=](std::uint64_t offset) {
      return std::make_unique<HttpStream>(name, offset, config.timeout_seconds, stop);
    };
    return std::make_unique<RetryingStream>(name, open, config, stop);
  }
  return std::make_unique<FileStream>(name);
}

}  // namespace

void skip_bytes(ByteStream& stream, std::uint64_t count) {
  std::vector<std::byte> discarded(static_cast<std::size_t>(std::min<std::uint64_t>(count, 1 << 20)));
  while (count > 0) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(count, discarded.size()));
    const std::size_t got = stream.read(std::span(discarded).first(wanted));
    if (got == 0) throw StreamError(StreamError::Kind::transient, "it ends earlier than it did before");
    count -= got;
  }
}

std::unique_ptr<ByteStream> open_stream(const std::string& name, const StreamConfig& config,
                                        std::stop_token stop) {
  return std::make_unique<GunzipStream>(open_as_stored(name, config, stop));
}

std::string read_text_stream(const std::string& name, const StreamConfig& config, std::stop_token stop) {
  constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
  const auto stream = open_as_stored(name, config, stop);
  std::string text;
  std::array<std::byte, 1 << 14> chunk;
  while (const std::size_t count = stream->read(chunk)) {
    text.append(reinterpret_cast<const char*>(chunk.data()), count);
    if (text.size() > kMaxBytes) throw StreamError(StreamError::Kind::permanent, "it is larger than 64 MiB");
  }
  return text;
}

}  // namespace cloob
