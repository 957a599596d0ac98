// Reads, prints and documents settings that a struct declares once (field.h).
//
// Defaults are those of the struct; files override them, and the command line overrides the files (source.h).
// Every error is one line that begins with its location: "run.yaml:2:3: unknown setting
// 'optimizer.warmup_step', did you mean ...".
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cloob/config/description.h"
#include "cloob/config/field.h"
#include "cloob/config/origins.h"
#include "cloob/config/source.h"

namespace cloob {

/// Sets everything that the source names in `*root`, a struct of the described type; implements
/// `read_config`.
void read_settings(const Description& description, const ConfigSource& source, void* root, Origins& origins);
std::string print_settings(const Description& description, const void* root, const Origins& origins);
std::string document_settings(const Description& description, const void* defaults);
std::string settings_schema(const Description& description, const void* defaults);
std::vector<std::string> names_of_settings(const Description& description);
std::map<std::string, std::string> values_of_settings(const Description& description, const void* root);

/// Applies the source's values to the struct's defaults and checks them: names, types, ranges, then every
/// section's `validate`. `origins` is replaced. Throws UserError.
///
/// The messages of `validate` must refer to settings by their dotted names, so that the error can begin with
/// the location where one of them was set.
template <Section T>
T read_config(const ConfigSource& source, Origins& origins) {
  T value;
  read_settings(description_of<T>(), source, &value, origins);
  return value;
}

template <Section T>
T read_config(const ConfigSource& source) {
  Origins origins;
  return read_config<T>(source, origins);
}

/// YAML of all settings that parses back to exactly the same struct; settings found in `origins` are followed
/// by a comment that says where they were set.
template <Section T>
std::string print_config(const T& value, const Origins& origins) {
  return print_settings(description_of<T>(), &value, origins);
}

template <Section T>
std::string print_config(const T& value) {
  return print_config(value, Origins{});
}

/// Dotted name -> value as one line of YAML.
template <Section T>
std::map<std::string, std::string> setting_values(const T& value) {
  return values_of_settings(description_of<T>(), &value);
}

/// The origins of the settings that differ from the defaults: a file that lists all settings, as runs write it,
/// changes only these.
template <Section T>
Origins origins_of_changes(const T& value, Origins origins) {
  const auto values = setting_values(value);
  const auto defaults = setting_values(T{});
  std::erase_if(origins, [&](const auto& origin) {
    const auto found = values.find(origin.first);
    const auto usual = defaults.find(origin.first);
    return found != values.end() && usual != defaults.end() && found->second == usual->second;
  });
  return origins;
}

/// Reference in Markdown: one table per section, in declared order.
template <Section T>
std::string config_docs() {
  T defaults;  // describing maps of sections adds one to each
  return document_settings(description_of<T>(), &defaults);
}

/// JSON schema (draft 2020-12) of the YAML files, for editors.
template <Section T>
std::string config_schema() {
  T defaults;
  return settings_schema(description_of<T>(), &defaults);
}

/// All dotted names, in declared order.
template <Section T>
std::vector<std::string> setting_names() {
  return names_of_settings(description_of<T>());
}

}  // namespace cloob
