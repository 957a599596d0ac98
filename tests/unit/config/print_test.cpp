#include <gmock/gmock.h>

#include <limits>

#include "config/yaml.h"
#include "unit/config/example_config.h"

namespace cloob::testing {
namespace {

TEST(PrintConfig, WritesEverySetting) {
  EXPECT_EQ(print_config(ExampleConfig{}),
            "loss: info_loob\n"
            "optimizer:\n"
            "  lr: 0.0005\n"
            "  weight_decay: 0.1\n"
            "  warmup_steps: 10000\n"
            "  grad_clip_norm: null\n"
            "image:\n"
            "  crop:\n"
            "    scale: [0.9, 1]\n"
            "    antialias: true\n"
            "  size: 224\n"
            "data:\n"
            "  train: \"\"\n"
            "  shards: []\n"
            "  root: null\n"
            "  kinds: []\n"
            "  flags: []\n"
            "  shuffle: null\n");
}

TEST(SettingValues, AreThePrintedValuesByDottedName) {
  const auto values = setting_values(ExampleConfig{});
  EXPECT_EQ(values.size(), setting_names<ExampleConfig>().size());
  EXPECT_EQ(values.at("optimizer.lr"), "0.0005");
  EXPECT_EQ(values.at("image.crop.scale"), "[0.9, 1]");
  EXPECT_EQ(values.at("data.train"), "\"\"");
}

TEST(PrintConfig, CommentsWhereValuesWereSet) {
  ConfigSource source = ConfigSource::from_text(
      "image: {crop: {scale: [0.25, 0.75]}}\ndata: {train: " + std::string(80, 'x') + "}\n", "run.yaml");
  source.add_overrides({{"loss", "info_nce"}});
  Origins origins;
  const auto config = read_config<ExampleConfig>(source, origins);
  const std::string text = print_config(config, origins);
  EXPECT_THAT(text, ::testing::StartsWith("loss: info_nce           # command line\n"));
  EXPECT_THAT(text, ::testing::HasSubstr("    scale: [0.25, 0.75]  # run.yaml:1:23\n    antialias: true\n"));
  EXPECT_THAT(text, ::testing::HasSubstr("x  # run.yaml:2:15\n"));
  EXPECT_EQ(read_text(text), config);
}

TEST(PrintConfig, RoundTripsNumbers) {
  constexpr double kTiny = std::numeric_limits<double>::denorm_min();
  for (const double number :
       {0.0, 1e-8, 2e-4, 1.0 / 3, 98765.4321, 1e9, 1.7976931348623157e308, kTiny, -1e22,
        std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()}) {
    ExampleConfig config;
    config.optimizer.weight_decay = number;
    EXPECT_EQ(read_text(print_config(config)), config) << number;
  }
  ExampleConfig config;
  config.image.size = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(read_text(print_config(config)), config);
}

// Texts of every kind that YAML could parse as something else.
const std::vector<std::string> kTexts = {"",
                                         " ",
                                         " a",
                                         "a ",
                                         "a",
                                         "null",
                                         "Null",
                                         "~",
                                         "true",
                                         "False",
                                         "yes",
                                         "no",
                                         "on",
                                         "off",
                                         "y",
                                         "N",
                                         "1",
                                         "-1",
                                         "+1",
                                         "1e3",
                                         "0x1F",
                                         "0o17",
                                         ".5",
                                         "1_000",
                                         "12:30:00",
                                         "2001-12-14",
                                         ".inf",
                                         "-.INF",
                                         ".nan",
                                         "3 4",
                                         "1.2.3",
                                         "-",
                                         "--",
                                         "-a",
                                         "- a",
                                         "?",
                                         "? a",
                                         "?a",
                                         ":",
                                         ":a",
                                         "a:",
                                         "a: b",
                                         "a:b",
                                         "a :b",
                                         "a #b",
                                         "a#b",
                                         "#a",
                                         ",",
                                         "a,b",
                                         "[",
                                         "[a]",
                                         "a[0]",
                                         "{a}",
                                         "shards-{000..331}.tar",
                                         "{a,b}",
                                         "&a",
                                         "*a",
                                         "!a",
                                         "!!str a",
                                         "|",
                                         "|a",
                                         ">",
                                         ">a",
                                         "'",
                                         "'a'",
                                         "\"",
                                         "\"a\"",
                                         "it's",
                                         "say \"x\"",
                                         "%a",
                                         "@a",
                                         "`a`",
                                         "=",
                                         "<<",
                                         "a\\b",
                                         "\\",
                                         "C:\\x",
                                         "\n",
                                         "a\nb",
                                         "a\n",
                                         "\na",
                                         "\t",
                                         "a\tb",
                                         "\r\n",
                                         std::string("a\0b", 3),
                                         "\x01\x04\x1b\x7f",
                                         "caf\xc3\xa9",
                                         "\xe6\x97\xa5\xe6\x9c\xac",
                                         "\xf0\x9f\x90\xb1",
                                         "\xc2\x85",
                                         "\xc2\xa0",
                                         "\xe2\x80\xa8",
                                         "\xe2\x80\xa9",
                                         "\xef\xbb\xbf",
                                         "\xef\xbb\xbf"
                                         "a",
                                         "https://a.b/c?d=e&f#g",
                                         "/a/b c.tsv",
                                         "../a",
                                         "...",
                                         "---",
                                         "--- a",
                                         "a --- b",
                                         "%YAML 1.2",
                                         "pipe:cat a | b"};

TEST(PrintConfig, RoundTripsText) {
  for (const std::string& text : kTexts) {
    ExampleConfig config;
    config.data.train = text;
    config.data.root = text;
    config.data.shards = {text, "x", text};
    EXPECT_EQ(read_text(print_config(config)), config) << print_config(config);
  }
}

TEST(PrintConfig, RoundTripsLists) {
  ExampleConfig config;
  config.data.kinds = {LossKind::info_nce, LossKind::info_loob};
  config.data.flags = {true, false, true};
  config.data.shuffle = true;
  config.image.crop.scale = {};
  EXPECT_EQ(read_text(print_config(config)), config);
}

TEST(YamlText, IsQuotedOnlyWhereNeeded) {
  for (const char* text : {"a", "a b", "/data/x.tsv", "a:b", "https://a.b/c", "it's", "s-{000..331}.tar",
                           "a#b", "224x224", "caf\xc3\xa9", "../up", "a=b", "ViT-B-32"}) {
    EXPECT_EQ(yaml_text(text, /*in_list=*/false), text);
  }
  EXPECT_EQ(yaml_text("007", /*in_list=*/false), "\"007\"");
  EXPECT_EQ(yaml_text("No", /*in_list=*/false), "\"No\"");
  EXPECT_EQ(yaml_text("a\n\"b\\", /*in_list=*/false), "\"a\\n\\\"b\\\\\"");
  EXPECT_EQ(yaml_text("a,b", /*in_list=*/false), "a,b");
  EXPECT_EQ(yaml_text("a,b", /*in_list=*/true), "\"a,b\"");
}

TEST(YamlText, RejectsInvalidUtf8) { EXPECT_THROW(yaml_text("caf\xe9", /*in_list=*/false), UserError); }

}  // namespace
}  // namespace cloob::testing
