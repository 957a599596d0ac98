#include "cli/failure.h"

#include <c10/util/Exception.h>

#include <filesystem>
#include <new>
#include <stdexcept>

#include "cloob/base/error.h"
#include "cloob/cli/program.h"
#include "support/support.h"

namespace cloob {
namespace {

template <class Exception>
Failure failure_of(const Exception& exception) {
  return describe_failure(std::make_exception_ptr(exception));
}

c10::Error torch_error(const std::string& message) { return {c10::SourceLocation{"f", "f.cpp", 1}, message}; }

TEST(Failure, PassesUserErrorsThrough) {
  const Failure failure = failure_of(UserError("no such file"));
  EXPECT_EQ(failure.status, kExitUserError);
  EXPECT_EQ(failure.message, "no such file");
}

TEST(Failure, ReportsTheRequestedSizeWhenOutOfMemory) {
  for (const Failure& failure :
       {failure_of(
            torch_error("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate "
                        "memory: you tried to allocate 160000000000 bytes. Error code 12 (Cannot allocate "
                        "memory)")),
        failure_of(
            c10::OutOfMemoryError(c10::SourceLocation{"f", "f.cpp", 1},
                                  "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total")),
        failure_of(std::bad_alloc()), failure_of(std::runtime_error("could not create a primitive"))}) {
    EXPECT_EQ(failure.status, kExitUserError);
    EXPECT_THAT(failure.message, ::testing::StartsWith("out of memory"));
    EXPECT_THAT(failure.message, ::testing::EndsWith(": use a smaller batch or model"));
    EXPECT_THAT(failure.message, ::testing::Not(::testing::HasSubstr("allocator")));
  }
  EXPECT_EQ(
      failure_of(torch_error("DefaultCPUAllocator: can't allocate memory: you tried to allocate 160000000000 "
                             "bytes. Error code 12"))
          .message,
      "out of memory (tried to allocate 149.0 GiB at once): use a smaller batch or model");
  EXPECT_EQ(failure_of(c10::OutOfMemoryError(c10::SourceLocation{"f", "f.cpp", 1},
                                             "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0"))
                .message,
            "out of memory on the device (tried to allocate 2.50 GiB at once): use a smaller batch or model");
}

TEST(Failure, NamesTheFileOfAFilesystemError) {
  const Failure failure = failure_of(std::filesystem::filesystem_error(
      "cannot do it", "a/b", std::make_error_code(std::errc::permission_denied)));
  EXPECT_EQ(failure.status, kExitUserError);
  EXPECT_EQ(failure.message, "'a/b': Permission denied");
}

TEST(Failure, MakesAnyOtherExceptionAOneLineInternalError) {
  for (const Failure& failure :
       {failure_of(torch_error("shape\nstack")), failure_of(std::runtime_error("shape\nx"))}) {
    EXPECT_EQ(failure.status, kExitInternalError);
    EXPECT_EQ(failure.message, "internal error: shape");
  }
}

}  // namespace
}  // namespace cloob
