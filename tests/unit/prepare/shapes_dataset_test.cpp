#include "cloob/prepare/shapes_dataset.h"

#include <map>
#include <set>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/data/labeled_source.h"
#include "support/number_source.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using testing::TempDir;

constexpr ShapesDatasetSize kSize = {
    .num_train = 50, .num_validation = 7, .num_held_out = 32, .samples_per_shard = 20};
const ShapesConfig kConfig = {.image_size = 32, .seed = 3};

std::shared_ptr<const Source> open_shards(const std::filesystem::path& folder) {
  DataConfig config;
  config.webdataset.json_caption_field = "captions";
  return make_source(config, {(folder / "*.tar").string()}, Purpose::training);
}

TEST(ShapesDataset, IsWrittenAsShardsAndClassFolders) {
  const TempDir folder;
  write_shapes_dataset(folder.path(), kConfig, kSize, 2);
  const auto train = open_shards(folder / "train"), validation = open_shards(folder / "validation");
  ASSERT_EQ(train->size(), 50);
  EXPECT_EQ(validation->size(), 7);
  for (const std::int64_t index : {0, 19, 20, 49}) {
    const RawSample sample = train->read(index);
    EXPECT_EQ(sample.key, fmt::format("{:09}", index));
    EXPECT_EQ(sample.captions, render_shape_sample(kConfig, ShapesSplit::train, index).captions);
  }
  const auto held_out = open_labeled_source(folder / "held_out", "test", 1);
  EXPECT_EQ(held_out->size(), 32);
  EXPECT_EQ(read_nonempty_lines(held_out->templates_file().value()), shape_templates());
  const std::vector<std::string> names = read_nonempty_lines(held_out->names_file().value());
  const auto classes = shape_classes(ShapesSplit::held_out);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()),
            std::set<std::string>(classes.begin(), classes.end()));
  for (std::int64_t index = 0; index < held_out->size(); ++index) {
    const std::string& name = names[static_cast<std::size_t>(held_out->label(index))];
    const auto path = std::filesystem::path(held_out->describe(index));
    const auto number = std::stoll(path.stem().string());
    EXPECT_EQ(name, render_shape_sample(kConfig, ShapesSplit::held_out, number).class_name);
  }
}

std::map<std::string, std::string> all_files(const TempDir& folder);

TEST(ShapesDataset, HasTheImagesForProbesOnceByColorAndOnceByShape) {
  const TempDir folder;
  ShapesConfig config = kConfig;
  config.shape_follows_color = true;
  write_shapes_dataset(folder.path(), config, {.num_probe = 130}, 2);
  std::map<std::string, std::set<std::string>> classes;  // of a half by one attribute
  std::map<std::string, std::map<std::string, std::string>> images;
  for (const auto& [name, bytes] : all_files(folder)) {
    const std::filesystem::path path = name;
    const std::string half = path.parent_path().parent_path().string();
    classes[half].insert(path.parent_path().filename().string());
    images[half][path.filename().string()] = bytes;
  }
  ASSERT_EQ(images.size(), 4U);
  for (const auto& [half, names] : classes) EXPECT_EQ(names.size(), 8U) << half;
  for (const auto& [half, files] : images) EXPECT_EQ(files.size(), 130U) << half;
  EXPECT_EQ(images.at("attributes/color/train"), images.at("attributes/shape/train"));
  EXPECT_EQ(images.at("attributes/color/test"), images.at("attributes/shape/test"));
  EXPECT_NE(images.at("attributes/color/train"), images.at("attributes/color/test"));
  const ShapeSample sample = render_shape_sample(config, ShapesSplit::probe_test, 77);
  for (const std::string& name : {"color/test/" + sample.color, "shape/test/" + sample.shape})
    EXPECT_TRUE(std::filesystem::exists(folder / "attributes" / name / "000077.png")) << name;
}

std::map<std::string, std::string> all_files(const TempDir& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
    if (entry.is_regular_file()) {
      files[std::filesystem::relative(entry.path(), folder.path()).string()] = read_file(entry.path());
    }
  }
  return files;
}

TEST(ShapesDataset, HasTheSameBytesForAnyNumberOfThreads) {
  const TempDir first, second;
  write_shapes_dataset(first.path(), kConfig, kSize, 1);
  write_shapes_dataset(second.path(), kConfig, kSize, 3);
  EXPECT_EQ(all_files(first), all_files(second));
}

TEST(ShapesDataset, DoesNotOverwriteExistingFiles) {
  const TempDir folder;
  testing::write_text(folder / "mine.txt", "x");
  testing::expect_user_error([&] { write_shapes_dataset(folder.path(), kConfig, kSize, 1); },
                             {"is not empty"});
  testing::expect_user_error([&] { write_shapes_dataset(folder / "mine.txt", kConfig, kSize, 1); },
                             {"mine.txt' is a file"});
  testing::expect_user_error([&] { write_shapes_dataset("", kConfig, kSize, 1); },
                             {"path of the output folder is empty"});
  EXPECT_EQ(all_files(folder).size(), 1U);
}

TEST(ShapesDataset, DoesNotTouchFoldersNamedLikeItsOwn) {
  const TempDir folder;
  for (const char* name : {"new.partial", "new.partial0"}) {
    std::filesystem::create_directory(folder / name);
    testing::write_text(folder / name / "mine.txt", "x");
  }
  write_shapes_dataset(folder / "new", kConfig, {.num_validation = 1}, 1);
  EXPECT_EQ(all_files(folder).size(), 3U);
  const auto entries = std::filesystem::directory_iterator(folder.path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 3);
}

// End to end with real pixels and captions: any thread count, prefetch depth and resume point gives the same
// batches.
TEST(ShapesDataset, LoadsBitIdenticallyWithRealPreprocessing) {
  const TempDir folder;
  write_shapes_dataset(folder.path(), kConfig, kSize, 2);
  ImageConfig image;
  image.crop_scale = {0.4, 1.0};
  image.horizontal_flip_probability = 0.5;
  image.color_jitter = {0.4, 0.4, 0.4, 0.1};
  image.color_jitter_probability = 0.8;
  const Preprocess preprocess = with_text(make_image_preprocess(image, Purpose::training, 24, 1'000'000),
                                          make_tokenizer(TextConfig()), 16);
  RandomStream random(RandomUse::synthetic_data, {9});
  for (int trial = 0; trial < 4; ++trial) {
    LoaderOptions options = testing::training_options(static_cast<std::int64_t>(4 + random.below(9)));
    options.threads = 1;
    Loader straight(open_shards(folder / "train"), preprocess, options);
    std::vector<std::int64_t> positions;
    std::vector<Batch> expected;
    for (int k = 0; k < 14; ++k) {
      positions.push_back(straight.position());
      expected.push_back(straight.next());
    }
    options.threads = 1 + trial;
    options.prefetch_batches = static_cast<std::int64_t>(1 + random.below(4));
    Loader resumed(open_shards(folder / "train"), preprocess, options);
    const std::size_t from = random.below(expected.size());
    resumed.seek(positions[from]);
    for (std::size_t k = from; k < expected.size(); ++k) {
      testing::expect_same_batch(resumed.next(), expected[k]);
    }
  }
}

TEST(ImagePreprocess, ReportsWhatIsWrongWithAnImage) {
  const Preprocess preprocess = make_image_preprocess(ImageConfig(), Purpose::evaluation, 16, 1000);
  const auto kind_of = [&](const std::string& bytes) {
    std::vector<float> chw(3 * 16 * 16);
    RandomStream stream(RandomUse::augmentation, {1});
    try {
      preprocess.image(std::as_bytes(std::span(bytes.data(), bytes.size())), stream, chw);
    } catch (const BadSample& bad) {
      return std::string(bad_kind_name(bad.kind()));
    }
    return std::string("usable");
  };
  const TempDir folder;
  write_shapes_dataset(folder.path(), kConfig, {.num_train = 1, .samples_per_shard = 1}, 1);
  const std::string png = testing::as_string(open_shards(folder / "train")->read(0).image_bytes);
  EXPECT_EQ(kind_of(png), "too large");  // 32 x 32 pixels
  EXPECT_EQ(kind_of(""), "not an image");
  EXPECT_EQ(kind_of("hello"), "not an image");
  EXPECT_EQ(kind_of(png.substr(0, 60)), "too large");
  const Preprocess larger = make_image_preprocess(ImageConfig(), Purpose::evaluation, 16, 2000);
  std::vector<float> chw(3 * 16 * 16);
  RandomStream stream(RandomUse::augmentation, {1});
  const std::string cut = png.substr(0, png.size() / 2);
  try {
    larger.image(std::as_bytes(std::span(cut.data(), cut.size())), stream, chw);
    ADD_FAILURE() << "half an image is usable";
  } catch (const BadSample& bad) {
    EXPECT_EQ(bad.kind(), BadKind::damaged_image);
  }
}

}  // namespace
}  // namespace cloob
