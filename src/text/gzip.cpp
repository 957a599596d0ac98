#include "text/gzip.h"

#include <zlib.h>

#include <array>
#include <limits>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/foreign_content.h"

namespace cloob {

std::string read_gzip_file(const std::filesystem::path& path) {
  constexpr int kGzipWithLargestWindow = 16 + MAX_WBITS;
  std::string compressed = read_file(path);
  reject_foreign_content(path, compressed);
  if (compressed.size() > std::numeric_limits<uInt>::max()) {
    throw_user_error("'{}' is larger than 4 GiB: it cannot be a vocabulary", path.string());
  }
  z_stream stream{};
  CLOOB_CHECK(inflateInit2(&stream, kGzipWithLargestWindow) == Z_OK, "cannot initialize zlib");
  stream.next_in = reinterpret_cast<Bytef*>(compressed.data());
  stream.avail_in = static_cast<uInt>(compressed.size());
  std::string content;
  std::array<char, 1 << 16> buffer;
  int status = Z_OK;
  while (status == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = buffer.size();
    status = inflate(&stream, Z_NO_FLUSH);
    content.append(buffer.data(), buffer.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (status == Z_BUF_ERROR) throw_user_error("'{}' is truncated: copy or download it again", path.string());
  if (status != Z_STREAM_END) throw_user_error("'{}' is not a gzip file, or is damaged", path.string());
  return content;
}

}  // namespace cloob
