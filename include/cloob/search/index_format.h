// The folder that `cloob index` writes: one format for search and for a memory of features.
//
//   index.json           format version, model, dims, count, dtype, kind; the size of every other file
//   image.features       a row for each entry: fp16 or fp32, little endian, L2-normalized
//   text.features        the same of the first captions, if they were encoded
//   entries.jsonl        a line for each entry: key, path, captions, metadata
//   entries.offsets      where each line begins, and the end: int64
//   keys.hashes          of the keys: uint64
//   contents.hashes      of the image files (of the features, if there are none): uint64; equal ones are copies
//   thumbnails.jpg       small JPEG files, one after another, if they were asked for
//   thumbnails.offsets   where each begins, and the end: int64
//   removed.N.rows       the N entries that were removed, in order: int64; N is in index.json, there is no file if it is 0
//   SIDE.ivf.centroids   fp16, a row for each list        } inverted file
//   SIDE.ivf.offsets     where each list begins, int64    }
//   SIDE.ivf.rows        the entries of the lists, int64  }
//   SIDE.ivf.features    their features in that order     }
//   SIDE.ivfpq.centroids, .offsets, .rows   as of an inverted file    } inverted file
//   SIDE.ivfpq.codebooks   fp32: the words of each byte of a code   } of codes
//   SIDE.ivfpq.codes       a code for each entry, in that order     }
//   SIDE.hnsw.levels     layers of each entry, int32      } graph
//   SIDE.hnsw.links      neighbors of each, int32         }
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/config/field.h"
#include "cloob/search/feature_rows.h"

namespace cloob {

/// Written; what a program writes that knows nothing of removed entries, version 1, is read, too.
inline constexpr std::int64_t kIndexFormat = 2;
inline constexpr const char* kIndexFile = "index.json";
/// Bytes of it.
inline constexpr std::uint64_t kMaxIndexFile = std::uint64_t{1} << 20;

enum class IndexKind { exact, ivf, ivfpq, hnsw };
template <>
struct EnumNames<IndexKind> {
  static constexpr std::array<std::pair<std::string_view, IndexKind>, 4> names = {
      {{"exact", IndexKind::exact},
       {"ivf", IndexKind::ivf},
       {"ivfpq", IndexKind::ivfpq},
       {"hnsw", IndexKind::hnsw}}};
};

/// Which features of an entry.
enum class Side { image, text };
template <>
struct EnumNames<Side> {
  static constexpr std::array<std::pair<std::string_view, Side>, 2> names = {
      {{"image", Side::image}, {"text", Side::text}}};
};

/// The model that features are of. Features of different models cannot be compared.
struct IndexModel {
  std::string hash;        ///< of its weights and preprocessing
  std::string name;        ///< of its architecture
  std::string checkpoint;  ///< where it was; only a hint
  bool operator==(const IndexModel&) const = default;
};

/// "RN50 (hash 0123..., from 'runs/a')".
std::string describe(const IndexModel& model);

/// Sizes of an inverted file.
struct IvfShape {
  std::int64_t lists = 0;
  std::int64_t probes = 0;  ///< lists that a search looks into, unless it is told otherwise
};

/// Sizes of an inverted file of codes.
struct IvfpqShape {
  std::int64_t lists = 0;
  std::int64_t probes = 0;      ///< as of an inverted file
  std::int64_t code_bytes = 0;  ///< of an entry
};

/// Sizes and entry point of a graph.
struct HnswShape {
  std::int64_t links = 0;        ///< of an entry per layer; twice as many in the lowest
  std::int64_t max_layer = 0;    ///< of the entry point
  std::int64_t entry_point = 0;  ///< where searches begin
  std::int64_t total_links = 0;  ///< of all entries
};

struct IndexSide {
  std::optional<IvfShape> ivf = std::nullopt;
  std::optional<IvfpqShape> ivfpq = std::nullopt;
  std::optional<HnswShape> hnsw = std::nullopt;
};

/// How features that another program computed were compared with those of the model.
struct FeatureCheck {
  std::int64_t images = 0, captions = 0;  ///< that were encoded again
  double lowest_cosine = 0;
};

/// A removal of what is like the images of an evaluation.
struct Deduplication {
  std::string data;              ///< whose images entries were compared with
  std::string split;             ///< of the data, if it has splits
  double threshold = 0;          ///< cosine from which on an image is the same
  std::int64_t images = 0;       ///< of the data
  std::int64_t removed = 0;      ///< entries that were removed for it
  std::int64_t added_since = 0;  ///< entries that were not compared
};

/// The content of index.json.
struct IndexHeader {
  IndexKind kind = IndexKind::exact;
  std::optional<IndexModel> model = std::nullopt;  ///< unset: embeddings of unknown origin
  FeatureType type = FeatureType::fp16;
  std::int64_t dims = 0;
  std::int64_t count = 0;
  std::int64_t skipped = 0;  ///< unusable images, which are no entries
  bool has_thumbnails = false;
  std::map<Side, IndexSide> sides = {};   ///< at least one
  std::vector<std::string> sources = {};  ///< what was indexed
  std::int64_t removed = 0;               ///< entries that are not found any more
  bool is_verified = true;                ///< false: someone said that the features are of `model`
  std::optional<FeatureCheck> check = std::nullopt;
  std::vector<Deduplication> deduplicated = {};
  std::string build = {};  ///< identities of what was built and added, with spaces between them
};

/// Whether what has this identity was built into the index, or added (IndexHeader::build).
bool holds_build(const IndexHeader& header, std::string_view id);
void add_build(IndexHeader& header, std::string_view id);

/// The file of the removed entries, if there are some.
std::string removed_file(const IndexHeader& header);

void write_index_header(const std::filesystem::path& folder, const IndexHeader& header);

/// Reads and checks the header of an index, and that its files exist with the sizes that follow from its counts. Allocates nothing in
/// proportion to what it says. Throws UserError of one line.
IndexHeader read_index_header(const std::filesystem::path& folder);

/// Whether there is a file index.json of this program, of any format version.
bool is_index_folder(const std::filesystem::path& folder);
/// Whether it is one that `cloob memory` has built or changed, also if it is damaged.
bool is_memory_folder(const std::filesystem::path& folder);

}  // namespace cloob
