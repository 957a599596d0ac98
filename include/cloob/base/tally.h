// How often something occurred, with the first few examples.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cloob {

struct Tally {
  static constexpr std::size_t kMaxExamples = 3;

  std::int64_t count = 0;
  std::vector<std::string> examples = {};

  /// Counts one occurrence. `example` makes a text that says where and what; it is called only while more
  /// examples are kept.
  template <class MakeExample>
  void add(MakeExample&& example) {
    ++count;
    if (examples.size() < kMaxExamples) keep(example());
  }

  /// Adds the counts and examples of a later tally.
  void add_all(const Tally& later) {
    count += later.count;
    for (const std::string& example : later.examples) {
      if (examples.size() < kMaxExamples) keep(example);
    }
  }

  bool operator==(const Tally&) const = default;

 private:
  // The same problem, seen again in every epoch, is one example.
  void keep(const std::string& example) {
    if (std::ranges::find(examples, example) == examples.end()) examples.push_back(example);
  }
};

}  // namespace cloob
