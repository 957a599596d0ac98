#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "unit/config/example_config.h"

namespace cloob::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

TEST(SettingNames, AreInDeclaredOrder) {
  EXPECT_THAT(
      setting_names<ExampleConfig>(),
      ElementsAre("loss", "optimizer.lr", "optimizer.weight_decay", "optimizer.warmup_steps",
                  "optimizer.grad_clip_norm", "image.crop.scale", "image.crop.antialias", "image.size",
                  "data.train", "data.shards", "data.root", "data.kinds", "data.flags", "data.shuffle"));
}

TEST(ConfigDocs, HaveOneTablePerSection) {
  const std::string docs = config_docs<ExampleConfig>();
  const std::string head = "| Setting | Type | Default | Allowed | Meaning |\n|---|---|---|---|---|\n";
  EXPECT_THAT(
      docs, HasSubstr("\n## Top level\n\n" + head +
                      "| `loss` | choice | `info_loob` | `info_nce`, `info_loob` | The loss to minimize. |\n"
                      "\n## optimizer\n\nHow weights change.\n\n" +
                      head +
                      "| `optimizer.lr` | number | `0.0005` | in [0, 1] | Peak learning rate, reached after "
                      "warm-up. |\n"
                      "| `optimizer.weight_decay` | number | `0.1` | any | Decay of weight matrices. |\n"));
  EXPECT_THAT(
      docs,
      HasSubstr("| `optimizer.grad_clip_norm` | number or `null` | `null` | at least 0 | Maximum norm; "
                "null: no clipping. |\n"
                "\n## image\n\nFrom files to tensors.\n\n" +
                head +
                "| `image.size` | integer | `224` | at most 1e9 | Side in pixels. |\n"
                "\n## image.crop\n\nRandom crops.\n\n" +
                head +
                "| `image.crop.scale` | list of numbers | `[0.9, 1]` | in [0, 1] | Fraction of the area, "
                "lowest and highest. |\n"
                "| `image.crop.antialias` | boolean | `true` | `true`, `false` | Whether to filter when "
                "shrinking (a\\|b). |\n"));
  EXPECT_THAT(docs, HasSubstr("| `data.train` | text | `\"\"` | any | Training pairs. |\n"
                              "| `data.shards` | list of texts | `[]` | any | Tar files. |\n"));
  EXPECT_THAT(docs, ::testing::EndsWith("null: as the source does. |\n"));
}

TEST(ConfigSchema, IsStrictAndDescribesEverySetting) {
  const Json schema = Json::parse(config_schema<ExampleConfig>());
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema["additionalProperties"], false);
  EXPECT_EQ(schema["properties"].size(), 5);  // the four members and include
  const Json& optimizer = schema["properties"]["optimizer"];
  EXPECT_EQ(optimizer["type"], Json({"object", "null"}));
  EXPECT_EQ(optimizer["additionalProperties"], false);
  EXPECT_EQ(optimizer["description"], "How weights change.");
  EXPECT_EQ(optimizer["properties"]["lr"], Json::parse(R"({"type": "number", "minimum": 0.0, "maximum": 1.0,
      "description": "Peak learning rate, reached after warm-up.", "default": 0.0005})"));
  EXPECT_EQ(optimizer["properties"]["grad_clip_norm"],
            Json::parse(R"({"type": ["number", "null"], "minimum": 0.0,
      "description": "Maximum norm; null: no clipping.", "default": null})"));
  EXPECT_EQ(schema["properties"]["loss"], Json::parse(R"({"enum": ["info_nce", "info_loob"],
      "description": "The loss to minimize.", "default": "info_loob"})"));
  EXPECT_EQ(schema["properties"]["image"]["properties"]["crop"]["properties"]["scale"],
            Json::parse(R"({"anyOf": [{"type": "number", "minimum": 0.0, "maximum": 1.0},
                                      {"type": "array",
                                       "items": {"type": "number", "minimum": 0.0, "maximum": 1.0}}],
                            "description": "Fraction of the area, lowest and highest.",
                            "default": [0.9, 1.0]})"));
  EXPECT_EQ(
      schema["properties"]["image"]["properties"]["size"],
      Json::parse(
          R"({"type": "integer", "maximum": 1000000000, "description": "Side in pixels.", "default": 224})"));
  EXPECT_EQ(schema["properties"]["data"]["properties"]["train"]["type"], Json({"string", "number"}));
}

}  // namespace
}  // namespace cloob::testing
