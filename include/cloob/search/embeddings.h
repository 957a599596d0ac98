// Folders of embeddings in clip-retrieval's layout: img_emb/img_emb_N.npy, text_emb/text_emb_N.npy and metadata/metadata_N.*, row by
// row of the same entries. The metadata are JSON lines here, which tools/parquet_to_jsonl.py makes of Parquet and back.
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

#include "cloob/search/index_format.h"
#include "cloob/search/index_writer.h"

namespace cloob {

/// Files of one number N.
struct EmbeddingsPart {
  std::map<Side, std::filesystem::path> features = {};
  std::filesystem::path metadata = {};  ///< .jsonl; empty if there is none
  std::int64_t rows = 0;
};

/// What is in a folder of embeddings; the parts in the order of their numbers.
struct EmbeddingsFolder {
  std::vector<EmbeddingsPart> parts = {};
  std::map<Side, bool> sides = {};
  std::int64_t dims = 0;
  std::int64_t rows = 0;
  std::optional<IndexModel> model = std::nullopt;  ///< from cloob.json, which `cloob encode` writes
};

/// Finds the files and checks their headers, shapes and sizes. Throws UserError.
EmbeddingsFolder open_embeddings(const std::filesystem::path& folder);

/// Adds all rows to an index. Those whose length is not 1 are normalized, and counted in the result; a row of zeros or with numbers that
/// are not finite is a UserError. `poll` is called after every block of rows with their number.
std::int64_t index_embeddings(const EmbeddingsFolder& embeddings, IndexWriter& writer,
                              const std::function<void(std::int64_t rows_done)>& poll = {});

/// At most `count` of the rows, spread evenly, without the others being read; features of length 1. Throws UserError.
IndexRows sample_of(const EmbeddingsFolder& embeddings, std::int64_t count);

/// Writes such a folder, with JSON lines, fp16 as clip-retrieval writes it, and at most a million rows per part.
class EmbeddingsWriter {
 public:
  /// In `folder`, which exists and is empty. `total`: rows to be added.
  EmbeddingsWriter(std::filesystem::path folder, std::int64_t total, std::int64_t rows_per_part = 1'000'000);
  ~EmbeddingsWriter();
  EmbeddingsWriter(const EmbeddingsWriter&) = delete;
  EmbeddingsWriter& operator=(const EmbeddingsWriter&) = delete;

  /// The same sides in every call.
  void add(const std::map<Side, at::Tensor>& features_ND, const std::vector<std::string>& metadata_lines);
  void finish(const std::optional<IndexModel>& model);

 private:
  struct Part;
  std::filesystem::path folder_;
  std::int64_t total_, rows_per_part_, rows_ = 0;
  std::unique_ptr<Part> part_;
};

}  // namespace cloob
