#include "cloob/text/sentencepiece_training.h"

#include <sentencepiece_trainer.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/text/clean.h"

namespace cloob {
namespace {

constexpr std::size_t kMaxCaptionBytes = 4192;

class CaptionIterator final : public sentencepiece::SentenceIterator {
 public:
  explicit CaptionIterator(const std::vector<std::string>& captions) : captions_(captions) {}
  bool done() const override { return position_ >= captions_.size(); }
  void Next() override { ++position_; }
  const std::string& value() const override { return captions_[position_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& captions_;
  std::size_t position_ = 0;
};

std::vector<std::string> choose_captions(std::span<const std::string> captions, std::int64_t max_captions) {
  const std::size_t count = std::min(captions.size(), static_cast<std::size_t>(max_captions));
  std::vector<std::string> chosen;
  for (std::size_t i = 0; i < count; ++i) {
    std::string caption = collapse_whitespace(captions[i * captions.size() / count]);
    if (!caption.empty() && caption.size() <= kMaxCaptionBytes) chosen.push_back(std::move(caption));
  }
  return chosen;
}

std::unordered_map<std::string, std::string> trainer_options(const SentencePieceTrainingConfig& config) {
  return {{"model_type", std::string(enum_name(config.model_type))},
          {"vocab_size", std::to_string(config.vocab_size)},
          {"character_coverage", shortest(config.character_coverage)},
          {"normalization_rule_name", config.lower_case ? "nmt_nfkc_cf" : "nmt_nfkc"},
          {"max_sentence_length", std::to_string(kMaxCaptionBytes)},
          {"pad_id", "0"},
          {"unk_id", "1"},
          {"bos_id", "2"},
          {"eos_id", "3"},
          // Sums are partitioned by thread, so the number of threads affects the result: it is fixed.
          {"num_threads", "8"},
          {"minloglevel", "3"}};
}

// The number after `prefix` in one of sentencepiece's messages.
std::optional<std::int64_t> number_after(std::string_view message, std::string_view prefix) {
  const std::size_t found = message.find(prefix);
  if (found == std::string_view::npos) return std::nullopt;
  message.remove_prefix(found + prefix.size());
  return parse_integer(message.substr(0, message.find_first_not_of("0123456789")));
}

[[noreturn]] void throw_training_error(const std::string& message, std::int64_t vocab_size) {
  if (const auto max_size = number_after(message, "Please set it to a value <= ")) {
    throw_user_error(
        "vocab_size is {}, but the captions fill at most {} tokens: lower vocab_size or add captions",
        vocab_size, *max_size);
  }
  if (const auto min_size = number_after(message, fmt::format("required_chars. {} vs ", vocab_size))) {
    throw_user_error(
        "vocab_size is {}, but the characters of the captions alone need {} tokens: raise vocab_size or "
        "lower character_coverage",
        vocab_size, *min_size);
  }
  throw_user_error("sentencepiece cannot train on these captions with vocab_size {}: {}", vocab_size,
                   message);
}

}  // namespace

std::vector<std::string> read_caption_lines(std::span<const std::filesystem::path> files) {
  std::vector<std::string> captions;
  for (const std::filesystem::path& file : files) {
    for (const std::string& line : split(read_file(file), '\n')) {
      if (const std::string_view caption = trim(line); !caption.empty()) captions.emplace_back(caption);
    }
  }
  return captions;
}

void train_sentencepiece(std::span<const std::string> captions, const SentencePieceTrainingConfig& config,
                         const std::filesystem::path& output) {
  require_output_folder(output);
  const std::vector<std::string> chosen = choose_captions(captions, config.max_captions);
  if (chosen.empty()) {
    throw_user_error("no captions to train a tokenizer on: of {} given, none has 1 to {} bytes of text",
                     captions.size(), kMaxCaptionBytes);
  }
  log_info("text", "training a {} model of {} tokens on {} captions", enum_name(config.model_type),
           config.vocab_size, with_thousands(static_cast<std::int64_t>(chosen.size())));
  CaptionIterator iterator(chosen);
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(trainer_options(config), &iterator, &model);
  if (!status.ok()) throw_training_error(status.ToString(), config.vocab_size);
  write_file_atomically(output, model);
}

}  // namespace cloob
