#include "data/file_content.h"

#include <fmt/core.h>

#include <array>

#include "cloob/base/foreign_content.h"
#include "cloob/base/shell_word.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

using namespace std::string_view_literals;

struct Format {
  std::string_view magic;
  std::size_t offset = 0;
  std::string_view name;
  std::string_view for_table, for_shard;  // what to do; {} is the path
};

constexpr std::string_view kToTable =
    "convert it to a table, for example by python3 -c \"import pandas; pandas.read_{1}('{0}').to_csv('{0}.csv', "
    "index=False)\"";
constexpr std::string_view kImage =
    "data is a table of image paths and captions, tar shards, or a folder that 'cloob data pack' turns into shards";

constexpr std::array kFormats = {
    Format{"\x1f\x8b"sv, 0, "gzip-compressed", "decompress it, 'gunzip -k {}'",
           "decompress it, or rename it to .tar.gz to read it as a stream"},
    Format{"\x28\xb5\x2f\xfd"sv, 0, "zstd-compressed", "decompress it, 'zstd -d {}'",
           "decompress it, or read it as a stream, 'pipe:zstd -dc {}'"},
    Format{"\xfd"
           "7zXZ\0"sv,
           0, "xz-compressed", "decompress it, 'xz -dk {}'",
           "decompress it, or read it as a stream, 'pipe:xz -dc {}'"},
    Format{"BZh"sv, 0, "bzip2-compressed", "decompress it, 'bzip2 -dk {}'",
           "decompress it, or read it as a stream, 'pipe:bzip2 -dc {}'"},
    Format{"PAR1"sv, 0, "a Parquet file", "parquet", "parquet"},
    Format{"ARROW1"sv, 0, "an Arrow file", "feather", "feather"},
    Format{"\x89HDF\r\n"sv, 0, "an HDF5 file", "hdf", "hdf"},
    Format{"SQLite format 3"sv, 0, "an SQLite database", "export a table of image paths and captions from it",
           "export a table of image paths and captions from it"},
    Format{"PK\x03\x04"sv, 0, "a zip archive",
           "unpack it; images may stay in it if a table names them, 'archive.zip/image.jpg'",
           "unpack it; images may stay in it if a table names them, 'archive.zip/image.jpg'"},
    Format{"\xff\xd8\xff"sv, 0, "a JPEG image", kImage, kImage},
    Format{"\x89PNG"sv, 0, "a PNG image", kImage, kImage},
    Format{"WEBP"sv, 8, "a WebP image", kImage, kImage},
    Format{"ustar"sv, 257, "a tar file", "its name must end in .tar", ""},
};

bool is_pandas_format(std::string_view advice) { return advice.find(' ') == std::string_view::npos; }

}  // namespace

std::optional<std::string> describe_other_content(std::string_view first_bytes, ExpectedContent expected,
                                                  const std::filesystem::path& path) {
  for (const Format& format : kFormats) {
    if (first_bytes.size() < format.offset || !first_bytes.substr(format.offset).starts_with(format.magic))
      continue;
    if (format.magic == "WEBP" && !first_bytes.starts_with("RIFF")) continue;  // "img_001.WEBP" in a table
    const std::string_view advice = expected == ExpectedContent::table ? format.for_table : format.for_shard;
    if (advice.empty()) return std::nullopt;
    const bool by_pandas = is_pandas_format(advice);
    return fmt::format("is {}: {}", format.name,
                       fmt::format(fmt::runtime(by_pandas ? kToTable : advice),
                                   by_pandas ? path.string() : shell_word(path.string()), advice));
  }
  const std::string extension = to_lower_ascii(path.extension().string());
  if (extension == ".json" || extension == ".jsonl")
    return "is JSON: write a table from it, with the columns filepath and title (data.csv)";
  const auto foreign = describe_foreign_content(first_bytes);
  return foreign ? std::optional(fmt::format("is {}", *foreign)) : std::nullopt;
}

}  // namespace cloob
