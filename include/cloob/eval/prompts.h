// Names of classes and the prompts that turn them into texts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cloob {

/// Class names, index = label. `source` is one of
///  - a file with one name a line (an empty line within is an error, because it would shift the labels),
///  - a JSON file with a list of names, FILE.json, or with lists by data set, FILE.json:DATASET,
///  - the name of a data set in clip-benchmark's list, for example "imagenet1k".
/// Throws UserError.
std::vector<std::string> load_class_names(const std::string& source);

/// Prompt templates, given like class names; empty lines are passed over. Each has at least one placeholder
/// {c} or {} and no other braces. Throws UserError.
std::vector<std::string> load_templates(const std::string& source);

/// Where nothing else is known: "a photo of a {c}."
std::vector<std::string> default_templates();

/// Every {c} and {} replaced by the name.
std::string fill_template(std::string_view prompt_template, std::string_view class_name);

}  // namespace cloob
