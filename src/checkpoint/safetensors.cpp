#include "cloob/checkpoint/safetensors.h"

#include <ATen/ops/empty.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>

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

// The digest is optional: null for files that have no checksum to compare with.
SafetensorsFile read_all(const std::filesystem::path& path, FileDigest* digest) {
  const RandomAccessFile file(path);
  ParsedHeader parsed = read_safetensors_header(file);
  if (digest) digest->update(as_bytes(parsed.bytes));
  SafetensorsFile result{{}, std::move(parsed.header.metadata)};
  for (const TensorEntry& entry : parsed.header.entries) {
    const at::Tensor tensor = at::empty(entry.shape, at::TensorOptions().dtype(entry.dtype));
    file.read(parsed.bytes.size() + entry.begin, bytes_of(tensor));
    if (digest) digest->update(bytes_of(tensor));
    if (!has_valid_bools(tensor)) {
      throw_user_error("'{}': tensor {} holds a truth value that is neither 0 nor 1", path.string(),
                       in_quotes(entry.name));
    }
    result.tensors.emplace(entry.name, tensor);
  }
  return result;
}

void write_all(const std::filesystem::path& path, const NamedTensors& tensors,
               const std::map<std::string, std::string>& metadata, FileDigest* digest) {
  const SafetensorsHeader header = lay_out(tensors, metadata);
  OutputFile file(path);
  const auto write = [&](std::span<const std::byte> bytes) {
    file.write(bytes);
    if (digest) digest->update(bytes);
  };
  write(as_bytes(serialize(header)));
  for (const TensorEntry& entry : header.entries) {
    // One tensor at a time is brought to this form, so that a copy of the whole model is never needed.
    write(bytes_of(tensors.at(entry.name).detach().cpu().resolve_conj().resolve_neg().contiguous()));
  }
  file.finish();
}

}  // namespace

SafetensorsFile read_safetensors(const std::filesystem::path& path) { return read_all(path, nullptr); }

SafetensorsFile read_safetensors(const std::filesystem::path& path, FileDigest& digest) {
  return read_all(path, &digest);
}

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::filesystem::path temporary = path.string() + fmt::format(".tmp{}", ::getpid());
  try {
    write_all(temporary, tensors, metadata, nullptr);
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
      throw_user_error("cannot write '{}': {}", path.string(), describe_errno(errno));
    }
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_directory(path.parent_path());
}

FileDigest write_safetensors_in_place(const std::filesystem::path& path, const NamedTensors& tensors,
                                      const std::map<std::string, std::string>& metadata) {
  FileDigest digest;
  write_all(path, tensors, metadata, &digest);
  return digest;
}

}  // namespace cloob
