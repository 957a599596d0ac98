#include "cloob/cli/program.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <sstream>

#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/usage.h"
#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/base/version.h"
#include "cloob/report/progress.h"

namespace cloob {
namespace {

int report_failure(int status, const std::string& message) {
  fmt::print(stderr, "error: {}\n", without_controls(message));
  return status;
}

int run_action(const Action& action) {
  try {
    const int status = action();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      throw_user_error("cannot write to standard output");
    return status;
  } catch (...) {
    const Failure failure = describe_failure(std::current_exception());
    return report_failure(failure.status, failure.message);
  }
}

// What --help and --version print.
int show(const CLI::App& app, const CLI::Success& request) {
  return run_action([&] {
    std::ostringstream text;
    app.exit(request, text, text);
    fmt::print("{}", text.str());
    return 0;
  });
}

// It may stand anywhere on the command line.
void add_quiet_flag(CLI::App& app, bool& quiet) {
  app.add_flag("-q,--quiet", quiet, "Only warnings and errors on standard error");
  for (CLI::App* const command : app.get_subcommands([](CLI::App*) { return true; }))
    add_quiet_flag(*command, quiet);
}

}  // namespace

void warn_without_effect(const std::vector<std::string>& settings) {
  for (const std::string& setting : settings) log_warning("config", "{} has no effect", setting);
}

int run_program(int argc, char** argv) {
  CLI::App app{"Pretrains and evaluates CLIP-family models: CLIP, CLOOB and the ablations between them.",
               "cloob"};
  app.set_version_flag("--version", fmt::format("cloob {}", kVersion));
  app.require_subcommand(1);
  bool quiet = false;
  Action action;
  add_train_command(app, action);
  add_eval_commands(app, action);
  add_encode_command(app, action);
  add_tokenize_command(app, action);
  add_tokenizer_commands(app, action);
  add_weights_commands(app, action);
  add_config_commands(app, action);
  add_data_commands(app, action);
  add_bench_commands(app, action);
  add_report_command(app, action);
  add_quiet_flag(app, quiet);
  refuse_void_values(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {
    return show(app, request);
  } catch (const CLI::ParseError& error) {
    return report_failure(kExitUserError, describe_usage_error(app, error));
  }
  if (quiet) {
    set_log_level(LogLevel::warning);
    set_progress_bars(false);
  }
  return run_action(action);
}

}  // namespace cloob
