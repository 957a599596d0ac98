#include "cloob/data/source_names.h"

#include "cloob/base/error.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using testing::TempDir;
using Names = std::vector<std::string>;

TEST(ExpandBraces, WorksLikeAShell) {
  const std::vector<std::pair<std::string, Names>> cases = {
      {"a.tar", {"a.tar"}},
      {"{0..2}", {"0", "1", "2"}},
      {"x{00000..00002}.tar", {"x00000.tar", "x00001.tar", "x00002.tar"}},
      {"{8..11}", {"8", "9", "10", "11"}},
      {"{08..11}", {"08", "09", "10", "11"}},
      {"{8..011}", {"008", "009", "010", "011"}},
      {"{2..0}", {"2", "1", "0"}},
      {"{5..5}", {"5"}},
      {"{a,b}/{0..1}", {"a/0", "a/1", "b/0", "b/1"}},
      {"{a,b{1..2},}c", {"ac", "b1c", "b2c", "c"}},
      {"{{a,b},c}", {"a", "b", "c"}},
      {"{abc}", {"{abc}"}},
      {"{a,b", {"{a,b"}},
      {"a}{0..1}", {"a}0", "a}1"}},
      {"{x}{0..1}", {"{x}0", "{x}1"}},
      {"{1..x}", {"{1..x}"}},
      {"{}", {"{}"}},
  };
  for (const auto& [pattern, names] : cases) EXPECT_EQ(expand_braces(pattern), names) << pattern;
}

TEST(ExpandBraces, RejectsTooManyNames) {
  testing::expect_user_error([] { expand_braces("{0..9999999999}"); }, {"more than 1,000,000 names"});
  testing::expect_user_error([] { expand_braces("{0..9999}{0..9999}"); }, {"more than 1,000,000 names"});
}

TEST(ExpandSourceNames, ExpandsGlobsByNameAndKeepsTheOrderOfTheList) {
  const TempDir folder;
  for (const std::string name : {"b2.tar", "b10.tar", "a.tar", "[x].tar"}) {
    testing::write_text(folder / name, "");
  }
  const std::string root = folder.path().string();
  Names names;
  for (const auto& path : expand_source_names({root + "/b*.tar", root + "/{a,[x]}.tar"})) {
    names.push_back(path.filename().string());
  }
  EXPECT_EQ(names, (Names{"b10.tar", "b2.tar", "a.tar", "[x].tar"}));
}

TEST(ExpandSourceNames, ReportsMissingSources) {
  const TempDir folder;
  testing::write_text(folder / "0.tar", "");
  const std::string root = folder.path().string();
  testing::expect_user_error([&] { expand_source_names({root + "/1.tar"}); }, {"/1.tar' does not exist"});
  testing::expect_user_error([] { expand_source_names({"s3://shards/1.tar"}); }, {"s3://", "'pipe:COMMAND'"});
  testing::expect_user_error([] { expand_source_names({"http:///1.tar"}); }, {"has no host name"});
  testing::expect_user_error([] { expand_source_names({""}); }, {"name is empty"});
  testing::expect_user_error([&] { expand_source_names({root + "/{0..3}.tar"}); },
                             {"/1.tar' does not exist", "{0..3}.tar' expands to it", "'*.tar'"});
  testing::expect_user_error([&] { expand_source_names({root + "/x*.tar"}); },
                             {"no file matches '", "/x*.tar'"});
  testing::expect_user_error([&] { expand_source_names({root + "/none/*.tar"}); },
                             {": the folder '" + root + "/none' does not exist"});
  testing::expect_user_error([] { expand_source_names({"none/*.tar"}); },
                             {"the folder 'none' does not exist (looked in /"});
  testing::expect_user_error(
      [&] {
        expand_source_names({root + "/0.tar", root + "/*.tar"});
      },
      {"/0.tar' is named twice"});
}

TEST(ExpandSourceNames, PrefersFilesToPatterns) {
  const TempDir folder;
  for (const std::string name : {"x[1]{a,b}/t.csv", "my data, v2.csv", "a::b.tar", "{0..1}.tar"}) {
    const std::string path = testing::write_text(folder / name, "").string();
    const auto expanded = expand_source_names(split_sources({path}));
    ASSERT_EQ(expanded.size(), 1u) << name;
    EXPECT_EQ(expanded[0], path);
  }
}

TEST(ExpandSourceNames, ExplainsBackslashes) {
  testing::expect_user_error([] { expand_source_names({"data\\t.csv"}); }, {"does not exist", "write '/'"});
}

}  // namespace
}  // namespace cloob
