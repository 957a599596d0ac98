#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/digest.h"
#include "cloob/base/collectives.h"
#include "cloob/base/tensor_parts.h"

namespace cloob {

/// Writes the files of all ranks into a folder that rank 0 has made and names; returns their names and digests. `bytes` are those of
/// the other files of the checkpoint, to which it adds those of all ranks' parts before it writes. A collective operation of which
/// this is rank 0's call.
std::map<std::string, FileDigest> write_training_parts(const std::filesystem::path& folder,
                                                       const TensorParts& parts, std::uint64_t& bytes,
                                                       const Collectives& collectives);

/// Those of the files of a checkpoint that are parts, in the order of their ranks. Throws UserError if one is missing.
std::vector<std::string> training_parts_among(const std::map<std::string, FileDigest>& files,
                                              const std::filesystem::path& folder);

/// Appends parts to each other, in the order of the calls.
class JoinedParts {
 public:
  /// The content of one file. Throws UserError that names it.
  void add(const std::filesystem::path& path, NamedTensors parts,
           const std::map<std::string, std::string>& metadata);
  /// The whole tensors. Throws UserError if they are incomplete.
  NamedTensors join() const;

 private:
  struct Tensor {
    std::vector<at::Tensor> parts;
    std::vector<std::int64_t> shape;
  };
  std::map<std::string, Tensor> tensors_;
  std::filesystem::path last_;
  std::size_t num_files_ = 0;
};

}  // namespace cloob
