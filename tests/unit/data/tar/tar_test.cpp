#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/data/tar/tar_writer.h"
#include "data/tar/tar_scanner.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using testing::as_string;
using testing::Members;
using testing::TempDir;
using testing::write_tar;
using testing::write_text;

Members scan(const std::filesystem::path& path, std::size_t window_bytes) {
  const RandomAccessFile file(path);
  FileTarInput input(file, file.size(), window_bytes);
  TarScanner scanner(input);
  Members members;
  while (const auto member = scanner.next()) {
    const auto bytes = scanner.read(*member);
    EXPECT_EQ(bytes.size(), member->size);
    members.emplace_back(member->name, as_string(bytes));
  }
  return members;
}

// Message and offset of the TarError for a file with this content.
std::pair<std::string, std::uint64_t> scan_error(const TempDir& folder, const std::string& content) {
  const auto path = write_text(folder / "broken.tar", content);
  try {
    scan(path, 4096);
  } catch (const TarError& error) {
    return {error.what(), error.offset()};
  }
  return {"no error", 0};
}

void fix_checksum(std::string& archive, std::size_t header) {
  archive.replace(header + 148, 8, "        ");
  unsigned sum = 0;
  for (std::size_t i = 0; i < kTarBlock; ++i) sum += static_cast<unsigned char>(archive[header + i]);
  archive.replace(header + 148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
}

TEST(TarScanner, ReadsEveryFormatThatPythonWrites) {
  for (const std::string name : {"ustar", "gnu", "pax"}) {
    const auto listing = nlohmann::json::parse(read_file(testing::golden_path("data/" + name + ".json")));
    ASSERT_GT(listing.size(), 10u);
    for (const std::size_t window : {512u, 4096u, 1u << 20}) {
      const Members members = scan(testing::golden_path("data/" + name + ".tar"), window);
      ASSERT_EQ(members.size(), listing.size()) << name;
      for (std::size_t i = 0; i < members.size(); ++i) {
        EXPECT_EQ(members[i].first, listing[i][0].get<std::string>());
        EXPECT_EQ(members[i].second, listing[i][1].get<std::string>());
      }
    }
  }
}

TEST(TarScanner, CanStartAtAnyMember) {
  const RandomAccessFile file(testing::golden_path("data/gnu.tar"));
  FileTarInput all_input(file, file.size(), 1024);
  TarScanner all(all_input);
  while (const auto member = all.next()) {
    FileTarInput single_input(file, file.size(), 1024);
    TarScanner single(single_input, member->begin);
    const auto again = single.next();
    ASSERT_TRUE(again);
    EXPECT_EQ(again->name, member->name);
    EXPECT_EQ(again->data_offset, member->data_offset);
  }
}

TEST(TarWriter, IsDeterministicAndRoundTrips) {
  const TempDir folder;
  const std::string long_name = std::string(150, 'd') + "/" + std::string(96, 'n') + ".jpg";
  const Members members = {
      {"a.jpg", "1"}, {"a.txt", ""}, {"b.jpg", std::string(512, 'x')}, {long_name, std::string(513, 'y')}};
  const auto first = write_tar(folder / "1.tar", members), second = write_tar(folder / "2.tar", members);
  EXPECT_EQ(read_file(first), read_file(second));
  EXPECT_EQ(scan(first, 4096), members);
  TarWriter writer(folder / "3.tar");
  testing::expect_user_error([&] { writer.add(std::string(101, 'n'), "x"); }, {"too long for a tar file"});
}

TEST(TarScanner, ReadsBinarySizes) {
  const TempDir folder;
  std::string archive = read_file(write_tar(folder / "a.tar", {{"a.jpg", "12345"}}));
  archive.replace(124, 12, std::string("\x80\0\0\0\0\0\0\0\0\0\0\x05", 12));
  fix_checksum(archive, 0);
  EXPECT_EQ(scan(write_text(folder / "b.tar", archive), 512), (Members{{"a.jpg", "12345"}}));
  archive.replace(124, 12, std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12));
  fix_checksum(archive, 0);
  EXPECT_EQ(scan_error(folder, archive).first, "the tar header at byte 0 has no valid size");
}

TEST(TarScanner, ReportsWhereAFileIsDamaged) {
  const TempDir folder;
  const std::string intact =
      read_file(write_tar(folder / "a.tar", {{"a.jpg", std::string(600, 'a')}, {"b.jpg", "b"}}));
  const std::size_t second = 512 + 1024;
  EXPECT_EQ(scan_error(folder, intact.substr(0, 700)).first, "it ends inside the member 'a.jpg' at byte 0");
  EXPECT_EQ(scan_error(folder, intact.substr(0, second + 100)).first,
            "it ends inside the header at byte 1536");
  EXPECT_EQ(scan_error(folder, intact.substr(0, second + 512)).first,
            "it ends inside the member 'b.jpg' at byte 1536");
  EXPECT_EQ(scan_error(folder, intact.substr(0, second)).first, "no error") << "only the end mark is missing";
  std::string damaged = intact;
  damaged[second + 3] = '?';
  EXPECT_EQ(scan_error(folder, damaged),
            (std::pair<std::string, std::uint64_t>("no valid tar header at byte 1536", 1536)));
}

TEST(TarScanner, RejectsDamagedPaxHeaders) {
  const TempDir folder;
  const std::string golden = read_file(testing::golden_path("data/pax.tar"));
  const std::size_t digits = golden.find(" path=") - 3;  // "NNN path=...", after a block that ends in zeros
  ASSERT_EQ(golden[digits - 1], '\0');
  for (const std::string length : {"999", "  9", "9x9", "000", "004"}) {
    std::string damaged = golden;
    damaged.replace(digits, 3, length);
    EXPECT_THAT(scan_error(folder, damaged).first, ::testing::HasSubstr("is damaged")) << length;
  }
}

}  // namespace
}  // namespace cloob
