// What is written about the program agrees with the program.

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/config/config.h"
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
    if (entry.path().extension() != ".yaml") continue;
    EXPECT_NO_THROW(read_config<RunConfig>(ConfigSource::from_file(entry.path()))) << entry.path();
    ++num_files;
  }
  EXPECT_GE(num_files, 20);
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
