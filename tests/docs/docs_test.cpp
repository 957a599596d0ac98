// What is written about the program agrees with the program.

#include "cloob/ablation/sweep_plan.h"
#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/config/config.h"
#include "cloob/eval/prompts.h"
#include "cloob/eval/suite/suite_config.h"
#include "cloob/run/dry_run.h"
#include "cloob/run/run_config.h"
#include "support/support.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

TEST(Docs, TheReferenceOfSettingsIsUpToDate) {
  EXPECT_EQ(read_file(testing::source_dir() / "docs" / "config.md"), config_docs<RunConfig>())
      << "write it anew: cloob config docs > docs/config.md";
}

TEST(Docs, EveryRecipeParses) {
  int num_files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(testing::source_dir() / "configs")) {
    if (entry.path().extension() != ".yaml" || entry.path().parent_path().filename() == "ablation") continue;
    const ConfigSource source = ConfigSource::from_file(entry.path());
    if (entry.path().parent_path().filename() == "eval") {
      EXPECT_NO_THROW(read_config<SuiteConfig>(source)) << entry.path();
    } else {
      EXPECT_NO_THROW(read_config<RunConfig>(source)) << entry.path();
    }
    ++num_files;
  }
  EXPECT_GE(num_files, 20);
}

// The settings of a ProtoCLIP recipe and of its CLIP counterpart differ in the task, and in the number of passes if a claim
// does.
TEST(Docs, EveryProtoClipRecipeHasAClipCounterpart) {
  int num_pairs = 0;
  for (const auto& entry : fs::directory_iterator(testing::source_dir() / "configs" / "run")) {
    std::string name = entry.path().filename().string();
    const std::size_t at = name.find("_protoclip_");
    if (at == std::string::npos || name.find("_clip_for_protoclip_") != std::string::npos) continue;
    const fs::path clip = entry.path().parent_path() / name.replace(at, 11, "_clip_for_protoclip_");
    auto of_protoclip = setting_values(read_config<RunConfig>(ConfigSource::from_file(entry.path())));
    auto of_clip = setting_values(read_config<RunConfig>(ConfigSource::from_file(clip)));
    EXPECT_EQ(of_protoclip.at("task.kind"), "protoclip") << entry.path();
    for (auto* settings : {&of_protoclip, &of_clip}) {
      std::erase_if(*settings, [](const auto& setting) {
        return setting.first.starts_with("task.") || setting.first.starts_with("protoclip.") ||
               setting.first == "train.epochs";
      });
    }
    EXPECT_EQ(of_protoclip, of_clip) << clip;
    ++num_pairs;
  }
  EXPECT_EQ(num_pairs, 2);
}

// With the settings of every run; the data need not be here.
TEST(Docs, EverySweepParses) {
  int num_files = 0;
  for (const auto& entry : fs::directory_iterator(testing::source_dir() / "configs" / "ablation")) {
    SCOPED_TRACE(entry.path());
    SweepPlan plan;
    ASSERT_NO_THROW(plan = resolve_plan(read_sweep(entry.path()), {}));
    EXPECT_FALSE(plan.runs.empty());
    for (const ResolvedRun& run : plan.runs) {
      EXPECT_THAT(settings_without_effect(run.config, {}),
                  ::testing::Each(
                      ::testing::HasSubstr("(retrieval.kind is none)")))  // of the recipe, for all objectives
          << run.run.name;
    }
    ++num_files;
  }
  EXPECT_GE(num_files, 8);
}

// The settings of a CLOOB recipe and of its CLIP counterpart differ in the objective alone.
TEST(Docs, EveryCloobRecipeHasAClipCounterpart) {
  int num_pairs = 0;
  for (const auto& entry : fs::directory_iterator(testing::source_dir() / "configs" / "run")) {
    std::string name = entry.path().filename().string();
    const std::size_t at = name.find("_cloob_");
    if (at == std::string::npos) continue;
    const fs::path clip = entry.path().parent_path() / name.replace(at, 7, "_clip_");
    auto of_cloob = setting_values(read_config<RunConfig>(ConfigSource::from_file(entry.path())));
    auto of_clip = setting_values(read_config<RunConfig>(ConfigSource::from_file(clip)));
    EXPECT_EQ(of_cloob.at("objective"), "cloob") << entry.path();
    EXPECT_EQ(of_clip.at("objective"), "clip") << clip;
    for (auto* settings : {&of_cloob, &of_clip}) {
      std::erase_if(*settings, [](const auto& setting) {
        return setting.first == "objective" || setting.first.starts_with("loss.") ||
               setting.first.starts_with("retrieval.");
      });
    }
    EXPECT_EQ(of_cloob, of_clip) << clip;
    ++num_pairs;
  }
  EXPECT_GE(num_pairs, 5);
}

TEST(Docs, TheListsThatSuitesNameExist) {
  for (const auto& entry : fs::directory_iterator(testing::source_dir() / "configs" / "eval")) {
    const auto suite = read_config<SuiteConfig>(ConfigSource::from_file(entry.path()));
    for (const auto& [name, set] : suite.sets) {
      const std::string where = entry.path().string() + " " + name;
      if (set.class_names) {
        EXPECT_NO_THROW(load_class_names(*set.class_names)) << where;
      }
      if (set.templates) {
        EXPECT_NO_THROW(load_templates(*set.templates)) << where;
      }
    }
  }
}

TEST(Docs, EverySettingOfASuiteIsInItsDocument) {
  const std::string document = read_file(testing::source_dir() / "docs" / "evaluation.md");
  for (const SettingInfo& setting : description_of<SuiteConfig>().settings) {
    if (setting.name.starts_with("sets.NAME.data.")) continue;  // as in docs/config.md
    EXPECT_THAT(document, ::testing::HasSubstr("`" + setting.name + "`"));
    EXPECT_TRUE(setting.doc.ends_with('.')) << setting.name;
  }
}

TEST(Docs, EverySettingIsExplainedInASentence) {
  constexpr std::size_t kMinWords = 4;
  for (const SettingInfo& setting : description_of<RunConfig>().settings) {
    EXPECT_GE(split(setting.doc, ' ').size(), kMinWords) << setting.name << ": " << setting.doc;
    EXPECT_TRUE(setting.doc.ends_with('.')) << setting.name << ": " << setting.doc;
  }
}

}  // namespace
}  // namespace cloob
