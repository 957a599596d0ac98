#include "cloob/base/json.h"

#include "support/support.h"

namespace cloob {
namespace {

using ::testing::HasSubstr;

std::string error_of(const std::string& text) {
  try {
    parse_python_json(text);
  } catch (const JsonError& error) {
    return error.what();
  }
  return "";
}

std::string nested(int depth) {
  const auto count = static_cast<std::size_t>(depth);
  return std::string(count, '[') + std::string(count, ']');
}

TEST(ParseJson, LimitsTheDepth) {
  EXPECT_NO_THROW(parse_json(nested(kMaxJsonDepth)));
  EXPECT_THAT(error_of(nested(kMaxJsonDepth + 1)), HasSubstr("more than 64 levels"));
  EXPECT_THAT(error_of(std::string(1'000'000, '{')), HasSubstr("more than 64 levels"));
  EXPECT_EQ(parse_json("[\"" + std::string(100, '[') + "\\\"" + std::string(100, '{') + "\"]").size(), 1U)
      << "brackets in a string";
}

TEST(ParseJson, LimitsTheNumberOfValues) {
  std::string text = "[0";
  for (std::int64_t i = 0; i < kMaxJsonValues; ++i) text += ",0";
  EXPECT_EQ(error_of(text + "]"), "has more than 4,000,000 values");
  EXPECT_EQ(error_of("[\"" + std::string(2 * kMaxJsonValues, ',') + "\"]"), "") << "commas in a string";
}

TEST(ParseJson, SaysWhereItIsNoJson) {
  EXPECT_EQ(error_of("{\"a\": 1,}"), "is not JSON (byte 9)");
  EXPECT_EQ(error_of("[1e999]"), "has a number that is out of range");
  EXPECT_EQ(error_of("[\"\xff\"]"), "is not JSON (byte 3)");
  EXPECT_EQ(error_of("\"a"), "is not JSON (byte 3)");
  EXPECT_EQ(error_of(""), "is not JSON (byte 1)");
  EXPECT_EQ(parse_json("\xef\xbb\xbf[1]").size(), 1U) << "a byte order mark";
}

// What json.dumps writes for float("nan"), and for strings with halves of characters.
TEST(ParseJson, ReadsWhatPythonWrites) {
  const auto json = parse_python_json(
      R"({"a": NaN, "b": [-Infinity, Infinity], "c": "NaN \ud83d\ude00 \ud83d! \\ud83d \ude00\ud83d", "d": "\u00e9"})");
  EXPECT_TRUE(json.at("a").is_null());
  EXPECT_TRUE(json.at("b").at(1).is_null());
  EXPECT_EQ(json.at("c"), "NaN \U0001F600 \uFFFD! \\ud83d \uFFFD\uFFFD");
  EXPECT_EQ(json.at("d"), "\u00e9");
  EXPECT_THROW(parse_json("[NaN]"), JsonError);
  EXPECT_THAT(error_of("[nan]"), HasSubstr("not JSON"));
}

TEST(StandardJson, ChangesNothingElse) {
  for (const std::string text : {"", "\"", "\"\\", "\"\\u", "\"\\u12", "[1, \"\\\"NaN\"]", "\\u12g4"}) {
    EXPECT_EQ(standard_json(text), text);
  }
  EXPECT_EQ(standard_json("\"\\ud83d"), "\"\\ufffd");
}

TEST(JsonInteger, TakesWholeNumbersWithinItsLimits) {
  const auto read = [](const char* text) {
    return json_integer(nlohmann::json::parse(text), "count", -2, 10);
  };
  EXPECT_EQ(read("-2"), -2);
  EXPECT_EQ(read("10"), 10);
  for (const char* text : {"-3", "11", "1.0", "1e30", "\"1\"", "null", "[]", "true", "9223372036854775807",
                           "18446744073709551615", "-9223372036854775808"}) {
    try {
      read(text);
      ADD_FAILURE() << text;
    } catch (const JsonError& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("for 'count': expected a whole number from -2 to 10"))
          << text;
    }
  }
}

}  // namespace
}  // namespace cloob
