#include "data/table/zip_files.h"

#include <zip.h>

#include <thread>

#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/source.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using testing::as_string;
using testing::expect_user_error;
using testing::Members;
using testing::TempDir;
using testing::write_text;

const bool quiet = (set_log_level(LogLevel::error), true);

std::filesystem::path write_zip(const std::filesystem::path& path, const Members& members, int compression) {
  std::filesystem::create_directories(path.parent_path());
  int error = 0;
  zip_t* const zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &error);
  for (const auto& [name, content] : members) {
    zip_source_t* const source = zip_source_buffer(zip, content.data(), content.size(), 0);
    const zip_int64_t index = zip_file_add(zip, name.c_str(), source, ZIP_FL_ENC_UTF_8);
    zip_set_file_compression(zip, static_cast<zip_uint64_t>(index), compression, 0);
  }
  EXPECT_EQ(zip_close(zip), 0);
  return path;
}

void expect_bad(const ZipFiles& files, const ZipMember& member, BadKind kind,
                std::initializer_list<std::string> parts) {
  try {
    files.read(member);
    ADD_FAILURE() << member.name << " can be read";
  } catch (const BadSample& bad) {
    EXPECT_EQ(bad.kind(), kind) << bad.what();
    for (const std::string& part : parts) EXPECT_THAT(bad.what(), ::testing::HasSubstr(part));
  }
}

TEST(FindZipMember, UnderstandsBothForms) {
  for (const std::string path : {"12/345.zip/678.jpg", "12/345.zip:678.jpg"}) {
    const auto member = find_zip_member(path);
    ASSERT_TRUE(member);
    EXPECT_EQ(member->archive, "12/345.zip");
    EXPECT_EQ(member->name, "678.jpg");
    EXPECT_EQ(archive_in_path(path), "12/345.zip");
  }
  EXPECT_EQ(find_zip_member("A.ZIP/b/c.jpg")->name, "b/c.jpg");
  EXPECT_EQ(find_zip_member("a.b.zip/c.jpg")->archive, "a.b.zip");
  for (const std::string path :
       {"a.jpg", "a.zip", "a.zip/", "a.zipper/b.jpg", "zip/a.jpg", ".zi", "a.zipx"}) {
    EXPECT_FALSE(find_zip_member(path)) << path;
    EXPECT_FALSE(archive_in_path(path)) << path;
  }
}

TEST(FindZipMember, SkipsFoldersThatAreNamedLikeAnArchive) {
  const TempDir folder;
  std::filesystem::create_directories(folder / "x.zip");
  EXPECT_FALSE(find_zip_member(folder / "x.zip/a.jpg"));
  const auto inner = find_zip_member(folder / "x.zip/y.zip/a.jpg");
  ASSERT_TRUE(inner);
  EXPECT_EQ(inner->archive, folder / "x.zip/y.zip");
}

TEST(ZipFiles, ReadsStoredAndCompressedMembers) {
  const TempDir folder;
  const std::string large(300'000, 'x');
  for (const int compression : {ZIP_CM_STORE, ZIP_CM_DEFLATE}) {
    const auto path =
        write_zip(folder / "a.zip", {{"1.jpg", "one"}, {"d/2.jpg", large}, {"0.jpg", ""}}, compression);
    const ZipFiles files;
    EXPECT_EQ(as_string(files.read({path, "1.jpg"})), "one");
    EXPECT_EQ(as_string(files.read({path, "d/2.jpg"})), large);
    EXPECT_EQ(as_string(files.read({path, "1.jpg"})), "one");
    EXPECT_EQ(as_string(files.read({path, "0.jpg"})), "");
    EXPECT_TRUE(files.contains({path, "d/2.jpg"}));
    EXPECT_FALSE(files.contains({path, "2.jpg"}));
    EXPECT_FALSE(files.contains({folder / "b.zip", "1.jpg"}));
  }
}

TEST(ZipFiles, ReportsMissingAndDamagedMembers) {
  const TempDir folder;
  const std::string content(5000, 'p');
  const auto path = write_zip(folder / "a.zip", {{"1.jpg", content}}, ZIP_CM_STORE);
  const ZipFiles files;
  expect_bad(files, {folder / "no.zip", "1.jpg"}, BadKind::missing_file, {"no.zip", "there is no archive"});
  expect_bad(files, {path, "2.jpg"}, BadKind::missing_file, {"'2.jpg'", "a.zip", "no such file"});
  const std::string bytes = read_file(path);
  write_text(folder / "cut.zip", bytes.substr(0, bytes.size() / 2));
  expect_bad(files, {folder / "cut.zip", "1.jpg"}, BadKind::unreadable, {"cut.zip", "cannot be opened"});
  write_text(folder / "text.zip", "not an archive");
  expect_bad(files, {folder / "text.zip", "1.jpg"}, BadKind::unreadable, {"text.zip"});
  std::string flipped = bytes;
  flipped[1000] = 'q';
  write_text(folder / "flipped.zip", flipped);
  expect_bad(files, {folder / "flipped.zip", "1.jpg"}, BadKind::unreadable, {"'1.jpg'", "flipped.zip"});
  // Both sizes in the central directory, at the end of the archive: the member claims 1 GiB.
  std::string huge = bytes;
  const std::size_t directory = huge.find("PK\1\2");
  for (const std::size_t field : {directory + 20, directory + 24})
    huge.replace(field, 4, std::string("\0\0\0\x40", 4));
  write_text(folder / "huge.zip", huge);
  expect_bad(files, {folder / "huge.zip", "1.jpg"}, BadKind::too_large, {"1.0 GiB"});
}

TEST(ZipFiles, LimitsOpenArchivesForAnyNumberOfThreads) {
  const TempDir folder;
  constexpr int kArchives = 7;
  for (int i = 0; i < kArchives; ++i) {
    write_zip(folder / fmt::format("{}.zip", i), {{"a", fmt::format("a{}", i)}, {"b", fmt::format("b{}", i)}},
              ZIP_CM_DEFLATE);
  }
  const ZipFiles files(3);
  const auto read_all = [&](int start) {
    for (int i = start; i < start + 200; ++i) {
      const int number = i * 5 % kArchives;
      const std::string name = i % 3 == 0 ? "a" : "b";
      EXPECT_EQ(as_string(files.read({folder / fmt::format("{}.zip", number), name})),
                fmt::format("{}{}", name, number));
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back(read_all, i);
  }
  const auto descriptors = std::filesystem::directory_iterator("/proc/self/fd");
  EXPECT_LE(
      std::count_if(begin(descriptors), end(descriptors),
                    [](const auto& entry) {
                      std::error_code error;
                      return std::filesystem::read_symlink(entry.path(), error).string().ends_with(".zip");
                    }),
      3);
}

// Two archives of 70 images, named in both forms.
std::string write_archives_and_table(const TempDir& folder, bool sorted) {
  Members members;
  for (int i = 0; i < 70; ++i) members.emplace_back(fmt::format("{}.jpg", i), fmt::format("image {}", i));
  write_zip(folder / "00/000.zip", members, ZIP_CM_STORE);
  write_zip(folder / "00/001.zip", members, ZIP_CM_DEFLATE);
  std::string table = "filepath\ttitle\n";
  for (int row = 0; row < 140; ++row) {
    const int archive = sorted ? row / 70 : row % 2;
    const int number = sorted ? row % 70 : row / 2;
    table += fmt::format("00/00{}.zip{}{}.jpg\tcaption {}\n", archive, row % 3 == 0 ? ':' : '/', number, row);
  }
  return table;
}

TEST(CsvSource, ReadsImagesFromArchivesAsOnePartPerArchive) {
  const TempDir folder;
  const std::string table = write_archives_and_table(folder, /*sorted=*/true);
  const auto source = make_source({}, {write_text(folder / "t.tsv", table).string()}, Purpose::training);
  ASSERT_EQ(source->size(), 140);
  EXPECT_EQ(as_string(source->read(0).image_bytes), "image 0");
  EXPECT_EQ(as_string(source->read(139).image_bytes), "image 69");
  EXPECT_EQ(source->read(139).captions, std::vector<std::string>{"caption 139"});
  const auto parts = source->parts();
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].size, 70);
  EXPECT_EQ(parts[1].size, 70);
}

TEST(CsvSource, TreatsATableThatIsNotSortedByArchiveAsOnePart) {
  const TempDir folder;
  const std::string table = write_archives_and_table(folder, /*sorted=*/false);
  const auto source = make_source({}, {write_text(folder / "t.tsv", table).string()}, Purpose::training);
  EXPECT_EQ(source->parts().size(), 1U);
  EXPECT_EQ(as_string(source->read(3).image_bytes), "image 1");
}

TEST(CsvSource, ChecksThatImagesExistInArchives) {
  const TempDir folder;
  write_zip(folder / "a.zip", {{"1.jpg", "x"}}, ZIP_CM_STORE);
  write_text(folder / "good.tsv", "filepath\ttitle\na.zip/0.jpg\tx\na.zip/1.jpg\ty\n");
  EXPECT_EQ(make_source({}, {(folder / "good.tsv").string()}, Purpose::training)->size(), 2);
  write_text(folder / "bad.tsv", "filepath\ttitle\na.zip/0.jpg\tx\nb.zip/1.jpg\ty\n");
  expect_user_error([&] { make_source({}, {(folder / "bad.tsv").string()}, Purpose::training); },
                    {"none of the 2 images", "a.zip/0.jpg", "data.image_root"});
}

}  // namespace
}  // namespace cloob
