// Class names and the prompt templates that turn them into texts.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/data/labeled_source.h"

namespace cloob {

/// What the classes of a data set are called, and the prompts with "{c}" in place of the name.
struct ZeroShotPrompts {
  std::vector<std::string> class_names;  ///< by label
  std::vector<std::string> templates;
  std::vector<std::string> class_folders;  ///< by label; empty if the data numbers its classes
  std::string names_from;                  ///< where they come from: a file, the folders, ...
  std::string templates_from;
  std::vector<bool> is_seen = {};  ///< by label, whether training had the class; empty if nothing says so
  std::string seen_from = {};      ///< the file that says so
};

/// The names are those of `class_names` (see load_class_names) if set, else of the data set's own file, else those that a published
/// set has, else ImageNet's if all folders are WordNet ids, else those of the folders with spaces for underscores. A file of
/// names lists them in the order of the folders (see open_labeled_source); if it has exactly the folders' names
/// in another order, they are matched by name and a warning is logged. The prompts are those of `templates` if
/// set, else of the data set's own file, else ImageNet's with its names or a published set's, else "a photo of a {c}.".
///
/// Which classes were seen in training is set if the data set has a file that says so.
///
/// Throws UserError, also if the number of names differs from the number of folders.
ZeroShotPrompts zero_shot_prompts(const LabeledSource& source, const std::optional<std::string>& class_names,
                                  const std::optional<std::string>& templates);

/// Takes over which classes were seen in training: those of a file, given like class names. Throws UserError if a name is not that
/// of a class, or if no class or all are seen.
void set_seen_classes(ZeroShotPrompts& prompts, const std::string& file);

/// One line for the log: how many, and where they come from.
std::string describe(const ZeroShotPrompts& prompts);

/// Class names, indexed by label. `source` is one of
///  - a file with one name per line (empty names are errors, because they would shift labels),
///  - a JSON file with a list of names, FILE.json, or with one list per data set, FILE.json:DATASET,
///  - the name of a data set in clip-benchmark's list, for example "imagenet1k".
/// Throws UserError.
std::vector<std::string> load_class_names(const std::string& source);

/// Prompt templates, given like class names; empty lines are skipped. Each must have at least one placeholder
/// {c} or {} and no other braces. Throws UserError.
std::vector<std::string> load_templates(const std::string& source);

/// Replaces every {c} and {} by the name.
std::string fill_template(std::string_view prompt_template, std::string_view class_name);

}  // namespace cloob
