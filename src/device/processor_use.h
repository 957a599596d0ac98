#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace cloob {

/// CPU seconds since boot in which the given cores were busy, in any process, from the content of /proc/stat.
/// `processors` are the core numbers to count. Anything that cannot be parsed counts as zero.
double busy_seconds(std::string_view proc_stat, const std::vector<int>& processors);

/// The cores that this process may run on.
std::vector<int> own_processors();

/// CPU seconds that this process has used.
double used_seconds();

/// Measures how many cores other processes use.
class OtherProcesses {
 public:
  OtherProcesses();
  /// The average number of cores since the last call; 0 if the system does not report it.
  double processors_in_use();
  std::int64_t num_processors() const { return static_cast<std::int64_t>(processors_.size()); }

 private:
  std::vector<int> processors_;
  double busy_ = 0, used_ = 0, time_ = 0;
};

}  // namespace cloob
