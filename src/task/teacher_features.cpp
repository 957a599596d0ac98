#include "cloob/task/teacher_features.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/parallel.h"
#include "cloob/base/text.h"
#include "task/source_identity.h"
#include "task/teacher_file.h"

namespace cloob {

TeacherFeatures::TeacherFeatures(SafetensorsMatrix matrix, std::string path)
    : matrix_(std::move(matrix)), path_(std::move(path)) {}

TeacherFeatures TeacherFeatures::open(const std::filesystem::path& path, const Source& source) {
  SafetensorsMatrix matrix(path, kFeaturesTensor);
  const auto format = matrix.metadata().find(kTeacherFormatName);
  if (format == matrix.metadata().end() || format->second != kTeacherFormat)
    throw_user_error("'{}' is not a file of a teacher: make one of it by 'cloob teacher build'",
                     path.string());
  const SourceIdentity identity(matrix.metadata(), path);
  if (identity.samples() != matrix.rows()) {
    throw_user_error("'{}' has {} for {} samples: build it again", path.string(),
                     counted(matrix.rows(), "row"), with_thousands(identity.samples()));
  }
  if (const auto difference = identity.difference_of(source)) {
    throw_user_error(
        "the teacher '{}' was built for other data: this data {}; build the teacher for it ('cloob teacher build')",
        path.string(), *difference);
  }
  return {std::move(matrix), path.string()};
}

at::Tensor TeacherFeatures::rows(std::span<const std::int64_t> indices) const {
  const at::Tensor rows_ND = at::empty({std::ssize(indices), dim()}, at::kFloat);
  const std::span<float> numbers(rows_ND.data_ptr<float>(), static_cast<std::size_t>(rows_ND.numel()));
  const auto length = static_cast<std::size_t>(dim());
  const auto read_row = [&](std::size_t i) {
    const std::span<float> row = numbers.subspan(i * length, length);
    matrix_.read(indices[i], 1, row);
    if (std::isnan(row[0])) {
      throw_user_error(
          "the teacher '{}' has no features of sample {}, which could not be read when it was built: "
          "build it again",
          path_, with_thousands(indices[i]));
    }
  };
  // Side by side, as most of the time is spent waiting for the disk.
  constexpr std::size_t kRowsAtOnce = 1024;
  const std::size_t pieces = (indices.size() + kRowsAtOnce - 1) / kRowsAtOnce;
  parallel_for(static_cast<std::int64_t>(pieces), resolve_threads(0), [&](std::int64_t piece) {
    const std::size_t first = static_cast<std::size_t>(piece) * kRowsAtOnce;
    for (std::size_t i = first; i < std::min(indices.size(), first + kRowsAtOnce); ++i) read_row(i);
  });
  return rows_ND;
}

}  // namespace cloob
