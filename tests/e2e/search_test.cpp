// cloob index and cloob search as a user runs them, with a model that learned next to nothing.

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

constexpr const char* kQuery = "a red circle";

ProgramResult run(const Words& arguments) { return run_cloob(tiny_project(), arguments); }

ProgramResult run_well(const Words& arguments) {
  ProgramResult result = run(arguments);
  EXPECT_EQ(result.exit_status, 0) << arguments[0] << " " << arguments[1] << ": " << result.errors;
  return result;
}

void expect_error(const Words& arguments, const Words& parts) {
  const ProgramResult result = run(arguments);
  EXPECT_EQ(result.exit_status, 2) << arguments[0] << ": " << result.output << result.errors;
  for (const std::string& part : parts) EXPECT_THAT(result.errors, HasSubstr(part));
  const std::size_t error = result.errors.find("error: ");
  ASSERT_NE(error, std::string::npos) << result.errors;
  EXPECT_EQ(result.errors.find('\n', error), result.errors.size() - 1) << result.errors;
}

nlohmann::json search(Words arguments) {
  arguments.insert(arguments.begin(), "search");
  arguments.insert(arguments.end(), {"--json", "-"});
  return parse_json(run_well(arguments).output);
}

std::vector<std::int64_t> rows_of(const nlohmann::json& answer) {
  std::vector<std::int64_t> rows;
  for (const auto& result : answer["results"]) rows.push_back(result["entry"].get<std::int64_t>());
  return rows;
}

// Two models, images in a folder with two copies of one and a broken one, and an index of them and of shards.
class Search : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    for (const auto& [name, seed] :
         std::vector<std::pair<std::string, std::string>>{{"runs/a", "1"}, {"runs/b", "2"}})
      run_well(train_arguments(name,
                               {"--train.seed", seed, "--train.steps", "3", "--schedule.warmup_steps", "1"}));
    fs::create_directories(images());
    int number = 0;
    for (const auto& entry : fs::recursive_directory_iterator(tiny_project() / "data/held_out")) {
      if (entry.path().extension() == ".png" && number < 20)
        fs::copy_file(entry.path(), images() / (std::to_string(10 + number++) + ".png"));
    }
    fs::copy_file(images() / "12.png", images() / "copy_of_12.png");
    write_text(images() / "broken.png", read_file(images() / "13.png").substr(0, 100));
    run_well(
        {"index", "runs/a", "--images", "images", "--out", "folder.index", "--data.max_bad_share", "0.1"});
    run_well({"index", "runs/a", "--images", "data/validation/*.tar", "--out", "shards.index", "--texts",
              "--thumbnails", "--data.webdataset.json_caption_field", "captions"});
  }
  static fs::path images() { return tiny_project() / "images"; }
};

TEST_F(Search, FindsWhatATextDescribes) {
  const auto answer = search({"shards.index", kQuery, "-k", "5"});
  EXPECT_EQ(answer["query"]["text"], kQuery);
  EXPECT_EQ(answer["kind"], "exact");
  EXPECT_EQ(answer["in"], "image");
  EXPECT_EQ(answer["num_entries"], 32);
  ASSERT_EQ(answer["results"].size(), 5u);
  double last = 2;
  for (const auto& result : answer["results"]) {
    EXPECT_LE(result["score"].get<double>(), last);
    last = result["score"].get<double>();
    EXPECT_FALSE(result["captions"].empty());
  }
  const std::string output = run_well({"search", "shards.index", kQuery, "-k", "3"}).output;
  EXPECT_THAT(output, HasSubstr("score"));
  EXPECT_THAT(output, HasSubstr(answer["results"][2]["key"].get<std::string>()));
  EXPECT_THAT(output, HasSubstr(answer["results"][2]["captions"][0].get<std::string>()));
}

TEST_F(Search, AmongCaptionsFindsTheCaptionItself) {
  const std::string caption = search({"shards.index", "--entry", "7"})["results"][0]["captions"][0];
  const auto answer = search({"shards.index", caption, "--in", "text", "-k", "1"});
  EXPECT_EQ(answer["in"], "text");
  EXPECT_EQ(answer["results"][0]["captions"][0], caption);
  EXPECT_NEAR(answer["results"][0]["score"].get<double>(), 1, 2e-3);
  expect_error({"search", "folder.index", kQuery, "--in", "text"}, {"no features of texts", "--texts"});
}

TEST_F(Search, OfAnImageFindsItselfAndItsCopyAsOne) {
  const auto answer = search({"folder.index", "--image", "images/12.png", "-k", "20"});
  ASSERT_EQ(answer["results"].size(), 20u);
  const auto own = std::ranges::find_if(answer["results"],
                                        [](const auto& result) { return result["key"] == "images/12.png"; });
  ASSERT_NE(own, answer["results"].end());
  // A model that learned next to nothing gives all images nearly the same features, and fp16 has three digits.
  EXPECT_NEAR((*own)["score"].get<double>(), answer["results"][0]["score"].get<double>(), 1e-3);
  EXPECT_NEAR((*own)["score"].get<double>(), 1, 1e-3);
  EXPECT_EQ((*own)["path"], fs::canonical(images() / "12.png").string());
  EXPECT_EQ((*own)["num_copies"], 1);
  ASSERT_EQ((*own)["copies"].size(), 1u);
  EXPECT_EQ((*own)["copies"][0]["key"], "images/copy_of_12.png");
  EXPECT_THAT(run_well({"search", "folder.index", "--image", "images/12.png", "-k", "20"}).output,
              HasSubstr("and another entry with the same content"));
}

TEST_F(Search, OfAnEntryFindsTheOthers) {
  const auto answer = search({"folder.index", "--entry", "images/12.png", "-k", "19"});
  EXPECT_EQ(answer["query"]["entry"], 2);
  EXPECT_EQ(answer["results"].size(), 19u);
  for (const auto& result : answer["results"])
    EXPECT_THAT(result["key"].get<std::string>(), Not(HasSubstr("12.png")));
  EXPECT_EQ(rows_of(search({"folder.index", "--entry", "2", "-k", "19"})), rows_of(answer));
  expect_error({"search", "folder.index", "--entry", "99"}, {"no entry 99", "0 to 20"});
  expect_error({"search", "folder.index", "--entry", "none.png"}, {"no entry 'none.png'"});
}

TEST_F(Search, ForMoreThanThereAreGivesAllAndSaysSo) {
  const ProgramResult result =
      run_well({"search", "folder.index", "--image", "images/12.png", "-k", "500", "--json", "-"});
  EXPECT_EQ(parse_json(result.output)["results"].size(), 20u);  // 21 entries, two of which are one image
  EXPECT_THAT(result.errors, HasSubstr("500 asked for, but the index has only 20 different ones"));
}

TEST_F(Search, OfAnotherModelIsRefusedByName) {
  expect_error({"search", "folder.index", kQuery, "--checkpoint", "runs/b"},
               {"was made with", "runs/a", "runs/b", "hash", "cannot be compared"});
  EXPECT_EQ(run({"search", "folder.index", kQuery, "--checkpoint", "runs/a"}).exit_status, 0);
  run_well({"weights", "export", "runs/a", "--out", "a.safetensors"});
  EXPECT_EQ(run({"search", "folder.index", kQuery, "--checkpoint", "a.safetensors"}).exit_status, 0);
  // The same weights in another architecture: what only the settings in the file say.
  std::string heads = read_file(tiny_project() / "a.safetensors");
  const std::size_t at = heads.find("heads: 1");
  ASSERT_NE(at, std::string::npos);
  write_text(tiny_project() / "heads.safetensors", heads.replace(at, 8, "heads: 2"));
  expect_error({"search", "folder.index", kQuery, "--checkpoint", "heads.safetensors"},
               {"was made with", "hash"});
  // An entry asks with features of the index: no model is needed.
  EXPECT_EQ(run({"search", "folder.index", "--entry", "3"}).exit_status, 0);
}

TEST_F(Search, KnowsWhereTheImagesOfATableAre) {
  write_text(tiny_project() / "table/t.csv",
             "filepath,title\n../images/13.png,a shape\n../images/14.png,another\n");
  run_well({"index", "runs/a", "--images", "table/t.csv", "--texts", "--out", "table.index"});
  const auto answer = search({"table.index", "another", "--in", "text", "-k", "1"});
  EXPECT_EQ(answer["results"][0]["path"], fs::canonical(images() / "14.png").string());
  EXPECT_EQ(answer["results"][0]["captions"], std::vector<std::string>{"another"});
}

TEST_F(Search, NeedsOneQuery) {
  expect_error({"search", "folder.index"}, {"what is to be searched for?"});
  expect_error({"search", "folder.index", kQuery, "--entry", "3"}, {"more than one thing"});
  expect_error({"search", "folder.index", " "}, {"is empty"});
  expect_error({"search", "folder.index", "--image", "images/broken.png"},
               {"broken.png", "cannot be searched for"});
  expect_error({"search", "images", kQuery}, {"'images' is not an index"});
}

TEST_F(Search, GalleryIsOnePageWithAllThatItShows) {
  for (const Words& what :
       {Words{"folder.index", "--image", "images/12.png"}, Words{"shards.index", kQuery}}) {
    Words arguments = what;
    arguments.insert(arguments.begin(), "search");
    arguments.insert(arguments.end(), {"--html", "gallery.html"});
    run_well(arguments);
    const std::string page = read_file(tiny_project() / "gallery.html");
    const std::size_t expected = what.size() == 3 ? 11 : 10;  // with the query
    std::size_t found = 0;
    for (std::size_t at = page.find("data:image/jpeg;base64,/9j/"); at != std::string::npos;
         at = page.find("data:image/jpeg;base64,/9j/", at + 1))
      ++found;
    EXPECT_EQ(found, expected);
    EXPECT_THAT(page, Not(HasSubstr("http://")));
    EXPECT_THAT(page, Not(HasSubstr("https://")));
  }
  expect_error({"search", "folder.index", kQuery, "--html", "images/12.png"}, {"not overwritten"});
  expect_error({"search", "folder.index", kQuery, "--json", "folder.index/index.json"},
               {"belongs to the index in that folder"});
}

TEST_F(Search, OfEveryKindAnswersAlike) {
  const auto exact = search({"folder.index", kQuery});
  for (const char* kind : {"ivf", "ivfpq", "hnsw"}) {
    const ProgramResult result = run_well({"index", "runs/a", "--images", "images", "--out", "kind.index",
                                           "--kind", kind, "--data.max_bad_share", "0.1"});
    EXPECT_THAT(result.errors, HasSubstr(kind));
    const auto answer = search({"kind.index", kQuery});
    EXPECT_EQ(answer["kind"], kind);
    EXPECT_EQ(rows_of(answer), rows_of(exact));
  }
}

TEST_F(Search, StoresFp32) {
  run_well({"index", "runs/a", "--images", "images", "--out", "fp32.index", "--dtype", "fp32",
            "--data.max_bad_share", "0.1"});
  const auto header = parse_json(read_file(tiny_project() / "fp32.index/index.json"));
  EXPECT_EQ(header["dtype"], "float32");
  EXPECT_EQ(fs::file_size(tiny_project() / "fp32.index/image.features"),
            2 * fs::file_size(tiny_project() / "folder.index/image.features"));
  const auto exact = search({"folder.index", kQuery}), answer = search({"fp32.index", kQuery});
  EXPECT_NEAR(answer["results"][0]["score"].get<double>(), exact["results"][0]["score"].get<double>(), 5e-4);
}

TEST_F(Search, BenchmarkMeasuresAnIndex) {
  const ProgramResult built =
      run_well({"bench", "index", "--kind", "ivfpq", "--count", "3000", "--dim", "32", "--queries", "20",
                "--probes", "4", "1000", "--rerank", "3000", "--out", "bench.index", "--json", "-"});
  const auto numbers = parse_json(built.output);
  EXPECT_EQ(numbers["kind"], "ivfpq");
  EXPECT_GT(numbers["build_rows_s"], 0);
  ASSERT_EQ(numbers["searches"].size(), 2u);
  EXPECT_EQ(numbers["searches"][1]["recall_at_10"], 1);
  const ProgramResult again =
      run_well({"bench", "index", "--index", "bench.index", "--queries", "20", "--json", "-"});
  EXPECT_EQ(parse_json(again.output)["count"], 3000);
  EXPECT_FALSE(parse_json(again.output).contains("build_rows_s"));
}

TEST_F(Search, IndexCountsUnusableImagesAndKeepsAnOlderIndex) {
  const ProgramResult result = run_well(
      {"index", "runs/a", "--images", "images", "--out", "counted.index", "--data.max_bad_share", "0.1"});
  EXPECT_THAT(result.errors, HasSubstr("21 entries"));
  EXPECT_THAT(result.errors, HasSubstr("1 unusable image skipped"));
  const auto before = read_file(tiny_project() / "counted.index/index.json");
  expect_error({"index", "runs/a", "--images", "images", "--out", "counted.index"}, {"unusable"});
  EXPECT_EQ(read_file(tiny_project() / "counted.index/index.json"), before);
  EXPECT_FALSE(fs::exists(tiny_project() / ".saving_counted.index"));
  expect_error({"index", "runs/a", "--images", "images", "--out", "data"},
               {"is not an index", "not replaced"});
}

TEST_F(Search, InterruptedIndexLeavesTheOlderOne) {
  run_well({"index", "runs/a", "--images", "images", "--out", "old.index", "--data.max_bad_share", "0.1"});
  BackgroundProgram program(tiny_project(), {"index", "runs/b", "--images", "data/train/*.tar", "--out",
                                             "old.index", "--batch-size", "1", "--kind", "hnsw"});
  while (program.is_running() && !fs::exists(tiny_project() / ".saving_old.index"))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  program.send_signal(SIGINT);
  EXPECT_EQ(program.wait(), 128 + SIGINT);
  EXPECT_EQ(search({"old.index", "--entry", "3"})["num_entries"], 21);
  EXPECT_FALSE(fs::exists(tiny_project() / ".saving_old.index"));
}

TEST_F(Search, EmbeddingsGiveTheSameAnswers) {
  std::string list, captions;
  const auto all = search({"folder.index", kQuery, "-k", "100"});
  for (const auto& result : all["results"]) {
    list += result["key"].get<std::string>() + "\n";
    captions += "a caption\n";
  }
  write_text(tiny_project() / "list.txt", list);
  write_text(tiny_project() / "captions.txt", captions);
  run_well({"encode", "runs/a", "--images", "list.txt", "--texts", "captions.txt", "--embeddings", "emb"});
  EXPECT_TRUE(fs::exists(tiny_project() / "emb/text_emb/text_emb_0.npy"));
  run_well({"index", "--embeddings", "emb", "--out", "emb.index"});
  for (const Words& query : {Words{kQuery}, Words{"--image", "images/15.png"}}) {
    Words ask_images = {"folder.index", "-k", "8"}, ask_embeddings = {"emb.index", "-k", "8"};
    ask_images.insert(ask_images.begin() + 1, query.begin(), query.end());
    ask_embeddings.insert(ask_embeddings.begin() + 1, query.begin(), query.end());
    const auto expected = search(ask_images)["results"], found = search(ask_embeddings)["results"];
    ASSERT_EQ(found.size(), 8u);
    for (std::size_t i = 0; i < 8; ++i) {
      EXPECT_EQ(found[i]["key"], expected[i]["key"]);
      EXPECT_NEAR(found[i]["score"].get<double>(), expected[i]["score"].get<double>(), 1e-5);
      EXPECT_EQ(found[i]["path"], expected[i]["path"]);
    }
  }
  expect_error({"index", "runs/b", "--embeddings", "emb", "--out", "x.index"},
               {"are of", "not of", "runs/a", "runs/b"});
  expect_error({"encode", "runs/a", "--images", "list.txt", "--embeddings", "emb"}, {"not empty"});
  write_text(tiny_project() / "one.txt", "a caption\n");
  expect_error({"encode", "runs/a", "--images", "list.txt", "--texts", "one.txt", "--embeddings", "x"},
               {"belong together"});
  expect_error({"encode", "runs/a", "--images", "list.txt"}, {"--out", "--embeddings"});

  // As others write them: without their model, and with metadata in Parquet.
  fs::remove(tiny_project() / "emb/cloob.json");
  EXPECT_THAT(run_well({"index", "--embeddings", "emb", "--out", "unknown.index"}).errors,
              HasSubstr("does not say which model"));
  expect_error({"search", "unknown.index", kQuery}, {"does not say which model"});
  EXPECT_EQ(run({"search", "unknown.index", "--entry", "3"}).exit_status, 0);
  run_well({"index", "runs/a", "--embeddings", "emb", "--out", "unknown.index"});
  EXPECT_EQ(run({"search", "unknown.index", kQuery}).exit_status, 0);
  fs::rename(tiny_project() / "emb/metadata/metadata_0.jsonl",
             tiny_project() / "emb/metadata/metadata_0.parquet");
  expect_error({"index", "--embeddings", "emb", "--out", "x.index"},
               {"Parquet", "tools/parquet_to_jsonl.py"});
}

// What the program, not only a test of it, is bound to: the order of libraries when it was linked decides.
TEST(Program, BindsTheBlasOfFaissToLibTorch) {
  const TempDir folder;
  ::setenv("LD_DEBUG", "bindings", 1);
  ::setenv("LD_BIND_NOW", "1", 1);
  ::setenv("LD_DEBUG_OUTPUT", (folder / "bindings").c_str(), 1);
  const ProgramResult result = run_cloob(folder.path(), {"--version"});
  for (const char* name : {"LD_DEBUG", "LD_BIND_NOW", "LD_DEBUG_OUTPUT"}) ::unsetenv(name);
  EXPECT_EQ(result.exit_status, 0);
  int found = 0;
  for (const auto& file : fs::directory_iterator(folder.path())) {
    for (const std::string& line : read_lines(file)) {
      if (line.find("/cloob [0] to ") == std::string::npos || line.find("`sgemm_'") == std::string::npos)
        continue;
      EXPECT_THAT(line, HasSubstr("libtorch_cpu.so"));
      ++found;
    }
  }
  EXPECT_GE(found, 1);
}

TEST_F(Search, IndexNeedsSomethingToIndex) {
  expect_error({"index", "runs/a", "--out", "x.index"}, {"--images or --embeddings"});
  expect_error({"index", "--images", "images", "--out", "x.index"}, {"checkpoint"});
  expect_error({"index", "runs/a", "--images", "nothing", "--out", "x.index"}, {"nothing"});
  expect_error({"index", "runs/a", "--images", "data/train", "--out", "x.index"},
               {"'data/train' has no", "data/train/*.tar"});
  expect_error(
      {"index", "runs/a", "--images", "images", "--texts", "--out", "x.index", "--data.max_bad_share", "0.1"},
      {"no caption", "--texts"});
}

}  // namespace
}  // namespace cloob::testing
