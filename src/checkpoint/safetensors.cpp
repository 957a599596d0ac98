#include "cloob/checkpoint/safetensors.h"

#include <ATen/ops/empty.h>

#include "checkpoint/printable.h"
#include "checkpoint/safetensors_digest.h"
#include "checkpoint/safetensors_header.h"
#include "checkpoint/tensor_bytes.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"

namespace cloob {
namespace {

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

at::Tensor read_tensor(const RandomAccessFile& file, const ParsedHeader& parsed, const TensorEntry& entry) {
  const at::Tensor tensor = at::empty(entry.shape, at::TensorOptions().dtype(entry.dtype));
  file.read(parsed.bytes.size() + entry.begin, bytes_of(tensor));
  if (!has_valid_bools(tensor)) {
    throw_user_error("'{}': tensor {} contains a boolean that is neither 0 nor 1", file.path().string(),
                     in_quotes(entry.name));
  }
  return tensor;
}

// `digest` is null for files without a checksum to compare with.
SafetensorsFile read_all(const std::filesystem::path& path, FileDigest* digest) {
  const RandomAccessFile file(path);
  const ParsedHeader parsed = read_safetensors_header(file);
  if (digest) digest->update(as_bytes(parsed.bytes));
  SafetensorsFile result{{}, parsed.header.metadata};
  for (const TensorEntry& entry : parsed.header.entries) {
    const at::Tensor tensor = read_tensor(file, parsed, entry);
    if (digest) digest->update(bytes_of(tensor));
    result.tensors.emplace(entry.name, tensor);
  }
  return result;
}

void write_all(OutputFile& file, const NamedTensors& tensors,
               const std::map<std::string, std::string>& metadata, FileDigest* digest) {
  const SafetensorsHeader header = lay_out(tensors, metadata);
  const auto write = [&](std::span<const std::byte> bytes) {
    file.write(bytes);
    if (digest) digest->update(bytes);
  };
  write(as_bytes(serialize(header)));
  for (const TensorEntry& entry : header.entries) {
    // One tensor at a time is converted, so that a copy of the entire model is never needed.
    write(bytes_of(tensors.at(entry.name).detach().cpu().resolve_conj().resolve_neg().contiguous()));
  }
}

}  // namespace

SafetensorsFile read_safetensors(const std::filesystem::path& path) { return read_all(path, nullptr); }

SafetensorsFile read_safetensors(const std::filesystem::path& path, FileDigest& digest) {
  return read_all(path, &digest);
}

NamedTensors read_safetensors(const std::filesystem::path& path,
                              const std::function<bool(std::string_view name)>& wanted) {
  const RandomAccessFile file(path);
  const ParsedHeader parsed = read_safetensors_header(file);
  NamedTensors tensors;
  for (const TensorEntry& entry : parsed.header.entries) {
    if (wanted(entry.name)) tensors.emplace(entry.name, read_tensor(file, parsed, entry));
  }
  return tensors;
}

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  write_file_atomically(path, [&](OutputFile& file) { write_all(file, tensors, metadata, nullptr); });
}

FileDigest write_safetensors_in_place(const std::filesystem::path& path, const NamedTensors& tensors,
                                      const std::map<std::string, std::string>& metadata) {
  FileDigest digest;
  OutputFile file(path);
  write_all(file, tensors, metadata, &digest);
  file.finish();
  return digest;
}

}  // namespace cloob
