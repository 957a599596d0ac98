#include <ATen/Functions.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <set>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/random.h"
#include "cloob/base/text.h"
#include "support/support.h"

namespace cloob {
namespace {

TEST(RandomStream, DependsOnlyOnItsKey) {
  RandomStream first(RandomUse::augmentation, {1, 2, 3});
  RandomStream second(RandomUse::augmentation, {1, 2, 3});
  RandomStream other_use(RandomUse::caption_choice, {1, 2, 3});
  RandomStream other_key(RandomUse::augmentation, {1, 3, 2});
  const std::uint64_t value = first.next();
  EXPECT_EQ(value, second.next());
  EXPECT_NE(value, other_use.next());
  EXPECT_NE(value, other_key.next());
}

TEST(RandomStream, DrawsEveryNumberBelowTheBoundEquallyOften) {
  RandomStream stream(RandomUse::augmentation, {7});
  std::array<int, 5> counts{};
  for (int draw = 0; draw < 50000; ++draw) ++counts[stream.below(5)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 400);
}

TEST(RandomStream, IsUniformInTheUnitInterval) {
  RandomStream stream(RandomUse::augmentation, {8});
  double sum = 0;
  for (int draw = 0; draw < 20000; ++draw) {
    const double value = stream.uniform();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 20000, 0.5, 0.01);
}

TEST(Text, FormatsNumbersForReading) {
  EXPECT_EQ(with_thousands(1234567), "1,234,567");
  EXPECT_EQ(with_thousands(-1234), "-1,234");
  EXPECT_EQ(with_thousands(-123), "-123");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_seconds(59.94), "59.9s");
  EXPECT_EQ(human_seconds(3725), "1h 02m");
  EXPECT_EQ(without_controls(std::string_view("a\0\x1b[2J\x7f\n\tb\xc3\xa9", 12)),
            "a\\x00\\x1b[2J\\x7f\n\tb\xc3\xa9");
}

TEST(Text, PrintsDoublesShortestAndExact) {
  EXPECT_EQ(shortest(2e-4), "0.0002");
  EXPECT_EQ(shortest(0.1), "0.1");
  EXPECT_EQ(shortest(5e-9), "5e-9");
  EXPECT_EQ(shortest(1.5e300), "1.5e+300");
  EXPECT_EQ(shortest(0), "0");
}

TEST(Text, RejectsPartialNumbers) {
  EXPECT_EQ(parse_integer("12"), 12);
  EXPECT_EQ(parse_integer("+12"), 12);
  EXPECT_FALSE(parse_integer("12x"));
  EXPECT_FALSE(parse_integer("+-12"));
  EXPECT_FALSE(parse_integer(""));
  EXPECT_FALSE(parse_integer("99999999999999999999"));
  EXPECT_EQ(parse_double("1e-3"), 1e-3);
}

TEST(Text, SuggestsOnlyCloseMatches) {
  const std::vector<std::string> names = {"warmup_steps", "weight_decay", "lr"};
  EXPECT_EQ(closest_match("warmup_step", names), "warmup_steps");
  EXPECT_EQ(closest_match("wieght_decay", names), "weight_decay");
  EXPECT_FALSE(closest_match("temperature", names));
}

TEST(Text, SuggestsWordsThatAreWrittenInAnotherWay) {
  const std::vector<std::string> words = {"fp32", "bf16", "pure_bf16", "info_loob"};
  EXPECT_EQ(closest_match("InfoLOOB", words), "info_loob");
  EXPECT_EQ(closest_match("amp_bf16", words), "bf16");
  EXPECT_EQ(closest_match("Pure-BF16", words), "pure_bf16");
  EXPECT_EQ(closest_match(std::string(1'000'000, 'x'), words), std::nullopt);
}

TEST(Files, SmallFilesAreReadOnlyIfTheyAreSmallFiles) {
  const testing::TempDir folder;
  write_file_atomically(folder / "a", "12345");
  EXPECT_EQ(read_small_file(folder / "a", 5, "a list"), "12345");
  testing::expect_user_error([&] { read_small_file(folder / "a", 4, "a list"); },
                             {"'" + (folder / "a").string(), "5 B", "4 B"});
  testing::expect_user_error([&] { read_small_file("/dev/zero", 4, "a list"); },
                             {"device or a pipe, expected a list"});
  testing::expect_user_error([&] { read_small_file(folder / "b", 4, "a list"); }, {"No such file"});
  testing::expect_user_error([&] { read_small_file(folder.path(), 4, "a list"); }, {"Is a directory"});
}

TEST(UnitRows, HaveUnitNormInFullPrecision) {
  const at::Tensor rows = at::tensor({3.0, 4.0, 0.0, 0.0, 0.0, -2.0}, at::kDouble).reshape({3, 2});
  const at::Tensor expected = at::tensor({0.6, 0.8, 0.0, 0.0, 0.0, -1.0}, at::kDouble).reshape({3, 2});
  EXPECT_TRUE(at::allclose(unit_rows(rows), expected, 0, 1e-15));
  EXPECT_EQ(unit_rows(rows.to(at::kBFloat16)).scalar_type(), at::kFloat);
}

TEST(Files, AtomicWriteReplacesOldContentAndLeavesNoTemporaryFile) {
  const testing::TempDir folder;
  write_file_atomically(folder / "a", "old");
  write_file_atomically(folder / "a", "new");
  EXPECT_EQ(read_file(folder / "a"), "new");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(Files, AtomicWriteReplacesTheTargetOfALink) {
  const testing::TempDir folder;
  std::filesystem::create_directory(folder / "inner");
  std::filesystem::create_symlink("inner/link", folder / "link");
  std::filesystem::create_symlink("file", folder / "inner" / "link");
  for (const char* content : {"created", "replaced"}) {
    write_file_atomically(folder / "link", content);
    EXPECT_EQ(read_file(folder / "inner" / "file"), content);
    EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
    EXPECT_TRUE(std::filesystem::is_symlink(folder / "inner" / "link"));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / "inner"), {}), 2);
  }
}

TEST(Files, AtomicWriteWritesToAPipe) {
  const testing::TempDir folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  const int descriptor = ::open((folder / "pipe").c_str(), O_RDWR | O_NONBLOCK);
  ASSERT_GE(descriptor, 0);
  write_file_atomically(folder / "pipe", "text");
  std::array<char, 16> received{};
  EXPECT_EQ(::read(descriptor, received.data(), received.size()), 4);
  EXPECT_STREQ(received.data(), "text");
  EXPECT_TRUE(std::filesystem::is_fifo(folder / "pipe"));
  ::close(descriptor);
}

// /dev/stdout is a link to such a path.
TEST(Files, AtomicWriteAppendsToAnOpenFile) {
  const testing::TempDir folder;
  write_file_atomically(folder / "a", "one ");
  const int descriptor = ::open((folder / "a").c_str(), O_RDWR);
  ASSERT_GE(descriptor, 0);
  for (const char* fd_folder : {"/proc/self/fd/", "/dev/fd/"}) {
    if (!std::filesystem::exists(fd_folder)) continue;
    write_file_atomically(fd_folder + std::to_string(descriptor), "two ");
  }
  std::array<char, 32> content{};
  EXPECT_GT(::pread(descriptor, content.data(), content.size() - 1, 0), 4);
  EXPECT_THAT(content.data(), ::testing::StartsWith("one two "));
  ::close(descriptor);
}

TEST(Files, OutputFoldersAreCheckedBeforehand) {
  const testing::TempDir folder;
  write_file_atomically(folder / "a", "");
  EXPECT_NO_THROW(require_output_folder(folder / "a"));
  EXPECT_NO_THROW(require_output_folder(folder / "new"));
  EXPECT_NO_THROW(require_output_folder("new"));
  EXPECT_NO_THROW(require_output_folder("/dev/null"));
  EXPECT_FALSE(std::filesystem::exists(folder / "new"));
  const std::string absent = (folder / "absent").string();
  testing::expect_user_error([&] { require_output_folder(absent + "/x.json"); },
                             {"cannot write '" + absent + "/x.json'", "no folder '" + absent + "'"});
  testing::expect_user_error([&] { require_output_folder((folder / "a") / "x"); }, {"no folder", "/a'"});
  testing::expect_user_error([&] { require_output_folder(folder.path()); }, {"it is a folder"});
  std::filesystem::create_symlink("absent/file", folder / "link");
  testing::expect_user_error([&] { require_output_folder(folder / "link"); }, {"/link'", "/absent'"});
}

TEST(Files, ErrorsNameThePathAndTheReason) {
  testing::expect_user_error([] { read_file("/no/such/file"); },
                             {"/no/such/file", "No such file or directory"});
  testing::expect_user_error([] { read_file("/"); }, {"'/'", "Is a directory"});
  testing::expect_user_error([] { write_file_atomically("/no/such/file", "x"); }, {"/no/such/file"});
}

TEST(Files, AFullDiskIsAUserError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  OutputFile file("/dev/full");
  testing::expect_user_error([&] { file.write("x"); }, {"/dev/full", "No space left on device"});
}

TEST(Files, RandomAccessReadsExactlyOrThrows) {
  const testing::TempDir folder;
  write_file_atomically(folder / "a", "0123456789");
  const RandomAccessFile file(folder / "a");
  std::array<std::byte, 4> bytes{};
  file.read(3, bytes);
  EXPECT_EQ(static_cast<char>(bytes[0]), '3');
  testing::expect_user_error([&] { file.read(8, bytes); }, {"ends at byte 10"});
}

}  // namespace
}  // namespace cloob
