#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cloob/data/source.h"
#include "cloob/data/table/csv_table.h"
#include "data/table/zip_files.h"

namespace cloob {

/// Image-caption pairs in a table: a path and one or more captions per row. A path may point into a zip
/// archive: "12/345.zip/678.jpg" or "12/345.zip:678.jpg".
class CsvSource final : public Source {
 public:
  struct Options {
    std::filesystem::path image_root;  ///< relative paths start here
    bool group_captions = false;       ///< rows with the same path are one sample
    CaptionEncoding caption_encoding = CaptionEncoding::plain;
  };
  /// Throws UserError, also if none of the images checked exists.
  CsvSource(std::filesystem::path path, const CsvConfig& config, Options options);

  std::int64_t size() const override;
  /// Consecutive rows with images in the same archive are one part, so that training reads from few archives
  /// at a time. A table of image files is one part, and so is a table whose rows are not sorted by archive.
  std::vector<SourcePart> parts() const override;
  RawSample read(std::int64_t index) const override;
  std::string key(std::int64_t index) const override { return filepath(index); }
  std::vector<std::string> read_captions(std::int64_t index) const override;
  std::string describe(std::int64_t index) const override;

 private:
  std::size_t find_filepath_column(const CsvConfig& config) const;
  void require_no_addresses(const std::vector<std::string>& fields) const;
  void group_rows();
  std::vector<std::int64_t> rows_of(std::int64_t index) const;
  std::string filepath(std::int64_t index) const;
  std::filesystem::path image_path(std::int64_t index) const { return options_.image_root / filepath(index); }
  std::string archive_of(CsvRowReader& reader, std::int64_t index) const;
  bool has_archives() const;
  std::vector<std::int64_t> archive_begins() const;
  void check_that_images_exist() const;

  CsvTable table_;
  Options options_;
  std::string filepath_column_name_;
  std::size_t filepath_column_;
  std::vector<std::size_t> caption_columns_;
  std::vector<std::int64_t> group_begins_;  // of the rows of each group in `group_rows_`, then their number
  std::vector<std::int64_t> group_rows_;
  ZipFiles archives_;
};

}  // namespace cloob
