// The parts of a memory while it is built: complete or absent, so that a build that was interrupted goes on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloob/base/slice.h"
#include "cloob/search/index_format.h"

namespace cloob {

/// What has to be the same when a build goes on. Two are equal if and only if their texts are.
struct BuildIdentity {
  std::string model;         ///< IndexModel::hash
  std::int64_t samples = 0;  ///< of the data
  std::string data;          ///< hash of keys and captions of some samples
  std::string entries;       ///< which there are for a sample, and what they have
  std::int64_t part_samples = 0;

  std::string to_text() const;
  /// A hash of it.
  std::string id() const;
  bool operator==(const BuildIdentity&) const = default;
};

/// A folder beside a memory, with a folder for each part that is complete.
class MemoryParts {
 public:
  /// "MEMORY.parts".
  static std::filesystem::path folder_of(const std::filesystem::path& memory);

  /// Does not look at the disk.
  MemoryParts(std::filesystem::path folder, BuildIdentity identity);

  bool exist() const;
  /// Whether those that exist are of this build.
  bool are_of_this_build() const;
  /// Makes the folder, or takes that of a build that was interrupted, for this process alone as long as this lives. Throws UserError
  /// if it holds parts of something else, or if another process is building.
  void open();
  /// Throws UserError if the folder is not there: a rank on another machine may not see it.
  void require_visible() const;

  std::int64_t size() const {
    return (identity_.samples + identity_.part_samples - 1) / identity_.part_samples;
  }
  Slice samples_of(std::int64_t part) const;
  /// Where the index of a part is, or is to be.
  std::filesystem::path path_of(std::int64_t part) const;
  /// A part of which no sample is usable has no index.
  void finish_empty(std::int64_t part) const;

  /// Parts that are not complete. What is damaged is removed, with a warning.
  std::vector<std::int64_t> missing() const;
  bool is_empty(std::int64_t part) const;
  /// Samples of a complete part that are not usable.
  std::int64_t skipped(std::int64_t part) const;

  void remove();

 private:
  class Lock;
  /// What is different in the build whose parts exist, as part of a sentence; nullopt if nothing is.
  std::optional<std::string> difference() const;

  std::filesystem::path folder_;
  BuildIdentity identity_;
  std::shared_ptr<Lock> lock_;
};

}  // namespace cloob
