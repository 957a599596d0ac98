// Members, captions and rows that are larger than allowed, or claim to be: counted, and never in memory.
#include "cloob/data/limits.h"

#include <fmt/core.h>
#include <zip.h>

#include <functional>
#include <string>

#include "cloob/base/files.h"
#include "cloob/base/memory.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/captions.h"
#include "cloob/data/table/csv_table.h"
#include "data/read_claimed.h"
#include "data/stream/gunzip_stream.h"
#include "data/stream/stream_tar_input.h"
#include "data/table/zip_files.h"
#include "data/tar/shard_sample.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using ::testing::HasSubstr;
using testing::TempDir;
using testing::write_text;

constexpr std::uint64_t kMiB = 1 << 20;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

std::uint64_t peak_of(const std::function<void()>& action) {
  EXPECT_TRUE(reset_peak_rss());
  const std::uint64_t before = current_rss_bytes();
  action();
  return peak_rss_bytes() - std::min(before, peak_rss_bytes());
}

void expect_too_large(const std::function<void()>& action, const std::string& message) {
  try {
    action();
    ADD_FAILURE() << "accepted, instead of: " << message;
  } catch (const BadSample& bad) {
    EXPECT_EQ(bad.kind(), BadKind::too_large);
    EXPECT_THAT(bad.what(), HasSubstr(message));
  }
}

TEST(Limits, OfCaptions) {
  const std::string allowed(kMaxCaptionBytes, 'a'), longer = allowed + 'a';
  EXPECT_EQ(captions_in_text(bytes_of(" " + allowed + "\n"), false).at(0), allowed);
  expect_too_large([&] { captions_in_text(bytes_of(longer), false); },
                   "a caption has 1.0 MiB, the limit is 1.0 MiB");
  expect_too_large([&] { captions_in_text(bytes_of("short\n" + longer), true); }, "a caption has");
  for (const std::string& value :
       {"\"" + longer + "\"", "[\"a\", \"" + longer + "\"]", "{\"" + longer + "\": 1}"})
    expect_too_large([&] { captions_in_json(bytes_of("{\"c\": " + value + "}"), "c"); }, "a caption has");
}

TEST(Limits, OfMembersWithCaptions) {
  const std::string blanks(kMaxCaptionsBytes + 1, ' ');
  expect_too_large([&] { captions_in_text(bytes_of(blanks), true); },
                   "the text with the captions has 4.0 MiB");
  expect_too_large([&] { captions_in_json(bytes_of(blanks), "c"); }, "the .json member has 4.0 MiB");
}

TEST(Limits, JsonOfTheLargestSizeTakesThirtyTimesAsMuch) {
  for (const std::string item : {"[]", "{}", "\"\"", "0"}) {
    std::string text = "{\"c\": \"a dog\", \"x\": [" + item;
    while (text.size() + item.size() + 3 < kMaxCaptionsBytes) text += "," + item;
    text += "]}";
    const auto bytes = peak_of([&] {
      EXPECT_EQ(captions_in_json(bytes_of(text), "c").captions, std::vector<std::string>{"a dog"});
    });
    EXPECT_LE(bytes, 30 * kMaxCaptionsBytes) << item;
  }
}

TEST(Limits, OfRows) {
  const TempDir folder;
  const auto path = write_text(folder / "a.csv", "filepath,title\n1.jpg,one\n2.jpg," +
                                                     std::string(kMaxCaptionsBytes, 'a') + "\n3.jpg,three\n");
  const CsvTable table(path, {});
  ASSERT_EQ(table.num_rows(), 3);
  EXPECT_EQ(table.row(0).at(1), "one");
  expect_too_large([&] { table.row(1); }, "the row has 4.0 MiB");
  EXPECT_EQ(table.row(2).at(1), "three");
}

TEST(Limits, OfAllMembersOfASampleTogether) {
  const TempDir folder;
  const auto path = testing::write_tar(folder / "a.tar", {{"0.jpg", "0123456789"}, {"0.png", "0123456789"}});
  const RandomAccessFile file(path);
  FileTarInput input(file, file.size(), 4096);
  TarScanner scanner(input);
  ShardSample sample;
  sample.bytes = kMaxEncodedBytes - 15;  // as if more members had been read before
  const std::vector<std::string> wanted{"jpg", "png"};
  sample.add(scanner, *scanner.next(), "jpg", wanted);
  const TarMember second = *scanner.next();
  expect_too_large([&] { sample.add(scanner, second, "png", wanted); }, "'0.png' with the other members");
}

TEST(Limits, MemoryGrowsWithWhatArrives) {
  constexpr std::size_t kThere = 5 << 20;
  std::size_t rest = kThere;
  const auto read = [&](std::span<std::byte> into) {
    const std::size_t count = std::min({into.size(), rest, std::size_t{100'000}});
    std::ranges::fill(into.first(count), std::byte{7});
    rest -= count;
    return count;
  };
  std::vector<std::byte> bytes;
  EXPECT_LE(peak_of([&] { bytes = read_claimed(kMaxEncodedBytes, read); }), 20 * kMiB);
  EXPECT_EQ(bytes.size(), kThere);
  rest = kThere;
  EXPECT_EQ(read_claimed(3, read).size(), 3U);
  EXPECT_EQ(read_claimed(0, read).size(), 0U);
}

// An archive or a compressed shard whose small member claims to have a hundred megabytes.
TEST(Limits, OfWhatZipAndGzipClaim) {
  const TempDir folder;
  std::string tar(2 * kTarBlock, '\0');
  tar.replace(0, 5, "0.jpg");
  tar.replace(124, 11, "00620000000");  // octal, 100 MiB
  tar[156] = '0';
  tar.replace(148, 8, "        ");
  unsigned sum = 0;
  for (std::size_t i = 0; i < kTarBlock; ++i) sum += static_cast<unsigned char>(tar[i]);
  tar.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  const auto bytes = peak_of([&] {
    GunzipStream stream(open_stream(testing::write_gzip(folder / "a.tar.gz", tar), {}, {}));
    StreamTarInput input(stream);
    TarScanner scanner(input);
    const auto member = scanner.next();
    ASSERT_TRUE(member);
    EXPECT_GE(member->size, 100 * kMiB);
    EXPECT_THROW(scanner.read(*member), TarError);
  });
  EXPECT_LE(bytes, 20 * kMiB);

  int error = 0;
  zip_t* zip = zip_open((folder / "a.zip").c_str(), ZIP_CREATE, &error);
  const std::string content(5000, 'p');
  zip_file_add(zip, "1.jpg", zip_source_buffer(zip, content.data(), content.size(), 0), 0);
  ASSERT_EQ(zip_close(zip), 0);
  std::string archive = read_file(folder / "a.zip");
  for (const std::size_t field : {archive.find("PK\3\4") + 22, archive.find("PK\1\2") + 24})
    archive.replace(field, 4, std::string("\0\0\x40\x06", 4));
  write_text(folder / "a.zip", archive);
  const auto zip_bytes =
      peak_of([&] { EXPECT_THROW(ZipFiles().read({folder / "a.zip", "1.jpg"}), BadSample); });
  EXPECT_LE(zip_bytes, 20 * kMiB);
}

}  // namespace
}  // namespace cloob
