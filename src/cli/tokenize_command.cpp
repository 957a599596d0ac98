// cloob tokenize, cloob tokenizer train

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/enum_option.h"
#include "cli/output_file.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/text/sentencepiece_training.h"
#include "cloob/text/tokenizer.h"

namespace cloob {
namespace {

struct TokenizeArguments {
  std::string tokenizer = "clip";
  std::int64_t context_length = 77;
};

int tokenize(const TokenizeArguments& arguments) {
  TextConfig config;
  if (arguments.tokenizer != "clip") {
    config.tokenizer = TokenizerKind::sentencepiece;
    config.model_file = arguments.tokenizer;
  }
  const auto tokenizer = make_tokenizer(config);
  std::string line;
  while (std::getline(std::cin, line)) {
    fmt::print("{}\n", fmt::join(tokenizer->encode(line, arguments.context_length).ids, " "));
  }
  return 0;
}

struct TokenizerArguments {
  std::vector<std::string> captions;
  std::string out;
  SentencePieceTrainingConfig config;
};

int train_tokenizer(const TokenizerArguments& arguments) {
  require_output(arguments.out, OutputKind::sentencepiece, arguments.captions);
  const std::vector<std::filesystem::path> files(arguments.captions.begin(), arguments.captions.end());
  const std::vector<std::string> captions = read_caption_lines(files);
  train_sentencepiece(captions, arguments.config, arguments.out);
  log_info("text",
           "{} trained on {} captions; use it with text.tokenizer sentencepiece, text.model_file {} and "
           "model.text.vocab_size {}",
           arguments.out, with_thousands(static_cast<std::int64_t>(captions.size())), arguments.out,
           arguments.config.vocab_size);
  return 0;
}

}  // namespace

void add_tokenizer_commands(CLI::App& app, Action& action) {
  CLI::App* const group = app.add_subcommand("tokenizer", "Train tokenizers");
  group->require_subcommand(1);
  CLI::App* const command = group->add_subcommand("train", "Train a sentencepiece model from captions");
  const auto arguments = std::make_shared<TokenizerArguments>();
  SentencePieceTrainingConfig& config = arguments->config;
  command->add_option("captions", arguments->captions, "Text files with one caption per line")->required();
  command->add_option("--out", arguments->out, "Model file to write")->required();
  add_enum_option<SentencePieceModelType>(*command, "--model-type", config.model_type,
                                          "How the vocabulary is built");
  command->add_option("--vocab-size", config.vocab_size, "Number of tokens, including the four special ones")
      ->capture_default_str()
      ->check(CLI::Range(8, 1'000'000));
  command
      ->add_option("--character-coverage", config.character_coverage,
                   "Fraction of characters that get their own tokens")
      ->capture_default_str()
      ->check(CLI::Range(0.98, 1.0));
  command->add_option("--lower-case", config.lower_case, "Whether captions are converted to lower case")
      ->capture_default_str();
  command->add_option("--max-captions", config.max_captions, "Maximum number of captions to use")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000'000));
  command->callback([arguments, &action] { action = [arguments] { return train_tokenizer(*arguments); }; });
}

void add_tokenize_command(CLI::App& app, Action& action) {
  CLI::App* const command = app.add_subcommand(
      "tokenize", "Read texts from standard input, one per line, and print their token ids");
  const auto arguments = std::make_shared<TokenizeArguments>();
  command->add_option("--tokenizer", arguments->tokenizer, "clip, or a sentencepiece model file")
      ->capture_default_str();
  command->add_option("--context-length", arguments->context_length, "Maximum number of ids per text")
      ->capture_default_str()
      ->check(CLI::Range(2, 1 << 20));
  command->callback([arguments, &action] { action = [arguments] { return tokenize(*arguments); }; });
}

}  // namespace cloob
