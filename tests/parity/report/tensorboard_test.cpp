// Parity with files written by TensorBoard's own protobufs and record writer (tools/goldens/make_report.py).
#include <limits>

#include "cloob/base/files.h"
#include "report/event_encoding.h"
#include "support/support.h"

namespace cloob {
namespace {

TEST(EventEncoding, EqualsTensorBoardsWriterByteForByte) {
  constexpr double kWallTime = 1700000000.25;
  const std::string png = read_file(testing::golden_path("report/picture.png"));
  const std::vector<std::string> events = {
      version_event(kWallTime),
      session_start_event(kWallTime, 301),
      scalars_event(kWallTime, 0, {{"train/loss", 0.0}}),
      scalars_event(kWallTime, 310, {{"train/loss", 2.345}, {"train/lr", 5e-4}}),
      scalars_event(kWallTime, 5'000'000'000,
                    {{"train/loss", std::numeric_limits<double>::quiet_NaN()},
                     {"train/grad_norm_image", std::numeric_limits<double>::infinity()}}),
      image_event(kWallTime, 310, "first_batch", png),
  };
  const std::string golden = read_file(testing::golden_path("report/events.bin"));
  std::string_view rest = golden;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::string record = frame_record(events[i]);
    EXPECT_EQ(record, rest.substr(0, record.size())) << "event " << i;
    rest.remove_prefix(std::min(record.size(), rest.size()));
  }
  EXPECT_TRUE(rest.empty());
}

}  // namespace
}  // namespace cloob
