// .npy files of numpy and the neighbors that faiss finds (tools/goldens/make_search.py).

#include <ATen/ops/tensor.h>

#include <string>
#include <vector>

#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/npy.h"
#include "cloob/search/embeddings.h"
#include "cloob/search/search_index.h"
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
  for (const IndexKind kind : {IndexKind::exact, IndexKind::ivf, IndexKind::hnsw}) {
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

}  // namespace
}  // namespace cloob
