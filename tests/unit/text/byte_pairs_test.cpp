#include "text/byte_pairs.h"

#include <zlib.h>

#include <algorithm>

#include "cloob/base/files.h"
#include "cloob/base/random.h"
#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;

// Ids of bytes: '!' is 0, so 'a' is 64; plus 256 at the end of a word. Merges begin at 512.
constexpr std::int64_t kA = 64, kB = 65, kEnd = 256;

class BytePairsTest : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& content) {
    const auto path = folder_ / "merges.txt.gz";
    gzFile file = gzopen(path.c_str(), "wb");
    EXPECT_EQ(gzwrite(file, content.data(), static_cast<unsigned>(content.size())),
              static_cast<int>(content.size()));
    gzclose(file);
    return path;
  }

  static std::vector<std::int64_t> ids(const BytePairs& pairs, std::string_view word) {
    std::vector<std::int64_t> result;
    pairs.append_ids(word, result);
    return result;
  }

  testing::TempDir folder_;
};

TEST_F(BytePairsTest, MergesTheEarliestPairFirst) {
  const BytePairs pairs(write("header\nb b\na b\nab b</w>\n"));
  EXPECT_EQ(pairs.size(), 515);
  EXPECT_THAT(ids(pairs, "abba"), ElementsAre(kA, 512, kA + kEnd));
  EXPECT_THAT(ids(pairs, "aba"), ElementsAre(513, kA + kEnd));
  EXPECT_THAT(ids(pairs, "abb"), ElementsAre(514)) << "the last b is another token";
}

TEST_F(BytePairsTest, MergesFromTheLeft) {
  const BytePairs pairs(write("header\na a\naa aa\n"));
  EXPECT_THAT(ids(pairs, "aaab"), ElementsAre(512, kA, kB + kEnd));
  EXPECT_THAT(ids(pairs, "aaaaaab"), ElementsAre(513, 512, kB + kEnd));
}

TEST_F(BytePairsTest, HasTokensThatTheirOwnBytesDoNotMergeInto) {
  // "abc" is a token, but "b c" is merged first, and there is no merge of "a" and "bc".
  const BytePairs pairs(write("header\nb c</w>\na b\nab c</w>\n"));
  EXPECT_EQ(pairs.bytes_of(514), "abc ");
  EXPECT_THAT(ids(pairs, "abc"), ElementsAre(kA, 512));
}

// The tokens of a word by CLIP's own algorithm: as long as two adjacent tokens can be merged, the earliest
// merge is applied everywhere in the word.
std::vector<std::string> merged_by_passes(const std::vector<std::pair<std::string, std::string>>& merges,
                                          std::string_view word) {
  std::vector<std::string> tokens;
  for (const char c : word) tokens.emplace_back(1, c);
  tokens.back() += "</w>";
  for (;;) {
    const auto earliest = std::ranges::find_if(merges, [&](const auto& merge) {
      return std::ranges::adjacent_find(tokens, [&](const auto& left, const auto& right) {
               return std::pair(left, right) == merge;
             }) != tokens.end();
    });
    if (earliest == merges.end()) return tokens;
    std::vector<std::string> next;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const bool merge = i + 1 < tokens.size() && std::pair(tokens[i], tokens[i + 1]) == *earliest;
      next.push_back(merge ? tokens[i] + tokens[i + 1] : tokens[i]);
      if (merge) ++i;
    }
    tokens = std::move(next);
  }
}

TEST_F(BytePairsTest, EqualsRepeatedPassesOverTheWord) {
  RandomStream random(RandomUse::synthetic_data, {3});
  for (int vocabulary = 0; vocabulary < 40; ++vocabulary) {
    std::vector<std::string> tokens = {"a", "b", "c", "a</w>", "b</w>", "c</w>"};
    std::vector<std::pair<std::string, std::string>> merges;
    std::string file = "header\n";
    while (merges.size() < 30) {
      const std::string left = tokens[random.below(tokens.size())],
                        right = tokens[random.below(tokens.size())];
      if (left.ends_with('>') || std::ranges::count(tokens, left + right) > 0) continue;
      merges.emplace_back(left, right);
      tokens.push_back(left + right);
      file += left + " " + right + "\n";
    }
    const BytePairs pairs(write(file));
    for (int i = 0; i < 50; ++i) {
      std::string word, spelled;
      for (std::uint64_t left = 1 + random.below(40); left > 0; --left) word += "abc"[random.below(3)];
      for (const std::int64_t id : ids(pairs, word)) spelled += pairs.bytes_of(id) + "|";
      std::string expected;
      for (const std::string& token : merged_by_passes(merges, word)) {
        expected += (token.ends_with('>') ? token.substr(0, token.size() - 4) + " " : token) + "|";
      }
      ASSERT_EQ(spelled, expected) << word << "\n" << file;
    }
  }
}

TEST_F(BytePairsTest, ReportsWhatIsWrongWithAFile) {
  testing::expect_user_error([&] { BytePairs(folder_ / "absent.gz"); }, {"absent.gz", "No such file"});
  write_file_atomically(folder_ / "plain.txt", "header\na b\n");
  testing::expect_user_error([&] { BytePairs(folder_ / "plain.txt"); }, {"plain.txt", "not a gzip file"});
  testing::expect_user_error([&] { BytePairs(write("header\n")); }, {"merges.txt.gz", "contains no merges"});
  testing::expect_user_error([&] { BytePairs(write("header\na b\nabc d\n")); },
                             {"line 3: 'abc d' is not a merge"});
  testing::expect_user_error([&] { BytePairs(write("header\na b\n\na c\n")); },
                             {"line 3: '' is not a merge"});
  testing::expect_user_error([&] { BytePairs(write("header\na</w> b\n")); },
                             {"line 2: 'a</w> b' is not a merge"});
  testing::expect_user_error([&] { BytePairs(write("header\na b\na b\n")); },
                             {"line 3: the token 'ab' already exists"});
}

TEST_F(BytePairsTest, RejectsTruncatedAndDamagedFiles) {
  const std::string whole = read_file(find_resource("bpe_simple_vocab_16e6.txt.gz"));
  write_file_atomically(folder_ / "cut.gz", whole.substr(0, whole.size() / 2));
  testing::expect_user_error([&] { BytePairs(folder_ / "cut.gz"); }, {"cut.gz", "is truncated"});
  std::string damaged = whole;
  damaged[whole.size() / 2] = static_cast<char>(damaged[whole.size() / 2] ^ 0x55);
  write_file_atomically(folder_ / "damaged.gz", damaged);
  testing::expect_user_error([&] { BytePairs(folder_ / "damaged.gz"); }, {"damaged.gz", "damaged"});
}

}  // namespace
}  // namespace cloob
