// What trained systems find for the same captions, with pictures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cloob/device/device.h"
#include "cloob/report/html_report.h"

namespace cloob {

/// A system with the folder of one of its runs, whose best checkpoint is used, or else its newest.
struct SheetSystem {
  std::string name;
  std::filesystem::path run;
};

struct SheetOptions {
  std::int64_t num_queries = 8;
  DeviceChoice device = DeviceChoice::auto_;
  std::int64_t threads = 0;  ///< 0: all cores
};

struct RetrievalSheets {
  std::vector<ReportSheet> sheets;
  std::vector<std::string> problems;  ///< sentences: systems and images that could not be shown
};

/// For captions of `data.val`, spread evenly over it: the first images of each system, and for systems with Hopfield retrieval
/// the stored patterns that a caption and its image retrieve. `title` is followed by what a sheet shows. Nothing that a run
/// lacks is fatal.
RetrievalSheets make_retrieval_sheets(const std::string& title, const std::vector<SheetSystem>& systems,
                                      const SheetOptions& options);

}  // namespace cloob
