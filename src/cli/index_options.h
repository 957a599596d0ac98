// What commands that write indexes share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cloob/search/embeddings.h"
#include "cloob/search/index_writer.h"

namespace CLI {
class App;
}

namespace cloob {

/// Adds --dtype.
void add_type_option(CLI::App& command, FeatureType& type);
/// Adds how the index is searched.
void add_layout_options(CLI::App& command, IndexLayout& layout);

/// Folders that paths in these sources start from: `image_root`, or those of the tables.
std::vector<std::filesystem::path> image_roots(const std::vector<std::string>& sources,
                                               const std::string& image_root);

/// Throws UserError if embeddings in the folder `name` are said to be of another model, or if the model has another number of features.
void require_embeddings_of(const EmbeddingsFolder& embeddings, const std::string& name,
                           const IndexModel& model, std::int64_t embed_dim);

/// Adds all embeddings to an index, shows how far it is and says how many were normalized. Throws UserError and IndexingStopped.
void add_embeddings(const EmbeddingsFolder& embeddings, IndexWriter& writer);

/// Whether a signal asked to stop (StopSignal).
bool indexing_stop_requested();

/// "1 entry", "1,200 entries".
std::string counted_entries(std::int64_t count);

}  // namespace cloob
