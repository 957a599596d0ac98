// Images with class labels, for zero-shot classification.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cloob/data/source.h"

namespace cloob {

/// A source of images with class labels and without captions. Thread-safe.
class LabeledSource : public Source {
 public:
  /// The class of the sample, an index into `class_names`. Throws UserError if the data has none.
  virtual std::int64_t label(std::int64_t index) const = 0;
  virtual const std::vector<std::string>& class_names() const = 0;
  /// Prompts with "{c}" for the class name; empty if the data has none.
  virtual const std::vector<std::string>& templates() const = 0;
};

/// Opens a folder of either layout:
/// - one folder per class, `root/CLASS/IMAGE`: classes are sorted by folder name. `root/classnames.txt` (one
///   line per class, in that order) and `root/templates.txt` may give class names and prompts; otherwise a
///   class has the name of its folder, with spaces for underscores.
/// - clip-benchmark: `root/classnames.txt`, `root/zeroshot_classification_templates.txt`,
///   `root/SPLIT/nshards.txt` and shards `root/SPLIT/0.tar` ... with images and `.cls` labels.
///
/// `split` is used for the second layout only. Throws UserError.
std::shared_ptr<const LabeledSource> open_labeled_source(const std::filesystem::path& root,
                                                         const std::string& split, std::int64_t threads);

}  // namespace cloob
