// cloob eval suite

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/connect_ranks.h"
#include "cli/data_settings.h"
#include "cli/model_arguments.h"
#include "cli/output_file.h"
#include "cli/print_table.h"
#include "cli/usage.h"
#include "cloob/base/broadcast_text.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/named_path.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/config/config.h"
#include "cloob/eval/suite/suite_config.h"
#include "cloob/eval/suite/suite_result.h"
#include "cloob/eval/suite/suite_runner.h"
#include "cloob/run/model_file.h"
#include "cloob/run/model_hash.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

struct SuiteArguments {
  std::string suite;
  std::vector<std::string> checkpoints;
  ModelArguments model;
  std::string out;
  std::vector<std::string> settings;  // --eval.NAME=VALUE, --sets.NAME.KEY=VALUE
  std::string agreement;              // of the ranks
};

SuiteConfig read_suite(const SuiteArguments& arguments) {
  ConfigSource source = ConfigSource::from_file(arguments.suite);
  source.add_overrides(parse_overrides(arguments.settings));
  return read_config<SuiteConfig>(source);
}

// All exist.
std::vector<NamedPath> checkpoints_of(const SuiteArguments& arguments) {
  std::vector<NamedPath> checkpoints;
  for (const std::string& text : arguments.checkpoints) {
    const NamedPath named = named_path(text);
    for (const NamedPath& other : checkpoints) {
      if (other.name != named.name) continue;
      throw_user_error(
          "'{}' and '{}' are both called '{}' in the results: give one another name with NAME={}", other.path,
          named.path, named.name, named.path);
    }
    resolve_checkpoint(named.path);
    checkpoints.push_back(named);
  }
  return checkpoints;
}

// Names are joined and stripped of odd characters: another data set with another checkpoint may have the same file.
void require_own_files(const SuiteConfig& config, const std::vector<NamedPath>& checkpoints) {
  std::map<std::string, std::string> writers;
  for (const auto& [name, set] : config.sets) {
    for (const NamedPath& checkpoint : checkpoints) {
      const std::string file = result_file_name(checkpoint.name, name, SuiteTask::zero_shot);
      const std::string writer = fmt::format("'{}' on the data set '{}'", checkpoint.name, name);
      const auto [found, is_new] = writers.emplace(file, writer);
      if (!is_new)
        throw_user_error("the results of {} and of {} would be the same file '{}': rename one", found->second,
                         writer, file);
    }
  }
}

std::string csv_of(const SuiteArguments& arguments) {
  return (fs::path(arguments.out) / "results.csv").string();
}

void prepare_output(const SuiteArguments& arguments) {
  make_directories(arguments.out);
  require_output(csv_of(arguments), OutputKind::suite_csv, {});
}

// The mistake of any rank, on all.
std::optional<std::string> mistake_of_any(const std::optional<std::string>& own,
                                          const Collectives& collectives) {
  for (const std::string& marked : gather_texts(collectives, own ? "!" + *own : "")) {
    if (!marked.empty()) return marked.substr(1);
  }
  return std::nullopt;
}

/// One suite on all of its checkpoints. What goes wrong with a data set is kept for the end.
class Suite {
 public:
  Suite(const SuiteArguments& arguments, SuiteConfig config, const Collectives& collectives)
      : arguments_(arguments), config_(std::move(config)), collectives_(collectives) {}

  // All before the first image is encoded, so that mistakes are reported at once.
  void open_sets() {
    for (const auto& [name, set_config] : config_.sets) {
      std::optional<std::string> mistake;
      try {
        SuiteSet set = open_suite_set(name, set_config, config_.eval, arguments_.model.threads);
        if (is_first_rank()) log_info("eval", "{}", describe(set));
        sets_.push_back(std::move(set));
      } catch (const UserError& error) {
        mistake = error.what();
      }
      const auto mistake_of_all = mistake_of_any(mistake, collectives_);
      if (!mistake_of_all) continue;
      if (!mistake) sets_.pop_back();
      add_failure(name, *mistake_of_all);
    }
    if (sets_.empty()) throw_failures();
  }

  // What is wrong with a checkpoint is kept for the end, too; with several ranks, of which one may be the only one that fails, the
  // suite ends.
  void run(const NamedPath& checkpoint) {
    if (collectives_.world_size() > 1) return measure(checkpoint);
    try {
      measure(checkpoint);
    } catch (const UserError& error) {
      add_failure(checkpoint.name, error.what());
    }
  }

  void finish() const {
    if (is_first_rank()) {
      print_table(results_table(results_, config_.eval.confidence));
      log_info("eval", "the results are in '{}'", arguments_.out);
    }
    if (!failures_.empty()) throw_failures();
  }

 private:
  void measure(const NamedPath& checkpoint) {
    ModelArguments model = arguments_.model;
    model.checkpoint = checkpoint.path;
    OpenedModel opened = open_model(model, checkpoint.name, collectives_);
    const SuiteModel names = {.name = checkpoint.name,
                              .architecture = model_name(opened.loaded.config.model),
                              .path = checkpoint.path,
                              .hash = broadcast_text(collectives_, features_hash(opened.loaded)),
                              .refinement = refinement_json(opened.loaded)};
    SuiteRunner runner(names, opened.encoder, opened.options,
                       {.folder = arguments_.out, .eval = config_.eval}, collectives_);
    for (const SuiteSet& set : sets_) {
      try {
        const SuiteOutcome outcome = runner.run(set);
        results_.insert(results_.end(), outcome.results.begin(), outcome.results.end());
        for (const std::string& failure : outcome.failures)
          add_failure(fmt::format("{}, {}", checkpoint.name, set.name), failure);
      } catch (const UserError& error) {
        add_failure(checkpoint.name + ", " + set.name, error.what());
      }
      opened.display->finish();
      // After each, so that a suite that is stopped leaves what it has.
      do_on_first_rank(collectives_,
                       [&] { write_file_atomically(csv_of(arguments_), results_csv(results_)); });
    }
  }

  bool is_first_rank() const { return collectives_.rank() == 0; }

  void add_failure(const std::string& what, const std::string& message) {
    failures_.push_back(fmt::format("{}: {}", what, message));
    if (is_first_rank()) log_error("eval", "{}", failures_.back());
  }
  [[noreturn]] void throw_failures() const {
    throw UserError(fmt::format("{} could not be done{}:\n{}", counted(std::ssize(failures_), "evaluation"),
                                results_.empty() ? "" : ", all others were", join(failures_, "\n")));
  }

  const SuiteArguments& arguments_;
  SuiteConfig config_;
  const Collectives& collectives_;
  std::vector<SuiteSet> sets_;
  std::vector<SuiteResult> results_;
  std::vector<std::string> failures_;
};

int eval_suite(const SuiteArguments& arguments, Ranks& ranks) {
  const SuiteConfig config = read_suite(arguments);
  const std::vector<NamedPath> checkpoints = checkpoints_of(arguments);
  require_own_files(config, checkpoints);
  const Collectives& collectives = connect_ranks(ranks, select_device(arguments.model.device), RankTimeouts(),
                                                 arguments.agreement, arguments.model.threads);
  collectives.announce(RankActivity::evaluation);
  do_on_first_rank(collectives, [&] { prepare_output(arguments); });
  Suite suite(arguments, config, collectives);
  suite.open_sets();
  for (const NamedPath& checkpoint : checkpoints) suite.run(checkpoint);
  suite.finish();
  return 0;
}

}  // namespace

void add_eval_suite(CLI::App& group, Action& action, Ranks& ranks) {
  CLI::App* const command =
      group.add_subcommand("suite", "Several checkpoints on several data sets, with all tasks in one pass");
  const auto arguments = std::make_shared<SuiteArguments>();
  command->add_option("suite", arguments->suite, "File that lists the data sets")->required();
  command
      ->add_option("checkpoints", arguments->checkpoints,
                   "Checkpoint folders, run folders or weights files, as PATH or NAME=PATH")
      ->required();
  add_model_options(*command, arguments->model);
  add_refinement_options(*command, arguments->model);
  command
      ->add_option(
          "--out", arguments->out,
          "Folder for results: a JSON file for each checkpoint, data set and task, and results.csv. Results "
          "that it has are not measured again")
      ->required();
  add_settings_of(*command, "eval", description_of<SuiteSettings>(), arguments->settings);
  command->footer(
      "--eval.KEY VALUE and --sets.NAME.KEY=VALUE set any setting of the suite; docs/evaluation.md lists them.");
  command->callback([arguments, command, &action, &ranks] {
    take_unknown_settings(*command, arguments->settings);
    arguments->agreement = agreement_of(*command);
    action = [arguments, command, &ranks] {
      reject_misspelled_options(*command);
      return eval_suite(*arguments, ranks);
    };
  });
}

}  // namespace cloob
