// The option --seed, with the values of train.seed.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

namespace cloob {

/// Adds --seed. Without the range CLI11 takes -1 and numbers that are too large for the largest seed.
template <class Seed>
CLI::Option* add_seed_option(CLI::App& command, Seed& seed, const std::string& help) {
  return command.add_option("--seed", seed, help)
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{9'000'000'000'000'000}));
}

}  // namespace cloob
