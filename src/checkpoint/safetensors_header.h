// The header of a safetensors file: eight bytes of length, then JSON that says where each tensor's bytes are.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/base/files.h"
#include "cloob/base/named_tensors.h"

namespace cloob {

struct TensorEntry {
  std::string name;
  at::ScalarType dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t begin;  // in bytes from the end of the header
  std::uint64_t end;
};

/// The name of the metadata in the header, which no tensor can have.
inline constexpr std::string_view kSafetensorsMetadata = "__metadata__";

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<TensorEntry> entries;  // in the order of their bytes, without gaps
};

struct ParsedHeader {
  SafetensorsHeader header;
  std::string bytes;  // as stored in the file, with the eight bytes of length; the tensors follow
};

/// Reads and validates the header of a file: every entry is inside the file and matches its shape.
ParsedHeader read_safetensors_header(const RandomAccessFile& file);

/// Places the tensors one after another, the widest element types first, so that each is aligned to its
/// element size.
SafetensorsHeader lay_out(const NamedTensors& tensors, const std::map<std::string, std::string>& metadata);

/// The bytes of a header, padded so that the tensors begin at a multiple of eight.
std::string serialize(const SafetensorsHeader& header);

/// The format's name of a type, such as "F32". Throws UserError for types without one.
std::string_view dtype_name(at::ScalarType dtype);

}  // namespace cloob
