#pragma once

#include <zlib.h>

#include <memory>
#include <vector>

#include "data/stream/byte_stream.h"

namespace cloob {

/// Decompresses a gzip-compressed stream; passes any other stream through unchanged.
class GunzipStream final : public ByteStream {
 public:
  explicit GunzipStream(std::unique_ptr<ByteStream> stream);
  ~GunzipStream() override;
  GunzipStream(const GunzipStream&) = delete;
  GunzipStream& operator=(const GunzipStream&) = delete;

  std::size_t read(std::span<std::byte> into) override;

 private:
  enum class State { unknown, plain, compressed, ended };

  void detect_compression();
  bool begins_member() const;
  bool fetch();
  std::size_t copy(std::span<std::byte> into);
  std::size_t decompress(std::span<std::byte> into);

  std::unique_ptr<ByteStream> stream_;
  State state_ = State::unknown;
  std::vector<std::byte> input_;  // read from `stream_`
  std::size_t begin_ = 0;         // of the unused part of `input_`
  z_stream zlib_{};
};

}  // namespace cloob
