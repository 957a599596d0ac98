#include "cloob/base/npy.h"

#include <fmt/core.h>

#include <limits>
#include <string>
#include <vector>

#include "cloob/base/files.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using testing::expect_user_error;
using testing::TempDir;

std::string npy(const std::string& header, std::size_t data_bytes, char version = 1) {
  std::string length = {static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  if (version > 1) length += std::string(2, '\0');
  return "\x93NUMPY" + std::string(1, version) + std::string(1, '\0') + length + header +
         std::string(data_bytes, '\0');
}

void expect_rejected(const std::string& content, std::initializer_list<std::string> parts) {
  const TempDir folder;
  testing::write_text(folder / "x.npy", content);
  expect_user_error([&] { NpyMatrix(folder / "x.npy"); }, parts);
}

TEST(NpyMatrix, ReadsWhatIsWritten) {
  const TempDir folder;
  const std::vector<std::uint16_t> halves = {0x3c00, 0xbc00, 0x0000,
                                             0x3800, 0x4000, 0x0001};  // 1 -1 0 0.5 2 2^-24
  std::string data(reinterpret_cast<const char*>(halves.data()), halves.size() * 2);
  testing::write_text(folder / "x.npy", npy_header(2, 3) + data);
  const NpyMatrix matrix(folder / "x.npy");
  EXPECT_EQ(matrix.rows(), 2);
  EXPECT_EQ(matrix.columns(), 3);
  std::vector<float> numbers(6);
  matrix.read(0, 2, numbers);
  EXPECT_EQ(numbers, (std::vector<float>{1, -1, 0, 0.5, 2, 0x1p-24f}));
  std::vector<float> second(3);
  matrix.read(1, 1, second);
  EXPECT_EQ(second, (std::vector<float>{0.5, 2, 0x1p-24f}));
}

TEST(NpyMatrix, ReadsWiderNumbers) {
  const TempDir folder;
  const std::vector<double> doubles = {1.5, -2.25, 1e-3, 1e300};
  const std::string data(reinterpret_cast<const char*>(doubles.data()), doubles.size() * 8);
  const std::string header = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }", 0);
  testing::write_text(folder / "x.npy", header + data);
  std::vector<float> numbers(4);
  NpyMatrix(folder / "x.npy").read(0, 2, numbers);
  EXPECT_EQ(numbers, (std::vector<float>{1.5f, -2.25f, 1e-3f, std::numeric_limits<float>::infinity()}));
  testing::write_text(folder / "x.npy", header + data.substr(1));
  expect_user_error([&] { NpyMatrix(folder / "x.npy"); }, {"31 bytes", "truncated"});
}

TEST(NpyMatrix, RejectsOtherArrays) {
  const std::string order = "'fortran_order': False, ";
  expect_rejected(npy("{'descr': '<i8', " + order + "'shape': (2, 2), }", 32), {"'<i8'", "float16"});
  expect_rejected(npy("{'descr': '>f8', " + order + "'shape': (2, 2), }", 32), {"'>f8'", "little-endian"});
  expect_rejected(npy("{'descr': '>f4', " + order + "'shape': (2, 2), }", 16), {"'>f4'"});
  expect_rejected(npy("{'descr': '|O', " + order + "'shape': (2, 2), }", 16), {"'|O'"});
  expect_rejected(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", 16), {"Fortran"});
  expect_rejected(npy("{'descr': '<f4', " + order + "'shape': (4,), }", 16), {"1 dimensions"});
  expect_rejected(npy("{'descr': '<f4', " + order + "'shape': (), }", 4), {"0 dimensions"});
  expect_rejected(npy("{'descr': '<f4', " + order + "'shape': (0, 4), }", 0), {"0 x 4"});
}

TEST(NpyMatrix, RejectsDamagedFiles) {
  const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }";
  expect_rejected("version https://git-lfs.github.com/spec/v1\noid sha256:00", {"Git LFS pointer"});
  expect_rejected("", {"not a .npy"});
  expect_rejected("\x93NUMPY\x01", {"not a .npy"});
  expect_rejected("PK\x03\x04 an archive of arrays", {"not a .npy"});
  expect_rejected(npy(header, 16, 4), {"format 4.0"});
  expect_rejected(npy(header, 15), {"15 bytes", "truncated"});
  expect_rejected(npy(header, 17), {"17 bytes", "damaged"});
  expect_rejected("\x93NUMPY" + std::string("\x01\0\xff\x7f", 4) + header, {"more than the file"});
  expect_rejected("\x93NUMPY" + std::string("\x02\0\xff\xff\xff\xff", 6) + header, {"any matrix"});
  expect_rejected("\x93NUMPY" + std::string("\x02\0\x01\0", 4), {"ends within"});
  for (const std::string text :
       {"", "{", "{}", "{'descr': '<f4', }", "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'x': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), } and more", "{'descr': '<f4",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 2), }"})
    expect_rejected(npy(text, 16), {"damaged header"});
  expect_rejected(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000, 2), }", 16),
                  {"matrix of"});
  expect_rejected(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 1000000), }", 16),
                  {"truncated"});
}

}  // namespace
}  // namespace cloob
