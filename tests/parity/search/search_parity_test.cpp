// .npy files of numpy and the neighbors that faiss finds (tools/goldens/make_search.py).

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/npy.h"
#include "cloob/search/embeddings.h"
#include "cloob/search/search_index.h"
#include "search/inverted_lists.h"
#include "search/product_quantizer.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::golden_path;

std::vector<float> read_all(const std::string& name) {
  const NpyMatrix matrix(golden_path("search/" + name));
  EXPECT_EQ(matrix.rows(), 3);
  EXPECT_EQ(matrix.columns(), 4);
  std::vector<float> numbers(12);
  matrix.read(0, 3, numbers);
  return numbers;
}

TEST(Npy, IsReadAsNumpyWroteIt) {
  std::vector<float> expected;
  for (int i = 0; i < 12; ++i) expected.push_back(static_cast<float>(i) / 8 - 0.5f);
  for (const char* name : {"version_1.npy", "version_2.npy", "version_3.npy", "float32.npy", "float64.npy"})
    EXPECT_EQ(read_all(name), expected) << name;
}

TEST(Npy, OfOtherKindsIsRejected) {
  for (const auto& [name, why] : std::vector<std::pair<std::string, std::string>>{
           {"fortran.npy", "Fortran"}, {"big_endian.npy", ">f4"}, {"cube.npy", "3 dimensions"}})
    testing::expect_user_error([&] { read_all(name); }, {why});
}

TEST(Npy, HeaderIsThatOfNumpy) {
  const std::string written = read_file(golden_path("search/clip_retrieval/img_emb/img_emb_0.npy"));
  const std::string header = npy_header(64, 20);
  EXPECT_EQ(written.substr(0, header.size()), header);
  EXPECT_EQ(written.size(), header.size() + 64 * 20 * 2);
}

// Every kind of index, which all look at every row when they are thorough enough.
TEST(Search, FindsWhatFaissFindsInEmbeddingsOfClipRetrieval) {
  const auto golden = parse_json(read_file(golden_path("search/faiss.json")));
  const EmbeddingsFolder embeddings = open_embeddings(golden_path("search/clip_retrieval"));
  EXPECT_EQ(embeddings.rows, 96);
  EXPECT_EQ(embeddings.sides.size(), 2u);
  const testing::TempDir folder;
  for (const IndexKind kind : {IndexKind::exact, IndexKind::ivf, IndexKind::ivfpq, IndexKind::hnsw}) {
    IndexWriter writer(folder / "index", embeddings.dims, false);
    EXPECT_EQ(index_embeddings(embeddings, writer), 0);
    writer.finish({}, {.kind = kind, .lists = 6});
    const SearchIndex index(folder / "index");
    const auto queries = golden["queries"].get<std::vector<std::vector<float>>>();
    const auto rows = golden["rows"].get<std::vector<std::vector<std::int64_t>>>();
    const auto scores = golden["scores"].get<std::vector<std::vector<double>>>();
    for (std::size_t q = 0; q < queries.size(); ++q) {
      const PaddedQueries query(at::tensor(queries[q]).unsqueeze(0));
      const auto found = index.search(query, Side::image, std::ssize(rows[q]), {.probes = 6}).front();
      ASSERT_EQ(found.size(), rows[q].size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        EXPECT_EQ(found[i].row, rows[q][i]);
        EXPECT_NEAR(static_cast<double>(found[i].score), scores[q][i], 1e-6);
      }
    }
    EXPECT_EQ(index.entry(70).key, "images/70.jpg");
    EXPECT_EQ(index.entry(70).captions, std::vector<std::string>{"caption 70"});
    EXPECT_EQ(index.entry(70).metadata, R"({"width":640})");
  }
}

// An index whose codes faiss made.
class CodesOfFaiss : public ::testing::Test {
 protected:
  static constexpr std::int64_t kCount = 320, kDims = 8, kLists = 4;
  CodesOfFaiss() : golden_(parse_json(read_file(golden_path("search/ivfpq.json")))) {}

  at::Tensor numbers(const char* name, at::IntArrayRef shape) const {
    return at::tensor(golden_[name].get<std::vector<float>>()).view(shape);
  }
  template <class Number>
  std::vector<Number> list(const char* name) const {
    return golden_[name].get<std::vector<Number>>();
  }
  template <class Number>
  void overwrite(const char* name, const std::vector<Number>& numbers) const {
    const auto path = folder_ / "index" / name;
    ASSERT_EQ(std::filesystem::file_size(path), numbers.size() * sizeof(Number)) << name;
    OutputFile(path).write(std::as_bytes(std::span(numbers)));
  }
  void write_index() const {
    IndexWriter writer(folder_ / "index", kDims, false);
    IndexRows rows;
    rows.features_ND[Side::image] = numbers("rows", {kCount, kDims});
    rows.entries.resize(kCount);
    rows.content_hashes.resize(kCount);
    writer.add(rows);
    writer.finish({}, {.kind = IndexKind::ivfpq, .lists = kLists, .code_bytes = 2});
    overwrite("image.ivfpq.centroids", to_bytes(numbers("centroids", {kLists, kDims}), FeatureType::fp16));
    overwrite("image.ivfpq.offsets", list<std::int64_t>("offsets"));
    overwrite("image.ivfpq.rows", list<std::int64_t>("ids"));
    overwrite("image.ivfpq.codebooks", list<float>("codebooks"));
    overwrite("image.ivfpq.codes", list<std::uint8_t>("codes"));
  }

  testing::TempDir folder_;
  nlohmann::json golden_;
};

TEST_F(CodesOfFaiss, AreThoseOfTheSameCodebooks) {
  const at::Tensor centroids_LD = numbers("centroids", {kLists, kDims});
  const at::Tensor rows_ND =
      numbers("rows", {kCount, kDims}).index_select(0, at::tensor(list<std::int64_t>("ids"), at::kLong));
  const at::Tensor lists_N = lists_of(rows_ND, centroids_LD);
  const auto offsets = list<std::int64_t>("offsets");
  for (std::int64_t place = 0; place < kCount; ++place) {
    const auto of_place = static_cast<std::size_t>(lists_N[place].item<std::int64_t>());
    EXPECT_GE(place, offsets[of_place]);
    EXPECT_LT(place, offsets[of_place + 1]);
  }
  EXPECT_EQ(encode(rows_ND - centroids_LD.index_select(0, lists_N), numbers("codebooks", {2, 4, 256})),
            list<std::uint8_t>("codes"));
}

TEST_F(CodesOfFaiss, FindTheSameEntries) {
  write_index();
  const SearchIndex index(folder_ / "index");
  const PaddedQueries queries(numbers("queries", {6, kDims}));
  const auto expected = list<std::vector<std::int64_t>>("found");
  for (std::size_t q = 0; q < expected.size(); ++q) {
    // As many are compared exactly as are found by their codes, so that these alone decide which.
    const auto found = index.search(queries, Side::image, 10,
                                    {.probes = golden_["probes"].get<std::int64_t>(), .rerank = 10})[q];
    std::vector<std::int64_t> rows;
    for (const Neighbor& neighbor : found) rows.push_back(neighbor.row);
    EXPECT_THAT(rows, ::testing::UnorderedElementsAreArray(expected[q]));
  }
}

}  // namespace
}  // namespace cloob
