// Settings of the section `data`.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "cloob/config/field.h"
#include "cloob/config/origins.h"

namespace cloob {

enum class DataFormat { auto_, csv, webdataset };
template <>
struct EnumNames<DataFormat> {
  static constexpr std::array<std::pair<std::string_view, DataFormat>, 3> names = {
      {{"auto", DataFormat::auto_}, {"csv", DataFormat::csv}, {"webdataset", DataFormat::webdataset}}};
};

enum class Shuffle { windows, full, none };
template <>
struct EnumNames<Shuffle> {
  static constexpr std::array<std::pair<std::string_view, Shuffle>, 3> names = {
      {{"windows", Shuffle::windows}, {"full", Shuffle::full}, {"none", Shuffle::none}}};
};

enum class LastBatch { drop, wrap };
template <>
struct EnumNames<LastBatch> {
  static constexpr std::array<std::pair<std::string_view, LastBatch>, 2> names = {
      {{"drop", LastBatch::drop}, {"wrap", LastBatch::wrap}}};
};

enum class CaptionChoice { first, random };
template <>
struct EnumNames<CaptionChoice> {
  static constexpr std::array<std::pair<std::string_view, CaptionChoice>, 2> names = {
      {{"first", CaptionChoice::first}, {"random", CaptionChoice::random}}};
};

enum class CsvQuoting { none, double_quotes };
template <>
struct EnumNames<CsvQuoting> {
  static constexpr std::array<std::pair<std::string_view, CsvQuoting>, 2> names = {
      {{"none", CsvQuoting::none}, {"double", CsvQuoting::double_quotes}}};
};

enum class TextMember { whole, lines };
template <>
struct EnumNames<TextMember> {
  static constexpr std::array<std::pair<std::string_view, TextMember>, 2> names = {
      {{"whole", TextMember::whole}, {"lines", TextMember::lines}}};
};

/// How tables of image paths and captions are read.
struct CsvConfig {
  std::optional<std::string> separator = std::nullopt;
  CsvQuoting quoting = CsvQuoting::double_quotes;
  bool header = true;
  std::string filepath_column = "filepath";
  std::vector<std::string> caption_columns = {"title"};
  std::optional<bool> group_captions = std::nullopt;

  static constexpr auto fields() {
    return std::tuple(
        field("separator", &CsvConfig::separator,
              "Character between two columns; 'tab' means a tab. Unset: a tab if the first line has one, "
              "else a comma."),
        field("quoting", &CsvConfig::quoting,
              "'double' reads fields in double quotes as RFC 4180 has them: they may hold separators and "
              "line breaks, and "
              "two quotes stand for one. 'none' takes every quote as it stands."),
        field("header", &CsvConfig::header,
              "Whether the first line names the columns. Without it columns are given by their numbers, from "
              "1."),
        field(
            "filepath_column", &CsvConfig::filepath_column,
            "Column that holds the path of the image. It may go into a zip archive: '12/345.zip/678.jpg' or "
            "'12/345.zip:678.jpg'."),
        field("caption_columns", &CsvConfig::caption_columns,
              "Columns that hold captions; one or several, empty ones are passed over."),
        field("group_captions", &CsvConfig::group_captions,
              "Whether rows with the same image are one sample with several captions. Unset: in evaluation "
              "yes, so that "
              "each image counts once; in training no, so that each row is seen once an epoch."));
  }
  /// The separator as one character, if it is set. Throws UserError when it is not one.
  std::optional<char> separator_character() const;
  void validate() const;
};
static_assert(lists_every_member<CsvConfig>);

/// How the members of tar shards become samples.
struct WebdatasetConfig {
  std::vector<std::string> image_members = {"jpg", "jpeg", "png", "webp"};
  std::vector<std::string> caption_members = {"txt"};
  TextMember text = TextMember::whole;
  std::optional<std::string> json_caption_field = std::nullopt;

  static constexpr auto fields() {
    return std::tuple(
        field("image_members", &WebdatasetConfig::image_members,
              "Suffixes of the members that hold images; of several in one sample the one named first here "
              "is taken."),
        field("caption_members", &WebdatasetConfig::caption_members,
              "Suffixes of the members that hold captions as text; of several the one named first here is "
              "taken."),
        field("text", &WebdatasetConfig::text,
              "Whether such a member is one caption as a whole, or has one caption in each of its lines."),
        field("json_caption_field", &WebdatasetConfig::json_caption_field,
              "Field of the member 'json' that holds the caption or a list of captions, for example "
              "'caption' or 'captions'. Captions may have weights: [{\"caption\": \"a dog\", \"weight\": 2}, "
              "...], where one without a weight has 1, or {\"a dog\": 2, ...}. caption_choice 'random' then "
              "draws in proportion to them, and 'first' takes the heaviest. When this is set, captions come "
              "from there and 'caption_members' is not used."));
  }
  void validate() const;
};
static_assert(lists_every_member<WebdatasetConfig>);

/// How streams are read: the output of commands, http(s) addresses and compressed shards.
struct StreamConfig {
  std::int64_t buffer_samples = 5000;
  double timeout_seconds = 60;
  std::int64_t retries = 6;
  double retry_seconds = 1;

  static constexpr auto fields() {
    return std::tuple(
        field(
            "buffer_samples", &StreamConfig::buffer_samples,
            "Samples of a stream that are mixed with each other, with shuffle 'windows'. Memory holds up to "
            "twice as many, as they are stored.",
            Range{1, 1e7}),
        field("timeout_seconds", &StreamConfig::timeout_seconds,
              "Seconds without a single byte after which a stream counts as broken.", Range{0.1, 86'400}),
        field(
            "retries", &StreamConfig::retries,
            "How often a broken stream is opened again, to go on where it broke, before what is left of its "
            "shard counts as unusable. Data that comes in resets the count.",
            Range{0, 1000}),
        field("retry_seconds", &StreamConfig::retry_seconds,
              "Seconds before the first new try; each further one waits twice as long, up to 300 seconds.",
              Range{0.001, 300}));
  }
  void validate() const {}
};
static_assert(lists_every_member<StreamConfig>);

/// Where samples come from and how they are brought in.
struct DataConfig {
  std::vector<std::string> train;
  std::vector<double> train_weights;
  std::vector<std::string> val;
  DataFormat format = DataFormat::auto_;
  std::optional<std::string> image_root = std::nullopt;
  std::optional<std::string> index_folder = std::nullopt;
  CsvConfig csv;
  WebdatasetConfig webdataset;
  StreamConfig stream;
  CaptionChoice caption_choice = CaptionChoice::random;
  Shuffle shuffle = Shuffle::windows;
  std::int64_t shuffle_window = 32;
  bool with_replacement = false;
  LastBatch last_batch = LastBatch::drop;
  double max_bad_share = 0.01;
  std::int64_t max_image_pixels = 178'956'970;
  std::int64_t threads = 0;
  std::int64_t prefetch_batches = 2;

  static constexpr auto fields() {
    return std::tuple(
        field(
            "train", &DataConfig::train,
            "Training data: tables (.csv, .tsv) or tar shards, one or several. Braces and globs are "
            "expanded: 'cc3m/{00000..00331}.tar', 'yfcc/*.tar'. Several sources may stand in one name, with "
            "'::' between them. Shards may also be streams: 'shard.tar.gz', "
            "'https://host/cc3m/{00000..00331}.tar', or the output of a command, 'pipe:ssh host cat "
            "/data/{00000..00331}.tar'."),
        field("train_weights", &DataConfig::train_weights,
              "How often a sample of each source of 'train' comes in an epoch, on average; one number for "
              "each. 2.5 "
              "means twice, and a third time for a random half of the source. Empty: once.",
              Range{0, 1000}),
        field("val", &DataConfig::val, "Data for the validation loss and for retrieval, in the same forms."),
        field("format", &DataConfig::format, "What the data is; 'auto' goes by the ending of its names."),
        field("image_root", &DataConfig::image_root,
              "Folder that relative image paths of a table start from. Unset: the folder of the table."),
        field("index_folder", &DataConfig::index_folder,
              "Folder for the indexes of shards, which save going through all of them at every start; see "
              "'cloob data "
              "index'. Unset: cloob in the user's cache folder."),
        field("csv", &DataConfig::csv, "How tables are read."),
        field("webdataset", &DataConfig::webdataset, "How tar shards are read."),
        field("stream", &DataConfig::stream, "How streams are read."),
        field("caption_choice", &DataConfig::caption_choice,
              "Which caption training takes of a sample that has several: the first one, or a random one "
              "that changes with the epoch. Of captions with weights the heaviest is the first."),
        field("shuffle", &DataConfig::shuffle,
              "Order of the samples in training, another one every epoch. 'windows' shuffles the shards and "
              "then the "
              "samples within each shuffle_window of them, so that few files are read at a time (of streams: "
              "within each stream.buffer_samples); 'full' shuffles all samples; 'none' takes them as they "
              "lie."),
        field("shuffle_window", &DataConfig::shuffle_window,
              "Shards whose samples are mixed with each other, with shuffle 'windows'.", Range{1, 1e6}),
        field("with_replacement", &DataConfig::with_replacement,
              "Draws every training sample anew from all, in proportion to train_weights, instead of going "
              "through them "
              "epoch by epoch. An epoch is as long, but misses some samples and repeats others."),
        field("last_batch", &DataConfig::last_batch,
              "What becomes of the samples at the end of a training epoch that do not fill a global batch: "
              "'drop' leaves "
              "them out, another few every epoch; 'wrap' fills the batch up with the first samples of the "
              "epoch."),
        field("max_bad_share", &DataConfig::max_bad_share,
              "Share of unusable samples (missing or broken images, no caption) above which a run stops. 0 "
              "stops at the "
              "first, 1 only where every sample is unusable.",
              Range{0, 1}),
        field("max_image_pixels", &DataConfig::max_image_pixels,
              "Pixels above which an image counts as unusable; the default is Pillow's limit against "
              "decompression bombs. "
              "While it is decoded an image takes up to 4 bytes a pixel in each thread.",
              Range{1, 178'956'970}),
        field("threads", &DataConfig::threads,
              "Threads that read, decode and tokenize; 0 means one for each processor. The batches do not "
              "depend on it.",
              Range{0, 1024}),
        field("prefetch_batches", &DataConfig::prefetch_batches,
              "Batches that are made ready ahead of the one in use. Each takes the memory of one batch of "
              "images.",
              Range{1, 256}));
  }
  void validate() const;
};
static_assert(lists_every_member<DataConfig>);

/// Settings of `data` that were set but are not read where all of `train` and `val` are shards, or all are
/// tables; each with the reason.
std::vector<std::string> settings_without_effect(const DataConfig& data, const Origins& origins);

/// What data is read for. Training goes through it in a random order, again and again; evaluation once, as it
/// stands.
enum class Purpose { training, evaluation };

}  // namespace cloob
