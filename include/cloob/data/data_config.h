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
#include "cloob/data/image_suffixes.h"

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

enum class CaptionEncoding { plain, percent };
template <>
struct EnumNames<CaptionEncoding> {
  static constexpr std::array<std::pair<std::string_view, CaptionEncoding>, 2> names = {
      {{"plain", CaptionEncoding::plain}, {"percent", CaptionEncoding::percent}}};
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
              "Character between columns; 'tab' means a tab. Unset: a tab if the first line contains one, "
              "otherwise a comma."),
        field("quoting", &CsvConfig::quoting,
              "'double' reads double-quoted fields as in RFC 4180: they may contain separators and line "
              "breaks, and two quotes stand for one. 'none' treats quotes as ordinary characters."),
        field("header", &CsvConfig::header,
              "Whether the first line names the columns. Without a header, columns are given by number, "
              "starting at 1."),
        field("filepath_column", &CsvConfig::filepath_column,
              "Column that holds the image path. It may point into a zip archive: '12/345.zip/678.jpg' or "
              "'12/345.zip:678.jpg'."),
        field("caption_columns", &CsvConfig::caption_columns,
              "Columns that hold captions, one or several; empty captions are skipped."),
        field("group_captions", &CsvConfig::group_captions,
              "Whether rows with the same image form one sample with several captions. Unset: yes in "
              "evaluation, so that each image counts once; no in training, so that each row is seen once per "
              "epoch."));
  }
  /// The separator as one character, if it is set. Throws UserError if it is not a single character.
  std::optional<char> separator_character() const;
  void validate() const;
};
static_assert(lists_every_member<CsvConfig>);

/// How the members of tar shards become samples.
struct WebdatasetConfig {
  std::vector<std::string> image_members = {kImageSuffixes.begin(), kImageSuffixes.end()};
  std::vector<std::string> caption_members = {"txt"};
  TextMember text = TextMember::whole;
  std::optional<std::string> json_caption_field = std::nullopt;

  static constexpr auto fields() {
    return std::tuple(
        field("image_members", &WebdatasetConfig::image_members,
              "Suffixes of the members that hold images; if a sample has several, the one listed first here "
              "is used."),
        field("caption_members", &WebdatasetConfig::caption_members,
              "Suffixes of the members that hold captions as text; if a sample has several, the one listed "
              "first here is used."),
        field("text", &WebdatasetConfig::text,
              "Whether a text member is one caption ('whole') or holds one caption per line ('lines')."),
        field(
            "json_caption_field", &WebdatasetConfig::json_caption_field,
            "Field of the 'json' member that holds the caption or a list of captions, for example 'caption' "
            "or 'captions'. Captions may have weights: [{\"caption\": \"a dog\", \"weight\": 2}, ...], where "
            "a missing weight is 1, or {\"a dog\": 2, ...}. caption_choice 'random' then draws in proportion "
            "to the weights, and 'first' takes the heaviest caption. If this is set, captions come from this "
            "field and 'caption_members' is not used."));
  }
  void validate() const;
};
static_assert(lists_every_member<WebdatasetConfig>);

/// How streams are read: command output, http(s) addresses and compressed shards.
struct StreamConfig {
  std::int64_t buffer_samples = 5000;
  double timeout_seconds = 60;
  std::int64_t retries = 6;
  double retry_seconds = 1;

  static constexpr auto fields() {
    return std::tuple(
        field(
            "buffer_samples", &StreamConfig::buffer_samples,
            "Number of stream samples that are shuffled together, with shuffle 'windows'. Memory holds up to "
            "twice as many, still encoded.",
            Range{1, 1e7}),
        field("timeout_seconds", &StreamConfig::timeout_seconds,
              "Seconds without a single byte after which a stream counts as broken.", Range{0.1, 86'400}),
        field(
            "retries", &StreamConfig::retries,
            "How often a broken stream is reopened, to continue where it broke, before the rest of its shard "
            "counts as unusable. Received data resets the count.",
            Range{0, 1000}),
        field("retry_seconds", &StreamConfig::retry_seconds,
              "Seconds before the first retry; each further retry waits twice as long, up to 300 seconds.",
              Range{0.001, 300}));
  }
  void validate() const {}
};
static_assert(lists_every_member<StreamConfig>);

/// Where samples come from and how they are loaded.
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
  CaptionEncoding caption_encoding = CaptionEncoding::plain;
  CaptionChoice caption_choice = CaptionChoice::random;
  Shuffle shuffle = Shuffle::windows;
  std::int64_t shuffle_window = 32;
  bool with_replacement = false;
  LastBatch last_batch = LastBatch::drop;
  bool allow_reordering = false;
  double max_bad_share = 0.01;
  std::int64_t max_image_pixels = 178'956'970;
  std::int64_t threads = 0;
  std::int64_t prefetch_batches = 2;

  static constexpr auto fields() {
    return std::tuple(
        field(
            "train", &DataConfig::train,
            "Training data: tables (.csv, .tsv) or tar shards, one or several. Braces and globs are "
            "expanded: 'cc3m/{00000..00331}.tar', 'yfcc/*.tar'. One name may hold several sources, separated "
            "by '::'. Shards may also be streams: 'shard.tar.gz', 'https://host/cc3m/{00000..00331}.tar', or "
            "the output of a command, 'pipe:ssh host cat /data/{00000..00331}.tar'."),
        field("train_weights", &DataConfig::train_weights,
              "How often a sample of each source of 'train' appears per epoch, on average; one number per "
              "source. 2.5 means twice, and a third time for a random half of the source. Empty: once.",
              Range{0, 1000}),
        field("val", &DataConfig::val,
              "Data for the validation loss and for retrieval, named as in 'train'."),
        field("format", &DataConfig::format,
              "Format of the data; 'auto' goes by the extensions of its names."),
        field("image_root", &DataConfig::image_root,
              "Folder that the relative image paths of a table start from. Unset: the folder of the table."),
        field("index_folder", &DataConfig::index_folder,
              "Folder for shard indexes, which avoid scanning all shards at every start; see 'cloob data "
              "index'. Unset: cloob in the user's cache folder."),
        field("csv", &DataConfig::csv, "How tables are read."),
        field("webdataset", &DataConfig::webdataset, "How tar shards are read."),
        field("stream", &DataConfig::stream, "How streams are read."),
        field(
            "caption_encoding", &DataConfig::caption_encoding,
            "How captions are written. 'percent' decodes them as Python's urllib.parse.unquote_plus does: '+' is "
            "a blank and %xx a byte of UTF-8, as in the metadata of YFCC100M, 'a+dog%2C+asleep'."),
        field("caption_choice", &DataConfig::caption_choice,
              "Which caption training uses if a sample has several: the first, or a random one that changes "
              "every epoch. Of captions with weights, the heaviest is the first."),
        field("shuffle", &DataConfig::shuffle,
              "Order of the training samples, a different one every epoch. 'windows' shuffles the shards and "
              "then the samples within each shuffle_window of them, so that few files are read at a time "
              "(for streams: within each stream.buffer_samples); 'full' shuffles all samples; 'none' keeps "
              "the stored order."),
        field("shuffle_window", &DataConfig::shuffle_window,
              "Number of shards whose samples are shuffled together, with shuffle 'windows'.", Range{1, 1e6}),
        field("with_replacement", &DataConfig::with_replacement,
              "Draws every training sample independently from all samples, in proportion to train_weights, "
              "instead of iterating over them epoch by epoch. An epoch is equally long, but misses some "
              "samples and repeats others."),
        field("last_batch", &DataConfig::last_batch,
              "What happens to the samples at the end of a training epoch that do not fill a global batch: "
              "'drop' leaves them out, different ones every epoch; 'wrap' completes the batch with the first "
              "samples of the epoch."),
        field(
            "allow_reordering", &DataConfig::allow_reordering,
            "Whether a run on streams may be resumed with another number of ranks. It continues after as many "
            "samples of the epoch, but in another order, so that some samples are seen twice in that epoch "
            "and others not."),
        field(
            "max_bad_share", &DataConfig::max_bad_share,
            "Fraction of unusable samples (missing or broken images, no caption) above which a run stops. 0 "
            "stops at the first one, 1 only if every sample is unusable.",
            Range{0, 1}),
        field(
            "max_image_pixels", &DataConfig::max_image_pixels,
            "Pixels above which an image counts as unusable; the default is Pillow's limit against "
            "decompression bombs. Whatever a file claims, reading and decoding it takes a thread at most 12 "
            "bytes per pixel of this limit and 512 MiB, and at most 1 GiB (docs/data.md names the one exception). Images that would need more "
            "count as unusable: progressive JPEGs above 89 million pixels (CMYK: 67), lossless WebP images above "
            "44 million.",
            Range{1, 178'956'970}),
        field("threads", &DataConfig::threads,
              "Threads that read, decode and tokenize; 0 means one per processor. The batches do not depend "
              "on it.",
              Range{0, 1024}),
        field("prefetch_batches", &DataConfig::prefetch_batches,
              "Batches that are prepared ahead of the one in use. Each takes the memory of one batch of "
              "images.",
              Range{1, 256}));
  }
  void validate() const;
};
static_assert(lists_every_member<DataConfig>);

/// Settings of `data` that were set but are not read because all of `train` and `val` are shards, or all are
/// tables; each with the reason.
std::vector<std::string> settings_without_effect(const DataConfig& data, const Origins& origins);

/// What the data is read for. Training iterates over it in random order, again and again; evaluation once, in
/// stored order.
enum class Purpose { training, evaluation };

}  // namespace cloob
