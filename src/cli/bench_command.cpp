// cloob bench data|tokenize

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/enum_option.h"
#include "cli/output_file.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/timer.h"
#include "cloob/data/loader/loader_benchmark.h"
#include "cloob/report/named_numbers.h"
#include "cloob/text/tokenizer.h"

namespace cloob {
namespace {

struct BenchDataArguments {
  std::vector<std::string> source;
  DataConfig data;
  ImageConfig image;
  std::int64_t image_size = 224;
  std::int64_t batch = 64;
  double seconds = 20;
  std::string json;
};

int bench_data(const BenchDataArguments& arguments) {
  require_output(arguments.json, OutputKind::json, inputs_of_sources(arguments.source));
  constexpr std::int64_t kContextLength = 77;
  Preprocess preprocess =
      with_text(make_image_preprocess(arguments.image, Purpose::training, arguments.image_size,
                                      arguments.data.max_image_pixels),
                make_tokenizer(TextConfig()), kContextLength);
  const LoaderBenchmarkResult result =
      benchmark_loader({make_source(arguments.data, arguments.source, Purpose::training),
                        std::move(preprocess), arguments.data, arguments.batch, arguments.seconds});
  write_result(arguments.json, to_json({{"images_s", result.images_per_second},
                                        {"decode_only_images_s", result.decode_only_images_per_second},
                                        {"threads", static_cast<double>(result.threads)},
                                        {"read_mib_s", result.read_mib_per_second},
                                        {"peak_rss_gib", result.peak_rss_gib}}));
  return 0;
}

struct BenchTokenizeArguments {
  std::string captions;
  std::string tokenizer = "clip";
  std::int64_t context_length = 77;
  double seconds = 2;
  std::string json;
};

int bench_tokenize(const BenchTokenizeArguments& arguments) {
  require_output(arguments.json, OutputKind::json, {arguments.captions});
  const std::vector<std::string> captions = read_nonempty_lines(arguments.captions);
  if (captions.empty())
    throw_user_error("'{}' has no captions: it must hold one per line", arguments.captions);
  TextConfig text;
  if (arguments.tokenizer != "clip") {
    text.tokenizer = TokenizerKind::sentencepiece;
    text.model_file = arguments.tokenizer;
  }
  const auto tokenizer = make_tokenizer(text);
  std::int64_t num_encoded = 0;
  const Timer timer;
  do {
    for (const std::string& caption : captions) tokenizer->encode(caption, arguments.context_length);
    num_encoded += static_cast<std::int64_t>(captions.size());
  } while (timer.seconds() < arguments.seconds);
  write_result(arguments.json, to_json({{"captions_s", static_cast<double>(num_encoded) / timer.seconds()}}));
  return 0;
}

void add_bench_data(CLI::App& group, Action& action) {
  CLI::App* const command = group.add_subcommand(
      "data", "Training batches from a source, and the upper bound set by decoding alone");
  const auto arguments = std::make_shared<BenchDataArguments>();
  command->add_option("--source", arguments->source, "Tables or tar shards, as for data.train")->required();
  command->add_option("--threads", arguments->data.threads, "Loader threads; 0 means one per processor")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  command->add_option("--image-size", arguments->image_size, "Image side in pixels")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  command->add_option("--batch", arguments->batch, "Pairs in a batch")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  add_enum_option<Decoding>(*command, "--decode", arguments->image.decode, "image.decode");
  command->add_option("--seconds", arguments->seconds, "Duration of each of the two measurements")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 86400.0));
  add_json_option(*command, arguments->json);
  command->callback([arguments, &action] { action = [arguments] { return bench_data(*arguments); }; });
}

void add_bench_tokenize(CLI::App& group, Action& action) {
  CLI::App* const command = group.add_subcommand("tokenize", "Tokenization of captions on one thread");
  const auto arguments = std::make_shared<BenchTokenizeArguments>();
  command->add_option("--captions", arguments->captions, "Text file with one caption per line")->required();
  command->add_option("--tokenizer", arguments->tokenizer, "clip, or a sentencepiece model")
      ->capture_default_str();
  command->add_option("--context-length", arguments->context_length, "Maximum number of tokens per caption")
      ->capture_default_str()
      ->check(CLI::Range(3, 65536));
  command
      ->add_option("--seconds", arguments->seconds,
                   "Minimum duration; all captions are encoded at least once")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 86400.0));
  add_json_option(*command, arguments->json);
  command->callback([arguments, &action] { action = [arguments] { return bench_tokenize(*arguments); }; });
}

}  // namespace

void add_bench_commands(CLI::App& app, Action& action, Ranks& ranks) {
  CLI::App* const group = app.add_subcommand("bench", "Benchmark parts of the program");
  group->require_subcommand(1);
  add_bench_step(*group, action, ranks, count_caption_tokens);
  add_bench_dist(*group, action, ranks, count_caption_tokens);
  add_bench_loss(*group, action);
  add_bench_saturation(*group, action);
  add_bench_recall(*group, action);
  add_bench_kmeans(*group, action);
  add_bench_index(*group, action);
  add_bench_data(*group, action);
  add_bench_tokenize(*group, action);
  add_bench_inputs(*group, action);
}

}  // namespace cloob
