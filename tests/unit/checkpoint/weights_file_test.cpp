#include "checkpoint/weights_file.h"

#include <fmt/core.h>

#include <utility>
#include <vector>

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
  expect_rejected(joined("}", text(half + half), kTensor, "s."), {"name of more than 1024 characters: 'nnn"});
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
  EXPECT_THAT(file->notes(), ElementsAre(HasSubstr("'long' next to the weights was skipped")));
}

// A dictionary with so many tensors, named t0, t1, ...
std::string dictionary(int num_tensors) {
  std::string code = "}";
  for (int i = 0; i < num_tensors; ++i) code += joined(text(fmt::format("t{}", i)), kTensor, "s");
  return code;
}

// The number of tensors that are read from a file with these entries: (key, pickle of the value).
std::size_t tensors_read(const std::vector<std::pair<std::string, std::string>>& entries,
                         std::vector<std::string>* notes = nullptr) {
  std::string pickle = "}";
  for (const auto& [key, value] : entries) pickle += joined(text(key), value, "s");
  const TempDir folder;
  testing::write_torch_file(folder / "x.pt", pickle + ".");
  const auto file = open_weights(folder / "x.pt");
  if (notes) *notes = file->notes();
  return file->list().size();
}

TEST(TorchWeights, AreFoundUnderAnyKey) {
  EXPECT_EQ(tensors_read({{"net", dictionary(2)}, {"epoch", "K\1"}}), 2u);
  EXPECT_EQ(tensors_read({{"state", joined("}", text("ours"), dictionary(3), "s")}}), 3u);
  EXPECT_EQ(tensors_read({{"step", kTensor}, {"model", dictionary(3)}}), 3u);  // beside a lone tensor
}

TEST(TorchWeights, AreTheTrainedOnesOfSeveral) {
  std::vector<std::string> notes;
  EXPECT_EQ(tensors_read({{"state_dict_ema", dictionary(4)}, {"state_dict", dictionary(3)}}, &notes), 3u);
  EXPECT_THAT(notes,
              ::testing::Contains(HasSubstr("read from 'state_dict'; 'state_dict_ema' also holds tensors")));
  EXPECT_EQ(tensors_read({{"model", dictionary(1)}, {"teacher", dictionary(5)}}),
            5u);  // a model of one tensor is none
  EXPECT_EQ(tensors_read({{"model_ema", dictionary(3)}}), 3u);
}

TEST(TorchWeights, AreNotGuessed) {
  const std::string pickle =
      joined("}", text("student"), dictionary(2), "s", text("teacher"), dictionary(2), "s.");
  expect_rejected(pickle, {"2 tensors in 'student' and as many in 'teacher'"});
}

TEST(TorchWeights, MayLieBesideObjectsThatAreNotBuilt) {
  std::vector<std::string> notes;
  const std::string arguments = joined("cargparse\nNamespace\n)\x81}", text("lr"), "K\1sb");
  EXPECT_EQ(tensors_read({{"args", arguments}, {"model", dictionary(2)}}, &notes), 2u);
  EXPECT_THAT(notes, ElementsAre(HasSubstr("'args' ('argparse.Namespace') next to the weights was skipped")));
  EXPECT_EQ(tensors_read({{"a", kTensor}, {"args", arguments}}, &notes), 1u);
  EXPECT_THAT(notes,
              ElementsAre(HasSubstr("'args' is a Python object ('argparse.Namespace') and was skipped")));
}

TEST(TorchWeights, AreNotOpaqueThemselves) {
  expect_rejected("cmy\nModel\n)\x81.", {"a Python object ('my.Model')", "state_dict()"});
  const std::string quantized =
      joined("}", text("a"), kTensor, "s", text("b"), "ctorch._utils\n_rebuild_qtensor\n)Rs.");
  expect_rejected(quantized, {"tensor 'b' is made by 'torch._utils._rebuild_qtensor'"});
}

TEST(OpenWeights, SaysWhatAFileIsInstead) {
  const TempDir folder;
  testing::write_quickly(folder / "a.safetensors", "version https://git-lfs.github.com/spec/v1\nsize 5\n");
  testing::write_quickly(folder / "b.pt", "<!DOCTYPE html><html></html>");
  testing::expect_user_error([&] { open_weights(folder / "a.safetensors"); },
                             {"a.safetensors' is a Git LFS pointer"});
  testing::expect_user_error([&] { open_weights(folder / "b.pt"); }, {"b.pt' is a web page"});
}

}  // namespace
}  // namespace cloob
