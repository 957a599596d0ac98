#include "cloob/search/embeddings.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>

#include <filesystem>
#include <string>
#include <vector>

#include "cloob/base/files.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/npy.h"
#include "cloob/search/search_index.h"
#include "search/line_reader.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using testing::expect_user_error;
using testing::TempDir;

constexpr std::int64_t kRows = 23, kDims = 6;

class Embeddings : public ::testing::Test {
 protected:
  void write(const at::Tensor& images_ND, const at::Tensor& texts_ND, std::int64_t rows_per_part) {
    EmbeddingsWriter writer(folder_.path(), kRows, rows_per_part);
    for (std::int64_t first = 0; first < kRows; first += 5) {
      const std::int64_t count = std::min<std::int64_t>(5, kRows - first);
      std::vector<std::string> lines;
      for (std::int64_t i = first; i < first + count; ++i)
        lines.push_back("{\"image_path\": \"" + std::to_string(i) + ".jpg\", \"caption\": \"c" +
                        std::to_string(i) + "\"}");
      writer.add(
          {{Side::image, images_ND.narrow(0, first, count)}, {Side::text, texts_ND.narrow(0, first, count)}},
          lines);
    }
    writer.finish(IndexModel{"hash", "name", "checkpoint"});
  }
  void write() { write(images_, texts_, 10); }

  std::int64_t index() const {
    const EmbeddingsFolder embeddings = open_embeddings(folder_.path());
    IndexWriter writer(indexes_ / "index", embeddings.dims, false);
    const std::int64_t rescaled = index_embeddings(embeddings, writer);
    writer.finish({.model = embeddings.model}, {});
    return rescaled;
  }

  TempDir folder_, indexes_;
  at::Tensor images_ = unit_rows(at::randn({kRows, kDims})), texts_ = unit_rows(at::randn({kRows, kDims}));
};

TEST_F(Embeddings, AreIndexedAsTheyAre) {
  write();
  EXPECT_TRUE(fs::exists(folder_ / "img_emb/img_emb_2.npy"));
  EXPECT_EQ(NpyMatrix(folder_ / "text_emb/text_emb_2.npy").rows(), 3);
  EXPECT_EQ(index(), 0);
  const SearchIndex index(indexes_ / "index");
  EXPECT_EQ(index.size(), kRows);
  EXPECT_EQ(index.header().model, (IndexModel{"hash", "name", "checkpoint"}));
  testing::expect_close(to_float(index.features(Side::image)), images_.to(at::kHalf).to(at::kFloat), 0, 0);
  testing::expect_close(to_float(index.features(Side::text)), texts_.to(at::kHalf).to(at::kFloat), 0, 0);
  EXPECT_EQ(index.entry(22).key, "22.jpg");
  EXPECT_EQ(index.entry(22).captions, std::vector<std::string>{"c22"});
}

TEST_F(Embeddings, OfOtherLengthsAreNormalized) {
  const at::Tensor scaled = images_.clone();
  scaled[3] *= 2.5;
  scaled[11] *= 0.01;
  write(scaled, texts_, 100);
  EXPECT_EQ(index(), 2);
  testing::expect_close(to_float(SearchIndex(indexes_ / "index").features(Side::image)), images_, 0, 2e-3);
}

TEST_F(Embeddings, WithoutADirectionAreRejected) {
  const at::Tensor zeros = images_.clone();
  zeros[12].zero_();
  write(zeros, texts_, 10);
  expect_user_error([&] { index(); }, {"row 2", "img_emb_1.npy", "no direction"});
}

TEST_F(Embeddings, NeedMetadataOfTheSameRows) {
  write();
  const fs::path file = folder_ / "metadata/metadata_1.jsonl";
  const std::string whole = read_file(file);
  testing::write_text(file, whole + "{}\n");
  expect_user_error([&] { index(); }, {"metadata_1.jsonl", "more lines than the 10 rows"});
  testing::write_text(file, whole.substr(0, whole.find('\n') + 1));
  expect_user_error([&] { index(); }, {"metadata_1.jsonl", "1 lines", "10 rows"});
  testing::write_text(file, "[]\n" + whole.substr(whole.find('\n') + 1));
  expect_user_error([&] { index(); }, {"metadata_1.jsonl:1", "not an object"});
  fs::remove(file);
  expect_user_error([&] { index(); }, {"no metadata_1.jsonl"});
  testing::write_text(folder_ / "metadata/metadata_1.parquet", "PAR1");
  expect_user_error([&] { index(); }, {"metadata_1.parquet", "Parquet", "tools/parquet_to_jsonl.py"});
  fs::remove_all(folder_ / "metadata");
  index();
  EXPECT_EQ(SearchIndex(indexes_ / "index").entry(12).key, "img_emb_1.npy:2");
}

TEST_F(Embeddings, NeedMatricesThatFit) {
  write();
  const fs::path file = folder_ / "text_emb/text_emb_1.npy";
  testing::write_text(file, npy_header(9, kDims) + std::string(9 * kDims * 2, '\0'));
  expect_user_error([&] { open_embeddings(folder_.path()); }, {"text_emb_1.npy", "9 rows", "10"});
  testing::write_text(file, npy_header(10, 5) + std::string(100, '\0'));
  expect_user_error([&] { open_embeddings(folder_.path()); }, {"text_emb_1.npy", "5 columns", "6"});
  fs::remove(file);
  expect_user_error([&] { open_embeddings(folder_.path()); }, {"no text_emb_1.npy"});
  expect_user_error([&] { open_embeddings(folder_ / "metadata"); }, {"neither", "clip-retrieval"});
  expect_user_error([&] { open_embeddings(file); }, {"not a folder"});
}

TEST(LineReader, ReadsLinesOfAnyLength) {
  const TempDir folder;
  const std::string long_line(200'000, 'x');
  testing::write_text(folder / "a", "one\r\n\n" + long_line + "\nlast");
  LineReader reader(folder / "a");
  EXPECT_EQ(reader.next(), "one");
  EXPECT_EQ(reader.next(), "");
  EXPECT_EQ(reader.next(), long_line);
  EXPECT_EQ(reader.next(), "last");
  EXPECT_EQ(reader.next(), std::nullopt);
  testing::write_text(folder / "b", std::string(5 << 20, 'x'));
  LineReader endless(folder / "b");
  expect_user_error([&] { endless.next(); }, {"line of more than"});
}

}  // namespace
}  // namespace cloob
