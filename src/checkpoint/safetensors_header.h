// The head of a safetensors file: eight bytes of length, then JSON that says where each tensor's bytes are.
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
  std::uint64_t begin;  // in bytes, counted from the end of the header
  std::uint64_t end;
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<TensorEntry> entries;  // in the order of their bytes, without gaps
};

struct ParsedHeader {
  SafetensorsHeader header;
  std::string
      bytes;  // as they stand in the file, with the eight bytes of length; the tensors begin after them
};

/// Reads and checks the head of a file: afterwards every entry lies inside the file and fits its shape.
ParsedHeader read_safetensors_header(const RandomAccessFile& file);

/// Places the tensors one after the other, wide elements first, so that each is aligned to its element.
SafetensorsHeader lay_out(const NamedTensors& tensors, const std::map<std::string, std::string>& metadata);

/// The bytes of a header, padded so that the tensors begin at a multiple of eight.
std::string serialize(const SafetensorsHeader& header);

/// "F32" and so on, as the format spells it. Throws UserError for types that it does not have.
std::string_view dtype_name(at::ScalarType dtype);

}  // namespace cloob
