#include "cli/data_settings.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <utility>

#include "cloob/config/description.h"
#include "cloob/data/data_config.h"

namespace cloob {

void add_data_settings(CLI::App& command, std::vector<std::string>& settings) {
  for (const SettingInfo& setting : description_of<DataConfig>().settings) {
    const std::string option = fmt::format("--data.{}", setting.name);
    command
        .add_option_function<std::string>(option,
                                          [option, &settings](const std::string& value) {
                                            settings.push_back(fmt::format("{}={}", option, value));
                                          })
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
        ->group("");
  }
  command.allow_extras();
  command.footer(
      "--data.section.key VALUE sets any setting of the section data, for example "
      "--data.webdataset.json_caption_field captions.");
}

void take_unknown_settings(const CLI::App& command, std::vector<std::string>& settings) {
  for (std::string& setting : command.remaining()) {
    // Its value, if it had one, was parsed as a positional argument.
    if (setting.starts_with("--") && setting.find('=') == std::string::npos) setting += "=";
    settings.push_back(std::move(setting));
  }
}

}  // namespace cloob
