// Command-line options whose values are the names of an enum.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "cloob/config/field.h"

namespace cloob {

/// Adds an option that takes a name of `E` and sets `target`, an E or a std::optional<E>; the help lists the
/// names.
template <NamedEnum E, class Target>
CLI::Option* add_enum_option(CLI::App& command, const std::string& name, Target& target,
                             const std::string& help) {
  std::vector<std::string> words;
  for (const auto& entry : EnumNames<E>::names) words.emplace_back(entry.first);
  const auto set = [&target](const std::string& word) {
    for (const auto& [candidate, value] : EnumNames<E>::names) {
      if (candidate == word) target = value;
    }
  };
  CLI::Option* const option =
      command.add_option_function<std::string>(name, set, help)->check(CLI::IsMember(words));
  if constexpr (std::is_same_v<Target, E>) option->default_str(std::string(enum_name(target)));
  return option;
}

}  // namespace cloob
