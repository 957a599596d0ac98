#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloob/data/labeled_source.h"
#include "cloob/data/source.h"
#include "cloob/eval/prompts.h"
#include "cloob/eval/suite/suite_config.h"

namespace cloob {

/// A data set of a suite, opened: images with classes, or images with captions.
struct SuiteSet {
  std::string name;
  SuiteSetConfig config;  ///< with what `eval` sets for all
  std::vector<SuiteTask> tasks;
  std::string path = {};                              ///< of the data set, from its root
  std::string test_path = {};                         ///< what was opened of it
  std::string train_path = {};                        ///< what `train` was opened from
  std::shared_ptr<const LabeledSource> classes = {};  ///< null if it has captions
  std::shared_ptr<const LabeledSource> train = {};    ///< null if no task learns from images
  std::vector<std::string> train_names = {};          ///< of the classes of `train`
  std::vector<std::int64_t> train_class = {};         ///< for each label of `classes`, its class in `train`
  ZeroShotPrompts prompts = {};                       ///< if it has classes
  std::shared_ptr<const Source> pairs = {};           ///< null if it has classes

  const Source& source() const {
    if (pairs) return *pairs;
    return *classes;
  }
  std::string split() const { return config.split.value_or("test"); }
  std::string train_split() const { return config.train_split.value_or("train"); }
  /// Of the image features that a task learns from.
  FeatureStage stage_of(SuiteTask task) const;
};

/// Whether a task learns from labeled images before it is measured.
bool needs_training(SuiteTask task);

/// Opens and checks everything that the tasks of the set need. Throws UserError.
SuiteSet open_suite_set(const std::string& name, const SuiteSetConfig& config, const SuiteSettings& eval,
                        std::int64_t threads);

/// One line for the log.
std::string describe(const SuiteSet& set);

}  // namespace cloob
