// Small versions of inputs that the program once got wrong: hostile, damaged, or written by other programs.

#include <fmt/core.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/image/encode.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Arguments = std::vector<std::string>;
using Json = nlohmann::json;

constexpr const char* kPointer =
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 123456\n";
constexpr const char* kPage = "<!DOCTYPE html>\n<html><body>Please sign in</body></html>\n";
constexpr const char* kByteOrderMark = "\xEF\xBB\xBF";

fs::path write(const std::string& name, std::string_view content) {
  return write_text(tiny_project() / name, content);
}

std::string picture(int number) {
  constexpr int kSide = 40;
  ImageU8 image;
  image.height = image.width = kSide;
  for (int i = 0; i < kSide * kSide * 3; ++i)
    image.pixels.push_back(static_cast<std::uint8_t>((i * (number + 3)) % 251));
  return encode_png(image);
}

/// A shard of two samples, whose captions are the members `suffix` with this content.
std::string write_shard(const std::string& name, const std::string& suffix, const std::string& caption) {
  fs::create_directories((tiny_project() / name).parent_path());
  write_tar(
      tiny_project() / name,
      {{"a.png", picture(1)}, {"a." + suffix, caption}, {"b.png", picture(2)}, {"b." + suffix, caption}});
  return name;
}

ProgramResult run_or_fail(const Arguments& arguments) {
  const ProgramResult result = run_cloob(tiny_project(), arguments);
  EXPECT_EQ(result.exit_status, 0) << join(arguments, " ") << "\n" << result.errors;
  return result;
}

void expect_error(const Arguments& arguments, const std::vector<std::string>& parts) {
  const ProgramResult result = run_cloob(tiny_project(), arguments);
  EXPECT_EQ(result.exit_status, 2) << join(arguments, " ") << "\n" << result.errors;
  const std::string line = split(std::string(trim(result.errors)), '\n').back();
  EXPECT_THAT(line, StartsWith("error: "));
  for (const std::string& part : parts) EXPECT_THAT(line, HasSubstr(part)) << join(arguments, " ");
}

Json inspect(const std::string& data, const Arguments& more = {}) {
  Arguments arguments = {"data", "inspect", data, "--json", "-"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return Json::parse(run_or_fail(arguments).output);
}

const std::string& model() {
  static const std::string folder = [] {
    run_or_fail(train_arguments("model", {"--train.steps", "2", "--schedule.warmup_steps", "1"}));
    return std::string("model");
  }();
  return folder;
}

ProgramResult classify(const std::string& folder, const Arguments& more = {}) {
  Arguments arguments = {"eval", "zero-shot", model(), "--data", folder, "--json", "-"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_or_fail(arguments);
}

TEST(ZeroShotCases, NumbersAreClassesInTheOrderOfNumbers) {
  std::string names;
  std::vector<std::string> folders;
  for (int label = 0; label < 12; ++label) {
    write(fmt::format("numeric/{}/0.png", label), picture(label));
    names += fmt::format("name {}\n", label);
    folders.push_back(std::to_string(label));
  }
  write("numeric.txt", names);
  const Json json = Json::parse(classify("numeric", {"--classnames", "numeric.txt"}).output);
  EXPECT_EQ(json["class_folders"], folders);
  EXPECT_EQ(json["class_names"][2], "name 2");
}

TEST(ZeroShotCases, PicturesOfDeeperFoldersCountAndOthersAreNamed) {
  write("odd_classes/go/0.png", picture(0));
  write("odd_classes/go/images/1.png", picture(1));
  write("odd_classes/yield/images/deep/0.png", picture(2));
  write("odd_classes/stop/0.ppm", "P6 1 1 255 abc");
  write("odd_classes/__MACOSX/go/._0.png", std::string("\0\5\26\7", 4));
  const ProgramResult result = classify("odd_classes");
  const Json json = Json::parse(result.output);
  EXPECT_EQ(json["class_folders"], Json({"go", "yield"}));
  EXPECT_EQ(json["num_samples"], 3);
  EXPECT_THAT(result.errors,
              AllOf(HasSubstr("1 .ppm"), HasSubstr("are not classes: "), HasSubstr("__MACOSX")));
}

TEST(ZeroShotCases, ABlankClassNameIsRefused) {
  write("blank/test/nshards.txt", "1\n");
  write_tar(tiny_project() / "blank/test/0.tar", {{"a.png", picture(1)}, {"a.cls", "1"}});
  write("blank/classnames.txt", "airplane\nbird\n\ncat\n");
  write("blank/templates.txt", "a photo of a {c}.\n");
  expect_error({"eval", "zero-shot", model(), "--data", "blank"},
               {"blank/classnames.txt:3", "the name is empty"});
}

TEST(ZeroShotCases, MisspelledOptionsAndTemplatesInPlaceOfFilesAreNamed) {
  expect_error({"eval", "zero-shot", model(), "--data", "numeric", "--class-names", "x.txt"},
               {"unknown option '--class-names'", "did you mean '--classnames'?"});
  write("one_class/a/0.png", picture(0));
  expect_error({"eval", "zero-shot", model(), "--data", "one_class", "--templates", "a photo of a {c}"},
               {"'a photo of a {c}' is a template itself", "one per line"});
}

TEST(CaptionCases, JsonAsPythonWritesItIsRead) {
  const Arguments field = {"--data.webdataset.json_caption_field", "caption"};
  for (const std::string json : {R"({"caption": "a dog", "score": NaN, "other": -Infinity})",
                                 R"({"caption": "a dog \ud83d"})", "\xEF\xBB\xBF{\"caption\": \"a dog\"}"}) {
    const Json found = inspect(write_shard("python.tar", "json", json), field);
    EXPECT_EQ(found["num_usable"], 2) << json;
    EXPECT_EQ(found["num_captions"], 2) << json;
  }
}

TEST(CaptionCases, NestingIsLimited) {
  const std::string deep = "{\"captions\": " + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  write_tar(tiny_project() / "deep.tar", {{"a.png", picture(1)},
                                          {"a.json", deep},
                                          {"b.png", picture(2)},
                                          {"b.json", R"({"captions": ["a dog"]})"}});
  expect_error({"data", "list", "deep.tar", "--data.webdataset.json_caption_field", "captions"},
               {"deep.tar, sample 0", "nested more than 64 levels deep"});
}

TEST(CaptionCases, CleaningTakesLinearTime) {
  std::string caption = "&";
  for (int i = 0; i < 50'000; ++i) caption += "amp;";
  write_shard("amp.tar", "txt", caption);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(inspect("amp.tar")["num_usable"], 2);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));  // quadratic: minutes
}

TEST(DataCases, WhatStandsInPlaceOfAFileIsNamedWhereverAFileIsOpened) {
  for (const std::string name :
       {"pointer.tar", "pointer.tar.gz", "pointer.csv", "pointer.txt", "pointer.json", "pointer.yaml",
        "pointer.safetensors", "pointer.gz", "class/a/pointer.jpg"}) {
    write(name, kPointer);
  }
  write("page.pt", kPage);
  write("page.tar.gz", kPage + std::string(1000, ' '));
  const std::string pull = "git lfs pull";
  for (const std::string name : {"pointer.tar", "pointer.tar.gz", "pointer.csv"})
    expect_error({"data", "inspect", name}, {name, "a Git LFS pointer", pull});
  expect_error({"data", "inspect", "page.tar.gz"}, {"a web page (HTML)"});
  expect_error({"weights", "import", "pointer.safetensors", "--out", "x"}, {pull});
  expect_error({"weights", "import", "page.pt", "--out", "x"}, {"a web page (HTML)"});
  expect_error({"config", "check", "pointer.yaml"}, {"'pointer.yaml' is a Git LFS pointer"});
  expect_error(train_arguments("no_run", {"--text.vocabulary_file", "pointer.gz"}), {"'pointer.gz'", pull});
  expect_error({"encode", model(), "--texts", "pointer.txt", "--out", "x.safetensors"},
               {"'pointer.txt'", pull});
  expect_error({"eval", "zero-shot", model(), "--data", "class"}, {"pointer.jpg", pull});
  for (const std::string names : {"pointer.txt", "pointer.json"}) {
    write("one_class/a/0.png", picture(0));
    expect_error({"eval", "zero-shot", model(), "--data", "one_class", "--classnames", names}, {names, pull});
  }
  const std::string weights = "cloned/checkpoints/step_00000002/weights.safetensors";
  fs::copy(tiny_project() / model(), tiny_project() / "cloned", fs::copy_options::recursive);
  write(weights, kPointer);
  expect_error({"encode", "cloned", "--texts", "pointer.txt", "--out", "x.safetensors"}, {pull});
}

TEST(DataCases, JoinedArchivesAreReadToTheirEnd) {
  write_shard("first.tar", "txt", "a dog");
  const std::string archive = read_file(tiny_project() / "first.tar");
  write("joined.tar", archive + archive);
  EXPECT_EQ(inspect("joined.tar")["num_samples"], 4);
}

TEST(DataCases, ListsMayBeginWithAByteOrderMark) {
  write("bom.png", picture(0));
  write("bom.txt", kByteOrderMark + std::string("bom.png\n"));
  run_or_fail({"encode", model(), "--images", "bom.txt", "--out", "bom.safetensors"});
}

TEST(DataCases, TablesThatCannotBeReadAreExplained) {
  for (int i = 0; i < 3; ++i) write(fmt::format("images/{}.png", i), picture(i));
  const auto refuses = [](const std::string& name, const std::string& content,
                          const std::vector<std::string>& parts) {
    write(name, content);
    expect_error({"data", "inspect", name}, parts);
  };
  refuses("drive.csv", "filepath,title\nD:\\images\\0.png,a dog\n", {"paths of Windows"});
  refuses("padded.csv", "filepath,title\n  images/0.png ,a dog\n", {"there are blanks around the paths"});
  refuses("mac.csv", "filepath,title\rimages/0.png,a dog\r", {"carriage returns", "tr '\\r' '\\n'"});
  refuses("space.csv", "filepath, title\nimages/0.png, a dog\n", {"did you mean ' title'?"});
  refuses("pipe.csv", "filepath|title\nimages/0.png|a dog\n", {"set data.csv.separator to '|'"});
  refuses("headless.csv", "images/0.png,a dog\nimages/1.png,a cat\n",
          {"it is not a line of names", "--data.csv.filepath_column 1"});
  refuses("empty.parquet", "", {"'empty.parquet' is empty"});
  write("nul.csv", std::string("filepath,title\nimages/0.png,a dog\0\nimages/1.png,a cat\n", 54));
  EXPECT_THAT(inspect("nul.csv").dump(), HasSubstr("nul.csv:2"));
}

TEST(DataCases, AColumnWithABlankInItsNameCanBeNamed) {
  write("images/0.png", picture(0));
  write("blank_in_name.csv", "filepath, title\nimages/0.png, a dog\n");
  EXPECT_EQ(inspect("blank_in_name.csv", {"--data.csv.caption_columns", " title"})["num_usable"], 1);
}

TEST(DataCases, AQuoteThatSwallowsRowsIsToldWithItsLine) {
  for (int i = 0; i < 3; ++i) write(fmt::format("images/{}.png", i), picture(i));
  write("quote.tsv", "filepath\ttitle\nimages/0.png\t\"Sunset\nimages/1.png\ta dog\nimages/2.png\ta cat\"\n");
  const ProgramResult result = run_or_fail({"data", "list", "quote.tsv"});
  EXPECT_THAT(result.errors, AllOf(HasSubstr("quote.tsv:2: a quoted field"), HasSubstr("2 in all")));
}

TEST(DataCases, PathsMayHaveCommasBlanksAndBraces) {
  for (const std::string folder : {"my data, v2", "x[1]{a,b}"}) {
    write(folder + "/0.png", picture(0));
    write(folder + "/t.csv", "filepath,title\n0.png,a dog\n");
    EXPECT_EQ(inspect(folder + "/t.csv")["num_usable"], 1) << folder;
  }
}

TEST(DataCases, AFolderOfPicturesAndTextsIsPacked) {
  for (int i = 0; i < 3; ++i) {
    write(fmt::format("a folder/00000/img {}.PNG", i), picture(i));
    write(fmt::format("a folder/00000/img {}.txt", i), "a dog");
  }
  const std::string advice = "cloob data pack 'a folder' --out 'a folder-shards'";
  expect_error({"data", "list", "a folder"}, {advice});
  const ProgramResult inspected = run_cloob(tiny_project(), {"data", "inspect", "a folder"});
  EXPECT_EQ(inspected.exit_status, 0);
  EXPECT_THAT(inspected.errors, HasSubstr(advice));
  run_or_fail({"data", "pack", "a folder", "--out", "a folder-shards"});
  EXPECT_EQ(inspect("a folder-shards/*.tar")["num_usable"], 3);
}

TEST(DataCases, WhatImagesClaimIsNotAllocated) {
  const std::string png = picture(0);
  const std::string claim = png.substr(0, 33) + std::string("\x7f\xff\xff\xff", 4) + "tEXtComment";
  // The headers of a progressive image of 13,300 x 13,300 CMYK pixels.
  const std::string frame("\xff\xc2\0\x14\x08\x33\xf4\x33\xf4\x04\1\x11\0\2\x11\0\3\x11\0\4\x11\0", 22);
  const std::string scan("\xff\xda\0\x0e\x04\1\0\2\0\3\0\4\0\0\0\0", 16);
  const std::string cmyk = "\xff\xd8" + frame + scan + "\xff\xd9";
  write_tar(tiny_project() / "claims.tar", {{"a.png", claim},
                                            {"a.txt", "one"},
                                            {"b.jpg", cmyk},
                                            {"b.txt", "two"},
                                            {"c.png", png},
                                            {"c.txt", "three"}});
  const ProgramResult result =
      run_or_fail({"data", "inspect", "claims.tar", "--json", "-", "--threads", "2"});
  const Json json = Json::parse(result.output);
  EXPECT_EQ(json["num_usable"], 1);
  EXPECT_EQ(json["unusable"]["damaged_image"]["count"], 1);
  EXPECT_EQ(json["unusable"]["too_large"]["count"], 1);
  EXPECT_LT(result.peak_bytes, std::int64_t{1} << 30);
}

TEST(DataCases, CountsInFilesAreNotTrusted) {
  write_shard("counts/a.tar", "txt", "a dog");
  std::string index("cloobidx\3\0\0\0\xbb\xaf\xd5\x1c", 16);
  write("counts/cloob.index", index + std::string(16, '\xff') + "[{}]");
  const ProgramResult listed = run_or_fail({"data", "list", "counts/a.tar"});
  EXPECT_EQ(split(std::string(trim(listed.output)), '\n').size(), 2U);
  EXPECT_THAT(listed.errors, HasSubstr("counts/cloob.index' is ignored"));

  fs::create_directories(tiny_project() / "stats");
  write_gzip(tiny_project() / "stats/00000.tar.gz", read_file(tiny_project() / "counts/a.tar"));
  write("stats/00000_stats.json", R"({"successes": 9223372036854775807})");
  const ProgramResult streamed = run_or_fail({"data", "list", "stats/00000.tar.gz"});
  EXPECT_EQ(split(std::string(trim(streamed.output)), '\n').size(), 2U);
  EXPECT_THAT(streamed.errors, HasSubstr("00000_stats.json' is ignored"));
}

TEST(WeightsCases, NamesAndMetadataOfOtherProgramsAreUnderstood) {
  run_or_fail({"weights", "export", model(), "--out", "plain.safetensors"});
  const SafetensorsFile plain = read_safetensors(tiny_project() / "plain.safetensors");
  NamedTensors prefixed, broken = plain.tensors;
  for (const auto& [name, tensor] : plain.tensors) prefixed["module._orig_mod.clip." + name] = tensor;
  write_safetensors(tiny_project() / "prefixed.safetensors", prefixed, {});
  run_or_fail({"weights", "import", "prefixed.safetensors", "--out", "from_prefixed"});
  EXPECT_EQ(read_safetensors(tiny_project() / "from_prefixed/weights.safetensors").tensors.size(),
            plain.tensors.size());

  broken.at("text_projection") = broken.at("text_projection").clone().fill_(std::nan(""));
  write_safetensors(tiny_project() / "nan.safetensors", broken, {});
  expect_error({"weights", "import", "nan.safetensors", "--out", "x"}, {"'text_projection' contains NaN"});
}

TEST(WeightsCases, SettingsInAFileOfWeightsOpenNoOtherFile) {
  const NamedTensors tensors =
      read_safetensors(tiny_project() / model() / "checkpoints/step_00000002" / "weights.safetensors")
          .tensors;
  write_safetensors(tiny_project() / "include.safetensors", tensors,
                    {{"cloob_config", "include: /dev/zero\n"}});
  expect_error({"weights", "import", "include.safetensors", "--out", "x"}, {"may not include other files"});
}

TEST(WeightsCases, DeeplyNestedFilesAreRefused) {
  const std::string deep = "{\"state\": " + std::string(200'000, '[');
  write("deep_state/state.json", deep);
  expect_error({"weights", "inspect", "deep_state"}, {"state.json", "nested more than 64 levels deep"});
  fs::create_directories(tiny_project() / "deep_report");
  fs::copy_file(tiny_project() / model() / "metrics.jsonl", tiny_project() / "deep_report/metrics.jsonl");
  write("deep_report/zero_shot.json", deep);
  expect_error({"report", "a=deep_report", "--out", "page"},
               {"zero_shot.json", "nested more than 64 levels deep"});
}

TEST(ConfigCases, AnErrorShowsNoLineOfAnotherFile) {
  write("private.txt", "root:*:19000:0:secret:7::\nuser:*:19000:0:secret:7::\n");
  const ProgramResult result = run_cloob(tiny_project(), {"config", "check", "private.txt"});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.errors, AllOf(StartsWith("error: private.txt:1:1: "), Not(HasSubstr("secret"))));
}

}  // namespace
}  // namespace cloob::testing
