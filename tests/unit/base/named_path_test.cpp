#include "cloob/base/named_path.h"

#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_user_error;

TEST(NamedPath, HasTheNameThatIsGivenOrThatOfTheFolder) {
  const auto expect_named = [](const std::string& text, const std::string& name, const std::string& path) {
    const NamedPath named = named_path(text);
    EXPECT_EQ(named.name, name) << text;
    EXPECT_EQ(named.path, path) << text;
  };
  expect_named("data/cifar10/test/", "test", "data/cifar10/test/");
  expect_named("cifar10=data/test", "cifar10", "data/test");
  expect_named("data/a=b/c", "c", "data/a=b/c");
  expect_user_error([] { named_path("=data"); }, {"NAME=PATH"});
  expect_user_error([] { named_path("name="); }, {"NAME=PATH"});
}

}  // namespace
}  // namespace cloob
