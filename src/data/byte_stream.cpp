#include "data/byte_stream.h"

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
#include "data/gunzip_stream.h"
#include "data/http_stream.h"
#include "data/pipe_stream.h"
#include "data/source_names.h"

namespace cloob {
namespace {

class FileStream final : public ByteStream {
 public:
  explicit FileStream(const std::string& path) try : file_(path) {
  } catch (const UserError& error) {
    throw StreamError(StreamError::Kind::lasting, error.what());
  }
  std::size_t read(std::span<std::byte> into) override {
    const std::uint64_t left = file_.size() - offset_;
    into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left)));
    try {
      file_.read(offset_, into);
    } catch (const UserError& error) {
      throw StreamError(StreamError::Kind::passing, error.what());
    }
    offset_ += into.size();
    return into.size();
  }

 private:
  RandomAccessFile file_;
  std::uint64_t offset_ = 0;
};

/// Opens a stream so that it begins at a byte.
using OpenAt = std::function<std::unique_ptr<ByteStream>(std::uint64_t offset)>;

/// Opens a broken stream again and goes on where it broke.
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
        wait_after(error);
      }
    }
  }

 private:
  void wait_after(const StreamError& error) {
    if (error.kind() != StreamError::Kind::passing || failures_ == config_.retries) {
      const bool is_tried_out = error.kind() == StreamError::Kind::passing && failures_ > 0;
      const std::string tries = is_tried_out ? fmt::format(", {} times in a row", failures_ + 1) : "";
      throw StreamError(error.kind(), fmt::format("{}{}", error.what(), tries));
    }
    constexpr double kLongest = 300;
    const double doublings = static_cast<double>(std::min<std::int64_t>(failures_, 30));
    const double seconds = std::min(kLongest, config_.retry_seconds * std::exp2(doublings));
    ++failures_;
    log_warning("data", "'{}': {} at byte {}; new try {} of {} in {} s", name_, error.what(),
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
  std::int64_t failures_ = 0;  // since the last byte
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
  std::vector<std::byte> dropped(static_cast<std::size_t>(std::min<std::uint64_t>(count, 1 << 20)));
  while (count > 0) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(count, dropped.size()));
    const std::size_t got = stream.read(std::span(dropped).first(wanted));
    if (got == 0) throw StreamError(StreamError::Kind::passing, "it ends earlier than it did before");
    count -= got;
  }
}

std::unique_ptr<ByteStream> open_stream(const std::string& name, const StreamConfig& config,
                                        std::stop_token stop) {
  return std::make_unique<GunzipStream>(open_as_stored(name, config, stop));
}

std::string read_text_stream(const std::string& name, const StreamConfig& config, std::stop_token stop) {
  constexpr std::size_t kMostBytes = std::size_t{64} << 20;
  const auto stream = open_as_stored(name, config, stop);
  std::string text;
  std::array<std::byte, 1 << 14> piece;
  while (const std::size_t count = stream->read(piece)) {
    text.append(reinterpret_cast<const char*>(piece.data()), count);
    if (text.size() > kMostBytes) throw StreamError(StreamError::Kind::lasting, "it is larger than 64 MiB");
  }
  return text;
}

}  // namespace cloob
