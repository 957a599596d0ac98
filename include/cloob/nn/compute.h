// Where the towers compute and in which precision.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <array>
#include <string_view>
#include <utility>

#include "cloob/config/field.h"

namespace torch::nn {
class Module;
}

namespace cloob {

enum class Precision { fp32, bf16, fp16 };
template <>
struct EnumNames<Precision> {
  static constexpr std::array names = {std::pair{std::string_view("fp32"), Precision::fp32},
                                       std::pair{std::string_view("bf16"), Precision::bf16},
                                       std::pair{std::string_view("fp16"), Precision::fp16}};
};

enum class DeviceChoice { automatic, cpu, cuda };
template <>
struct EnumNames<DeviceChoice> {
  static constexpr std::array names = {std::pair{std::string_view("auto"), DeviceChoice::automatic},
                                       std::pair{std::string_view("cpu"), DeviceChoice::cpu},
                                       std::pair{std::string_view("cuda"), DeviceChoice::cuda}};
};

/// The device to compute on. Throws UserError when CUDA is asked for and there is none.
c10::Device select_device(DeviceChoice choice);

/// Runs what follows under autocast, for as long as it lives: matrix products and convolutions in `precision`, weights
/// as they are. Does nothing for fp32. Drops the cache of cast weights at its end, because an optimizer step follows.
class Autocast {
 public:
  Autocast(Precision precision, c10::DeviceType device);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  c10::DeviceType device_;
  bool active_;
  bool was_enabled_ = false;
  c10::ScalarType previous_dtype_ = c10::ScalarType::Float;
};

/// Puts a module into evaluation mode and back into the mode that it was in.
class EvalMode {
 public:
  explicit EvalMode(torch::nn::Module& module);
  ~EvalMode();
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;

 private:
  torch::nn::Module& module_;
  bool was_training_;
};

}  // namespace cloob
