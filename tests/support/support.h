// Used by every test: comparison of tensors with useful messages, temporary folders, golden files.
#pragma once

#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>

namespace cloob::testing {

/// Expects |actual - expected| <= atol + rtol * |expected| everywhere; on failure prints shapes, the worst
/// element, its index and both values.
void expect_close(const at::Tensor& actual, const at::Tensor& expected, double rtol, double atol,
                  const std::string& name = "");

/// Expects ||actual - expected|| / ||expected|| <= tolerance.
void expect_relative_norm(const at::Tensor& actual, const at::Tensor& expected, double tolerance,
                          const std::string& name = "");

/// Expects a UserError whose message contains every part.
void expect_user_error(const std::function<void()>& action, std::initializer_list<std::string> parts);

/// A temporary folder that is removed with its content.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// Root of the source tree.
std::filesystem::path source_dir();
/// Root of the build tree.
std::filesystem::path binary_dir();
/// tests/golden/NAME.
std::filesystem::path golden_path(const std::string& name);
/// The real data next to the project (../shared/data); tests that need it are skipped when it is missing.
std::filesystem::path shared_data_dir();

}  // namespace cloob::testing
