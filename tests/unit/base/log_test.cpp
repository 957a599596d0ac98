#include "cloob/base/log.h"

#include <filesystem>

#include "cloob/base/files.h"
#include "support/support.h"

namespace cloob {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Log : public ::testing::Test {
 protected:
  ~Log() override { set_log_level(LogLevel::error); }  // as the other tests expect

  testing::TempDir folder_;
};

TEST_F(Log, FileHasAlsoLinesThatAreNotShown) {
  set_log_level(LogLevel::warning);
  ::testing::internal::CaptureStderr();
  {
    LogFile file(folder_ / "log.txt", "cloob train a.yaml");
    log_info("train", "step {}", 1);
    log_debug("train", "step {}", 2);
    log_warning("train", "odd");
    file.write("error: the end");
  }
  log_info("train", "later");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "[train] warning: odd\n");
  const std::vector<std::string> lines = read_lines(folder_ / "log.txt");
  std::vector<std::string> messages;
  for (const std::string& line : lines) {
    EXPECT_THAT(line, ::testing::MatchesRegex("20..-..-.. ..:..:.. .*"));
    messages.push_back(line.substr(20));
  }
  // Other tests of this process may have logged before the file was opened.
  ASSERT_GE(messages.size(), 5U);
  EXPECT_EQ(messages.front(), "cloob train a.yaml");
  EXPECT_THAT(
      std::vector<std::string>(messages.end() - 4, messages.end()),
      ::testing::ElementsAre("[train] step 1", "[train] step 2", "[train] warning: odd", "error: the end"));
}

TEST_F(Log, FileIsContinued) {
  { LogFile(folder_ / "log.txt", "first"); }
  { LogFile(folder_ / "log.txt", "second"); }
  EXPECT_THAT(read_file(folder_ / "log.txt"), AllOf(HasSubstr("first\n"), HasSubstr("second\n")));
}

TEST_F(Log, AFullDiskStopsTheFileAndNothingElse) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  set_log_level(LogLevel::warning);
  ::testing::internal::CaptureStderr();
  {
    const LogFile file("/dev/full", "header");
    log_warning("train", "odd");
  }
  const std::string errors = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(errors,
              AllOf(HasSubstr("cannot write '/dev/full': No space left on device"), HasSubstr("odd")));
  EXPECT_EQ(errors.find("cannot write"), errors.rfind("cannot write")) << "it is said once";
}

}  // namespace
}  // namespace cloob
