#pragma once

#include <zlib.h>

#include <memory>
#include <vector>

#include "data/byte_stream.h"

namespace cloob {

/// Unpacks a stream that is compressed by gzip, and hands on every other one as it is.
class GunzipStream final : public ByteStream {
 public:
  explicit GunzipStream(std::unique_ptr<ByteStream> packed);
  ~GunzipStream() override;
  GunzipStream(const GunzipStream&) = delete;
  GunzipStream& operator=(const GunzipStream&) = delete;

  std::size_t read(std::span<std::byte> into) override;

 private:
  enum class State { unknown, plain, packed, ended };

  void look_at_first_bytes();
  bool begins_member() const;
  bool fetch();
  std::size_t copy(std::span<std::byte> into);
  std::size_t unpack(std::span<std::byte> into);

  std::unique_ptr<ByteStream> packed_;
  State state_ = State::unknown;
  std::vector<std::byte> input_;  // what has been read of `packed_` last
  std::size_t begin_ = 0;         // of what is not used yet
  z_stream zlib_{};
};

}  // namespace cloob
