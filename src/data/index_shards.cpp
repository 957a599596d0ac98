#include "cloob/data/index_shards.h"

#include "cloob/base/files.h"
#include "data/parallel.h"
#include "data/shard_index.h"
#include "data/source_names.h"

namespace cloob {

std::vector<std::filesystem::path> index_shards(const std::vector<std::string>& names,
                                                const std::filesystem::path& folder, std::int64_t threads,
                                                const IndexProgress& progress) {
  if (!folder.empty()) make_directories(folder);
  return update_index_files(expand_source_names(split_sources(names)), folder,
                            {.threads = resolve_threads(threads), .folder = {}, .progress = progress});
}

}  // namespace cloob
