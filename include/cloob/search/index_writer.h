// Writes the folder of an index (index_format.h), entry by entry.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloob/base/files.h"
#include "cloob/base/staged_folder.h"
#include "cloob/search/feature_rows.h"
#include "cloob/search/index_entry.h"
#include "cloob/search/index_format.h"

namespace cloob {

/// How an index is organized. `kind` unset: exact below `exact_below` entries, an inverted file from there on.
struct IndexLayout {
  std::optional<IndexKind> kind = std::nullopt;
  std::int64_t exact_below = 1'000'000;
  std::optional<std::int64_t> lists = std::nullopt;       ///< of an inverted file; unset: default_lists
  std::optional<std::int64_t> code_bytes = std::nullopt;  ///< at most, of an entry; unset: default_code_bytes
  std::optional<std::int64_t> links = std::nullopt;       ///< of an entry of a graph; unset: kDefaultLinks
  std::int64_t construction_effort = 100;                 ///< candidates for the links of an entry
  std::int64_t threads = 0;                               ///< 0: all processors
  /// Called when a stage of the work begins: "centroids", "codebooks", "assignment", "lists" or "graph".
  std::function<void(const char* stage)> begin_stage = {};
};

inline constexpr std::int64_t kDefaultLinks = 32;

/// Calls layout.begin_stage, if there is one.
void begin_stage(const IndexLayout& layout, const char* stage);

/// Lists of an inverted file: about four times the root of the count, and few for few entries.
std::int64_t default_lists(std::int64_t count);
/// Those of the layout, at most one for each entry.
std::int64_t num_lists(const IndexLayout& layout, std::int64_t count);
/// Lists that a search looks into: more of codes, which are looked through faster than features.
std::int64_t default_probes(IndexKind kind, std::int64_t lists);

/// Bytes of a code: one for each eight numbers.
std::int64_t default_code_bytes(std::int64_t dims);

/// Polled now and then; `true` stops the work.
using StopRequested = std::function<bool()>;
/// Work was stopped (StopRequested).
class IndexingStopped : public std::exception {
 public:
  const char* what() const noexcept override { return "stopped"; }
};

/// Everything of some entries, in their order.
struct IndexRows {
  std::map<Side, at::Tensor> features_ND = {};  ///< the same sides in every call; rows of length 1
  std::vector<IndexEntry> entries = {};
  std::vector<std::uint64_t> content_hashes = {};
  std::vector<std::string> thumbnails = {};  ///< JPEG files; empty if the index has none
};

/// Throws UserError if `folder` is neither new, nor empty, nor an index, which would be replaced, or if something else is in it.
void require_index_output(const std::filesystem::path& folder);

/// A folder that appears when it is complete; until then an older index under its name stays as it is.
class IndexWriter {
 public:
  /// Throws UserError like require_index_output. `type`: how features are stored.
  IndexWriter(const std::filesystem::path& folder, std::int64_t dims, bool has_thumbnails,
              FeatureType type = FeatureType::fp16);
  ~IndexWriter();
  IndexWriter(const IndexWriter&) = delete;
  IndexWriter& operator=(const IndexWriter&) = delete;

  void add(const IndexRows& rows);
  std::int64_t count() const { return count_; }
  /// Organizes what was added and gives the folder its name. `header` says model, sources and skipped images; the rest of it is
  /// filled in. Returns what was written.
  IndexHeader finish(IndexHeader header, const IndexLayout& layout, const StopRequested& stop_requested = {});

 private:
  OutputFile& file(const std::string& name);
  template <class Number>
  void append(const std::string& name, const std::vector<Number>& numbers);

  StagedFolder staged_;
  std::int64_t dims_;
  bool has_thumbnails_;
  FeatureType type_;
  std::int64_t count_ = 0;
  std::int64_t entries_end_ = 0, thumbnails_end_ = 0;
  std::map<Side, bool> sides_;
  std::map<std::string, std::unique_ptr<OutputFile>> files_;
};

}  // namespace cloob
