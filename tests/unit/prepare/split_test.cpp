#include "cloob/prepare/split.h"

#include <cmath>
#include <map>
#include <set>

#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/data/source.h"
#include "cloob/data/table/csv_table.h"
#include "cloob/image/encode.h"
#include "prepare/split_parts.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using testing::expect_user_error;
using testing::TempDir;
using testing::write_text;
using Captions = std::vector<std::string>;

const bool quiet = (set_log_level(LogLevel::error), true);

SplitOptions options_for(const std::string& parts, std::uint64_t seed = 0) {
  SplitOptions options;
  options.parts = parse_split_parts(parts);
  options.seed = seed;
  return options;
}

// Two rows for each of `count` images, which are copies of the same image under different names.
std::string write_table(const TempDir& folder, int count) {
  ImageU8 image = make_image({8, 8}, PixelMode::rgb);
  std::string rows;
  for (int i = 0; i < count; ++i) {
    const std::string name = fmt::format("photos/{}.jpg", i);
    write_text(folder / "in" / name, encode_jpeg(image, 90));
    rows += fmt::format("{}\t\"a \"\"{}\"\"\ttab\"\n{}\tb {}\n", name, i, name, i);
  }
  return write_text(folder / "in/pairs.tsv", "filepath\ttitle\n" + rows).string();
}

std::map<std::string, Captions> captions_by_path(const Source& source) {
  std::map<std::string, Captions> captions;
  for (std::int64_t i = 0; i < source.size(); ++i) {
    const auto found = source.read_captions(i);
    Captions& all = captions[source.key(i).substr(source.key(i).rfind('/') + 1)];
    all.insert(all.end(), found.begin(), found.end());
  }
  return captions;
}

TEST(ParseSplitParts, ReportsErrors) {
  const auto parts = parse_split_parts("train=0.98, val=2e-2");
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[1].name, "val");
  EXPECT_EQ(parts[1].fraction, 0.02);
  EXPECT_EQ(parse_split_parts("a=0.1,b=0.2,c=0.7").size(), 3U) << "rounding errors are tolerated";
  for (const std::string text : {"", "train", "train=", "=0.5", "train=0", "train=-1", "train=1.5", "train=x",
                                 "a/b=0.5", "..=0.5", "train=nan", "a=0.5,"}) {
    expect_user_error([&] { parse_split_parts(text); }, {"is not a part", "train=0.98,val=0.02"});
  }
  expect_user_error([] { parse_split_parts("a=0.5,a=0.5"); }, {"'a' twice"});
  expect_user_error([] { parse_split_parts("train=0.98,val=0.2"); }, {"sum to 1.18"});
}

TEST(PartOfKey, IgnoresTheSpellingOfPaths) {
  const PartOfKey part_of(options_for("a=0.5,b=0.5").parts, 0);
  for (int i = 0; i < 50; ++i) {
    const std::size_t part = part_of(fmt::format("/dev/{}.jpg", i));
    EXPECT_EQ(part_of(fmt::format("/./dev/{}.jpg", i)), part);
    EXPECT_EQ(part_of(fmt::format("//dev//x/../{}.jpg", i)), part);
    EXPECT_EQ(part_of(fmt::format("12/345.zip:{}.jpg", i)), part_of(fmt::format("12/345.zip/{}.jpg", i)));
  }
}

TEST(SplitData, SplitsATableIntoReadableTables) {
  const TempDir folder;
  const std::string table = write_table(folder, 200);
  const SplitResult result =
      split_data({}, {table}, folder / "a/b/out", options_for("train=0.8,val=0.2"), {});
  std::map<std::string, Captions> joined;
  for (const std::string part : {"train", "val"}) {
    const auto source =
        make_source({}, {(folder / ("a/b/out/" + part + ".tsv")).string()}, Purpose::training);
    EXPECT_NO_THROW(source->read(0)) << "the paths are valid";
    for (const auto& [path, captions] : captions_by_path(*source)) {
      EXPECT_TRUE(joined.emplace(path, captions).second) << path << " is in both parts";
    }
  }
  EXPECT_EQ(joined, captions_by_path(*make_source({}, {table}, Purpose::training)));
  ASSERT_EQ(result.num_samples.size(), 2U);
  EXPECT_EQ(result.num_samples[0].second + result.num_samples[1].second, 400);
  // Five standard deviations of 200 draws.
  EXPECT_NEAR(static_cast<double>(result.num_samples[1].second) / 2, 40, 5 * std::sqrt(200 * 0.2 * 0.8));
}

TEST(SplitData, KeepsASampleInItsPartWhenTheTableGrows) {
  const TempDir folder;
  const std::string table = write_table(folder, 60);
  const auto val_of = [&](const std::string& out, std::uint64_t seed) {
    split_data({}, {table}, folder / out, options_for("train=0.7,val=0.3", seed), {});
    return captions_by_path(*make_source({}, {(folder / out / "val.tsv").string()}, Purpose::training));
  };
  const auto before = val_of("before", 1);
  EXPECT_NE(before, val_of("seed", 2));
  write_table(folder, 90);
  const auto after = val_of("after", 1);
  EXPECT_GT(after.size(), before.size());
  EXPECT_TRUE(std::ranges::includes(after, before));
}

TEST(SplitData, PacksTheSamePartsAsForTables) {
  const TempDir folder;
  const std::string table = write_table(folder, 50);
  SplitOptions options = options_for("train=0.5,val=0.25");
  const SplitResult tables = split_data({}, {table}, folder / "tables", options, {});
  EXPECT_GT(tables.num_in_no_part, 0);
  options.pack = true;
  options.packing.samples_per_shard = 4;
  const SplitResult shards = split_data({}, {table}, folder / "shards", options, {});
  DataConfig json;
  json.webdataset.json_caption_field = "captions";
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string part = options.parts[i].name;
    EXPECT_EQ(2 * shards.num_samples[i].second, tables.num_samples[i].second) << "two rows are one sample";
    const auto packed = make_source(json, {(folder / "shards" / part / "*.tar").string()}, Purpose::training);
    const auto rows = make_source({}, {(folder / "tables" / (part + ".tsv")).string()}, Purpose::evaluation);
    ASSERT_EQ(packed->size(), rows->size());
    for (std::int64_t k = 0; k < rows->size(); ++k)
      EXPECT_EQ(packed->read_captions(k), rows->read_captions(k));
    EXPECT_TRUE(fs::exists(folder / "shards" / part / "sizes.json"));
  }
  // Shards are split into shards, whatever the keys of their samples.
  split_data({}, {(folder / "shards/train/*.tar").string()}, folder / "again", options, {});
  EXPECT_TRUE(fs::exists(folder / "again/val/00000.tar"));
  options.packing.resume = true;
  options.seed = 9;
  expect_user_error([&] { split_data({}, {table}, folder / "shards", options, {}); }, {"a different plan"});
}

TEST(SplitData, OfTablesRejectsOptionsOfShards) {
  const TempDir folder;
  const std::string table = write_table(folder, 20);
  SplitOptions options = options_for("train=0.5,val=0.5");
  options.packing.resize = 64;
  options.packing.resume = true;
  expect_user_error([&] { split_data({}, {table}, folder / "out", options, {}); },
                    {"resizing and resuming have no effect", "--pack"});
}

TEST(SplitData, OfTablesLeavesNothingIfStopped) {
  const TempDir folder;
  const std::string table = write_table(folder, 20);
  PackHooks hooks;
  hooks.stop_requested = [calls = 0]() mutable { return ++calls == 10; };
  const SplitResult result = split_data({}, {table}, folder / "out", options_for("train=0.5,val=0.5"), hooks);
  EXPECT_TRUE(result.stopped);
  EXPECT_TRUE(result.num_samples.empty());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

TEST(SplitData, LeavesNothingBehindWhenItFails) {
  const TempDir folder;
  const std::string table = write_table(folder, 3);
  expect_user_error(
      [&] { split_data({}, {table}, folder / "out", options_for("train=0.999999,val=1e-6"), {}); },
      {"no sample falls into the part 'val'"});
  write_text(folder / "in/other.tsv", "filepath\tcaption\nphotos/0.jpg\tx\n");
  expect_user_error(
      [&] {
        split_data({}, {table, (folder / "in/other.tsv").string()}, folder / "out", options_for("train=1"),
                   {});
      },
      {"different columns", "--pack"});
  write_text(folder / "in/rows.tsv", "filepath\ttitle\nphotos/0.jpg\tx\nphotos/1.jpg\n");
  expect_user_error(
      [&] {
        split_data({}, {(folder / "in/rows.tsv").string()}, folder / "out", options_for("train=1"), {});
      },
      {"1 of 2 samples are unusable", "rows.tsv:3"});
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

TEST(FormatRecord, RoundTrips) {
  for (const char separator : {',', '\t'}) {
    const CsvDialect dialect = {separator, CsvQuoting::double_quotes};
    const std::vector<std::string> fields = {"plain", "a,b\tc", "\"", "x \"y\"", "two\nlines\r", "", "\"q\""};
    const std::string record = format_record(fields, dialect);
    EXPECT_EQ(parse_record(record, dialect), fields) << record;
    EXPECT_EQ(find_record_end(record + "\n", 0, dialect), record.size() + 1);
  }
  const CsvDialect plain = {'\t', CsvQuoting::none};
  EXPECT_EQ(format_record({"\"a", "b\""}, plain), "\"a\tb\"");
}

}  // namespace
}  // namespace cloob
