// Arbitrary bytes as a safetensors file: everything but the elements of its tensors is parsed.
#include <c10/core/ScalarType.h>

#include <algorithm>

#include "checkpoint/safetensors_header.h"
#include "cloob/base/error.h"
#include "fuzz_support.h"

namespace cloob {
namespace {

using fuzz::require;

std::uint64_t bytes_of(const TensorEntry& entry) {
  std::uint64_t bytes = c10::elementSize(entry.dtype);
  for (const std::int64_t size : entry.shape) bytes *= static_cast<std::uint64_t>(size);
  return bytes;
}

void check_layout(const ParsedHeader& parsed, std::size_t file_bytes) {
  require(parsed.bytes.size() <= file_bytes, "the header is inside the file");
  std::uint64_t position = 0;
  for (const TensorEntry& entry : parsed.header.entries) {
    require(entry.begin == position && entry.end >= entry.begin, "tensors follow one another without gaps");
    require(entry.end - entry.begin == bytes_of(entry), "a tensor has the bytes that its shape needs");
    position = entry.end;
  }
  require(parsed.bytes.size() + position == file_bytes, "the tensors fill the file");
}

bool are_equal(const SafetensorsHeader& a, const SafetensorsHeader& b) {
  return a.metadata == b.metadata &&
         std::ranges::equal(a.entries, b.entries, [](const TensorEntry& x, const TensorEntry& y) {
           return x.name == y.name && x.dtype == y.dtype && x.shape == y.shape && x.begin == y.begin &&
                  x.end == y.end;
         });
}

void check_round_trip(const ParsedHeader& parsed, std::uint64_t data_bytes, fuzz::MemoryFile& file) {
  std::string written = serialize(parsed.header);
  written.append(data_bytes, '\0');
  file.assign(std::as_bytes(std::span(written)));
  const SafetensorsHeader again = read_safetensors_header(RandomAccessFile(file.path())).header;
  // Empty tensors may have changed places.
  require(again.entries.size() == parsed.header.entries.size(), "tensors survive being written");
  const bool has_empty =
      std::ranges::any_of(again.entries, [](const TensorEntry& e) { return e.begin == e.end; });
  require(has_empty || are_equal(again, parsed.header), "a header survives being written");
}

}  // namespace
}  // namespace cloob

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static cloob::fuzz::MemoryFile file;
  file.assign(cloob::fuzz::as_bytes(data, size));
  try {
    const auto parsed = cloob::read_safetensors_header(cloob::RandomAccessFile(file.path()));
    cloob::check_layout(parsed, size);
    cloob::check_round_trip(parsed, size - parsed.bytes.size(), file);
  } catch (const cloob::UserError&) {
  }
  return 0;
}
