// cloob bench saturation

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/output_file.h"
#include "cli/print_table.h"
#include "cli/seed_option.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/objective/saturation_benchmark.h"
#include "cloob/report/svg_file.h"

namespace cloob {
namespace {

struct SaturationArguments {
  SaturationBenchmark benchmark;
  std::string json;
  std::string svg;
};

using Rows = std::vector<SaturationRow>;

nlohmann::ordered_json json_of(const SaturationBenchmark& benchmark, const Rows& rows) {
  nlohmann::ordered_json json = {{"dim", benchmark.dim},
                                 {"inv_tau", benchmark.inv_tau},
                                 {"draws", benchmark.draws},
                                 {"seed", benchmark.seed},
                                 {"rows", nlohmann::ordered_json::array()}};
  for (const SaturationRow& row : rows) {
    nlohmann::ordered_json cell = {{"objective", enum_name(row.objective)},
                                   {"alignment", row.alignment},
                                   {"mutual_information", row.mutual_information},
                                   {"batch", row.batch}};
    const auto [loss, retrieval] = kinds_of(row.objective);
    if (retrieval == RetrievalKind::hopfield) cell["beta"] = row.beta;
    if (loss == LossKind::sigmoid) cell["logit_bias"] = row.logit_bias;
    cell.update({{"value", row.value},
                 {"value_std", row.value_std},
                 {"gradient", row.gradient},
                 {"gradient_std", row.gradient_std},
                 {"whole_gradient", row.whole_gradient},
                 {"positive_mass", row.positive_mass},
                 {"gradient_weight", row.gradient_weight}});
    json["rows"].push_back(std::move(cell));
  }
  return json;
}

/// The values at which the others stay while one varies: those in the middle of their lists.
struct Middle {
  double alignment, beta;
  std::int64_t batch;
};

template <class T>
T middle_of(const std::vector<T>& values) {
  return values[values.size() / 2];
}

bool has_beta(const SaturationRow& row, double beta) { return row.beta == 0 || row.beta == beta; }

// A curve for each objective, through the rows that are kept.
Chart chart_of(const Rows& rows, std::string title, std::string x_label, std::string y_label,
               const std::function<bool(const SaturationRow&)>& keeps,
               const std::function<ChartPoint(const SaturationRow&)>& point_of) {
  Chart chart{
      .title = std::move(title), .x_label = std::move(x_label), .y_label = std::move(y_label), .series = {}};
  for (const auto& [name, system] : EnumNames<ObjectiveSystem>::names) {
    ChartSeries series{.name = std::string(name), .points = {}};
    for (const SaturationRow& row : rows) {
      if (row.objective == system && keeps(row)) series.points.push_back(point_of(row));
    }
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  return chart;
}

std::vector<Chart> charts_of(const Rows& rows, const Middle& middle) {
  constexpr const char* kGradient = "log10 of the gradient";
  const auto over_alignment = [&](const SaturationRow& row) {
    return row.batch == middle.batch && has_beta(row, middle.beta);
  };
  const auto over_batch = [&](const SaturationRow& row) {
    return row.alignment == middle.alignment && has_beta(row, middle.beta);
  };
  const auto over_beta = [&](const SaturationRow& row) {
    return row.alignment == middle.alignment && row.batch == middle.batch && row.beta > 0;
  };
  const std::string batch = fmt::format("{} pairs", middle.batch),
                    beta = fmt::format("beta {}", shortest(middle.beta)),
                    alignment = fmt::format("alignment {}", shortest(middle.alignment));
  return {
      chart_of(rows, fmt::format("Gradient as pairs align ({}, {})", batch, beta),
               "alignment (mean cosine of a pair)", kGradient, over_alignment,
               [](const SaturationRow& row) { return ChartPoint{row.alignment, std::log10(row.gradient)}; }),
      chart_of(rows, fmt::format("Standard deviation of the value ({}, {})", batch, beta),
               "alignment (mean cosine of a pair)", "log10 of the standard deviation", over_alignment,
               [](const SaturationRow& row) { return ChartPoint{row.alignment, std::log10(row.value_std)}; }),
      chart_of(rows, fmt::format("Gradient and batch size ({}, {})", alignment, beta),
               "log2 of the number of pairs", kGradient, over_batch,
               [](const SaturationRow& row) {
                 return ChartPoint{std::log2(static_cast<double>(row.batch)), std::log10(row.gradient)};
               }),
      chart_of(rows, fmt::format("Gradient and beta ({}, {})", alignment, batch), "beta of the retrieval",
               kGradient, over_beta,
               [](const SaturationRow& row) { return ChartPoint{row.beta, std::log10(row.gradient)}; })};
}

ReportTable table_of(const Rows& rows, const SaturationBenchmark& benchmark, const Middle& middle) {
  ReportTable table{
      .title = fmt::format("Gradient, {} pairs, beta {}", middle.batch, shortest(middle.beta)),
      .header = {"alignment", "information"},
      .rows = {},
      .note =
          "alignment: mean cosine of a pair; information: of a pair, in nats; gradient: of a pair's "
          "features, tangential. --json has all sizes, values and deviations."};
  for (const auto& [name, system] : EnumNames<ObjectiveSystem>::names) table.header.emplace_back(name);
  for (const double alignment : benchmark.alignments) {
    std::vector<std::string> cells = {shortest(alignment)};
    for (const SaturationRow& row : rows) {
      if (row.alignment != alignment || row.batch != middle.batch || !has_beta(row, middle.beta)) continue;
      if (cells.size() == 1) cells.push_back(fmt::format("{:.1f}", row.mutual_information));
      cells.push_back(fmt::format("{:.2g}", row.gradient));
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

template <class T>
void require_distinct(const std::vector<T>& values, const char* option) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (values[i] == values[j]) throw_user_error("{} names {} twice", option, values[i]);
    }
  }
}

int bench_saturation(const SaturationArguments& arguments) {
  const SaturationBenchmark& benchmark = arguments.benchmark;
  require_output(arguments.json, OutputKind::json, {});
  require_output(arguments.svg, OutputKind::svg, {});
  if (!arguments.svg.empty() && arguments.svg == arguments.json)
    throw_user_error("--svg and --json both name '{}': choose another file for one of them", arguments.svg);
  require_distinct(benchmark.alignments, "--alignment");
  require_distinct(benchmark.batches, "--batch");
  require_distinct(benchmark.betas, "--beta");
  const Rows rows = benchmark_saturation(
      benchmark, [](double alignment) { log_info("bench", "pairs of alignment {}", shortest(alignment)); });
  const Middle middle{middle_of(benchmark.alignments), middle_of(benchmark.betas),
                      middle_of(benchmark.batches)};
  if (!arguments.svg.empty()) {
    const std::string drawing = render_svg(charts_of(rows, middle), /*columns=*/2);
    if (arguments.svg == "-") {
      fmt::print("{}", drawing);
    } else {
      write_file_atomically(arguments.svg, drawing);
    }
  }
  if (!arguments.json.empty()) {
    write_json_line(arguments.json, json_of(benchmark, rows).dump());
  } else if (arguments.svg != "-") {
    print_table(table_of(rows, benchmark, middle));
  }
  return 0;
}

}  // namespace

void add_bench_saturation(CLI::App& group, Action& action) {
  CLI::App* const command = group.add_subcommand(
      "saturation",
      "All objectives on synthetic pairs of known mutual information: gradient, value and its deviation");
  const auto arguments = std::make_shared<SaturationArguments>();
  SaturationBenchmark& benchmark = arguments->benchmark;
  command->add_option("--alignment", benchmark.alignments, "Mean cosines of the vectors of a pair")
      ->delimiter(',')
      ->capture_default_str()
      ->check(CLI::Range(0.0, AlignedPairs::kMaxAlignment));
  command->add_option("--batch", benchmark.batches, "Pairs in a batch")
      ->delimiter(',')
      ->capture_default_str()
      ->check(CLI::Range(2, 65'536));
  command->add_option("--beta", benchmark.betas, "Inverse temperatures of the retrieval")
      ->delimiter(',')
      ->capture_default_str()
      ->check(CLI::Range(1e-3, 1e4));
  command->add_option("--inv-tau", benchmark.inv_tau, "Inverse temperature of all losses")
      ->capture_default_str()
      ->check(CLI::Range(1e-2, 1e4));
  command->add_option("--dim", benchmark.dim, "Dimension of the vectors")
      ->capture_default_str()
      ->check(CLI::Range(3, 65'536));
  command->add_option("--draws", benchmark.draws, "Batches that every number is the mean of")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000));
  add_seed_option(*command, benchmark.seed, "Seed of the first batch");
  command->add_option(
      "--svg", arguments->svg,
      "Draw curves into this file: each over one number, the others in the middle of their lists");
  add_json_option(*command, arguments->json);
  command->callback([arguments, &action] { action = [arguments] { return bench_saturation(*arguments); }; });
}

}  // namespace cloob
