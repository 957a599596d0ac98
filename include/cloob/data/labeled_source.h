// Images with classes, for zero-shot classification.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cloob/data/source.h"

namespace cloob {

/// A source of images (without captions) each of which belongs to a class. Thread-safe.
class LabeledSource : public Source {
 public:
  /// Number of the sample's class, an index into `class_names`. Throws UserError where the data has none.
  virtual std::int64_t label(std::int64_t index) const = 0;
  virtual const std::vector<std::string>& class_names() const = 0;
  /// Prompts with "{c}" for the class name; empty where the data brings none.
  virtual const std::vector<std::string>& templates() const = 0;
};

/// Opens a folder of either layout:
/// - class per folder, `root/CLASS/IMAGE`: classes sorted by folder name; `root/classnames.txt` (a line a
/// class, in that
///   order) and `root/templates.txt` may name classes and prompts, otherwise a class is called like its
///   folder with spaces for underscores;
/// - clip-benchmark: `root/classnames.txt`, `root/zeroshot_classification_templates.txt`,
/// `root/SPLIT/nshards.txt` and
///   shards `root/SPLIT/0.tar` ... with images and `.cls` labels.
/// `split` counts for the second layout only. Throws UserError.
std::shared_ptr<const LabeledSource> open_labeled_source(const std::filesystem::path& root,
                                                         const std::string& split, std::int64_t threads);

/// The lines of a text file without the white space around them, empty ones left out: class names, prompts,
/// file lists. Throws UserError when there is none.
std::vector<std::string> read_lines(const std::filesystem::path& path);

}  // namespace cloob
