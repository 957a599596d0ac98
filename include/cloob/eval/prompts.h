// Class names and the prompt templates that turn them into texts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cloob {

/// Class names, indexed by label. `source` is one of
///  - a file with one name per line (empty lines in between are errors, because they would shift labels),
///  - a JSON file with a list of names, FILE.json, or with one list per data set, FILE.json:DATASET,
///  - the name of a data set in clip-benchmark's list, for example "imagenet1k".
/// Throws UserError.
std::vector<std::string> load_class_names(const std::string& source);

/// Prompt templates, given like class names; empty lines are skipped. Each must have at least one placeholder
/// {c} or {} and no other braces. Throws UserError.
std::vector<std::string> load_templates(const std::string& source);

/// The default: "a photo of a {c}."
std::vector<std::string> default_templates();

/// Replaces every {c} and {} by the name.
std::string fill_template(std::string_view prompt_template, std::string_view class_name);

}  // namespace cloob
