#include "cloob/data/source.h"

#include <fmt/core.h>

#include <iterator>
#include <map>
#include <tuple>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/random.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/tar/shard_index.h"
#include "data/tar/shard_walk.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using testing::as_string;
using testing::expect_user_error;
using testing::Members;
using testing::TempDir;
using testing::write_tar;
using testing::write_text;
using Captions = std::vector<std::string>;

const bool quiet = (set_log_level(LogLevel::error), true);

std::shared_ptr<const Source> open_source(const std::filesystem::path& path, const DataConfig& config = {},
                                          Purpose purpose = Purpose::training) {
  return make_source(config, {path.string()}, purpose);
}

void expect_bad(const Source& source, std::int64_t index, BadKind kind, const std::string& part) {
  try {
    source.read(index);
    ADD_FAILURE() << "sample " << index << " is usable";
  } catch (const BadSample& bad) {
    EXPECT_EQ(bad.kind(), kind) << bad.what();
    EXPECT_THAT(bad.what(), ::testing::HasSubstr(part));
  }
}

DataConfig with_json(const std::string& field) {
  DataConfig config;
  config.webdataset.json_caption_field = field;
  return config;
}

TEST(SplitMemberName, SplitsAtTheFirstDotOfTheFileName) {
  const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
      {"a.jpg", "a", "jpg"},          {"v1.0/a.JPG", "v1.0/a", "jpg"},
      {"a.b.Txt", "a", "b.txt"},      {"noextension", "noextension", ""},
      {"d/.hidden", "d/.hidden", ""}, {"./a.jpg", "./a", "jpg"}};
  for (const auto& [name, key, suffix] : cases) {
    EXPECT_EQ(split_member_name(name).key, key) << name;
    EXPECT_EQ(split_member_name(name).suffix, suffix) << name;
  }
}

TEST(TarSource, GroupsMembersByKey) {
  const TempDir folder;
  write_tar(folder / "0.tar",
            {{"readme", "x"}, {"a.jpg", "A"}, {"a.txt", " of a \n"}, {"b.txt", "of b"}, {"b.PNG", "B"}});
  write_tar(folder / "1.tar", {{"b.jpeg", "B2"}, {"b.txt", "of b2"}, {"b.jpeg", "B3"}, {"b.txt", "of b3"}});
  const auto source = open_source(folder / "{0..1}.tar");
  ASSERT_EQ(source->size(), 4);
  const std::vector<std::tuple<std::string, std::string, std::string>> expected = {
      {"a", "A", "of a"}, {"b", "B", "of b"}, {"b", "B2", "of b2"}, {"b", "B3", "of b3"}};
  for (std::int64_t index = 3; index >= 0; --index) {
    const auto& [key, image, caption] = expected[static_cast<std::size_t>(index)];
    const RawSample sample = source->read(index);
    EXPECT_EQ(sample.key, key);
    EXPECT_EQ(as_string(sample.image_bytes), image);
    EXPECT_EQ(sample.captions, Captions{caption});
    EXPECT_EQ(source->read_captions(index), Captions{caption});
  }
  EXPECT_EQ(source->describe(2), (folder / "1.tar").string() + ", sample 0");
}

TEST(TarSource, CountsMemberKinds) {
  const TempDir folder;
  write_tar(folder / "0.tar",
            {{"a.jpg", "A"}, {"a.txt", "a"}, {"b.txt", "b"}, {"b.jpg", "B"}, {"c.txt", "c"}});
  write_tar(folder / "1.tar", {{"a.jpg", "A"}, {"a.txt", "a"}});
  using Kinds = std::map<std::string, std::int64_t>;
  const Kinds both = {{"jpg,txt", 2}, {"txt,jpg", 1}, {"txt", 1}};
  EXPECT_EQ(open_source(folder / "{0..1}.tar")->member_kinds(), both);
  const std::string joined = (folder / "0.tar").string() + "::" + (folder / "1.tar").string();
  EXPECT_EQ(open_source(joined)->member_kinds(), both);
  write_text(folder / "t.csv", "filepath,title\n0.tar,a\n");
  EXPECT_EQ(open_source(folder / "t.csv")->member_kinds(), Kinds());
}

TEST(TarSource, PrefersTheMemberThatIsListedFirst) {
  const TempDir folder;
  const auto path =
      write_tar(folder / "0.tar", {{"a.jpg", "J"}, {"a.png", "P"}, {"a.txt", "t"}, {"a.cap", "c"}});
  DataConfig config;
  config.webdataset.image_members = {"webp", "png", "jpg"};
  config.webdataset.caption_members = {"cap", "txt"};
  const RawSample sample = open_source(path, config)->read(0);
  EXPECT_EQ(as_string(sample.image_bytes), "P");
  EXPECT_EQ(sample.captions, Captions{"c"});
}

TEST(TarSource, ReadsCaptionsFromJsonAndLines) {
  const TempDir folder;
  const auto path = write_tar(folder / "0.tar", {{"a.jpg", "A"},
                                                 {"a.json", R"({"caption": "one \u00e9", "n": 1})"},
                                                 {"a.txt", "x\ny\r\n\n z "},
                                                 {"b.jpg", "B"},
                                                 {"b.json", R"({"caption": ["one", "", null, " two "]})"},
                                                 {"b.txt", "\n"}});
  const auto source = open_source(path, with_json("caption"));
  EXPECT_EQ(source->read(0).captions, Captions{"one \xc3\xa9"});
  EXPECT_EQ(source->read(1).captions, (Captions{"one", "two"}));
  DataConfig lines;
  lines.webdataset.text = TextMember::lines;
  EXPECT_EQ(open_source(path, lines)->read(0).captions, (Captions{"x", "y", "z"}));
  EXPECT_EQ(open_source(path)->read(0).captions, Captions{"x\ny\r\n\n z"});
  expect_bad(*open_source(path), 1, BadKind::no_caption, "the caption of 'b' is empty");
}

TEST(TarSource, ReportsWhatASampleLacks) {
  const TempDir folder;
  const auto path = write_tar(folder / "0.tar", {{"ok.jpg", "A"},
                                                 {"ok.json", R"({"caption": "x"})"},
                                                 {"b.json", R"({"caption": "x"})"},
                                                 {"c.jpg", "C"},
                                                 {"c.txt", "c"},
                                                 {"d.jpg", "D"},
                                                 {"d.json", "{"},
                                                 {"e.jpg", "E"},
                                                 {"e.json", R"({"title": "x"})"},
                                                 {"f.jpg", "F"},
                                                 {"f.json", R"({"caption": 3})"},
                                                 {"g.jpg", "G"},
                                                 {"g.json", R"({"caption": ""})"}});
  const auto source = open_source(path, with_json("caption"));
  ASSERT_EQ(source->size(), 7);
  EXPECT_EQ(source->read(0).captions, Captions{"x"});
  expect_bad(*source, 1, BadKind::no_image, "'b' has .json");
  expect_bad(*source, 2, BadKind::no_caption, "'c' has .jpg .txt");
  expect_bad(*source, 3, BadKind::no_caption, "is not JSON (byte 2)");
  expect_bad(*source, 4, BadKind::no_caption, "has no 'caption'");
  expect_bad(*source, 5, BadKind::no_caption, "neither a string nor a list of strings");
  expect_bad(*source, 6, BadKind::no_caption, "is empty");
}

Members five_samples() {
  Members members;
  for (const std::string key : {"a", "b", "c", "d", "e"}) {
    members.emplace_back(key + ".jpg", std::string(700, key[0]));
    members.emplace_back(key + ".txt", "of " + key);
  }
  return members;
}

// Each sample takes 512 + 1024 bytes for its image and 512 + 512 for its caption.
constexpr std::size_t kSampleBytes = 2560;

TEST(TarSource, UsesSamplesBeforeTruncationAndCountsTheRestAsOne) {
  const TempDir folder;
  const std::string intact = read_file(write_tar(folder / "whole.tar", five_samples()));
  write_tar(folder / "9.tar", {{"z.jpg", "Z"}, {"z.txt", "of z"}});
  const auto expect_usable = [&](const std::string& content, std::int64_t usable,
                                 const std::string& message) {
    write_text(folder / "0.tar", content);
    const auto source = open_source(folder / "[09].tar");
    ASSERT_EQ(source->size(), usable + 2) << message;
    for (std::int64_t index = 0; index < usable; ++index) {
      EXPECT_EQ(source->read(index).image_bytes.size(), 700u);
    }
    expect_bad(*source, usable, BadKind::broken_shard, message);
    EXPECT_EQ(source->read(usable + 1).key, "z");
  };
  expect_usable(intact.substr(0, 2 * kSampleBytes + 900), 2,
                "it ends inside the member 'c.jpg' at byte 5120");
  expect_usable(intact.substr(0, 2 * kSampleBytes + 1600), 2, "it ends inside the header at byte 6656");
  expect_usable(intact.substr(0, 3 * kSampleBytes + 20), 3, "it ends inside the header at byte 7680");
  expect_usable("", 0, "it is empty (0 bytes)");
}

TEST(TarSource, ContinuesAfterABrokenHeader) {
  const TempDir folder;
  std::string damaged = read_file(write_tar(folder / "0.tar", five_samples()));
  damaged[3 * kSampleBytes + 150] = '9';
  const auto source = open_source(write_text(folder / "0.tar", damaged));
  ASSERT_EQ(source->size(), 6);
  for (const std::int64_t index : {0, 1, 2, 5}) EXPECT_EQ(source->read(index).image_bytes.size(), 700u);
  expect_bad(*source, 3, BadKind::broken_shard, "no valid tar header at byte 7680");
  expect_bad(*source, 4, BadKind::no_image, "'d' has .txt");
  EXPECT_EQ(source->read(5).key, "e");
}

TEST(TarSource, ReportsShardsThatChangeOrVanishDuringARun) {
  const TempDir folder;
  const auto path = write_tar(folder / "0.tar", five_samples());
  const auto source = open_source(path);
  const std::string intact = read_file(path);
  std::filesystem::resize_file(path, 3 * kSampleBytes);
  EXPECT_EQ(source->read(1).key, "b");
  expect_bad(*source, 4, BadKind::unreadable, "0.tar' ends at byte");
  const auto other = open_source(write_tar(folder / "1.tar", five_samples()));
  std::filesystem::remove(folder / "1.tar");
  expect_bad(*other, 0, BadKind::unreadable, "1.tar': No such file");
}

TEST(TarSource, RejectsFilesThatAreNotTar) {
  const TempDir folder;
  write_text(folder / "a.tar", std::string(2000, 'x'));
  expect_user_error([&] { open_source(folder / "a.tar"); }, {"a.tar' is not a tar file", "byte 0"});
  write_text(folder / "b.tar", "\x1f\x8b" + std::string(2000, 'x'));
  expect_user_error([&] { open_source(folder / "b.tar"); },
                    {"b.tar' is not a tar file: it is gzip-compressed", "decompress"});
  std::filesystem::create_directory(folder / "c.tar");
  expect_user_error([&] { open_source(folder / "c.tar"); }, {"c.tar'", "Is a directory"});
}

TEST(TarSource, ReportsOnOpeningWhyNoSampleIsUsable) {
  const TempDir folder;
  const auto wrong =
      write_tar(folder / "0.tar", {{"a.input.jpg", "A"}, {"a.cap", "a"}, {"b.input.jpg", "B"}});
  expect_user_error(
      [&] { open_source(wrong); },
      {"0.tar' has no usable samples: each needs .jpg or .jpeg or .png or .webp or .gif or .bmp and .txt",
       ".cap (1), .input.jpg (2)", "set data.webdataset.image_members",
       "the name of a sample ends at its first dot"});
  const auto apart =
      write_tar(folder / "1.tar", {{"a.jpg", "A"}, {"b.jpg", "B"}, {"a.txt", "a"}, {"b.txt", "b"}});
  expect_user_error([&] { open_source(apart); }, {"but not together"});
  const auto none = write_tar(folder / "2.tar", {});
  expect_user_error([&] { open_source(none, with_json("caption")); },
                    {"and .json, but the member suffixes are none"});
}

// A header of the ustar format for a member without content.
std::string header_of(const std::string& name, char type, const std::string& target) {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  header.replace(100, 8, "0000644\0", 8);
  header.replace(124, 12, "00000000000\0", 12);
  header.replace(148, 8, "        ");
  header[156] = type;
  header.replace(157, target.size(), target);
  header.replace(257, 8,
                 "ustar\0"
                 "00",
                 8);
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  header.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return header;
}

std::string pair_of(const TempDir& folder, const std::string& key) {
  return read_file(write_tar(folder / "pair.tar", {{key + ".jpg", key}, {key + ".txt", "of " + key}}));
}

TEST(TarSource, ReadsArchivesThatWereJoined) {
  const TempDir folder;
  const std::string padding(5 * 512, '\0');
  const auto joined =
      write_text(folder / "a.tar", pair_of(folder, "a") + padding + pair_of(folder, "b") + padding);
  const auto source = open_source(joined);
  ASSERT_EQ(source->size(), 2);
  EXPECT_EQ(source->read(1).key, "b");
  EXPECT_EQ(as_string(source->read(1).image_bytes), "b");
  EXPECT_EQ(scan_shard(joined).kinds, (std::map<std::string, std::int64_t>{{"jpg,txt", 2}}));
  EXPECT_TRUE(scan_shard(joined).has_end_mark);
  // The second one lacks its end mark.
  const std::string content = read_file(joined);
  const auto cut =
      write_text(folder / "cut.tar", content.substr(0, content.find_last_not_of('\0') / 512 * 512 + 512));
  EXPECT_FALSE(scan_shard(cut).has_end_mark);
}

TEST(TarSource, SaysWhatBehindTheEndMarkIsNotRead) {
  const TempDir folder;
  const auto warnings_of = [&](const std::string& content) {
    set_log_level(LogLevel::warning);
    ::testing::internal::CaptureStderr();
    scan_shard(write_text(folder / "x.tar", content));
    set_log_level(LogLevel::error);
    return ::testing::internal::GetCapturedStderr();
  };
  const std::string shard = pair_of(folder, "a");
  EXPECT_EQ(warnings_of(shard + std::string(10240, '\0')), "");
  EXPECT_THAT(warnings_of(shard + std::string(700, 'x')),
              ::testing::HasSubstr("after its end mark that are not read"));
}

TEST(TarSource, SaysThatLinksAreLeftOut) {
  const TempDir folder;
  const std::string end(1024, '\0');
  std::string caption = read_file(write_tar(folder / "t.tar", {{"a.txt", "of a"}}));
  caption.resize(1024);
  for (const char type : {'1', '2'}) {
    const auto shard = write_text(folder / "links.tar", header_of("a.jpg", type, "b.jpg") + caption + end);
    expect_user_error([&] { open_source(shard); },
                      {"some members are links", "--dereference --hard-dereference"});
    EXPECT_EQ(scan_shard(shard).num_links, 1);
  }
}

TEST(TarSource, ExplainsDotsInTheNamesOfMembers) {
  const TempDir folder;
  const auto source = open_source(
      write_tar(folder / "0.tar", {{"a.jpg", "A"}, {"a.txt", "a"}, {"b.v2.jpg", "B"}, {"b.v2.txt", "b"}}));
  expect_bad(*source, 1, BadKind::no_caption,
             "'b' has .v2.jpg .v2.txt: as in webdataset, the name of a sample ends");
}

TEST(MakeSource, RecognizesWhatIsNeitherTableNorShard) {
  const TempDir folder;
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
  const auto rejects = [&](const std::string& name, const std::string& content,
                           std::initializer_list<std::string> parts) {
    expect_user_error([&] { open_source(write_text(folder / name, content)); }, parts);
  };
  rejects("0.tar", pointer, {"0.tar' is not a tar file: it is a Git LFS pointer", "git lfs pull"});
  rejects("t.csv", pointer, {"t.csv' is not a table: it is a Git LFS pointer"});
  rejects("1.tar", "<!DOCTYPE html><title>404</title>", {"1.tar' is not a tar file: it is a web page"});
  rejects("t.parquet", "PAR1....", {"is a Parquet file", "pandas.read_parquet('", "t.parquet').to_csv("});
  rejects("u.csv", "PAR1....", {"is a Parquet file", "read_parquet"});
  rejects("t.csv.gz", "\x1f\x8b....", {"is gzip-compressed", "gunzip -k "});
  rejects("t.tsv.zst", "\x28\xb5\x2f\xfd....", {"is zstd-compressed", "'zstd -d "});
  rejects("x.tar.zst", "\x28\xb5\x2f\xfd....", {"is zstd-compressed", "'pipe:zstd -dc "});
  rejects("p.jpg", "\xff\xd8\xff....", {"is a JPEG image", "cloob data pack"});
  rejects("c.json", "{}", {"is JSON", "filepath and title"});
  rejects("empty.parquet", "", {"empty.parquet' is empty"});
  rejects("my table.csv.gz", "\x1f\x8b....", {"gunzip -k '", "/my table.csv.gz'"});
  rejects("t.txt", "filepath,title\n", {"set data.format to csv or webdataset"});
}

TEST(MakeSource, SaysWhatToNameInsteadOfAFolder) {
  const TempDir folder;
  const auto rejects = [&](const std::string& name, const std::string& part) {
    expect_user_error([&] { open_source(folder / name); }, {"is a folder: ", part});
  };
  write_text(folder / "pairs/0/a.JPG", "A");
  write_text(folder / "pairs/0/a.txt", "a");
  rejects("pairs", "'cloob data pack " + (folder / "pairs").string() + " --out ");
  rejects("pairs/", "pairs-shards/*.tar'");
  write_text(folder / "shards/0.tar", "");
  rejects("shards", "name its shards, '" + (folder / "shards/*.tar").string());
  write_text(folder / "tables/t.tsv", "");
  rejects("tables", "name the table in it, '" + (folder / "tables/t.tsv").string());
  std::filesystem::create_directory(folder / "empty");
  rejects("empty", "name the shards or the table in it");
}

TEST(MakeSource, DecodesPercentEncodedCaptions) {
  const TempDir folder;
  DataConfig config;
  config.caption_encoding = CaptionEncoding::percent;
  write_text(folder / "a.jpg", "A");
  const auto table = write_text(folder / "t.csv", "filepath,title\na.jpg,a+dog%2C+%C3%A9\na.jpg,%20\n");
  EXPECT_EQ(open_source(table, config)->read_captions(0), Captions{"a dog, \xc3\xa9"});
  expect_bad(*open_source(table, config), 1, BadKind::no_caption, "empty");
  const auto shard = write_tar(folder / "a.tar", {{"a.jpg", "A"}, {"a.txt", "100%25+dogs"}});
  EXPECT_EQ(open_source(shard, config)->read(0).captions, Captions{"100% dogs"});
  EXPECT_EQ(open_source(shard)->read(0).captions, Captions{"100%25+dogs"});
  const auto stream = testing::write_gzip(folder / "a.tar.gz", read_file(shard));
  config.index_folder = folder.path();
  EXPECT_EQ(open_source(stream, config)->read(0).captions, Captions{"100% dogs"});
}

TEST(CsvSource, RecognizesListsOfAddresses) {
  const TempDir folder;
  // The files of CC3M have no header, and captions first.
  const auto original =
      write_text(folder / "cc3m.tsv", "a dog\thttp://a.org/1.jpg\na cat\thttp://b.org/2.jpg\n");
  expect_user_error(
      [&] { open_source(original); },
      {"cc3m.tsv' is a list of web addresses", "img2dataset --url_list", "--input_format tsv", "add it"});
  const auto named = write_text(folder / "a.csv", "filepath,title\nhttps://a.org/1.jpg,a dog\n");
  expect_user_error([&] { open_source(named); }, {"is a list of web addresses", "--input_format csv"});
  const auto other = write_text(folder / "b.csv", "url,caption\nhttps://a.org/1.jpg,a dog\n");
  expect_user_error([&] { open_source(other); }, {"is a list of web addresses"});
}

TEST(CsvSource, RecognizesPathsOfWindows) {
  const TempDir folder;
  for (const std::string path : {"images\\0.jpg", "C:\\data\\0.jpg", "D:/data/0.jpg"}) {
    const auto table = write_text(folder / "t.csv", "filepath,title\n" + path + ",a dog\n");
    expect_user_error([&] { open_source(table); },
                      {"none of the 1 images", "paths of Windows", "data.image_root"});
  }
}

TEST(CsvSource, EndsInOneLineIfItsFileShrinks) {
  const TempDir folder;
  write_text(folder / "a.jpg", "A");
  std::string text = "filepath,title\n";
  for (int i = 0; i < 20'000; ++i) text += fmt::format("a.jpg,caption {}\n", i);
  const auto path = write_text(folder / "t.csv", text);
  const auto source = open_source(path);
  std::filesystem::resize_file(path, 100);
  EXPECT_EQ(source->read_captions(0), Captions{"caption 0"});
  expect_user_error([&] { source->read(19'000); }, {"t.csv' ends at byte"});
}

TEST(TarSource, EndsInOneLineIfItsIndexShrinks) {
  const TempDir folder;
  Members members;
  for (int i = 0; i < 5000; ++i) {
    members.emplace_back(fmt::format("{}.jpg", i), "A");
    members.emplace_back(fmt::format("{}.txt", i), "a");
  }
  const auto shard = write_tar(folder / "a.tar", members);
  const auto index = update_index_files({shard}, {}, {}).front();
  const auto source = open_source(shard);
  EXPECT_EQ(source->read(4000).key, "4000");
  std::filesystem::resize_file(index, 600);
  expect_bad(*source, 4000, BadKind::unreadable, "cloob.index' ends at byte");
}

TEST(ShardIndex, FindsEverySampleOfRandomLayouts) {
  RandomStream random(RandomUse::synthetic_data, {4});
  for (int trial = 0; trial < 10; ++trial) {
    const TempDir folder;
    std::vector<std::string> keys;
    const auto num_shards = static_cast<std::size_t>(random.below(5) + 1);
    for (std::size_t shard = 0; shard < num_shards; ++shard) {
      Members members;
      const std::uint64_t num_samples = shard == 0 ? 1 + random.below(6) : random.below(30);
      for (std::uint64_t i = 0; i < num_samples; ++i) {
        const std::string key = fmt::format("{}_{}", shard, i) + std::string(random.below(80), 'k');
        members.emplace_back(key + ".jpg", key + std::string(random.below(3000), 'x'));
        members.emplace_back(key + ".txt", key);
        if (random.bernoulli(0.3)) members.emplace_back(key + ".json", "{}");
        keys.push_back(key);
      }
      write_tar(folder / fmt::format("{:02}.tar", shard), members);
    }
    DataConfig config;
    config.threads = static_cast<std::int64_t>(random.below(4) + 1);
    const auto source = open_source(folder / "*.tar", config);
    ASSERT_EQ(source->size(), static_cast<std::int64_t>(keys.size()));
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const RawSample sample = source->read(static_cast<std::int64_t>(i));
      EXPECT_EQ(sample.key, keys[i]);
      EXPECT_EQ(sample.captions, Captions{keys[i]});
      EXPECT_THAT(as_string(sample.image_bytes),
                  ::testing::StartsWith(keys[i] + (sample.image_bytes.size() > keys[i].size() ? "x" : "")));
    }
  }
}

TEST(TarSource, ReadsMoreShardsThanItKeepsOpen) {
  const TempDir folder;
  for (int shard = 0; shard < 300; ++shard) {
    write_tar(folder / fmt::format("{:03}.tar", shard), {{"a.jpg", std::to_string(shard)}, {"a.txt", "x"}});
  }
  const auto source = open_source(folder / "*.tar");
  for (std::int64_t index : {0, 299, 1, 150}) {
    EXPECT_EQ(as_string(source->read(index).image_bytes), std::to_string(index));
  }
  for (std::int64_t index = 0; index < 300; ++index) {
    EXPECT_EQ(as_string(source->read(index).image_bytes), std::to_string(index));
  }
  const auto descriptors = std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  EXPECT_LT(descriptors, 290);
}

TEST(CsvSource, ResolvesPathsAgainstTheTableOrTheImageRoot) {
  const TempDir folder;
  write_text(folder / "images/a.jpg", "A");
  write_text(folder / "elsewhere/images/a.jpg", "A2");
  const auto path = write_text(folder / "t.tsv", "filepath\ttitle\nimages/a.jpg\tof a\n" +
                                                     (folder / "images/a.jpg").string() + "\tabsolute\n");
  EXPECT_EQ(as_string(open_source(path)->read(0).image_bytes), "A");
  DataConfig config;
  config.image_root = (folder / "elsewhere").string();
  const auto source = open_source(path, config);
  EXPECT_EQ(as_string(source->read(0).image_bytes), "A2");
  EXPECT_EQ(as_string(source->read(1).image_bytes), "A");
  EXPECT_EQ(source->read(0).key, "images/a.jpg");
  EXPECT_EQ(source->describe(0), path.string() + ":2 ('images/a.jpg')");
}

TEST(CsvSource, GroupsTheCaptionsOfAnImageInEvaluation) {
  const TempDir folder;
  for (const std::string name : {"a.jpg", "b.jpg"}) write_text(folder / name, name);
  const auto path =
      write_text(folder / "t.tsv", "filepath\ttitle\na.jpg\t1\nb.jpg\t2\na.jpg\t3\nbroken\nb.jpg\t \n");
  DataConfig config;
  EXPECT_EQ(open_source(path, config, Purpose::training)->size(), 5);
  const auto grouped = open_source(path, config, Purpose::evaluation);
  ASSERT_EQ(grouped->size(), 3);
  EXPECT_EQ(grouped->read(0).captions, (Captions{"1", "3"}));
  EXPECT_EQ(grouped->read_captions(1), Captions{"2"});
  expect_bad(*grouped, 2, BadKind::malformed_row, "it has 1 columns");
  config.csv.group_captions = false;
  EXPECT_EQ(open_source(path, config, Purpose::evaluation)->size(), 5);
}

TEST(CsvSource, ReportsBadSamplesByKind) {
  const TempDir folder;
  write_text(folder / "a.jpg", "A");
  std::filesystem::create_directory(folder / "folder.jpg");
  const auto path = write_text(folder / "t.csv",
                               "filepath,title,more\na.jpg,,extra\nnone.jpg,x,\nfolder.jpg,x,\na.jpg, ,\n");
  DataConfig config;
  config.csv.caption_columns = {"title", "more"};
  const auto source = open_source(path, config);
  EXPECT_EQ(source->read(0).captions, Captions{"extra"});
  expect_bad(*source, 1, BadKind::missing_file, "none.jpg': No such file");
  expect_bad(*source, 2, BadKind::unreadable, "folder.jpg': Is a directory");
  expect_bad(*source, 3, BadKind::no_caption, "empty");
}

TEST(CsvSource, ReportsOnOpeningWhereItLookedForImages) {
  const TempDir folder;
  const auto path = write_text(folder / "t.csv", "filepath,title\nimg/a.jpg,x\nimg/b.jpg,x\n");
  expect_user_error([&] { open_source(path); },
                    {"none of the 2 images", (folder / "img/a.jpg").string(), "set data.image_root"});
}

TEST(MakeSource, ConcatenatesTablesAndDetectsFormatsByName) {
  const TempDir folder;
  write_text(folder / "a.jpg", "A");
  write_text(folder / "1.csv", "filepath,title\na.jpg,1\n");
  write_text(folder / "2.tsv", "filepath\ttitle\na.jpg\t2\na.jpg\t3\n");
  const auto source =
      make_source({}, {(folder / "1.csv").string(), (folder / "2.tsv").string()}, Purpose::training);
  ASSERT_EQ(source->size(), 3);
  EXPECT_EQ(source->read_captions(0), Captions{"1"});
  EXPECT_EQ(source->read(2).captions, Captions{"3"});
  EXPECT_THAT(source->describe(1), ::testing::StartsWith((folder / "2.tsv").string() + ":2"));

  write_text(folder / "table.txt", "filepath,title\na.jpg,4\n");
  expect_user_error([&] { open_source(folder / "table.txt"); },
                    {"table.txt' ends neither", "set data.format"});
  DataConfig csv;
  csv.format = DataFormat::csv;
  EXPECT_EQ(open_source(folder / "table.txt", csv)->read_captions(0), Captions{"4"});
  write_tar(folder / "s.tar", {{"a.jpg", "A"}, {"a.txt", "x"}});
  expect_user_error([&] { open_source(folder / "{1.csv,s.tar}"); }, {"different formats"});
  expect_user_error([&] { make_source({}, {}, Purpose::training); }, {"no data is given"});
}

TEST(MakeImageFileSource, ReadsFilesInOrder) {
  const TempDir folder;
  write_text(folder / "b.jpg", "B");
  const auto source = make_image_file_source({folder / "b.jpg", folder / "a.jpg"});
  EXPECT_EQ(as_string(source->read(0).image_bytes), "B");
  EXPECT_TRUE(source->read(0).captions.empty());
  expect_bad(*source, 1, BadKind::missing_file, "a.jpg");
}

TEST(WebdatasetConfig, ChecksSuffixes) {
  for (const std::string suffix : {"", ".jpg", "JPG"}) {
    expect_user_error([&] { WebdatasetConfig{.image_members = {suffix}}.validate(); },
                      {"data.webdataset.image_members has '" + suffix + "'"});
  }
  expect_user_error([] { WebdatasetConfig{.caption_members = {}}.validate(); }, {"caption_members is empty"});
}

}  // namespace
}  // namespace cloob
