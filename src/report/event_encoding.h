// Encoding of TensorBoard's event files: protobuf messages Event and Summary in TFRecord frames.
//
// Only the few fields that scalars and images need are written; field numbers are those of event.proto and
// summary.proto. An image is a complete PNG file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cloob/report/named_numbers.h"

namespace cloob {

/// The first event of every file.
std::string version_event(double wall_time);

/// Tells TensorBoard that a session starts at `step`: data of earlier files from that step on is discarded.
std::string session_start_event(double wall_time, std::int64_t step);

/// One event with one scalar per number, in float32, which is what TensorBoard plots.
std::string scalars_event(double wall_time, std::int64_t step, const NamedNumbers& numbers);

/// An RGB image. Throws InternalError when `png` is not a PNG file.
std::string image_event(double wall_time, std::int64_t step, std::string_view tag, std::string_view png);

/// The event as stored in the file: length, checksum of the length, event, checksum of the event.
std::string frame_record(std::string_view event);

/// CRC-32C (Castagnoli).
std::uint32_t crc32c(std::string_view bytes);

}  // namespace cloob
