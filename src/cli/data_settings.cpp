#include "cli/data_settings.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "cloob/data/bad_samples.h"
#include "cloob/data/data_config.h"

namespace cloob {

void add_settings_of(CLI::App& command, const std::string& section, const Description& description,
                     std::vector<std::string>& settings) {
  for (const SettingInfo& setting : description.settings) {
    const std::string option = fmt::format("--{}.{}", section, setting.name);
    command
        .add_option_function<std::string>(option,
                                          [option, &settings](const std::string& value) {
                                            settings.push_back(fmt::format("{}={}", option, value));
                                          })
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
        ->group("");
  }
  command.allow_extras();
}

void add_data_settings(CLI::App& command, std::vector<std::string>& settings) {
  add_settings_of(command, "data", description_of<DataConfig>(), settings);
  command.footer(
      "--data.section.key VALUE sets any setting of the section data, for example "
      "--data.webdataset.json_caption_field captions.");
}

void take_unknown_settings(const CLI::App& command, std::vector<std::string>& settings) {
  const std::vector<std::string> words = command.remaining();
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string setting = words[i];
    if (setting.starts_with("--") && setting.find('=') == std::string::npos) {
      // If no word follows, its value was parsed as a positional argument.
      const bool is_followed_by_value = i + 1 < words.size() && !words[i + 1].starts_with("--");
      setting += is_followed_by_value ? "=" + words[++i] : "=";
    }
    settings.push_back(std::move(setting));
  }
}

std::int64_t unused_captions(DataConfig data, const Source& source) {
  const auto kinds = source.member_kinds();
  const bool has_json = std::ranges::any_of(
      kinds, [](const auto& kind) { return (kind.first + ",").find("json,") != std::string::npos; });
  if (data.webdataset.json_caption_field || !has_json || source.is_stream()) return 0;
  data.webdataset.json_caption_field = "captions";
  const auto with_all = make_source(data, data.val, Purpose::training);
  constexpr std::int64_t kMaxSamples = 16;
  const std::int64_t samples = std::min(kMaxSamples, with_all->size());
  std::int64_t most = 0;
  for (std::int64_t i = 0; i < samples; ++i) {
    try {
      most =
          std::max<std::int64_t>(most, std::ssize(with_all->read_captions(i * with_all->size() / samples)));
    } catch (const BadSample&) {  // no such field
      return 0;
    }
  }
  return most > 1 ? most : 0;
}

std::string advice_on_unused(std::int64_t captions) {
  return fmt::format(
      "samples have up to {} captions in the field 'captions' of their .json, of which only the text member is used: set "
      "data.webdataset.json_caption_field to captions to use all",
      captions);
}

}  // namespace cloob
