// CSV as spreadsheets read it (RFC 4180).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace cloob {

/// A field, in quotes if it needs them.
std::string csv_field(std::string_view text);
/// A number in full; empty if it is not finite.
std::string csv_value(double value);

/// The records of a file, the header first: quoted fields may contain commas, quotes and line breaks. Throws UserError that
/// names the file and the record for one that does not have as many fields as the header.
std::vector<std::vector<std::string>> read_csv_records(const std::filesystem::path& file);

}  // namespace cloob
