#pragma once

#include <memory>

namespace cloob {

/// Makes CPU operations yield to other busy processes for the lifetime of the object.
///
/// OpenMP threads spin while they wait for the next operation. On an idle machine that makes small steps a
/// fifth faster; next to another busy process the spinning threads occupy the cores that the working threads
/// need, and a run drops to a quarter of its speed. The environment variables that control spinning are read
/// when the library is loaded, before the program starts. However, GNU OpenMP also spins a thousand times
/// shorter while there are more threads than cores (see GOMP_SPINCOUNT in its manual). So while other
/// processes use the cores of this one, this class keeps a team of idle threads alive to trigger that.
///
/// Logs one line the first time this happens. Does nothing if OMP_WAIT_POLICY or GOMP_SPINCOUNT is set, or if
/// the OpenMP library is not GNU's. Only one instance may exist at a time.
class SharedMachine {
 public:
  SharedMachine();
  ~SharedMachine();
  SharedMachine(const SharedMachine&) = delete;
  SharedMachine& operator=(const SharedMachine&) = delete;

 private:
  class Watch;
  std::unique_ptr<Watch> watch_;  ///< null if there is nothing to do
};

}  // namespace cloob
