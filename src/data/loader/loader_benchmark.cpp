#include "cloob/data/loader/loader_benchmark.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/memory.h"
#include "cloob/base/parallel.h"
#include "cloob/base/timer.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/loader/loader.h"
#include "cloob/image/decode.h"

namespace cloob {
namespace {

struct Rates {
  double images_per_second;
  double bytes_per_second;
  std::uint64_t peak_rss_bytes;
};

// The first batches start threads, open files and warm up caches.
Rates measure_loader(const LoaderBenchmark& benchmark) {
  constexpr int kWarmupBatches = 4;
  Loader loader(benchmark.source, benchmark.preprocess,
                make_loader_options(benchmark.data, Purpose::training, benchmark.batch_size, /*seed=*/0));
  for (int k = 0; k < kWarmupBatches; ++k) loader.next();
  reset_peak_rss();
  std::int64_t images = 0, bytes = 0;
  const Timer timer;
  while (timer.seconds() < benchmark.seconds) {
    const Batch batch = loader.next();
    images += batch.size();
    bytes += batch.encoded_bytes;
  }
  const double seconds = timer.seconds();
  return {static_cast<double>(images) / seconds, static_cast<double>(bytes) / seconds, peak_rss_bytes()};
}

// The first usable images, up to a memory limit.
std::vector<std::vector<std::byte>> read_images(const Source& source) {
  constexpr std::size_t kMaxBytes = std::size_t{256} << 20;
  std::vector<std::vector<std::byte>> images;
  std::size_t bytes = 0;
  for (std::int64_t index = 0; index < source.size() && bytes < kMaxBytes; ++index) {
    try {
      images.push_back(source.read(index).image_bytes);
      decode_image(images.back());
      bytes += images.back().size();
    } catch (const BadSample&) {
    } catch (const DecodeError&) {
      images.pop_back();
    }
  }
  return images;
}

double measure_decoding(const std::vector<std::vector<std::byte>>& images, std::int64_t threads,
                        double seconds) {
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> is_done = false;
  const auto work = [&] {
    PixelMemory memory;
    while (!is_done)
      memory = memory_for_next(decode_image(images[next++ % images.size()], std::move(memory)));
  };
  std::vector<std::jthread> workers;
  for (std::int64_t i = 0; i < threads; ++i) workers.emplace_back(work);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const std::size_t before = next;
  const Timer timer;
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  const double rate = static_cast<double>(next - before) / timer.seconds();
  is_done = true;
  return rate;
}

}  // namespace

LoaderBenchmarkResult benchmark_loader(const LoaderBenchmark& benchmark) {
  CLOOB_CHECK(benchmark.batch_size >= 1, "batches of {}", benchmark.batch_size);
  const std::int64_t threads = resolve_threads(benchmark.data.threads);
  const Rates rates = measure_loader(benchmark);
  const auto images = read_images(*benchmark.source);
  constexpr double kMiB = 1 << 20;
  return {.images_per_second = rates.images_per_second,
          .decode_only_images_per_second = measure_decoding(images, threads, benchmark.seconds),
          .threads = threads,
          .read_mib_per_second = rates.bytes_per_second / kMiB,
          .peak_rss_gib = static_cast<double>(rates.peak_rss_bytes) / kGiB};
}

}  // namespace cloob
