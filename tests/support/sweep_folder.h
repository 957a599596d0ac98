// A folder as `cloob ablate` leaves it, made of a few numbers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace cloob::testing {

struct SweepFolderRun {
  std::vector<std::string> values;  ///< one for each axis
  std::int64_t seed = 0;
  std::string status = "done";
  std::map<std::string, std::string> metrics = {};  ///< cells of results.csv, such as {"val/loss", "2.5"}
};

struct SweepFolder {
  std::vector<std::pair<std::string, std::vector<std::string>>> axes;  ///< name, values
  std::vector<std::int64_t> seeds;
  std::vector<SweepFolderRun> runs;
  std::string search = "null";  ///< JSON
  std::string choices = {};     ///< content of choices.json; empty: no file
  bool has_run_folders = true;  ///< with two evaluations each: half of the final metrics, then all of them
  std::string run_name_prefix = {};
};

/// "objective=CLIP,seed=0".
std::string run_name(const SweepFolder& sweep, const SweepFolderRun& run);

void write_sweep_folder(const std::filesystem::path& folder, const SweepFolder& sweep);

}  // namespace cloob::testing
