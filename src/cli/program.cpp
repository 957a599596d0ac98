#include "cloob/cli/program.h"

#include <c10/util/Exception.h>
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>
#include <system_error>

#include "cli/commands.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/version.h"
#include "cloob/report/progress.h"

namespace cloob {
namespace {

int report_failure(int status, const std::string& message) {
  fmt::print(stderr, "error: {}\n", message);
  return status;
}

// LibTorch adds a stack to its messages; the first line says what happened.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

int run_action(const Action& action) {
  try {
    const int status = action();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      throw_user_error("cannot write to standard output");
    return status;
  } catch (const UserError& error) {
    return report_failure(kExitUserError, error.what());
  } catch (const InternalError& error) {
    return report_failure(kExitInternalError, error.what());
  } catch (const c10::OutOfMemoryError& error) {
    return report_failure(kExitUserError,
                          fmt::format("out of memory on the device ({}): use a smaller batch or model",
                                      first_line(error.what_without_backtrace())));
  } catch (const c10::Error& error) {
    const std::string message = first_line(error.what_without_backtrace());
    if (message.find("DefaultCPUAllocator") != std::string::npos) {
      return report_failure(kExitUserError,
                            fmt::format("out of memory ({}): use a smaller batch or model", message));
    }
    return report_failure(kExitInternalError, fmt::format("internal error: {}", message));
  } catch (const std::system_error& error) {  // files and streams; what is checked has a better message
    return report_failure(kExitUserError, first_line(error.what()));
  } catch (const std::bad_alloc&) {
    return report_failure(kExitUserError, "out of memory: use a smaller batch or model");
  } catch (const std::exception& error) {
    return report_failure(kExitInternalError, fmt::format("internal error: {}", first_line(error.what())));
  }
}

}  // namespace

void write_json_line(const std::string& destination, const std::string& json) {
  if (destination.empty()) return;
  if (destination != "-") return write_file_atomically(destination, json + "\n");
  fmt::print("{}\n", json);
}

void warn_without_effect(const std::vector<std::string>& settings) {
  for (const std::string& setting : settings) log_warning("config", "{} has no effect", setting);
}

void require_json_destination(const std::string& destination) {
  if (!destination.empty() && destination != "-") require_output_folder(destination);
}

int run_program(int argc, char** argv) {
  CLI::App app{"Pretrains and evaluates CLIP-family models: CLIP, CLOOB and the ablations between them.",
               "cloob"};
  app.set_version_flag("--version", fmt::format("cloob {}", kVersion));
  app.require_subcommand(1);
  bool quiet = false;
  app.add_flag("-q,--quiet", quiet, "Only warnings and errors on standard error");
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
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUserError;
  }
  if (quiet) {
    set_log_level(LogLevel::warning);
    set_progress_bars(false);
  }
  return run_action(action);
}

}  // namespace cloob
