#include "cloob/checkpoint/checkpoint.h"

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "checkpoint/digest.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "files.h"
#include "sample_checkpoint.h"

namespace cloob {
namespace {

using testing::expect_is_sample;
using testing::expect_user_error;
using testing::sample_checkpoint;
using testing::TempDir;
using testing::write_quickly;

constexpr auto kEverything = CheckpointPart::everything;

TEST(Checkpoint, RoundTrips) {
  const TempDir folder;
  write_checkpoint(folder / "a", sample_checkpoint(123));
  const Checkpoint read = load_checkpoint(folder / "a", kEverything);
  EXPECT_EQ(read.state.step, 123);
  expect_is_sample(read);
  EXPECT_EQ(load_training_state(folder / "a").step, 123);
}

TEST(Checkpoint, SupportsExamplesWithInvalidUtf8) {
  const TempDir folder;
  Checkpoint checkpoint = sample_checkpoint(1);
  checkpoint.state.bad_samples_by_kind = {{"no_image", {.count = 2, .examples = {"\xff.tar"}}}};
  write_checkpoint(folder / "a", checkpoint);
  const Tally read = load_checkpoint(folder / "a", kEverything).state.bad_samples_by_kind.at("no_image");
  EXPECT_EQ(read, (Tally{.count = 2, .examples = {"\xef\xbf\xbd.tar"}}));
}

TEST(Checkpoint, SkipsTheTrainingStateWhenOnlyWeightsAreRequested) {
  const TempDir folder;
  write_checkpoint(folder / "a", sample_checkpoint(1));
  std::filesystem::remove(folder / "a" / "training.safetensors");
  EXPECT_TRUE(load_checkpoint(folder / "a", CheckpointPart::weights).training.empty());
  expect_user_error([&] { load_checkpoint(folder / "a", kEverything); },
                    {"training.safetensors", "No such file"});
}

TEST(Checkpoint, ReadsTheStateOfTheTaskWithoutTheOptimizer) {
  const TempDir folder;
  Checkpoint checkpoint = sample_checkpoint(1);
  checkpoint.training = {{"optimizer.logit_scale.exp_avg", at::full({}, 1.0)},
                         {"random.cpu", at::full({100}, 1, at::kByte)}};
  checkpoint.training["objective.log_beta"] = at::full({}, 2.5);
  checkpoint.training["memory.keys"] = at::full({2, 3}, 1.0);
  write_checkpoint(folder / "a", checkpoint);
  const auto training_file = folder / "a" / "training.safetensors";
  const std::string original = read_file(training_file);
  const Checkpoint read = load_checkpoint(folder / "a", CheckpointPart::weights_and_task);
  testing::expect_same_tensors(read.weights, checkpoint.weights);
  testing::expect_same_tensors(
      read.training, {{"objective.log_beta", at::full({}, 2.5)}, {"memory.keys", at::full({2, 3}, 1.0)}});

  write_quickly(training_file, original.substr(0, original.size() - 1));
  expect_user_error([&] { load_checkpoint(folder / "a", CheckpointPart::weights_and_task); }, {"truncated"});
  std::string damaged = original;
  const std::size_t beta = original.find(std::string("\0\0\x20\x40", 4));  // 2.5f
  ASSERT_NE(beta, std::string::npos);
  damaged[beta] = 1;
  write_quickly(training_file, damaged);
  expect_user_error([&] { load_checkpoint(folder / "a", CheckpointPart::weights_and_task); },
                    {"training.safetensors' is damaged", "checksum"});
  std::filesystem::remove(training_file);
  EXPECT_TRUE(load_checkpoint(folder / "a", CheckpointPart::weights_and_task).training.empty());
}

TEST(Checkpoint, MayHaveNoTrainingState) {
  const TempDir folder;
  Checkpoint imported = sample_checkpoint(0);
  imported.training.clear();
  write_checkpoint(folder / "a", imported);
  EXPECT_FALSE(std::filesystem::exists(folder / "a" / "training.safetensors"));
  EXPECT_TRUE(load_checkpoint(folder / "a", kEverything).training.empty());
  EXPECT_TRUE(load_checkpoint(folder / "a", CheckpointPart::weights_and_task).training.empty());
}

TEST(Checkpoint, IsReadConsistentlyThroughALinkThatMoves) {
  const TempDir folder;
  for (const int step : {1, 2}) write_checkpoint(folder / std::to_string(step), sample_checkpoint(step));
  std::filesystem::create_directory_symlink("1", folder / "best");
  std::atomic<bool> stop = false;
  // The link is moved to new checkpoints continually, and the previous one is removed immediately.
  std::thread mover([&] {
    for (int round = 0; !stop; ++round) {
      const auto old = std::filesystem::read_symlink(folder / "best");
      const std::string name = "copy" + std::to_string(round);
      std::filesystem::copy(folder / std::to_string(1 + round % 2), folder / name);
      std::filesystem::create_directory_symlink(name, folder / "link");
      std::filesystem::rename(folder / "link", folder / "best");
      if (old != "1") std::filesystem::remove_all(folder / old.string());
    }
  });
  try {
    for (int i = 0; i < 300; ++i) expect_is_sample(load_checkpoint(folder / "best", kEverything));
  } catch (const UserError& error) {
    ADD_FAILURE() << error.what();
  }
  stop = true;
  mover.join();
}

TEST(Checkpoint, LoadsNonFiniteMetricsAsNan) {
  const TempDir folder;
  Checkpoint checkpoint = sample_checkpoint(1);
  checkpoint.state.metrics = {{"a", INFINITY}, {"b", 0.1}, {"c", NAN}};
  write_checkpoint(folder / "a", checkpoint);
  const auto metrics = load_training_state(folder / "a").metrics;
  EXPECT_TRUE(std::isnan(metrics.at("a")));
  EXPECT_EQ(metrics.at("b"), 0.1);
  EXPECT_TRUE(std::isnan(metrics.at("c")));
}

TEST(Checkpoint, IsWrittenDeterministically) {
  const TempDir folder;
  for (const char* name : {"a", "b"}) write_checkpoint(folder / name, sample_checkpoint(5));
  for (const char* name : {"weights.safetensors", "training.safetensors", "config.yaml", "state.json"}) {
    EXPECT_EQ(read_file(folder / "a" / name), read_file(folder / "b" / name)) << name;
  }
}

TEST(Checkpoint, IsNeverOverwritten) {
  const TempDir folder;
  write_checkpoint(folder / "a", sample_checkpoint(1));
  expect_user_error([&] { write_checkpoint(folder / "a", sample_checkpoint(2)); }, {"already exists"});
  EXPECT_EQ(load_training_state(folder / "a").step, 1);
  write_checkpoint(folder / "new" / "b" / "", sample_checkpoint(3));
  EXPECT_EQ(load_training_state(folder / "new" / "b").step, 3);
}

// Reads the checkpoint 'step_00000002' with a modified file, next to an intact 'step_00000001'.
class DamagedCheckpoint : public ::testing::Test {
 protected:
  DamagedCheckpoint() {
    write_checkpoint(folder_ / "step_00000001", sample_checkpoint(1));
    write_checkpoint(damaged_, sample_checkpoint(2));
  }
  void expect_rejected(std::initializer_list<std::string> parts) const {
    expect_user_error([&] { load_checkpoint(damaged_, kEverything); }, parts);
  }

  const TempDir folder_;
  const std::filesystem::path damaged_ = folder_ / "step_00000002";
};

TEST_F(DamagedCheckpoint, IsRejectedAtEveryTruncation) {
  for (const char* name : {"weights.safetensors", "training.safetensors", "config.yaml", "state.json"}) {
    const std::string original = read_file(damaged_ / name);
    const std::size_t stride = std::max<std::size_t>(1, original.size() / 150);
    for (std::size_t length = 0; length < original.size() - 1; length += stride) {
      SCOPED_TRACE(std::string(name) + " " + std::to_string(length));
      write_quickly(damaged_ / name, original.substr(0, length));
      expect_rejected(
          {(damaged_ / name).string(), "newest intact checkpoint next to it is", "step_00000001'"});
    }
    write_quickly(damaged_ / name, original);
  }
  expect_is_sample(load_checkpoint(damaged_, kEverything));
}

TEST_F(DamagedCheckpoint, IsRejectedAtEveryFlippedByte) {
  for (const char* name : {"weights.safetensors", "training.safetensors", "config.yaml", "state.json"}) {
    const std::string original = read_file(damaged_ / name);
    const std::size_t stride = std::max<std::size_t>(1, original.size() / 150);
    for (std::size_t index = 0; index < original.size(); index += stride) {
      std::string flipped = original;
      flipped[index] = static_cast<char>(flipped[index] ^ 2);
      // Whitespace of the JSON text may turn into other whitespace.
      if (name == std::string("state.json") && nlohmann::json::accept(flipped) &&
          nlohmann::json::parse(flipped) == nlohmann::json::parse(original)) {
        continue;
      }
      SCOPED_TRACE(std::string(name) + " " + std::to_string(index));
      write_quickly(damaged_ / name, flipped);
      expect_rejected({"step_00000002"});
    }
    write_quickly(damaged_ / name, original);
  }
}

TEST_F(DamagedCheckpoint, IsDescribedInOneLine) {
  const std::string original = read_file(damaged_ / "weights.safetensors");
  write_quickly(damaged_ / "weights.safetensors", original.substr(0, 900));
  expect_rejected(
      {"step_00000002/weights.safetensors' is truncated: it has 900 bytes and 1,", "were written"});
  write_quickly(damaged_ / "weights.safetensors", original + "x");
  expect_rejected({"is damaged: it has 1,"});
  std::filesystem::remove(damaged_ / "state.json");
  expect_rejected({"step_00000002/state.json", "No such file"});
}

TEST_F(DamagedCheckpoint, ReportsThatThereIsNoOtherCheckpoint) {
  std::filesystem::remove_all(folder_ / "step_00000001");
  write_quickly(damaged_ / "config.yaml", "");
  expect_rejected({"config.yaml' is truncated", "no intact checkpoint next to it"});
}

TEST_F(DamagedCheckpoint, SkipsOtherDamagedCheckpoints) {
  write_checkpoint(folder_ / "step_00000003", sample_checkpoint(3));
  write_quickly(folder_ / "step_00000003" / "config.yaml", "");
  write_quickly(damaged_ / "config.yaml", "");
  expect_rejected({"step_00000001'"});
}

TEST(CheckpointFormat, OfANewerProgramIsRejected) {
  const TempDir folder;
  write_checkpoint(folder / "a", sample_checkpoint(1));
  auto json = nlohmann::json::parse(read_file(folder / "a" / "state.json"));
  for (const int version : {0, 2}) {
    json["format_version"] = version;
    json["created_by"] = "cloob 9.0";
    write_quickly(folder / "a" / "state.json", json.dump());
    expect_user_error(
        [&] { load_checkpoint(folder / "a", kEverything); },
        {"format version " + std::to_string(version), "written by cloob 9.0", "reads versions 1 to 1"});
  }
}

// Checksums keep accidents away, not people.
TEST(CheckpointFormat, HasLimitsForItsNumbers) {
  const TempDir folder;
  write_checkpoint(folder / "a", sample_checkpoint(1));
  const auto intact = nlohmann::json::parse(read_file(folder / "a" / "state.json"));
  for (const char* name : {"step", "samples_seen", "bad_samples", "data_position", "data_size", "data_ranks",
                           "evaluated_step"}) {
    for (const char* number :
         {"-2", "9223372036854775807", "18446744073709551615", "1e300", "0.5", "\"1\"", "null"}) {
      auto json = intact;
      json["state"][name] = nlohmann::json::parse(number);
      json.erase("crc32");
      const std::string content = json.dump();
      FileDigest digest;
      digest.update(std::as_bytes(std::span(content.data(), content.size())));
      json["crc32"] = fmt::format("{:08x}", digest.crc32);
      write_quickly(folder / "a" / "state.json", json.dump());
      expect_user_error(
          [&] { load_checkpoint(folder / "a", kEverything); },
          {"state.json' is damaged: it has ", fmt::format("for '{}'", name), "a whole number from"});
    }
  }
}

TEST(CheckpointFormat, HasChecksumsInHexadecimal) {
  const TempDir folder;
  write_checkpoint(folder / "a", sample_checkpoint(1));
  auto json = nlohmann::json::parse(read_file(folder / "a" / "state.json"));
  for (const char* checksum : {"none", "", "1ffffffff", "12x"}) {
    json["files"]["config.yaml"]["crc32"] = checksum;
    json.erase("crc32");
    const std::string content = json.dump();
    FileDigest digest;
    digest.update(std::as_bytes(std::span(content.data(), content.size())));
    json["crc32"] = fmt::format("{:08x}", digest.crc32);
    write_quickly(folder / "a" / "state.json", json.dump());
    expect_user_error([&] { load_checkpoint(folder / "a", kEverything); },
                      {"state.json' is damaged", fmt::format("'{}' is not a checksum", checksum)});
  }
}

// Written by the first program with format 1; every later program must read it. CLOOB_UPDATE_GOLDEN writes it
// if it is missing, but never overwrites it.
TEST(CheckpointFormat, Version1IsStillRead) {
  const std::filesystem::path golden = testing::golden_path("checkpoint/format_1");
  if (std::getenv("CLOOB_UPDATE_GOLDEN") != nullptr && !std::filesystem::exists(golden)) {
    write_checkpoint(golden, testing::sample_checkpoint(42));
  }
  const Checkpoint read = load_checkpoint(testing::golden_path("checkpoint/format_1"), kEverything);
  EXPECT_EQ(read.state.step, 42);
  expect_is_sample(read);
}

class ResolveCheckpoint : public ::testing::Test {
 protected:
  ResolveCheckpoint() {
    for (const int step : {1, 2}) {
      write_checkpoint(run_ / "checkpoints" / ("step_0000000" + std::to_string(step)),
                       sample_checkpoint(step));
    }
  }
  void expect_found(const std::filesystem::path& path, const std::filesystem::path& expected) {
    const CheckpointLocation location = resolve_checkpoint(path);
    EXPECT_EQ(location.kind, CheckpointLocation::Kind::checkpoint);
    EXPECT_EQ(location.path, expected);
  }

  const TempDir folder_;
  const std::filesystem::path run_ = folder_ / "run";
  const std::filesystem::path newest_ = run_ / "checkpoints" / "step_00000002";
};

TEST_F(ResolveCheckpoint, AcceptsACheckpointARunOrAName) {
  const auto first = run_ / "checkpoints" / "step_00000001";
  expect_found(first, first);
  expect_found(first / "", first);
  expect_found(run_, newest_);
  expect_found(run_ / "", newest_);
  expect_found(run_ / "checkpoints", newest_);
  expect_found(run_ / "latest", newest_);
  std::filesystem::create_directory_symlink("step_00000001", run_ / "checkpoints" / "best");
  expect_found(run_ / "best", run_ / "checkpoints" / "best");
  expect_found(run_ / "checkpoints" / "best", run_ / "checkpoints" / "best");
}

TEST_F(ResolveCheckpoint, AcceptsAWeightsFile) {
  const auto weights = newest_ / "weights.safetensors";
  EXPECT_EQ(resolve_checkpoint(weights).kind, CheckpointLocation::Kind::weights_file);
  EXPECT_EQ(resolve_checkpoint(weights).path, weights);
}

TEST_F(ResolveCheckpoint, ReportsWhatItFoundInstead) {
  expect_user_error([&] { resolve_checkpoint(folder_ / "absent"); }, {"absent' does not exist"});
  expect_user_error([&] { resolve_checkpoint(run_ / "best"); },
                    {"no best checkpoint", "run/latest' is the newest"});
  expect_user_error([&] { resolve_checkpoint(folder_.path()); },
                    {"neither a checkpoint", "it contains 'run'"});
  std::filesystem::create_directories(folder_ / "empty" / "checkpoints");
  expect_user_error([&] { resolve_checkpoint(folder_ / "empty"); }, {"it contains 'checkpoints'"});
  expect_user_error([&] { resolve_checkpoint(folder_ / "empty" / "checkpoints"); }, {"it contains nothing"});
  expect_user_error([&] { resolve_checkpoint(folder_ / "empty" / "latest"); }, {"contains no checkpoint"});
}

}  // namespace
}  // namespace cloob
