#include "train/stream_counts.h"

#include <atomic>
#include <mutex>

#include "cloob/base/error.h"
#include "support/simulated_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

using Counts = std::vector<std::int64_t>;

TEST(CountingByRank0, TellsTheOthers) {
  std::atomic<int> num_counted = 0;
  std::vector<Counts> counts(3);
  testing::run_ranks(3, [&](const Collectives& collectives) {
    counts[static_cast<std::size_t>(collectives.rank())] =
        counting_by_rank_0(collectives)({"pipe:a\nb", "pipe:c"}, [&] {
          ++num_counted;
          return Counts{7, std::int64_t{1} << 40};
        });
  });
  EXPECT_EQ(num_counted, 1);
  for (const Counts& of_rank : counts) EXPECT_EQ(of_rank, (Counts{7, std::int64_t{1} << 40}));
  EXPECT_EQ(counting_by_rank_0(SingleProcess())({"x"}, [] { return Counts{5}; }), Counts{5});
}

// What the ranks say, if their names differ; rank 0 must not begin to count.
std::vector<std::string> errors_of(const std::vector<std::vector<std::string>>& names) {
  std::vector<std::string> errors(names.size());
  testing::run_ranks(std::ssize(names), [&](const Collectives& collectives) {
    const auto rank = static_cast<std::size_t>(collectives.rank());
    try {
      counting_by_rank_0(collectives)(names[rank], [&] { return Counts(names[rank].size()); });
    } catch (const UserError& error) {
      errors[rank] = error.what();
    }
  });
  return errors;
}

TEST(CountingByRank0, NeedsTheSameStreamsOnAllRanks) {
  const auto other = errors_of({{"a.tar.gz", "b.tar.gz"}, {"a.tar.gz", "c.tar.gz"}});
  EXPECT_EQ(other[0], "the ranks do not have the same data: data.train names other shards on another rank");
  EXPECT_EQ(other[1], "the ranks do not have the same data: rank 0 has 'b.tar.gz', this one has 'c.tar.gz'");
  const auto fewer = errors_of({{"a.tar.gz", "b.tar.gz"}, {"a.tar.gz"}});
  EXPECT_EQ(fewer[1], "the ranks do not have the same data: rank 0 has 2 shards, this one has 1");
}

}  // namespace
}  // namespace cloob
