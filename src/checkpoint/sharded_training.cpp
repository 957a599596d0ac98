#include "cloob/checkpoint/sharded_training.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <fmt/core.h>

#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>
#include <utility>

#include "checkpoint/disk_space.h"
#include "checkpoint/safetensors_digest.h"
#include "checkpoint/sharded_training_files.h"
#include "cloob/base/broadcast_text.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/host_name.h"
#include "cloob/base/json.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kPrefix = "training-";
constexpr const char* kShapes = "shapes";  // in the metadata: of the whole tensors
constexpr const char* kProbe = ".shared_by_all_ranks";
// Network file systems show a new file to other machines after some seconds.
constexpr std::chrono::seconds kUntilVisible{10};

std::string file_name(std::int64_t rank, std::int64_t world_size) {
  return fmt::format("{}{:05}-of-{:05}.safetensors", kPrefix, rank, world_size);
}

bool becomes_visible(const fs::path& path) {
  const auto end = std::chrono::steady_clock::now() + kUntilVisible;
  std::error_code ignored;
  while (!fs::exists(path, ignored)) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

[[noreturn]] void throw_not_shared(const fs::path& folder, const Collectives& collectives) {
  throw_user_error(
      "checkpoint.sharded needs a run folder that all ranks share, but rank {} on {} does not see what rank 0 writes in '{}': "
      "put it on a shared file system, or set checkpoint.sharded to false",
      collectives.rank(), host_name(), folder.string());
}

/// A file of rank 0 that the others look for.
class Probe {
 public:
  Probe(fs::path path, const Collectives& collectives)
      : path_(std::move(path)), is_own_(collectives.rank() == 0) {
    if (is_own_) write_file_atomically(path_, "");
  }
  ~Probe() {
    std::error_code ignored;
    if (is_own_) fs::remove(path_, ignored);
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  bool is_own_;
};

// That of rank 0, for all.
fs::path folder_of_rank_0(const fs::path& folder, const Collectives& collectives) {
  return broadcast_text(collectives, collectives.rank() == 0 ? fs::absolute(folder).string() : "");
}

FileDigest write_part(const fs::path& path, const TensorParts& parts) {
  NamedTensors tensors;
  Json shapes = Json::object();
  for (const auto& [name, part] : parts) {
    tensors.emplace(name, part.elements);
    shapes[name] = part.shape;
  }
  return write_safetensors_in_place(path, tensors, {{kShapes, shapes.dump()}});
}

// Of the files of all ranks, in rank order.
std::vector<FileDigest> gather(const FileDigest& own, const Collectives& collectives) {
  const at::Tensor row =
      at::tensor({static_cast<std::int64_t>(own.bytes), static_cast<std::int64_t>(own.crc32)}).unsqueeze(0);
  const at::Tensor rows = collectives.gather_rows(row).rows_ND.contiguous();
  std::vector<FileDigest> digests;
  for (std::int64_t rank = 0; rank < rows.size(0); ++rank) {
    const auto* const values = rows.const_data_ptr<std::int64_t>() + 2 * rank;
    digests.push_back({static_cast<std::uint64_t>(values[0]), static_cast<std::uint32_t>(values[1])});
  }
  return digests;
}

std::uint64_t bytes_of(const TensorParts& parts) {
  std::uint64_t bytes = 0;
  for (const auto& [name, part] : parts) bytes += part.elements.nbytes() + name.size();
  return bytes;
}

std::uint64_t sum_over_ranks(std::uint64_t own, const Collectives& collectives) {
  const at::Tensor sum = at::scalar_tensor(static_cast<std::int64_t>(own), at::kLong);
  collectives.sum_in_place(std::array{sum});
  return static_cast<std::uint64_t>(sum.item<std::int64_t>());
}

std::map<std::string, FileDigest> write_parts(const fs::path& folder, const TensorParts& parts,
                                              const Collectives& collectives) {
  if (!becomes_visible(folder)) throw_not_shared(folder, collectives);
  const FileDigest own = write_part(folder / file_name(collectives.rank(), collectives.world_size()), parts);
  const std::vector<FileDigest> digests = gather(own, collectives);
  std::map<std::string, FileDigest> files;
  for (std::int64_t rank = 0; rank < collectives.world_size(); ++rank)
    files[file_name(rank, collectives.world_size())] = digests[static_cast<std::size_t>(rank)];
  return files;
}

std::map<std::string, std::vector<std::int64_t>> shapes_from(
    const fs::path& path, const std::map<std::string, std::string>& metadata) {
  try {
    return parse_json(metadata.at(kShapes)).get<std::map<std::string, std::vector<std::int64_t>>>();
  } catch (const std::exception&) {
    throw_user_error("'{}' is damaged: it does not tell the shapes of its tensors", path.string());
  }
}

bool has_elements(const std::vector<std::int64_t>& shape, std::int64_t count) {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || (size > 0 && product > count / size)) return false;
    product *= size;
  }
  return product == count;
}

}  // namespace

void require_shared_folder(const fs::path& folder, const Collectives& collectives) {
  const fs::path shared = folder_of_rank_0(folder, collectives);
  const Probe probe(shared / kProbe, collectives);
  collectives.max(0);  // it is there
  const bool is_shared = becomes_visible(probe.path());
  collectives.max(0);  // all have looked for it
  if (!is_shared) throw_not_shared(shared, collectives);
}

void write_part_of_checkpoint(const TensorParts& parts, const Collectives& collectives) {
  const fs::path shared = folder_of_rank_0({}, collectives);
  const fs::path checkpoints = shared.parent_path();
  const std::uint64_t free = free_bytes(checkpoints);  // before any rank writes
  const std::uint64_t bytes = sum_over_ranks(bytes_of(parts), collectives);
  try {
    write_parts(shared, parts, collectives);
  } catch (const UserError& error) {
    throw UserError(error.what() + describe_shortage(checkpoints, bytes, free));
  }
}

std::map<std::string, FileDigest> write_training_parts(const fs::path& folder, const TensorParts& parts,
                                                       std::uint64_t& bytes, const Collectives& collectives) {
  const fs::path shared = folder_of_rank_0(folder, collectives);
  bytes = sum_over_ranks(bytes + bytes_of(parts), collectives);
  return write_parts(shared, parts, collectives);
}

std::vector<std::string> training_parts_among(const std::map<std::string, FileDigest>& files,
                                              const fs::path& folder) {
  std::vector<std::string> parts;
  for (const auto& [name, digest] : files) {
    if (name.starts_with(kPrefix)) parts.push_back(name);
  }
  const auto count = std::ssize(parts);
  for (std::int64_t rank = 0; rank < count; ++rank) {
    const std::string expected = file_name(rank, count);
    if (parts[static_cast<std::size_t>(rank)] != expected)
      throw_user_error("'{}' is damaged: it has '{}' in place of '{}'", (folder / "state.json").string(),
                       parts[static_cast<std::size_t>(rank)], expected);
  }
  return parts;
}

void JoinedParts::add(const fs::path& path, NamedTensors parts,
                      const std::map<std::string, std::string>& metadata) {
  last_ = path;
  const auto shapes = shapes_from(path, metadata);
  for (auto& [name, part] : parts) {
    const auto shape = shapes.find(name);
    if (shape == shapes.end() || part.dim() != 1)
      throw_user_error("'{}' is damaged: '{}' is no part of a tensor", path.string(), name);
    Tensor& tensor = tensors_[name];
    if (tensor.parts.size() != num_files_ || (num_files_ > 0 && tensor.shape != shape->second))
      throw_user_error("'{}' is damaged: '{}' does not fit the parts of other ranks", path.string(), name);
    tensor.shape = shape->second;
    tensor.parts.push_back(std::move(part));
  }
  ++num_files_;
}

NamedTensors JoinedParts::join() const {
  NamedTensors whole;
  for (const auto& [name, tensor] : tensors_) {
    const at::Tensor all = tensor.parts.empty() ? at::Tensor() : at::cat(tensor.parts);
    if (tensor.parts.size() != num_files_ || !has_elements(tensor.shape, all.numel()))
      throw_user_error("'{}' is damaged: the parts of '{}' are not complete", last_.string(), name);
    whole.emplace(name, all.view(tensor.shape));
  }
  return whole;
}

}  // namespace cloob
