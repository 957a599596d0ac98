// Parity with the token ids of open_clip 3.3.0 for texts of every kind, and with Python's properties of every
// code point.
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cloob/base/files.h"
#include "cloob/text/tokenizer.h"
#include "support/support.h"
#include "text/unicode.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

class OpenClipTokens : public ::testing::TestWithParam<const char*> {};

TEST_P(OpenClipTokens, AreTheSame) {
  const auto tokenizer = make_tokenizer({});
  std::ifstream file(testing::golden_path(std::string("text/") + GetParam()));
  int cases = 0;
  for (std::string line; std::getline(file, line); ++cases) {
    const Json golden = Json::parse(line);
    const auto text = golden[0].get<std::string>();
    const EncodedText encoded = tokenizer->encode(text, golden[1].get<std::int64_t>());
    std::istringstream ids(golden[3].get<std::string>());
    const std::vector<std::int64_t> expected((std::istream_iterator<std::int64_t>(ids)), {});
    EXPECT_EQ(encoded.ids, expected) << line;
    EXPECT_EQ(encoded.end_position, golden[2].get<std::int64_t>()) << line;
  }
  EXPECT_GT(cases, 100);
}

INSTANTIATE_TEST_SUITE_P(Texts, OpenClipTokens,
                         ::testing::Values("captions.jsonl", "html.jsonl", "special.jsonl",
                                           "case_and_form.jsonl", "symbols.jsonl", "garbled.jsonl",
                                           "mixtures.jsonl", "long.jsonl"),
                         [](const auto& test) {
                           const std::string name = test.param;
                           return name.substr(0, name.find('.'));
                         });

class PythonUnicode : public ::testing::Test {
 protected:
  // The code points of a list of ranges [first, last, first, last, ...].
  std::vector<bool> set(const char* name) const {
    std::vector<bool> members(0x110000);
    const auto bounds = golden_.at(name).get<std::vector<std::size_t>>();
    for (std::size_t i = 0; i < bounds.size(); i += 2) {
      for (std::size_t c = bounds[i]; c <= bounds[i + 1]; ++c) members[c] = true;
    }
    return members;
  }

  // Compares on every code point that is assigned in Python 3.11, without surrogates.
  template <class Predicate>
  void expect_same_set(const char* name, Predicate predicate) const {
    const std::vector<bool> expected = set(name), unassigned = set("unassigned");
    int different = 0;
    for (char32_t c = 0; c < 0x110000; ++c) {
      if (unassigned[c] || (c >= 0xD800 && c <= 0xDFFF)) continue;
      if (predicate(c) != expected[c] && ++different <= 5)
        ADD_FAILURE() << name << ": U+" << std::hex << unsigned{c};
    }
    EXPECT_EQ(different, 0) << name;
  }

  // Compares a mapping that is the identity for characters without an entry in the golden file.
  template <class Mapping>
  void expect_same_mapping(const char* name, Mapping mapping) const {
    std::map<char32_t, std::u32string> expected;
    for (const Json& entry : golden_.at(name)) {
      expected[decode_utf8(entry[0].get<std::string>())[0]] = decode_utf8(entry[1].get<std::string>());
    }
    ASSERT_GT(expected.size(), 1000u);
    const std::vector<bool> unassigned = set("unassigned");
    int different = 0;
    for (char32_t c = 0; c < 0x110000; ++c) {
      if (unassigned[c] || (c >= 0xD800 && c <= 0xDFFF)) continue;
      const auto entry = expected.find(c);
      const std::u32string mapped = entry == expected.end() ? std::u32string(1, c) : entry->second;
      if (mapping({&c, 1}) != mapped && ++different <= 5)
        ADD_FAILURE() << name << ": U+" << std::hex << unsigned{c};
    }
    EXPECT_EQ(different, 0) << name;
  }

  Json golden_ = Json::parse(read_file(testing::golden_path("text/unicode.json")));
};

TEST_F(PythonUnicode, HasTheSameClasses) {
  expect_same_set("letters", is_letter);
  expect_same_set("numbers", is_number);
  expect_same_set("digits", is_decimal_digit);
  expect_same_set("spaces", is_space);
}

TEST_F(PythonUnicode, HasTheSameLowerCase) { expect_same_mapping("lower", to_lower); }

TEST_F(PythonUnicode, HasTheSameFinalSigmas) {
  expect_same_set("sigma_ends_word_after", [](char32_t c) {
    const char32_t text[] = {c, 0x3A3};
    return to_lower({text, 2}).back() == 0x3C2;
  });
  expect_same_set("sigma_ends_word_after_letter_and", [](char32_t c) {
    const char32_t text[] = {U'a', c, 0x3A3};
    return to_lower({text, 3}).back() == 0x3C2;
  });
}

TEST_F(PythonUnicode, HasTheSameNormalForm) { expect_same_mapping("nfc", normalize_nfc); }

TEST_F(PythonUnicode, ReplacesTheSamePartsOfBrokenUtf8) {
  for (const Json& entry : golden_.at("utf8")) {
    const auto hex = entry[0].get<std::string>();
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2)
      bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    EXPECT_EQ(encode_utf8(decode_utf8(bytes)), entry[1].get<std::string>()) << hex;
  }
}

}  // namespace
}  // namespace cloob
