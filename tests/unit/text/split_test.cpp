#include "text/split.h"

#include "support/support.h"

namespace cloob {
namespace {

std::vector<std::string> pieces(std::string_view caption) {
  std::vector<std::string> result;
  std::size_t position = 0;
  for (auto piece = next_piece(caption, position); !piece.empty(); piece = next_piece(caption, position)) {
    result.emplace_back(piece);
  }
  return result;
}

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(NextPiece, SplitsLettersNumbersAndTheRest) {
  EXPECT_THAT(pieces("hello, world 12 a1b!?"),
              ElementsAre("hello", ",", "world", "1", "2", "a", "1", "b", "!?"));
  EXPECT_THAT(pieces(""), IsEmpty());
  EXPECT_THAT(pieces("  "), IsEmpty());
}

TEST(NextPiece, SplitsContractions) {
  EXPECT_THAT(pieces("don't we'll 'd"), ElementsAre("don", "'t", "we", "'ll", "'d"));
  EXPECT_THAT(pieces("'street 'l 'v"), ElementsAre("'s", "treet", "'", "l", "'", "v"));
  EXPECT_THAT(pieces("!'s"), ElementsAre("!'", "s")) << "a run of symbols takes the apostrophe first";
}

TEST(NextPiece, FindsSpecialTokensOnlyAtTheStartOfAPiece) {
  EXPECT_THAT(pieces("a<end_of_text>b"), ElementsAre("a", "<end_of_text>", "b"));
  EXPECT_THAT(pieces("!<end_of_text>"), ElementsAre("!<", "end", "_", "of", "_", "text", ">"));
}

TEST(NextPiece, MatchesALongSAsAnS) {
  EXPECT_THAT(pieces("'\xC5\xBFx <\xC5\xBFtart_of_text>"),
              ElementsAre("'\xC5\xBF", "x", "<\xC5\xBFtart_of_text>"));
}

TEST(NextPiece, DropsTheCombiningIota) {
  EXPECT_THAT(pieces("a\xCD\x85"
                     "b !\xCD\x85!"),
              ElementsAre("a", "b", "!", "!"));
}

}  // namespace
}  // namespace cloob
