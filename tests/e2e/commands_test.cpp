// The interface that scripts rely on: options, files and JSON keys of every command, on a small model.

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/safetensors.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/support.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string run_or_fail(const std::vector<std::string>& arguments, const std::string& input = "") {
  const ProgramResult result = run_cloob(tiny_project(), arguments, input);
  EXPECT_EQ(result.exit_status, 0) << join(arguments, " ") << "\n" << result.errors;
  return result.output;
}

std::string warnings_of(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  const ProgramResult result = run_cloob(tiny_project(), arguments);
  EXPECT_EQ(result.exit_status, 0) << result.errors;
  return result.errors;
}

nlohmann::json json_of(std::vector<std::string> arguments) {
  if (std::ranges::find(arguments, "--json") == arguments.end())
    arguments.insert(arguments.end(), {"--json", "-"});
  return nlohmann::json::parse(run_or_fail(arguments));
}

std::set<std::string> keys_of(const nlohmann::json& json) {
  std::set<std::string> keys;
  for (const auto& item : json.items()) keys.insert(item.key());
  return keys;
}

class Commands : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    run_or_fail(train_arguments("model", {"--train.steps", "6", "--eval.zero_shot", "[data/held_out]"}));
    std::string images, texts;
    for (const auto& entry : fs::recursive_directory_iterator(tiny_project() / "data/held_out")) {
      if (entry.path().extension() != ".png") continue;
      images += entry.path().string() + "\n";
      texts += "a picture of one " + entry.path().parent_path().filename().string() + "\n";
    }
    write_file_atomically(tiny_project() / "images.txt", images);
    write_file_atomically(tiny_project() / "texts.txt", texts);
  }

  static NamedTensors features_of(const std::string& model) {
    const fs::path file = tiny_project() / "features.safetensors";
    run_or_fail({"encode", model, "--images", "images.txt", "--texts", "texts.txt", "--out", file.string()});
    return read_safetensors(file).tensors;
  }
};

TEST_F(Commands, EvalRetrievalPrintsItsMetrics) {
  const nlohmann::json all = json_of({"eval", "retrieval", "model", "--data", "data/validation/00000.tar",
                                      "--data.webdataset.json_caption_field", "captions", "--json", "-"});
  std::set<std::string> expected = {"num_images", "num_texts"};
  for (const std::string direction : {"image_to_text", "text_to_image"}) {
    for (const char* name : {"R@1", "R@5", "R@10", "median_rank", "mean_rank"})
      expected.insert(direction + "_" + name);
  }
  EXPECT_EQ(keys_of(all), expected);
  EXPECT_EQ(all["num_texts"], 5 * all["num_images"].get<int>());
  EXPECT_LE(all["image_to_text_R@1"], all["image_to_text_R@10"]);
  // The data settings of the run are not used: without the field, there is only the first caption.
  const nlohmann::json first = json_of({"eval", "retrieval", "model", "--data", "data/validation/00000.tar"});
  EXPECT_EQ(first["num_texts"], first["num_images"]);
}

TEST_F(Commands, EvalLossReportsItsBatchSize) {
  const nlohmann::json loss = json_of({"eval", "loss", "model", "--data", "data/validation/00000.tar"});
  EXPECT_EQ(loss["loss_batch_size"], 16);  // eval.loss_batch_size of the run
  EXPECT_EQ(keys_of(loss),
            (std::set<std::string>{"objective", "loss", "chance_loss", "positive_mass", "gradient_weight",
                                   "retrieval_entropy", "loss_batch_size", "num_batches", "num_pairs"}));
  EXPECT_EQ(loss["objective"], "cloob");
  EXPECT_EQ(loss["num_batches"], 2);
  EXPECT_EQ(loss["num_pairs"], 32);
  EXPECT_EQ(json_of({"eval", "loss", "model", "--data", "data/validation/00000.tar", "--loss-batch-size",
                     "100"})["loss_batch_size"],
            32);
}

TEST_F(Commands, EvalIgnoresTheDataSettingsOfTraining) {
  run_or_fail(train_arguments(
      "rooted", {"--train.steps", "1", "--data.image_root", "nowhere", "--data.format", "webdataset"}));
  // The table is not in the folder of the images, and has its own format.
  fs::create_directory(tiny_project() / "tables");
  std::string table = "image;words\n";
  for (const std::string& line : split(std::string(trim(read_file(tiny_project() / "images.txt"))), '\n')) {
    const fs::path image = line;
    table +=
        fs::relative(image, tiny_project()).string() + ";a " + image.parent_path().filename().string() + "\n";
  }
  write_file_atomically(tiny_project() / "tables/dev.csv", table);
  const std::vector<std::string> eval = {"eval",
                                         "retrieval",
                                         "rooted",
                                         "--data",
                                         "tables/dev.csv",
                                         "--data.csv.separator",
                                         ";",
                                         "--data.csv.filepath_column",
                                         "image",
                                         "--data.csv.caption_columns",
                                         "words"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), eval.begin(), eval.end());
    return more;
  };
  EXPECT_EQ(json_of(with({"--image-root", tiny_project().string()}))["num_images"], 32);
  EXPECT_EQ(run_cloob(tiny_project(), with({})).exit_status, 2);  // there are no images next to the table
  const ProgramResult typo = run_cloob(tiny_project(), with({"--data.csv.quotin", "none"}));
  EXPECT_EQ(typo.exit_status, 2);
  EXPECT_THAT(typo.errors, HasSubstr("did you mean 'data.csv.quoting'?"));
  for (const std::string setting : {"--data.train", "--data.val"}) {
    const ProgramResult other = run_cloob(tiny_project(), with({setting, "tables/dev.csv"}));
    EXPECT_EQ(other.exit_status, 2) << setting;
    EXPECT_THAT(other.errors,
                HasSubstr("error: command line: " + setting + " is for 'cloob train': name the data"));
  }
}

TEST_F(Commands, WarnsAboutDataSettingsOfAnotherFormat) {
  const std::vector<std::string> shards = {"eval", "retrieval", "model", "--data",
                                           "data/validation/00000.tar"};
  EXPECT_THAT(warnings_of(shards, {"--data.csv.header", "false", "--image-root", "images"}),
              AllOf(HasSubstr("data.csv.header (all data is in tar shards) has no effect"),
                    HasSubstr("data.image_root (all data is in tar shards) has no effect")));
  fs::create_directories(tiny_project() / "a");
  for (const char* name : {"a.csv", "b.tsv", "a/c"}) write_file_atomically(tiny_project() / name, "");
  const auto errors_of = [](const std::vector<std::string>& settings) {
    std::vector<std::string> arguments = {"--dry-run"};
    arguments.insert(arguments.end(), settings.begin(), settings.end());
    return run_cloob(tiny_project(), train_arguments("dry", arguments)).errors;  // the files are empty
  };
  EXPECT_THAT(errors_of({"--data.train", "a.csv", "--data.val", "b.tsv"}),
              HasSubstr("data.webdataset.json_caption_field (all data is in tables) has no effect"));
  // Both formats are in use, or may be.
  for (const std::string train : {"a.csv", "a/*"}) {
    EXPECT_THAT(errors_of({"--data.train", train, "--data.csv.header", "false"}),
                Not(HasSubstr("has no effect")));
  }
  EXPECT_THAT(errors_of({"--data.train", "a/*", "--data.csv.header", "false", "--data.format", "webdataset"}),
              HasSubstr("data.csv.header (all data is in tar shards)"));
}

TEST_F(Commands, EvalRejectsSettingsOutsideTheDataSection) {
  const auto errors_of = [](const std::string& verb, const std::string& setting) {
    const ProgramResult result = run_cloob(
        tiny_project(), {"eval", verb, "model", "--data",
                         verb == "zero-shot" ? "data/held_out" : "data/validation/00000.tar", setting, "1"});
    EXPECT_EQ(result.exit_status, 2) << verb << setting;
    return result.errors;
  };
  for (const char* verb : {"retrieval", "loss", "zero-shot"}) {
    EXPECT_THAT(
        errors_of(verb, "--optimizer.lr"),
        HasSubstr("error: command line: unknown option --optimizer.lr: besides the options that --help "
                  "lists, this command takes only settings of the section data"));
  }
  EXPECT_THAT(errors_of("zero-shot", "--data.shuffle_window"),
              HasSubstr("this command takes data.max_bad_share, "));
}

TEST_F(Commands, BrokenImagesAreToleratedUpToMaxBadShare) {
  fs::copy(tiny_project() / "data/held_out", tiny_project() / "damaged", fs::copy_options::recursive);
  const fs::path broken = split(read_file(tiny_project() / "images.txt"), '\n').at(1);
  write_file_atomically(tiny_project() / "damaged" / fs::relative(broken, tiny_project() / "data/held_out"),
                        "x");
  const std::vector<std::string> zero_shot = {"eval", "zero-shot", "model", "--data", "damaged"};
  const ProgramResult refused = run_cloob(tiny_project(), zero_shot);
  EXPECT_EQ(refused.exit_status, 2);
  EXPECT_THAT(refused.errors, HasSubstr("data.max_bad_share"));
  std::vector<std::string> tolerant = zero_shot;
  tolerant.insert(tolerant.end(), {"--data.max_bad_share", "0.1"});
  EXPECT_EQ(json_of(tolerant)["num_samples"], 31);
  // Every row of features belongs to a line, so encode tolerates none.
  write_file_atomically(tiny_project() / "with_broken.txt",
                        broken.string() + "\n" + (tiny_project() / "texts.txt").string() + "\n");
  const ProgramResult encode =
      run_cloob(tiny_project(), {"encode", "model", "--images", "with_broken.txt", "--out", "f.safetensors"});
  EXPECT_EQ(encode.exit_status, 2);
  EXPECT_THAT(encode.errors, HasSubstr("error: with_broken.txt:2: the image '"));
  EXPECT_THAT(encode.errors, Not(HasSubstr("data.")));
}

TEST_F(Commands, EncodeRecognizesAnImageGivenInPlaceOfAList) {
  const std::string image = split(read_file(tiny_project() / "images.txt"), '\n').front();
  for (const char* option : {"--images", "--texts"}) {
    const ProgramResult result =
        run_cloob(tiny_project(), {"encode", "model", option, image, "--out", "f.safetensors"});
    EXPECT_EQ(result.exit_status, 2);
    EXPECT_THAT(result.errors, HasSubstr("' is an image: give a text file with "));
  }
  // A list that begins like a BMP, with a byte order mark.
  write_file_atomically(tiny_project() / "BMW.png", read_file(image));
  for (const char* mark : {"", "\xef\xbb\xbf"}) {
    write_file_atomically(tiny_project() / "bmw.txt", std::string(mark) + "BMW.png\n");
    run_or_fail(
        {"encode", "model", "--images", "bmw.txt", "--out", (tiny_project() / "bmw.safetensors").string()});
  }
}

TEST_F(Commands, WarnsAboutBoundsOfAFixedTemperatureWithoutEffect) {
  const std::vector<std::string> dry_run = train_arguments("dry", {"--dry-run"});
  EXPECT_THAT(warnings_of(dry_run, {"--loss.inv_tau_max", "50"}),
              HasSubstr("loss.inv_tau_max (loss.learn_inv_tau is false) has no effect"));
  // This temperature needs the bound.
  EXPECT_THAT(warnings_of(dry_run, {"--loss.inv_tau", "200", "--loss.inv_tau_max", "300"}),
              Not(HasSubstr("loss.")));
}

TEST_F(Commands, EveryMetricOfARunIsDocumented) {
  const std::string docs = read_file(source_dir() / "docs/metrics.md");
  std::set<std::string> names;
  for (const std::string& line :
       split(std::string(trim(read_file(tiny_project() / "model/metrics.jsonl"))), '\n')) {
    names.merge(keys_of(nlohmann::json::parse(line)));
  }
  EXPECT_GE(names.size(), 25u);
  for (std::string name : names) {
    if (const auto at = name.find("held_out"); at != name.npos) name.replace(at, 8, "NAME");
    EXPECT_THAT(docs, HasSubstr("`" + name + "`"));
  }
}

// Pairs are evaluated at every step, the best metric at two of them. No other weights may be the best.
TEST_F(Commands, SavesOnlyWeightsThatMayBeTheBest) {
  run_or_fail(train_arguments(
      "best", {"--train.steps", "4", "--checkpoint.every_steps", "0", "--checkpoint.at_end", "false",
               "--checkpoint.keep_last", "0", "--checkpoint.best_metric", "val/held_out_acc1",
               "--eval.zero_shot", "[data/held_out]", "--eval.evaluations.pairs.every_steps", "1",
               "--eval.evaluations.held_out.every_steps", "2"}));
  std::set<std::string> checkpoints;
  for (const auto& entry : fs::directory_iterator(tiny_project() / "best/checkpoints")) {
    if (!entry.is_symlink()) checkpoints.insert(entry.path().filename().string());
  }
  EXPECT_EQ(checkpoints, (std::set<std::string>{"step_00000002", "step_00000004"}));
}

TEST_F(Commands, QuietPrintsOnlyTheResult) {
  const ProgramResult result =
      run_cloob(tiny_project(), {"-q", "eval", "retrieval", "model", "--data", "data/validation/00000.tar",
                                 "--json", "-", "--data.webdataset.json_caption_field", "captions"});
  EXPECT_EQ(result.exit_status, 0);
  EXPECT_EQ(result.errors, "");
  EXPECT_EQ(split(result.output, '\n').size(), 2u);
}

TEST_F(Commands, EvalZeroShotMatchesTheEvaluationDuringTraining) {
  const nlohmann::json result =
      json_of({"eval", "zero-shot", "model", "--data", "data/held_out", "--json", "-"});
  EXPECT_EQ(keys_of(result), (std::set<std::string>{"acc1", "acc5", "mean_per_class_recall", "num_samples",
                                                    "num_classes", "class_names", "class_names_from",
                                                    "class_folders", "templates", "templates_from"}));
  EXPECT_EQ(result["class_names"].size(), result["class_folders"].size());
  EXPECT_THAT(result["class_names_from"].get<std::string>(), HasSubstr("held_out/classnames.txt"));
  EXPECT_EQ(result["num_samples"], 32);
  const std::vector<std::string> lines =
      split(std::string(trim(read_file(tiny_project() / "model/metrics.jsonl"))), '\n');
  EXPECT_EQ(nlohmann::json::parse(lines.back())["val/held_out_acc1"], result["acc1"]);
}

TEST_F(Commands, EvalPrintsATableUnlessJsonIsAskedFor) {
  const std::string table = run_or_fail({"eval", "zero-shot", "model", "--data", "data/held_out"});
  EXPECT_THAT(table, ::testing::ContainsRegex("acc1 +[0-9.]+\n"));
  EXPECT_THAT(table, ::testing::ContainsRegex("num_samples +32\n"));
  EXPECT_THAT(table, Not(HasSubstr("{")));
}

TEST_F(Commands, EvalZeroShotTakesSeveralSetsWithNames) {
  const std::vector<std::string> arguments = {"eval",   "zero-shot",           "model",
                                              "--data", "first=data/held_out", "data/held_out"};
  const nlohmann::json result = json_of(arguments);
  EXPECT_EQ(keys_of(result), (std::set<std::string>{"first", "held_out"}));
  EXPECT_EQ(result["first"], result["held_out"]);
  EXPECT_THAT(run_or_fail(arguments), AllOf(HasSubstr("acc1"), ::testing::ContainsRegex("\nfirst "),
                                            ::testing::ContainsRegex("\nheld_out ")));
  const ProgramResult same =
      run_cloob(tiny_project(), {"eval", "zero-shot", "model", "--data", "data/held_out", "data/held_out"});
  EXPECT_EQ(same.exit_status, 2);
  EXPECT_THAT(same.errors, HasSubstr("two evaluations are named 'held_out'"));
}

TEST_F(Commands, TrainTakesAModelByName) {
  const ProgramResult without_data = run_cloob(
      tiny_project(), train_arguments("dry", {"--dry-run", "--model", "tiny-vit", "--data.train", "none",
                                              "--train.steps", "null", "--train.epochs", "2"}));
  EXPECT_EQ(without_data.exit_status, 2);
  EXPECT_THAT(without_data.errors,
              HasSubstr("error: the run cannot start: data.train: 'none' does not exist"));
  EXPECT_THAT(without_data.output,
              AllOf(HasSubstr("# tiny-vit with the objective cloob"), HasSubstr("kind: vit"),
                    HasSubstr("the number of steps is not known")));
  write_file_atomically(tiny_project() / "own.yaml", "include: tiny.yaml\nmodel: {embed_dim: 24}\n");
  const ProgramResult mixed =
      run_cloob(tiny_project(), {"train", "own.yaml", "--model", "tiny-vit", "--dry-run"});
  EXPECT_EQ(mixed.exit_status, 2);
  EXPECT_THAT(mixed.errors, HasSubstr("own.yaml:2:20: model.embed_dim is set here"));
}

TEST_F(Commands, ARunKeepsALog) {
  const std::string log = read_file(tiny_project() / "model/log.txt");
  EXPECT_THAT(
      log, AllOf(HasSubstr("train tiny.yaml --run-dir model --train.steps 6"), HasSubstr("[train] step 6/6"),
                 HasSubstr("finished after 6 steps"), HasSubstr("next: cloob report model")));
}

TEST_F(Commands, ARunWhoseFolderIsDeletedEndsWithAnError) {
  BackgroundProgram program(tiny_project(), train_arguments("deleted", {"--train.steps", "100000"}));
  wait_for_lines(program, tiny_project() / "deleted", 2);
  fs::rename(tiny_project() / "deleted", tiny_project() / "renamed");
  EXPECT_EQ(program.wait(), 2);
  EXPECT_FALSE(fs::exists(tiny_project() / "deleted"));
  EXPECT_THAT(read_file(tiny_project() / "renamed/log.txt"),
              HasSubstr("error: the run folder 'deleted' was removed, renamed"));
}

TEST_F(Commands, HelpAndVersionAreAlsoCommands) {
  EXPECT_EQ(run_or_fail({"help", "eval", "loss"}), run_or_fail({"eval", "loss", "--help"}));
  EXPECT_EQ(run_or_fail({"help"}), run_or_fail({"--help"}));
  EXPECT_EQ(run_or_fail({"version"}), run_or_fail({"--version"}));
}

TEST_F(Commands, CompletionKnowsCommandsOptionsAndSettings) {
  const std::string script = run_or_fail({"completion"});
  const auto complete = [&](const std::string& line) {
    write_file_atomically(tiny_project() / "complete.sh",
                          script + "COMP_WORDS=(" + line +
                              "); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _cloob; echo ${COMPREPLY[@]}\n");
    const std::string command = "bash " + (tiny_project() / "complete.sh").string();
    std::FILE* const pipe = ::popen(command.c_str(), "r");
    std::string output;
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) output += static_cast<char>(c);
    ::pclose(pipe);
    return output;
  };
  EXPECT_EQ(complete("cloob ev"), "eval\n");
  EXPECT_EQ(complete("cloob eval z"), "zero-shot\n");
  EXPECT_EQ(complete("cloob train run.yaml --train.sam"), "--train.samples\n");
  EXPECT_EQ(complete("cloob eval loss RUN --optimizer.l"), "\n");
}

TEST_F(Commands, FeaturesHaveUnitLengthAndSurviveExportAndImport) {
  const NamedTensors features = features_of("model");
  ASSERT_EQ(features.size(), 2u);
  for (const auto& [name, rows] : features) {
    EXPECT_EQ(rows.sizes(), (std::vector<std::int64_t>{32, 32})) << name;
    EXPECT_TRUE(at::allclose(rows.norm(2, 1), at::ones({32}))) << name;
  }
  for (const auto& [name, rows] : features_of("model"))
    EXPECT_TRUE(rows.equal(features.at(name))) << "second run: " << name;
  run_or_fail({"weights", "export", "model", "--out", "exported.safetensors"});
  run_or_fail({"weights", "import", "exported.safetensors", "--out", "imported"});
  for (const std::string model : {"exported.safetensors", "imported", "model/checkpoints/step_00000006"}) {
    for (const auto& [name, rows] : features_of(model))
      EXPECT_TRUE(rows.equal(features.at(name))) << model << " " << name;
  }
  EXPECT_THAT(run_or_fail({"weights", "inspect", "imported"}), HasSubstr("visual.conv1.weight"));
  EXPECT_TRUE(json_of({"weights", "inspect", "imported", "--json", "-"}).is_object());
}

TEST_F(Commands, ExportWritesWhatItsNameSays) {
  for (const char* name : {"weights.pt", "weights.PTH", "pytorch_model.bin"}) {
    const ProgramResult result = run_cloob(tiny_project(), {"weights", "export", "model", "--out", name});
    EXPECT_EQ(result.exit_status, 2);
    EXPECT_THAT(result.errors, HasSubstr("written as safetensors"));
    EXPECT_FALSE(std::filesystem::exists(tiny_project() / name));
  }
  run_or_fail({"weights", "export", "model", "--out", "for_open_clip"});
  EXPECT_TRUE(std::filesystem::exists(tiny_project() / "for_open_clip" / "open_clip_config.json"));
  run_or_fail({"weights", "import", "for_open_clip", "--out", "from_open_clip"});
  const ProgramResult refused =
      run_cloob(tiny_project(), {"weights", "export", "model", "--format", "hf", "--out", "for_hf"});
  EXPECT_EQ(refused.exit_status, 2);
  EXPECT_THAT(refused.errors, HasSubstr("--format open_clip"));
  EXPECT_FALSE(std::filesystem::exists(tiny_project() / "for_hf"));
}

TEST_F(Commands, AModelOfAnotherVocabularyEncodesImages) {
  run_or_fail({"weights", "export", "model", "--out", "all_words.safetensors"});
  NamedTensors weights = read_safetensors(tiny_project() / "all_words.safetensors").tensors;
  weights.at("token_embedding.weight") = weights.at("token_embedding.weight").narrow(0, 0, 100).contiguous();
  write_safetensors(tiny_project() / "small.safetensors", weights, {});
  run_or_fail({"weights", "import", "small.safetensors", "--out", "small"});
  for (const std::string model : {"small", "small.safetensors"}) {
    run_or_fail({"encode", model, "--images", "images.txt", "--out", "small_images.safetensors"});
    const ProgramResult texts = run_cloob(
        tiny_project(), {"encode", model, "--texts", "images.txt", "--out", "small_texts.safetensors"});
    EXPECT_EQ(texts.exit_status, 2);
    EXPECT_THAT(texts.errors, HasSubstr("model.text.vocab_size is 100"));
  }
}

TEST_F(Commands, BenchLossPrintsItsMetrics) {
  for (const std::string objective :
       {"clip", "cloob", "info_loob", "info_nce_hopfield", "siglip", "sigmoid_hopfield"}) {
    const nlohmann::json result = json_of({"bench", "loss", "--objective", objective, "--batch", "64",
                                           "--dim", "16", "--beta", "8", "--inv-tau", "30"});
    EXPECT_EQ(keys_of(result),
              (std::set<std::string>{"loss", "grad_norm_image", "grad_norm_text", "seconds", "peak_gib"}));
  }
  for (const char* wrong : {"--batch=-5", "--batch=1", "--dim=0", "--beta=0", "--inv-tau=0", "--inv-tau=nan",
                            "--objective=clop"}) {
    EXPECT_EQ(run_cloob(tiny_project(), {"bench", "loss", "--objective", "clip", wrong}).exit_status, 2)
        << wrong;
  }
  write_safetensors(
      tiny_project() / "whole.safetensors",
      {{"image_features", at::ones({4, 2}, at::kLong)}, {"text_features", at::ones({4, 2}, at::kLong)}}, {});
  const ProgramResult whole =
      run_cloob(tiny_project(), {"bench", "loss", "--objective", "clip", "--features", "whole.safetensors"});
  EXPECT_EQ(whole.exit_status, 2);
  EXPECT_THAT(whole.errors, HasSubstr("floating-point"));
}

TEST_F(Commands, BenchKMeansPrintsItsMetrics) {
  const std::vector<std::string> small = {"bench", "kmeans", "--clusters", "20",           "--restarts",
                                          "2",     "--json", "-",          "--iterations", "5"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = small;
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  const nlohmann::json random = json_of(with({"--samples", "500", "--dim", "16"}));
  EXPECT_EQ(keys_of(random), (std::set<std::string>{"seconds", "objective", "samples_s", "iterations"}));
  EXPECT_EQ(random["iterations"], 10);
  EXPECT_GT(random["objective"], 0);
  EXPECT_LT(random["objective"], 500);  // the sum of their squared lengths
  at::Tensor features_ND = at::arange(60, at::kFloat).view({30, 2});
  const auto error_of_file = [&](const NamedTensors& tensors) {
    write_safetensors(tiny_project() / "rows.safetensors", tensors, {});
    const ProgramResult result = run_cloob(tiny_project(), with({"--features", "rows.safetensors"}));
    EXPECT_EQ(result.exit_status, 2);
    return result.errors;
  };
  EXPECT_THAT(error_of_file({{"rows", features_ND}}), HasSubstr("has no tensor 'features'"));
  EXPECT_THAT(error_of_file({{"features", features_ND.view({2, 15, 2})}}), HasSubstr("must be a matrix"));
  EXPECT_THAT(error_of_file({{"features", features_ND.narrow(0, 0, 10)}}),
              HasSubstr("10 samples into 20 clusters"));
  EXPECT_THAT(error_of_file({{"features", features_ND.log() * 0}}), HasSubstr("NaN"));
  write_safetensors(tiny_project() / "rows.safetensors", {{"features", features_ND}}, {});
  EXPECT_GT(json_of(with({"--features", "rows.safetensors"}))["objective"], 0);
  EXPECT_EQ(run_cloob(tiny_project(), with({"--features", "rows.safetensors", "--dim", "2"})).exit_status, 2);
}

TEST_F(Commands, HopfieldImagesShowsWhatBetaDoes) {
  std::vector<std::string> arguments = {"hopfield", "images"};
  for (const std::string& file : read_lines(tiny_project() / "images.txt")) arguments.push_back(file);
  const auto num_images = static_cast<double>(arguments.size() - 2);
  arguments.insert(arguments.end(),
                   {"--size", "16", "--keep", "0.9", "--beta", "1,1000", "--out", "strip.png"});
  const nlohmann::json result = json_of(arguments);
  EXPECT_EQ(keys_of(result), (std::set<std::string>{"untrained layer", "beta 0.0361", "beta 1",
                                                    "beta 1e+03"}));  // 0.0361: 1 / sqrt(3 16 16)
  EXPECT_EQ(keys_of(result["beta 1"]), (std::set<std::string>{"entropy", "images_averaged", "own_weight",
                                                              "recovered", "found", "retrieves"}));
  EXPECT_EQ(result["beta 0.0361"]["retrieves"], "mean of all");
  EXPECT_NEAR(result["beta 0.0361"]["images_averaged"], num_images, 0.01 * num_images);
  EXPECT_NEAR(result["beta 0.0361"]["recovered"], 0, 0.05);
  EXPECT_EQ(result["beta 1e+03"]["retrieves"], "one pattern");
  EXPECT_GT(result["beta 1e+03"]["found"], 0.8);
  EXPECT_TRUE(read_file(tiny_project() / "strip.png").starts_with("\x89PNG"));
  const ProgramResult again = run_cloob(tiny_project(), arguments);
  EXPECT_EQ(again.exit_status, 2);
  EXPECT_THAT(again.errors, HasSubstr("'strip.png' exists and is not empty, so it is not overwritten"));
}

TEST_F(Commands, HopfieldImagesGivesPhotographsBackFromTheirHalves) {
  const fs::path photographs = shared_data_dir() / "flickr8k" / "dev";
  if (!fs::exists(photographs)) GTEST_SKIP() << photographs << " is missing";
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(photographs)) files.push_back(entry.path().string());
  std::ranges::sort(files);
  files.resize(200);
  std::vector<std::string> arguments = {"hopfield", "images", "--size", "32", "--update-steps", "30"};
  arguments.insert(arguments.end(), files.begin(), files.end());
  const nlohmann::json result = json_of(arguments);
  EXPECT_EQ(result["beta 0.018"]["retrieves"], "mean of all");  // 1 / sqrt(3 32 32)
  EXPECT_EQ(result["beta 4"]["retrieves"], "mean of all");
  EXPECT_EQ(result["beta 16"]["retrieves"], "average of several");
  EXPECT_EQ(result["beta 256"]["retrieves"], "one pattern");
  EXPECT_LT(result["beta 4"]["found"], 0.05);
  EXPECT_GT(result["beta 256"]["found"], 0.9);
}

TEST_F(Commands, HopfieldImagesNamesAnImageThatItCannotStore) {
  write_file_atomically(tiny_project() / "text.jpg", "no image");
  const ProgramResult result = run_cloob(tiny_project(), {"hopfield", "images", "text.jpg", "missing.jpg"});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.errors, HasSubstr("'text.jpg' cannot be stored: "));
  EXPECT_THAT(run_cloob(tiny_project(), {"hopfield", "images", "text.jpg"}).errors,
              HasSubstr("give at least 2"));
}

TEST_F(Commands, HopfieldCapacityGrowsWithTheDimension) {
  const nlohmann::json result =
      json_of({"hopfield", "capacity", "--dim", "8,16,20", "--max-patterns", "4096"});
  EXPECT_EQ(keys_of(result["8 dimensions"]),
            (std::set<std::string>{"beta", "patterns", "error", "error_of_twice_as_many"}));
  EXPECT_GT(result["16 dimensions"]["patterns"], 4 * result["8 dimensions"]["patterns"].get<int>());
  EXPECT_GT(result["20 dimensions"]["patterns"], 2 * result["16 dimensions"]["patterns"].get<int>());
}

TEST_F(Commands, ARunThatRetrievesTheMeanIsToldOnce) {
  const std::string log = warnings_of(
      train_arguments("averages", {"--train.steps", "120", "--train.global_batch_size", "8",
                                   "--report.every_steps", "10"}),
      {"--retrieval.beta", "0.01", "--eval.every_epochs", "1000", "--checkpoint.every_steps", "0"});
  const std::string warning = "retrieval still averages nearly all stored features";
  const std::size_t first = log.find(warning);
  ASSERT_NE(first, log.npos) << log;
  EXPECT_THAT(log.substr(first), HasSubstr("an average over 8 of 8."));
  EXPECT_EQ(log.find(warning, first + 1), log.npos);
}

TEST_F(Commands, BenchDataAndTokenizePrintRates) {
  const nlohmann::json data = json_of({"bench", "data", "--source", "data/train/*.tar", "--threads", "2",
                                       "--image-size", "32", "--batch", "16", "--seconds", "0.2"});
  EXPECT_EQ(keys_of(data), (std::set<std::string>{"images_s", "decode_only_images_s", "threads", "read_mib_s",
                                                  "peak_rss_gib"}));
  EXPECT_EQ(data["threads"], 2);
  for (const auto& [name, value] : data.items()) EXPECT_GT(value.get<double>(), 0) << name;
  const nlohmann::json tokens = json_of({"bench", "tokenize", "--captions", "texts.txt", "--seconds", "0.1"});
  EXPECT_EQ(keys_of(tokens), std::set<std::string>{"captions_s"});
  EXPECT_GT(tokens["captions_s"].get<double>(), 0);
}

TEST_F(Commands, BenchStepTimesASmallModel) {
  write_file_atomically(tiny_project() / "few.txt", "a red circle\na large blue square on a green ground\n");
  const std::string model = (source_dir() / "configs/test/test-vit.yaml").string();
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--precision", "bf16", "--caption-tokens", "5"},
        {"--precision", "pure_bf16", "--caption-tokens", "6"},
        {"--caption-tokens", "words", "--captions", "few.txt", "--train.gradient_cache_parts", "2"}}) {
    std::vector<std::string> arguments = {"bench", "step",    "--model", model,     "--objective",
                                          "cloob", "--batch", "8",       "--steps", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const nlohmann::json result = json_of(arguments);
    EXPECT_EQ(keys_of(result),
              (std::set<std::string>{"step_s", "samples_s", "first_s", "peak_rss_gib", "loss"}));
    EXPECT_TRUE(result["loss"].is_number());
    EXPECT_NEAR(result["samples_s"].get<double>() * result["step_s"].get<double>(), 8, 1e-6);
  }
}

TEST_F(Commands, BenchStepReportsUnknownModelsAndUnusedOptions) {
  const ProgramResult typo = run_cloob(tiny_project(), {"bench", "step", "--model", "tiny-resnt"});
  EXPECT_EQ(typo.exit_status, 2);
  EXPECT_THAT(typo.errors, HasSubstr("--model 'tiny-resnt' is neither a file nor one of "));
  EXPECT_THAT(typo.errors, HasSubstr("did you mean 'tiny-resnet'?"));
  const std::string model = (source_dir() / "configs/test/test-vit.yaml").string();
  const ProgramResult unused = run_cloob(
      tiny_project(), {"bench", "step", "--model", model, "--batch", "4", "--steps", "1", "--train.device",
                       "cpu", "--caption-tokens", "5", "--captions", "few.txt", "--train.tf32", "true"});
  EXPECT_EQ(unused.exit_status, 0) << unused.errors;
  EXPECT_THAT(unused.errors, HasSubstr("--captions (--caption-tokens is 5) has no effect"));
  EXPECT_THAT(unused.errors, HasSubstr("train.tf32 (the device is the CPU) has no effect"));
}

TEST_F(Commands, DataListShowsTheSameOrderForAnyThreadsAndRanks) {
  const auto list = [](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"data", "list", "data/train/*.tar", "--epoch", "1", "--seed", "7"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return split(std::string(trim(run_or_fail(arguments))), '\n');
  };
  const std::vector<std::string> all = list({"--threads", "1"});
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), 96u);
  EXPECT_EQ(all.size(), 96u);
  EXPECT_FALSE(std::is_sorted(all.begin(), all.end()));
  EXPECT_EQ(list({"--threads", "3", "--batch", "8"}), all);
  EXPECT_EQ(list({"--limit", "5"}), std::vector<std::string>(all.begin(), all.begin() + 5));
  std::vector<std::string> together;
  const auto first = list({"--batch", "8", "--ranks", "2", "--rank", "0"});
  const auto second = list({"--batch", "8", "--ranks", "2", "--rank", "1", "--threads", "2"});
  for (std::size_t begin = 0; begin < 48; begin += 4) {
    for (const auto* rank : {&first, &second}) {
      together.insert(together.end(), rank->begin() + static_cast<std::ptrdiff_t>(begin),
                      rank->begin() + static_cast<std::ptrdiff_t>(begin) + 4);
    }
  }
  EXPECT_EQ(together, all);
}

TEST_F(Commands, DataIndexIsWrittenOnceAndUsed) {
  const std::vector<std::string> index = {"data", "index", "data/train/*.tar"};
  run_or_fail(index);
  const fs::path file = tiny_project() / "data" / "train" / "cloob.index";
  ASSERT_TRUE(fs::exists(file));
  const auto order = run_or_fail({"data", "list", "data/train/*.tar"});
  // Damaging only the index shows that it is what is read.
  std::string content = read_file(file);
  const std::size_t end = content.find("\"end\":");
  ASSERT_NE(end, std::string::npos);
  write_file_atomically(file, content.substr(0, end));
  const ProgramResult result = run_cloob(tiny_project(), {"data", "list", "data/train/*.tar"});
  EXPECT_THAT(result.errors, HasSubstr("cloob.index' is ignored"));
  EXPECT_EQ(result.output, order);
  run_or_fail(index);
  fs::remove(file);
}

TEST_F(Commands, InspectTellsOfCaptionsThatAreNotUsed) {
  const std::vector<std::string> inspect = {
      "data", "inspect", "data/train/*.tar", "--data.webdataset.image_members", "png", "--model", "tiny-vit"};
  const auto text_of = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = inspect;
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_or_fail(arguments);
  };
  const std::string advice = "set data.webdataset.json_caption_field to captions to use all";
  EXPECT_THAT(text_of({}), HasSubstr(advice));
  EXPECT_THAT(text_of({"--data.webdataset.json_caption_field", "captions"}), Not(HasSubstr(advice)));
  EXPECT_THAT(text_of({"--json", "-"}), HasSubstr(R"("context_length":32)"));
}

TEST_F(Commands, ReportComparesRuns) {
  run_or_fail({"eval", "zero-shot", "model", "--data", "data/held_out", "--json", "model/zero_shot.json"});
  const std::string table = run_or_fail({"report", "one=model", "two=model", "--out", "report",
                                         "--table-title", "Held out", "--summary", "Both are the same."});
  EXPECT_THAT(table, HasSubstr("x chance"));
  EXPECT_THAT(table, ::testing::StartsWith("Held out\n"));
  const auto results = nlohmann::json::parse(read_file(tiny_project() / "report/results.json"));
  EXPECT_EQ(results["num_images"], 32);
  EXPECT_EQ(results["one"]["acc1"], results["two"]["acc1"]);
  const std::string page = read_file(tiny_project() / "report/index.html");
  EXPECT_THAT(page, HasSubstr("<svg"));
  EXPECT_THAT(page, HasSubstr("Both are the same."));
}

TEST_F(Commands, ReportNeedsNothingButRunFolders) {
  run_or_fail(train_arguments("other",
                              {"--train.steps", "6", "--loss.kind", "info_nce", "--retrieval.kind", "none"}));
  fs::remove(tiny_project() / "model/zero_shot.json");
  const std::string table = run_or_fail({"report", "model/", "other", "--out", "plain"});
  EXPECT_THAT(table, AllOf(HasSubstr("Last evaluation"), ::testing::ContainsRegex("objective +cloob +clip\n"),
                           ::testing::ContainsRegex("num_images +32 +32\n"),
                           ::testing::ContainsRegex("image_to_text_R@1 .* 0.03125\n"),
                           ::testing::ContainsRegex("steps +6 +6\n")));
  const std::string page = read_file(tiny_project() / "plain/index.html");
  EXPECT_THAT(page,
              AllOf(HasSubstr("Training loss, objective cloob"), HasSubstr("Training loss, objective clip"),
                    HasSubstr("chance"), HasSubstr("Settings that differ"), HasSubstr("loss.kind")));
  const auto results = nlohmann::json::parse(read_file(tiny_project() / "plain/results.json"));
  EXPECT_TRUE(results["other"]["last_metrics"].contains("val/loss"));
  const ProgramResult refused = run_cloob(tiny_project(), {"report", "data", "--out", "plain"});
  EXPECT_EQ(refused.exit_status, 2);
  EXPECT_THAT(refused.errors, HasSubstr("'data' is not the folder of a run"));
}

TEST_F(Commands, ReportOverwritesOnlyReports) {
  run_or_fail({"eval", "zero-shot", "model", "--data", "data/held_out", "--json", "model/zero_shot.json"});
  const std::vector<std::string> report = {"report", "one=model", "--out", "site"};
  fs::create_directory(tiny_project() / "site");
  for (const char* name : {"index.html", "results.json", "report.md", "report.csv"}) {
    write_file_atomically(tiny_project() / "site" / name, "mine");
    const ProgramResult refused = run_cloob(tiny_project(), report);
    EXPECT_EQ(refused.exit_status, 2);
    EXPECT_THAT(refused.errors, HasSubstr(std::string(name) + "' was not written by cloob report"));
    EXPECT_EQ(read_file(tiny_project() / "site" / name), "mine");
    fs::remove(tiny_project() / "site" / name);
  }
  run_or_fail(report);
  run_or_fail(report);
}

TEST_F(Commands, ReportRejectsRunsThatAreNotComparable) {
  run_or_fail({"eval", "zero-shot", "model", "--data", "data/held_out", "--json", "model/zero_shot.json"});
  const nlohmann::json result = nlohmann::json::parse(read_file(tiny_project() / "model/zero_shot.json"));
  const auto other = [&](const std::string& name, const std::string& key, const nlohmann::json& value) {
    nlohmann::json changed = result;
    changed[key] = value;
    fs::create_directory(tiny_project() / name);
    fs::copy_file(tiny_project() / "model/metrics.jsonl", tiny_project() / name / "metrics.jsonl");
    write_file_atomically(tiny_project() / name / "zero_shot.json", changed.dump());
    return "other=" + name;
  };
  const auto expect_refused = [](const std::vector<std::string>& runs, const std::string& part) {
    std::vector<std::string> arguments = {"report", "--out", "refused"};
    arguments.insert(arguments.end(), runs.begin(), runs.end());
    const ProgramResult report = run_cloob(tiny_project(), arguments);
    EXPECT_EQ(report.exit_status, 2) << part;
    EXPECT_THAT(report.errors, HasSubstr(part));
  };
  expect_refused({"one=model", "one=model"}, "'one' is given twice");
  expect_refused({"chance=model"}, "'chance'");
  expect_refused({"num_images=model"}, "'num_images'");
  expect_refused({"one=model", other("fewer_images", "num_samples", 31)}, "num_samples is 32 and 31");
  expect_refused({"one=model", other("fewer_classes", "num_classes", 1)}, "num_classes");
  expect_refused({"one=model", other("words", "acc1", "high")}, "no number 'acc1'");
  EXPECT_FALSE(fs::exists(tiny_project() / "refused"));
}

TEST_F(Commands, DryRunPrintsWhatWouldRun) {
  const std::string text = run_or_fail(train_arguments("dry", {"--dry-run", "--optimizer.lr", "2e-3"}));
  EXPECT_THAT(text, HasSubstr("lr: 0.002"));
  for (const char* part : {"command line", "tiny.yaml:", "parameters", "GFLOP", "peak"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_FALSE(fs::exists(tiny_project() / "dry"));
}

TEST_F(Commands, ARunTrainsWithASentencePieceModel) {
  std::string captions;
  for (const auto& text : split(read_file(tiny_project() / "texts.txt"), '\n')) captions += text + "\n";
  write_file_atomically(tiny_project() / "captions.txt", captions);
  run_or_fail({"tokenizer", "train", "captions.txt", "--vocab-size", "36", "--out", "pieces.model"});
  run_or_fail(
      train_arguments("pieces", {"--text.tokenizer", "sentencepiece", "--text.model_file", "pieces.model",
                                 "--model.text.vocab_size", "36", "--train.steps", "4"}));
  EXPECT_EQ(json_of({"eval", "zero-shot", "pieces", "--data", "data/held_out"})["num_samples"], 32);
  const std::string ids = run_or_fail({"tokenize", "--tokenizer", "pieces.model"}, "a red circle\n");
  EXPECT_GE(split(std::string(trim(ids)), ' ').size(), 3u);
}

TEST_F(Commands, OutputsNeverOverwriteInputs) {
  run_or_fail({"weights", "export", "model", "--out", "w.safetensors"});
  const std::string training = "model/checkpoints/step_00000006/training.safetensors";
  const std::string shard = "data/validation/00000.tar";
  struct Case {
    std::string file;
    std::vector<std::string> arguments;
  };
  for (const auto& [file, arguments] : std::vector<Case>{
           {shard, {"eval", "retrieval", "model", "--data", shard, "--json", shard}},
           {shard, {"eval", "loss", "model", "--data", "data/{train,validation}/*.tar", "--json", shard}},
           {"w.safetensors",
            {"eval", "retrieval", "w.safetensors", "--data", shard, "--json", "w.safetensors"}},
           {"data/held_out/classnames.txt",
            {"eval", "zero-shot", "model", "--data", "data/held_out", "--json",
             "data/held_out/classnames.txt"}},
           {"texts.txt", {"encode", "model", "--texts", "texts.txt", "--out", "texts.txt"}},
           {"texts.txt", {"tokenizer", "train", "texts.txt", "--vocab-size", "36", "--out", "texts.txt"}},
           {training, {"weights", "export", "model", "--out", training}},
           {"model/metrics.jsonl", {"weights", "inspect", "model", "--json", "model/metrics.jsonl"}},
           {"w.safetensors", {"weights", "export", "w.safetensors", "--out", "./w.safetensors"}},
           {shard, {"bench", "data", "--source", shard, "--json", shard}}}) {
    const std::string before = read_file(tiny_project() / file);
    const ProgramResult result = run_cloob(tiny_project(), arguments);
    EXPECT_EQ(result.exit_status, 2) << join(arguments, " ");
    EXPECT_THAT(result.errors, AllOf(HasSubstr("error: '"), HasSubstr("choose another")))
        << join(arguments, " ");
    EXPECT_EQ(read_file(tiny_project() / file), before) << join(arguments, " ");
  }
}

TEST_F(Commands, HelpOfClassNamesNamesAnAvailableDataSet) {
  const std::string help = run_or_fail({"eval", "zero-shot", "--help"});
  EXPECT_THAT(help, HasSubstr("imagenet1k"));
  const ProgramResult result = run_cloob(
      tiny_project(), {"eval", "zero-shot", "model", "--data", "data/held_out", "--classnames", "cifar10"});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.errors, AllOf(HasSubstr("no data set 'cifar10'"), HasSubstr("imagenet1k, ")));
}

TEST_F(Commands, UnwritableOutputIsAnErrorBeforeTheWork) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"eval", "retrieval", "model", "--data", "data/validation/00000.tar",
                                 "--json", "no/r.json"},
        {"encode", "model", "--texts", "texts.txt", "--out", "no/f.safetensors"},
        {"weights", "export", "model", "--out", "no/w.safetensors"}}) {
    const ProgramResult result = run_cloob(tiny_project(), arguments);
    EXPECT_EQ(result.exit_status, 2);
    EXPECT_THAT(result.errors, HasSubstr("there is no folder 'no'"));
  }
  const ProgramResult result =
      run_cloob(tiny_project(), {"weights", "import", "not_even_read.pt", "--out", "model"});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.errors, HasSubstr("'model' already exists"));
}

TEST_F(Commands, UnwritableStandardOutputIsAnError) {
  const std::string program = (binary_dir() / "bin" / "cloob").string();
  for (const std::string arguments :
       {"tokenize", "config docs", "config schema", "--help", "--version", "eval loss --help"}) {
    const fs::path errors = tiny_project() / "full_disk_errors.txt";
    const std::string command =
        "echo a cat | '" + program + "' " + arguments + " > /dev/full 2> '" + errors.string() + "'";
    const int status = std::system(command.c_str());
    EXPECT_EQ(WEXITSTATUS(status), 2) << arguments;
    EXPECT_THAT(read_file(errors), ::testing::StartsWith("error: ")) << arguments;
  }
}

}  // namespace
}  // namespace cloob::testing
