#include "checkpoint/weights_file.h"

#include "pickles.h"
#include "support/support.h"

namespace cloob {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::joined;
using testing::repeated;
using testing::TempDir;
using testing::text;

const std::string kTensor = testing::tensor("K\0"s, "K\2", "K\1");
const std::string kModule = "c__torch__\nModule\n)\x81";

void expect_rejected(const std::string& pickle, std::initializer_list<std::string> parts) {
  const TempDir folder;
  testing::write_torch_file(folder / "x.pt", pickle);
  testing::expect_user_error([&] { open_weights(folder / "x.pt"); }, parts);
}

TEST(TorchWeights, AreFoundInAStateDictOrInAModule) {
  const TempDir folder;
  testing::write_torch_file(folder / "dictionary", joined("}", text("a"), kTensor, "s."));
  testing::write_torch_file(folder / "module", joined(kModule, "}", text("a"), kTensor, "sb."));
  for (const char* name : {"dictionary", "module"}) {
    EXPECT_EQ(open_weights(folder / name)->load().at("a").numel(), 2) << name;
  }
}

TEST(TorchWeights, HaveNamesOfLimitedLength) {
  const std::string half(600, 'n');
  expect_rejected(joined("}", text(half + half), "Ns."), {"name of more than 1024 characters: 'nnn"});
  const std::string inner = joined(kModule, "}", text(half), kTensor, "sb");
  expect_rejected(joined(kModule, "}", text(half), inner, "sb."), {"name of more than 1024 characters"});
}

TEST(TorchWeights, HaveALimitedNumberOfNames) {
  // A module with 400 children, all of them the same module with 400 attributes.
  const std::string leaf = joined(kModule, "}(", repeated(text("a") + "N", 400), "ubq\1");
  expect_rejected(joined(leaf, "0", kModule, "}(", repeated(text("m") + "h\1", 400), "ub."),
                  {"more than 100000 names"});
}

TEST(TorchWeights, SkipLongTextsNextToThem) {
  const TempDir folder;
  testing::write_torch_file(folder / "x",
                            joined("}(", text("state_dict"), "}", text("a"), kTensor, "s", text("short"),
                                   text("value"), text("long"), text(std::string(2000, 'x')), "u."));
  const auto file = open_weights(folder / "x");
  EXPECT_EQ(file->metadata(), (std::map<std::string, std::string>{{"short", "value"}}));
  EXPECT_THAT(file->notes(), ElementsAre(HasSubstr("'long' next to the state_dict was skipped")));
}

}  // namespace
}  // namespace cloob
