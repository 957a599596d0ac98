// How often something occurred, with its first examples.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cloob {

struct Tally {
  static constexpr std::size_t kMostExamples = 3;

  std::int64_t count = 0;
  std::vector<std::string> examples = {};

  /// Counts one. `example` says where and what, and is asked for only while examples are still kept.
  template <class MakeExample>
  void add(MakeExample&& example) {
    ++count;
    if (examples.size() < kMostExamples) keep(example());
  }

  /// Counts what came after.
  void add_all(const Tally& later) {
    count += later.count;
    for (const std::string& example : later.examples) {
      if (examples.size() < kMostExamples) keep(example);
    }
  }

  bool operator==(const Tally&) const = default;

 private:
  // The same thing, met again in every epoch, is one example.
  void keep(const std::string& example) {
    if (std::ranges::find(examples, example) == examples.end()) examples.push_back(example);
  }
};

}  // namespace cloob
