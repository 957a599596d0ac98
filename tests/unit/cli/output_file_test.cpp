#include "cli/output_file.h"

#include <filesystem>

#include "cloob/base/files.h"
#include "support/support.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

class Output : public ::testing::Test {
 protected:
  std::string file(const std::string& name) const {
    make_directories((folder_ / name).parent_path());
    write_file_atomically(folder_ / name, "{}");
    return folder_ / name;
  }
  void expect_read(const std::string& output, const std::string& input) const {
    testing::expect_user_error(
        [&] {
          require_output(output, OutputKind::json, {"", "other.txt", input});
        },
        {output, "is read by this command"});
  }

  testing::TempDir folder_;
};

TEST_F(Output, MustNotBeAnInput) {
  const std::string table = file("dev.tsv");
  expect_read(table, table);
  fs::create_directory(folder_ / "x");
  fs::create_symlink(table, folder_ / "link.tsv");
  expect_read(folder_ / "link.tsv", table);
  expect_read(folder_ / "x" / ".." / "dev.tsv", table);
  EXPECT_NO_THROW(require_output(file("result.json"), OutputKind::json, {table, "", "no/such/*.tar"}));
  EXPECT_NO_THROW(require_output(folder_ / "new.json", OutputKind::json, {table}));
  EXPECT_NO_THROW(require_output("-", OutputKind::json, {"-"}));
  EXPECT_NO_THROW(require_output("/dev/null", OutputKind::json, {"/dev/null"}));
}

TEST_F(Output, MustNotMatchAnInputPattern) {
  const std::string shard = file("train/00007.tar");
  const std::string folder = folder_.path();
  for (const std::string& pattern :
       {folder + "/train/*.tar", folder + "/train/{00000..00009}.tar",
        folder + "/{val,t{rain,est}}/00007.tar", folder + "/a.tar::" + folder + "/train/00007.tar",
        folder + "/{a,b}::" + folder + "/*/*"}) {
    expect_read(shard, pattern);
  }
  EXPECT_NO_THROW(require_output(shard, OutputKind::json,
                                 {folder + "/val/{00000..00009}.tar", folder + "/train/1*.tar"}));
}

TEST_F(Output, MustNotBeInACheckpointOrReplaceAFileOfARun) {
  file("run/checkpoints/step_1/state.json");
  const std::string weights = file("run/checkpoints/step_1/weights.safetensors");
  for (const char* name : {"weights.safetensors", "new.json"}) {
    testing::expect_user_error(
        [&] { require_output(folder_ / "run/checkpoints/step_1" / name, OutputKind::json, {}); },
        {"is inside the checkpoint", "step_1'"});
  }
  fs::create_directory_symlink("checkpoints/step_1", folder_ / "run/best");
  testing::expect_user_error(
      [&] { require_output(folder_ / "run/best/weights.safetensors", OutputKind::json, {}); },
      {"is inside the checkpoint"});
  for (const char* name : {"config.yaml", "metrics.jsonl", "evaluations.jsonl", "data_report.json",
                           "first_batch.png", "log.txt"}) {
    testing::expect_user_error([&] { require_output(folder_ / "run" / name, OutputKind::json, {}); },
                               {name, "belongs to the run"});
    EXPECT_NO_THROW(require_output(folder_ / name, OutputKind::json, {}));
  }
  EXPECT_NO_THROW(require_output(folder_ / "run/zero_shot.json", OutputKind::json, {folder_ / "run"}));
}

TEST_F(Output, ReplacesOnlyAFileOfItsKind) {
  const std::string page = folder_ / "page.html";
  write_file_atomically(page, "<!DOCTYPE html><html>");
  EXPECT_NO_THROW(require_output(page, OutputKind::html, {}));
  for (const OutputKind kind : {OutputKind::json, OutputKind::safetensors, OutputKind::sentencepiece})
    testing::expect_user_error([&] { require_output(page, kind, {}); }, {page});
  EXPECT_NO_THROW(require_output("", OutputKind::json, {}));
}

TEST_F(Output, NeedsAnExistingFolder) {
  testing::expect_user_error([&] { require_output(folder_ / "no/r.json", OutputKind::json, {}); },
                             {"there is no folder"});
}

}  // namespace
}  // namespace cloob
