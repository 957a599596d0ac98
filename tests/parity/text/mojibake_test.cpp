// Parity with fix_text of ftfy 6.3.1 on mojibake and natural text; tools/mojibake/compare.py compares many
// more strings.
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/support.h"
#include "text/fix_text.h"
#include "text/unicode.h"

namespace cloob {
namespace {

TEST(Mojibake, IsRepairedAsInFtfy) {
  std::ifstream file(testing::golden_path("text/mojibake.jsonl"));
  int cases = 0;
  for (std::string line; std::getline(file, line); ++cases) {
    const auto golden = nlohmann::json::parse(line);
    const std::u32string text = decode_utf8(golden[0].get<std::string>());
    EXPECT_EQ(encode_utf8(fix_text(text)), golden[1].get<std::string>()) << line;
  }
  EXPECT_GT(cases, 2000);
}

}  // namespace
}  // namespace cloob
