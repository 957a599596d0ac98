#include "cli/model_arguments.h"

#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <optional>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/config/config.h"
#include "cloob/data/data_config.h"

namespace cloob {
namespace {

template <NamedEnum E>
std::vector<std::string> names_of() {
  std::vector<std::string> names;
  for (const auto& entry : EnumNames<E>::names) names.emplace_back(entry.first);
  return names;
}

// CLI11 has checked that the word is one of the names.
template <NamedEnum E>
E value_of(const std::string& word) {
  for (const auto& [name, value] : EnumNames<E>::names) {
    if (name == word) return value;
  }
  throw_internal_error(__FILE__, __LINE__, "word is a name", word);
}

struct DataSettings {
  DataConfig data;

  static constexpr auto fields() {
    return std::tuple(field("data", &DataSettings::data, "Where the pairs come from."));
  }
};
static_assert(lists_every_member<DataSettings>);

}  // namespace

void add_model_arguments(CLI::App& command, ModelArguments& arguments) {
  command.add_option("checkpoint", arguments.checkpoint, "Checkpoint folder, run folder (its newest) or weights file")
      ->required();
  command.add_option("--device", arguments.device, "auto, cpu or cuda")
      ->capture_default_str()
      ->check(CLI::IsMember(names_of<DeviceChoice>()));
  command.add_option("--precision", arguments.precision, "What the towers compute in: fp32, bf16 or fp16")
      ->capture_default_str()
      ->check(CLI::IsMember(names_of<Precision>()));
  command.add_option("--activation", arguments.activation,
                     "gelu or quick_gelu; a weights file of another program cannot say which it needs")
      ->check(CLI::IsMember(names_of<Activation>()));
  command.add_option("--batch-size", arguments.batch_size, "Images or texts encoded at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  command.add_option("--threads", arguments.threads, "CPU threads; 0 means all cores")
      ->capture_default_str()
      ->check(CLI::Range(0, 4096));
}

OpenedModel open_model(const ModelArguments& arguments) {
  if (arguments.threads > 0) at::set_num_threads(static_cast<int>(arguments.threads));
  const c10::Device device = select_device(value_of<DeviceChoice>(arguments.device));
  const auto activation =
      arguments.activation.empty() ? std::nullopt : std::optional(value_of<Activation>(arguments.activation));
  LoadedModel loaded = load_model(arguments.checkpoint, device, activation);
  EncodeOptions options{.precision = value_of<Precision>(arguments.precision),
                        .batch_size = arguments.batch_size,
                        .data = {},
                        .progress = {}};
  options.data.threads = arguments.threads;
  FeatureEncoder encoder = make_feature_encoder(loaded, device);
  return {std::move(loaded), std::move(encoder), std::move(options)};
}

DataConfig read_data_settings(const std::vector<std::string>& arguments) {
  ConfigSource source = ConfigSource::from_text("", "command line");
  source.add_overrides(parse_overrides(arguments));
  return read_config<DataSettings>(source).data;
}

}  // namespace cloob
