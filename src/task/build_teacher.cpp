#include "cloob/task/build_teacher.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/parallel.h"
#include "cloob/base/text.h"
#include "cloob/base/tiles.h"
#include "cloob/base/version.h"
#include "cloob/checkpoint/safetensors_matrix.h"
#include "cloob/cluster/pca.h"
#include "task/feature_file.h"
#include "task/keyed_rows.h"
#include "task/source_identity.h"
#include "task/teacher_file.h"

namespace cloob {
namespace {

constexpr std::int64_t kMaxPcaRows = 1'000'000;
constexpr std::int64_t kPieceRows = 4096;

// Reads rows of the file side by side; -1 stands for a row of NaN.
void read_rows(const FeatureFile& file, std::span<const std::int64_t> rows, std::span<float> into,
               std::int64_t threads) {
  constexpr std::size_t kRowsAtOnce = 256;
  const auto columns = static_cast<std::size_t>(file.columns());
  const std::size_t pieces = (rows.size() + kRowsAtOnce - 1) / kRowsAtOnce;
  parallel_for(static_cast<std::int64_t>(pieces), threads, [&](std::int64_t piece) {
    const std::size_t first = static_cast<std::size_t>(piece) * kRowsAtOnce;
    const std::size_t end = std::min(rows.size(), first + kRowsAtOnce);
    for (std::size_t i = first; i < end; ++i) {
      const auto to = into.subspan(i * columns, columns);
      if (rows[i] < 0)
        std::ranges::fill(to, std::numeric_limits<float>::quiet_NaN());
      else
        file.read_row(rows[i], to);
    }
  });
}

std::span<float> numbers_of(const at::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

// At most kMaxPcaRows of the rows that samples have, spread evenly.
at::Tensor read_pca_rows(const FeatureFile& file, const std::vector<std::int64_t>& row_of_sample,
                         std::int64_t threads) {
  std::vector<std::int64_t> rows;
  for (const std::int64_t row : row_of_sample) {
    if (row >= 0) rows.push_back(row);
  }
  const std::int64_t total = std::ssize(rows), count = std::min(kMaxPcaRows, total);
  for (std::int64_t i = 0; i < count; ++i)
    rows[static_cast<std::size_t>(i)] = rows[static_cast<std::size_t>(i * total / count)];
  rows.resize(static_cast<std::size_t>(count));
  at::Tensor samples_ND = at::empty({count, file.columns()}, at::kFloat);
  read_rows(file, rows, numbers_of(samples_ND), threads);
  return samples_ND;
}

double sum_of_squares(const at::Tensor& rows) { return rows.to(at::kDouble).square().sum().item<double>(); }

// The part of the variance of the samples that lies in the directions of the components.
double explained_variance(const Pca& pca, const at::Tensor& samples_ND) {
  double kept = 0, total = 0;
  for_each_piece(samples_ND.size(0), kPieceRows, [&](std::int64_t first, std::int64_t count) {
    const at::Tensor rows_BD = samples_ND.narrow(0, first, count);
    kept += sum_of_squares(apply(pca, rows_BD));
    total += sum_of_squares(rows_BD - pca.mean_D);
  });
  if (total == 0) throw_user_error("all rows of features are equal: they tell nothing about the samples");
  return kept / total;
}

KeyedRows rows_of(const Source& source, const FeatureFile& file, const TeacherOptions& options) {
  if (!options.keys.empty())
    return match_keys(source, options.keys, file.rows(), options.threads, options.match_progress);
  if (file.rows() != source.size()) {
    throw_user_error("'{}' has {}, but the data has {}: without keys, row k belongs to sample k",
                     options.features.string(), counted(file.rows(), "row"),
                     counted(source.size(), "sample"));
  }
  KeyedRows rows;
  rows.row_of_sample.resize(static_cast<std::size_t>(source.size()));
  std::iota(rows.row_of_sample.begin(), rows.row_of_sample.end(), std::int64_t{0});
  return rows;
}

}  // namespace

TeacherSummary build_teacher(const Source& source, const TeacherOptions& options,
                             const std::filesystem::path& out) {
  const at::NoGradGuard no_grad;
  const FeatureFile file(options.features, options.tensor);
  if (options.dims > file.columns()) {
    throw_user_error(
        "{} dimensions are wanted of rows that have {} ('{}'): ask for fewer, or for 0 to keep rows as they are",
        options.dims, counted(file.columns(), "number"), options.features.string());
  }
  const std::int64_t threads = resolve_threads(options.threads);
  const KeyedRows rows = rows_of(source, file, options);
  TeacherSummary summary{.samples = source.size(),
                         .input_dims = file.columns(),
                         .dims = options.dims == 0 ? file.columns() : options.dims,
                         .unused_rows = rows.unused,
                         .without_features = rows.unreadable};
  std::optional<Pca> pca;
  if (options.dims > 0) {
    const at::Tensor samples_ND = read_pca_rows(file, rows.row_of_sample, threads);
    pca = fit_pca(samples_ND, options.dims);
    summary.explained_variance = explained_variance(*pca, samples_ND);
  }

  std::map<std::string, std::string> metadata = SourceIdentity(source).to_metadata();
  metadata.insert({{kTeacherFormatName, kTeacherFormat},
                   {"input_dims", std::to_string(summary.input_dims)},
                   {"explained_variance", shortest(summary.explained_variance)},
                   {"command", options.command},
                   {"cloob_version", std::string(kVersion)}});
  const auto write_piece = [&](std::int64_t first, std::int64_t count, std::span<float> into) {
    const std::span<const std::int64_t> wanted(rows.row_of_sample.data() + first,
                                               static_cast<std::size_t>(count));
    if (!pca) {
      read_rows(file, wanted, into, threads);
    } else {
      const at::Tensor rows_BD = at::empty({count, file.columns()}, at::kFloat);
      read_rows(file, wanted, numbers_of(rows_BD), threads);
      at::from_blob(into.data(), {count, summary.dims}, at::kFloat).copy_(apply(*pca, rows_BD));
    }
    if (options.write_progress) options.write_progress(first + count, summary.samples);
  };
  write_safetensors_matrix(out, summary.samples, summary.dims, metadata,
                           [&](std::int64_t first, std::int64_t count, std::span<float> into) {
                             for_each_piece(count, kPieceRows, [&](std::int64_t begin, std::int64_t part) {
                               write_piece(first + begin, part,
                                           into.subspan(static_cast<std::size_t>(begin * summary.dims),
                                                        static_cast<std::size_t>(part * summary.dims)));
                             });
                           });
  return summary;
}

}  // namespace cloob
