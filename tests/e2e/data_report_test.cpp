// What a run reports about data with every fault that a shard can have, also after a stop and a resume.

#include <fmt/core.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/data/tar/tar_writer.h"
#include "cloob/image/encode.h"
#include "e2e/program.h"
#include "support/support.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using Arguments = std::vector<std::string>;
using Json = nlohmann::json;

constexpr const char* kRecipe = R"(include: {}/configs/test/test-resnet.yaml
data: {{train: faulty.tar, max_bad_share: 1, max_image_pixels: 10000, threads: 2}}
schedule: {{warmup_steps: 4}}
train: {{global_batch_size: 20, epochs: 4, threads: 1, seed: 7}}
checkpoint: {{every_steps: 2, every_epochs: 0, keep_last: 2}}
report: {{every_steps: 1, tensorboard: false}}
)";
constexpr int kSamples = 60, kEpochs = 4;

// Unusable samples of one epoch.
const std::map<std::string, int> kFaults = {{"broken_shard", 1},        {"no_image", 1},  {"not_an_image", 2},
                                            {"damaged_image", 1},       {"too_large", 1}, {"no_caption", 3},
                                            {"empty_after_cleaning", 2}};
constexpr int kNumFaulty = 11;

std::string png_image(int size, int number) {
  ImageU8 image;
  image.height = image.width = size;
  for (int i = 0; i < size * size * 3; ++i) {
    image.pixels.push_back(static_cast<std::uint8_t>((i * (number + 3)) % 251));
  }
  return encode_png(image);
}

// Sixty samples, each of a .png and a .txt except for the faults.
void write_faulty_shard(const fs::path& path) {
  TarWriter writer(path);
  const auto add = [&](const std::string& key, const std::string& image, const std::string& caption) {
    writer.add(key + ".png", image);
    writer.add(key + ".txt", caption);
  };
  writer.add("lonely.txt", "a caption without an image");
  add("empty", "", "an image of no bytes");
  add("text", "this is no image", "a text");
  add("cut", png_image(40, 1).substr(0, 200), "an image that ends too early");
  add("large", png_image(101, 2), "an image of more than ten thousand pixels");
  for (const std::string key : {"blank0", "blank1", "blank2"}) add(key, png_image(40, 3), " \n");
  add("reference", png_image(40, 4), "&nbsp;");
  add("control", png_image(40, 5), "\x01\x02");
  add("broken", png_image(40, 6), "its header is made unreadable below");
  for (int i = 0; i < kSamples - kNumFaulty - 2; ++i) {
    add(fmt::format("good{}", i), png_image(40, i), fmt::format("image number {}", i));
  }
  for (const std::string key : {"good0", "good5"}) add(key, png_image(40, 70), "a key for the second time");
  writer.finish();
  std::string shard = read_file(path);
  shard.at(shard.find("broken.txt") + 150) = '9';  // in the checksum of the header
  write_file_atomically(path, shard);
}

const fs::path& project() {
  static const TempDir folder;
  static const bool made = [] {
    write_faulty_shard(folder / "faulty.tar");
    write_file_atomically(folder / "run.yaml", fmt::format(kRecipe, source_dir().string()));
    return true;
  }();
  static_cast<void>(made);
  return folder.path();
}

Arguments train_into(const std::string& run, const Arguments& more = {}) {
  Arguments arguments = {"train", "run.yaml", "--run-dir", run};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

Json report_of(const std::string& run) {
  return Json::parse(read_file(project() / run / "data_report.json"));
}

std::vector<Json> metrics_of(const std::string& run) {
  std::error_code error;
  if (!fs::exists(project() / run / "metrics.jsonl", error)) return {};
  std::vector<Json> lines;
  for (const std::string& line : split(read_file(project() / run / "metrics.jsonl"), '\n')) {
    if (!line.empty()) lines.push_back(Json::parse(line));
  }
  return lines;
}

void expect_report_of_whole_run(Json report) {
  EXPECT_EQ(report["step"], kEpochs * kSamples / 20);
  EXPECT_EQ(report["epoch"], kEpochs);
  EXPECT_EQ(report["samples"], (Json{{"seen", kEpochs * kSamples},
                                     {"usable", kEpochs * (kSamples - kNumFaulty)},
                                     {"unusable", kEpochs * kNumFaulty}}));
  EXPECT_EQ(report["unusable"].size(), kFaults.size());
  for (const auto& [kind, count] : kFaults) {
    EXPECT_EQ(report["unusable"][kind]["count"], kEpochs * count) << kind;
    EXPECT_EQ(report["unusable"][kind]["examples"].size(), std::min(count, 3)) << kind;
  }
  EXPECT_THAT(report["unusable"]["empty_after_cleaning"]["examples"][0].get<std::string>(),
              AnyOf(HasSubstr("nothing is left of the caption \"&nbsp;\""), HasSubstr(R"("\u0001\u0002")")));
  EXPECT_THAT(report["unusable"]["damaged_image"]["examples"][0].get<std::string>(),
              HasSubstr("faulty.tar, sample 3: "));
  EXPECT_EQ(report["duplicate_keys"]["count"], 2);
  EXPECT_THAT(report["duplicate_keys"]["examples"][0].get<std::string>(), HasSubstr("for example 'good0'"));
  EXPECT_EQ(report["damaged_shards"]["count"], 1);
  EXPECT_THAT(report["damaged_shards"]["examples"][0].get<std::string>(), HasSubstr("no valid tar header"));
  EXPECT_THAT(report["speed"]["bound_by"].get<std::string>(), AnyOf("data", "compute", "balanced"));
}

TEST(DataReport, CountsEveryFaultByItsKind) {
  const ProgramResult result = run_cloob(project(), train_into("straight"));
  ASSERT_EQ(result.exit_status, 0) << result.errors;
  EXPECT_THAT(result.errors,
              HasSubstr("2 of its samples have the key of an earlier one, for example 'good0'"));
  EXPECT_THAT(result.errors, AnyOf(HasSubstr(", bound by "), HasSubstr(", balanced")));
  expect_report_of_whole_run(report_of("straight"));
  const std::vector<Json> lines = metrics_of("straight");
  ASSERT_EQ(lines.size(), 12u);
  for (const auto& [kind, count] : kFaults) {
    EXPECT_EQ(lines.back()["data/bad/" + kind], kEpochs * count) << kind;
    EXPECT_EQ(lines[2]["data/bad/" + kind], count) << kind;  // the end of the first epoch
  }
  for (const Json& line : lines) {
    EXPECT_THAT(line["data/bound_by"].get<std::string>(), AnyOf("data", "compute", "balanced"));
    EXPECT_GE(line["data/ready_batches"], 0);
    EXPECT_LE(line["data/ready_batches"], 2);
    EXPECT_FALSE(line.contains("data/bad/missing_file"));
  }
}

class StoppedRun : public ::testing::TestWithParam<int> {};

TEST_P(StoppedRun, ContinuesItsCountsAfterAResume) {
  const std::string run = fmt::format("stopped_by_{}", GetParam());
  BackgroundProgram program(project(), train_into(run));
  while (program.is_running() && metrics_of(run).size() < 5) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  program.send_signal(GetParam());
  ASSERT_EQ(program.wait(), 128 + GetParam()) << "the run ended before the signal";
  const Json half = report_of(run);
  EXPECT_GE(half["step"], 3);
  EXPECT_EQ(half["samples"]["seen"], 20 * half["step"].get<int>());
  const ProgramResult rest = run_cloob(project(), train_into(run, {"--resume", "auto"}));
  ASSERT_EQ(rest.exit_status, 0) << rest.errors;
  EXPECT_THAT(rest.errors, HasSubstr("continuing after step"));
  expect_report_of_whole_run(report_of(run));
  for (const auto& [kind, count] : kFaults) {
    EXPECT_EQ(metrics_of(run).back()["data/bad/" + kind], kEpochs * count) << kind;
  }
}

INSTANTIATE_TEST_SUITE_P(By, StoppedRun, ::testing::Values(SIGKILL, SIGTERM),
                         [](const auto& tested) { return tested.param == SIGKILL ? "Sigkill" : "Sigterm"; });

TEST(DataReport, IsWrittenWhenTooManySamplesAreUnusable) {
  const ProgramResult result = run_cloob(project(), train_into("too_bad", {"--data.max_bad_share", "0.01"}));
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.errors, HasSubstr("more than data.max_bad_share (0.01) allows"));
  const Json report = report_of("too_bad");
  EXPECT_EQ(report["samples"]["seen"], 20 * (report["step"].get<int>() + 1));
  std::int64_t sum = 0;
  for (const Json& kind : report["unusable"]) sum += kind["count"].get<std::int64_t>();
  EXPECT_GT(sum, 0);
  EXPECT_EQ(report["samples"]["unusable"], sum);
}

}  // namespace
}  // namespace cloob::testing
