// Throughput of the loader, and its upper limit. Implements `cloob bench data`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "cloob/data/data_config.h"
#include "cloob/data/loader/preprocess.h"
#include "cloob/data/source.h"

namespace cloob {

struct LoaderBenchmark {
  std::shared_ptr<const Source> source;
  Preprocess preprocess;
  DataConfig data;  ///< settings of the loader
  std::int64_t batch_size;
  double seconds;  ///< of each of the two measurements, after a warmup that is not counted
};

struct LoaderBenchmarkResult {
  double images_per_second;
  /// The limit: the same image files, already in memory, fully decoded on as many threads and nothing else.
  double decode_only_images_per_second;
  std::int64_t threads;
  double read_mib_per_second;  ///< of encoded images
  double peak_rss_gib;         ///< of the process, while samples are loaded
};

/// Loads training batches for a while, in the order and with the augmentation of training, then only decodes.
/// Throws UserError as the loader does.
LoaderBenchmarkResult benchmark_loader(const LoaderBenchmark& benchmark);

}  // namespace cloob
