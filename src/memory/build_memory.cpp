#include "cloob/memory/build_memory.h"

#include <ATen/ops/tensor.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cloob/base/broadcast_text.h"
#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/staged_folder.h"
#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/sample_hash.h"
#include "cloob/memory/rewrite_memory.h"
#include "cloob/search/search_index.h"
#include "memory/memory_parts.h"
#include "memory/selected_source.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

BuildIdentity identity_of(const Source& source, const EncodeOptions& options, const IndexHeader& header,
                          const BuildOptions& what) {
  return {.model = header.model ? header.model->hash : "",
          .samples = source.size(),
          .data = fmt::format("{:016x}", sample_hash(source)),
          .entries = fmt::format("{}, {}, stored in {}{}",
                                 what.entries.every_caption ? "every caption" : "first captions",
                                 enum_name(options.precision), enum_name(what.entries.type),
                                 what.entries.with_thumbnails ? ", thumbnails" : ""),
          .part_samples = what.part_samples};
}

// What ranks tell each other after each part.
struct RankState {
  bool stops = false;
  std::optional<std::string> mistake = std::nullopt;
  std::int64_t done = 0, skipped = 0;  // samples in all parts of this rank so far
};

// Encodes the missing parts of a memory, a part a round on each rank.
class PartsEncoder {
 public:
  PartsEncoder(const FeatureEncoder& encoder, const EncodeOptions& options,
               std::shared_ptr<const Source> source, const BuildOptions& what, const MemoryParts& parts,
               const Collectives& collectives)
      : encoder_(encoder),
        options_(options),
        source_(std::move(source)),
        what_(what),
        parts_(parts),
        collectives_(collectives) {}

  void run() {
    find_missing();
    const std::int64_t world = collectives_.world_size();
    for (std::int64_t first = 0; first < std::ssize(missing_); first += world) {
      const std::int64_t own = first + collectives_.rank();
      if (own < std::ssize(missing_)) encode(missing_[static_cast<std::size_t>(own)]);
      exchange();
    }
    judge();
  }

 private:
  // Rank 0 decides, since the others may see the folder later.
  void find_missing() {
    std::string numbers;
    do_on_first_rank(collectives_, [&] {
      for (const std::int64_t part : parts_.missing()) numbers += fmt::format("{} ", part);
    });
    for (const std::string& number : split(broadcast_text(collectives_, numbers), ' ')) {
      if (!number.empty()) missing_.push_back(*parse_integer(number));
    }
    std::vector<bool> is_missing(static_cast<std::size_t>(parts_.size()), false);
    for (const std::int64_t part : missing_) is_missing[static_cast<std::size_t>(part)] = true;
    for (std::int64_t part = 0; part < parts_.size(); ++part) {
      if (is_missing[static_cast<std::size_t>(part)]) continue;
      done_ += parts_.samples_of(part).count;
      skipped_ += parts_.skipped(part);
    }
    if (done_ > 0 && collectives_.rank() == 0) {
      log_info("memory", "going on with {} of {} parts: {} are done", parts_.size() - std::ssize(missing_),
               parts_.size(), counted(done_, "sample"));
    }
  }

  void encode(std::int64_t part) {
    try {
      encode_part(part);
    } catch (const EvaluationStopped&) {
      own_.stops = true;
    } catch (const UserError& error) {
      if (collectives_.world_size() == 1) throw;
      own_.mistake = error.what();
    }
  }

  void encode_part(std::int64_t part) {
    const Slice samples = parts_.samples_of(part);
    std::vector<std::int64_t> indices(static_cast<std::size_t>(samples.count));
    std::iota(indices.begin(), indices.end(), samples.first);
    EncodeOptions options = options_;
    options.take_unusable = [&](const BadSampleCounts& unusable, std::int64_t) {
      if (unusable.total() == 0) return;
      examples_ = fmt::format("{}: {}", unusable.by_kind(), unusable.first_examples());
      log_warning("memory", "{} of samples {} to {} were unusable ({})", with_thousands(unusable.total()),
                  with_thousands(samples.first), with_thousands(samples.first + samples.count - 1),
                  unusable.by_kind());
    };
    options.report = [&](const Progress& progress) { report(own_.done + progress.step); };
    IndexWriter writer(parts_.path_of(part), encoder_.model().config().embed_dim,
                       what_.entries.with_thumbnails, what_.entries.type);
    const auto some = std::make_shared<const SelectedSource>(source_, std::move(indices));
    const std::int64_t usable = add_image_rows(encoder_, options, some, writer, what_.entries);
    if (usable == 0)
      parts_.finish_empty(part);
    else
      writer.finish({.skipped = samples.count - usable}, {.kind = IndexKind::exact});
    own_.done += samples.count;
    own_.skipped += samples.count - usable;
  }

  // The other ranks are about as far as this one.
  void report(std::int64_t own_done) const {
    if (!options_.report) return;
    const std::int64_t total = source_->size();
    const std::int64_t estimate =
        done_ + round_done_ + (own_done - own_round_done_) * collectives_.world_size();
    options_.report(
        {.label = "memory", .unit = "image", .step = std::min(total, estimate), .num_steps = total});
  }

  void exchange() {
    const at::Tensor state = at::tensor(
        {std::int64_t{own_.stops}, std::int64_t{own_.mistake.has_value()}, own_.done, own_.skipped});
    collectives_.sum_in_place(std::array{state});
    const auto* const numbers = state.const_data_ptr<std::int64_t>();
    if (numbers[1] > 0) throw_on_all();
    if (numbers[0] > 0) throw EvaluationStopped();
    round_done_ = numbers[2];
    own_round_done_ = own_.done;
    round_skipped_ = numbers[3];
    require_few_unusable();
  }

  // The mistake of the first rank that found one.
  [[noreturn]] void throw_on_all() const {
    const std::vector<std::string> mistakes = gather_texts(collectives_, own_.mistake.value_or(""));
    if (own_.mistake) throw UserError(*own_.mistake);
    for (std::size_t rank = 0; rank < mistakes.size(); ++rank) {
      if (!mistakes[rank].empty()) throw_user_error("rank {} failed: {}", rank, mistakes[rank]);
    }
    throw_user_error("a rank could not encode");
  }

  // As soon as no later part can help.
  void require_few_unusable() const {
    const std::int64_t skipped = skipped_ + round_skipped_;
    const double most = options_.data.max_bad_share * static_cast<double>(source_->size());
    if (skipped == 0 || (static_cast<double>(skipped) <= most && skipped < source_->size())) return;
    std::string example;
    for (const std::string& text : gather_texts(collectives_, examples_)) {
      if (example.empty()) example = text;
    }
    throw_user_error("{} of {} samples are unusable, more than data.max_bad_share ({}) allows{}{}",
                     with_thousands(skipped), with_thousands(source_->size()),
                     shortest(options_.data.max_bad_share), example.empty() ? "" : "; ", example);
  }

  void judge() const {
    require_few_unusable();
    const std::int64_t skipped = skipped_ + round_skipped_;
    if (skipped > 0 && collectives_.rank() == 0)
      log_warning("memory", "{} of {} samples were unusable", with_thousands(skipped),
                  with_thousands(source_->size()));
  }

  const FeatureEncoder& encoder_;
  const EncodeOptions& options_;
  std::shared_ptr<const Source> source_;
  const BuildOptions& what_;
  const MemoryParts& parts_;
  const Collectives& collectives_;
  std::vector<std::int64_t> missing_;
  std::int64_t done_ = 0, skipped_ = 0;  // samples in parts that were complete
  RankState own_;
  std::int64_t round_done_ = 0, own_round_done_ = 0,
               round_skipped_ = 0;  // of all ranks, after the last round
  std::string examples_;
};

void append_parts(const MemoryParts& parts, IndexWriter& writer, IndexHeader& header,
                  const RewriteOptions& rewrite) {
  for (std::int64_t part = 0; part < parts.size(); ++part) {
    header.skipped += parts.skipped(part);
    if (!parts.is_empty(part)) copy_entries(SearchIndex(parts.path_of(part)), writer, rewrite);
  }
}

// Does `work` on rank 0; if it is stopped there, all ranks are.
void join_on_first_rank(const Collectives& collectives, const std::function<void()>& work) {
  bool stopped = false;
  do_on_first_rank(collectives, [&] {
    try {
      work();
    } catch (const IndexingStopped&) {
      stopped = true;
    }
  });
  if (collectives.max(stopped ? 1 : 0) > 0) throw IndexingStopped();
}

// Encodes what is missing and lets rank 0 `join` the parts, which are removed then.
void build(const FeatureEncoder& encoder, const EncodeOptions& options,
           const std::shared_ptr<const Source>& source, MemoryParts& parts, const BuildOptions& what,
           const Collectives& collectives, const std::function<void(const RewriteOptions&)>& join) {
  do_on_first_rank(collectives, [&] { parts.open(); });
  parts.require_visible();
  PartsEncoder(encoder, options, source, what, parts, collectives).run();
  join_on_first_rank(collectives, [&] {
    log_info("memory", "joining {}", counted(parts.size(), "part"));
    join({.threads = what.entries.layout.threads, .stop_requested = what.entries.stop_requested});
    parts.remove();
  });
}

void require_buildable(const FeatureEncoder& encoder, const Source& source, const BuildIdentity& identity,
                       const Collectives& collectives) {
  if (source.is_stream()) {
    throw_user_error(
        "what can only be read as a stream cannot be divided into parts: download it, or use 'cloob index --texts'");
  }
  if (source.size() == 0) throw_user_error("there are no samples to encode");
  encoder.require_texts();
  for (const std::string& text : gather_texts(collectives, identity.to_text())) {
    if (text != identity.to_text()) throw_user_error("the ranks do not have the same data or model");
  }
}

// A memory that is there is organized as it is.
void require_layout(const fs::path& folder, const IndexLayout& layout) {
  const IndexHeader header = read_index_header(folder);
  const auto require = [&](const char* option, const auto& wanted, const auto& found) {
    if (!wanted || fmt::format("{}", *wanted) == fmt::format("{}", found)) return;
    throw_user_error(
        "'{}' holds these pairs already, with {} {} instead of {}: leave the option out, or build into another folder",
        folder.string(), option, found, *wanted);
  };
  const auto kind = layout.kind ? std::optional(enum_name(*layout.kind)) : std::nullopt;
  require("--kind", kind, enum_name(header.kind));
  for (const auto& [side, shape] : header.sides) {
    const auto lists = layout.lists ? std::optional(num_lists(layout, header.count)) : std::nullopt;
    if (shape.ivf) require("--lists", lists, shape.ivf->lists);
    if (shape.hnsw) require("--links", layout.links, shape.hnsw->links);
    if (shape.ivfpq) {
      require("--lists", lists, shape.ivfpq->lists);
      require("--code-bytes", layout.code_bytes, shape.ivfpq->code_bytes);
    }
  }
}

// Whether the memory holds these pairs; what is left of a build that ended just before its parts were removed is removed.
bool is_in(const fs::path& folder, const BuildIdentity& identity, const IndexLayout* layout,
           MemoryParts& parts, const Collectives& collectives) {
  bool is_in = false;
  do_on_first_rank(collectives, [&] {
    if (!is_index_folder(folder)) return;
    is_in = holds_build(read_index_header(folder), identity.id());
    if (!is_in) return;
    if (layout != nullptr) require_layout(folder, *layout);
    log_info("memory",
             "'{}' holds these pairs already, but for what was removed since: nothing is to be done",
             folder.string());
    if (parts.are_of_this_build()) {
      parts.open();
      parts.remove();
    }
  });
  return collectives.max(is_in ? 1 : 0) > 0;
}

}  // namespace

void require_new_memory(const fs::path& folder) {
  if (is_index_folder(folder)) {
    throw_user_error(
        "'{}' is there already: 'cloob memory add' adds to it; to build another one, choose a new folder or remove "
        "this one first",
        folder.string());
  }
  require_index_output(folder);
}

IndexHeader build_memory(const FeatureEncoder& encoder, const EncodeOptions& options,
                         const std::shared_ptr<const Source>& source, const fs::path& folder,
                         const IndexHeader& header, const BuildOptions& what,
                         const Collectives& collectives) {
  const BuildIdentity identity = identity_of(*source, options, header, what);
  require_buildable(encoder, *source, identity, collectives);
  MemoryParts parts(MemoryParts::folder_of(folder), identity);
  if (is_in(folder, identity, &what.entries.layout, parts, collectives)) return read_index_header(folder);
  do_on_first_rank(collectives, [&] { require_new_memory(folder); });
  build(encoder, options, source, parts, what, collectives, [&](const RewriteOptions& rewrite) {
    IndexHeader joined = header;
    joined.build = identity.id();
    IndexWriter writer(folder, encoder.model().config().embed_dim, what.entries.with_thumbnails,
                       what.entries.type);
    append_parts(parts, writer, joined, rewrite);
    writer.finish(joined, what.entries.layout, rewrite.stop_requested);
  });
  return read_index_header(folder);
}

IndexHeader add_to_memory(const FeatureEncoder& encoder, const EncodeOptions& options,
                          const std::shared_ptr<const Source>& source, const fs::path& folder,
                          const IndexHeader& header, const BuildOptions& what, const IndexLock* lock,
                          const Collectives& collectives) {
  CLOOB_CHECK((lock != nullptr) == (collectives.rank() == 0), "rank 0 locks");
  const BuildIdentity identity = identity_of(*source, options, header, what);
  require_buildable(encoder, *source, identity, collectives);
  MemoryParts parts(MemoryParts::folder_of(folder), identity);
  if (is_in(folder, identity, /*layout=*/nullptr, parts, collectives)) return read_index_header(folder);
  build(encoder, options, source, parts, what, collectives, [&](const RewriteOptions& rewrite) {
    extend_memory(*lock, header, rewrite, [&](IndexWriter& writer, IndexHeader& joined) {
      append_parts(parts, writer, joined, rewrite);
      add_build(joined, identity.id());
    });
  });
  return read_index_header(folder);
}

}  // namespace cloob
