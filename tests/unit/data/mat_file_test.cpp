#include "data/mat_file.h"

#include <cstring>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/random.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using testing::expect_user_error;
using testing::golden_path;
using testing::TempDir;
using testing::write_text;

const std::string kScipyTest = "fine_grained/scipy/stanford_cars/cars_test_annos_withlabels.mat";
const std::string kMatlabTest = "fine_grained/matlab/stanford_cars/cars_test_annos_withlabels.mat";

template <typename T>
std::string bytes_of(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

std::string element(std::uint32_t type, std::string data, std::uint32_t claimed) {
  data.resize((data.size() + 7) / 8 * 8);
  return bytes_of(type) + bytes_of(claimed) + data;
}
std::string element(std::uint32_t type, const std::string& data) {
  return element(type, data, static_cast<std::uint32_t>(data.size()));
}

std::string matrix(std::uint8_t array_class, std::int32_t rows, std::int32_t columns,
                   const std::string& content) {
  return element(14, element(6, bytes_of(std::uint32_t{array_class}) + bytes_of(std::uint32_t{0})) +
                         element(5, bytes_of(rows) + bytes_of(columns)) + element(1, "x") + content);
}

std::string header() {
  std::string text = "MATLAB 5.0 MAT-file";
  text.resize(124, ' ');
  return text + std::string("\x00\x01IM", 4);
}

class MatFile : public ::testing::Test {
 protected:
  std::map<std::string, MatArray> read(const std::string& content) const {
    return read_mat_file(write_text(folder_ / "a.mat", content));
  }
  void expect_error(const std::string& content, const std::string& what) const {
    expect_user_error([&] { read(content); }, {"a.mat'", what});
  }
  TempDir folder_;
};

TEST_F(MatFile, ReadsWhatMatlabAndScipyWrite) {
  for (const std::string& name : {kMatlabTest, kScipyTest}) {
    const auto arrays = read_mat_file(golden_path(name));
    const MatArray& list = arrays.at("annotations");
    EXPECT_EQ(list.kind, MatArray::Kind::structs);
    EXPECT_EQ(list.count, 3);
    EXPECT_EQ(list.field_names,
              (std::vector<std::string>{"bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname"}));
    ASSERT_EQ(list.items.size(), 18U);
    EXPECT_EQ(list.items[8].numbers, std::vector<double>{576});
    EXPECT_EQ(list.items[17].text, "00003.jpg");
  }
  EXPECT_EQ(read_mat_file(golden_path(kScipyTest)).at("unused").numbers, (std::vector<double>{0, 1, 2}));
}

TEST_F(MatFile, ReadsCharactersBeyondAsciiAndEmptyArrays) {
  const auto arrays = read_mat_file(golden_path("fine_grained/cells.mat"));
  const MatArray& cells = arrays.at("cells");
  ASSERT_EQ(cells.items.size(), 4U);
  EXPECT_EQ(cells.items[0].text, "Citro\u00ebn \U0001F697");
  EXPECT_EQ(cells.items[1].numbers, std::vector<double>{7});
  EXPECT_EQ(cells.items[2].kind, MatArray::Kind::cells);
  EXPECT_EQ(cells.items[3].text, "");
}

TEST_F(MatFile, IsRefusedIfItIsOfAnotherKind) {
  expect_error("MATLAB 7.3 MAT-file, Platform: GLNXA64", "save it with the option -v7");
  expect_error("\x89HDF\r\n", "version 7.3");
  expect_error("<html>", "a web page");
  expect_error("x", "too short");
  std::string other = header();
  other.replace(124, 4, std::string("\x01\x00MI", 4));
  expect_error(other, "big-endian");
  other[124] = 'x';
  expect_error(other, "its header is another one");
}

// Whatever the file claims is compared with what there is before memory is allocated.
TEST_F(MatFile, ClaimsBeyondTheFileAreRefused) {
  const std::string ones(8, '\1');
  EXPECT_EQ(read(header() + matrix(9, 1, 8, element(2, ones))).at("x").numbers, std::vector<double>(8, 1.0));
  expect_error(header() + element(14, "", 0xFFFFFFF0U), "shorter than its elements say");
  expect_error(header() + matrix(9, 1, 1'000'000, element(2, ones)), "another size than its dimensions say");
  expect_error(header() + matrix(9, 2'000'000'000, 2'000'000'000, element(2, ones)),
               "dimensions of an array are too large");
  expect_error(header() + matrix(9, -1, 8, element(2, ones)), "negative");
  expect_error(header() + matrix(1, 1, 30'000'000, ""), "fewer items than its dimensions say");
  const std::string names = element(5, bytes_of(std::int32_t{4})) + element(1, std::string("abc\0def\0", 8));
  expect_error(header() + matrix(2, 1, 30'000'000, names), "fewer items than its dimensions say");
  expect_error(header() + matrix(2, 1, 1, element(5, bytes_of(std::int32_t{0})) + element(1, "ab")),
               "cut short");
  expect_error(header() + matrix(4, 1, 1, element(4, std::string("\x00\xD8", 2))), "half a character");
  const std::string many = element(5, bytes_of(std::int32_t{1})) + element(1, std::string(5000, 'a'));
  expect_error(header() + matrix(2, 1, 1, many), "too many fields");
}

TEST_F(MatFile, NestingIsLimited) {
  std::string nested = matrix(1, 0, 0, "");
  for (int depth = 0; depth < 8; ++depth) nested = matrix(1, 1, 1, nested);
  EXPECT_EQ(read(header() + nested).at("x").items.size(), 1U);
  expect_error(header() + matrix(1, 1, 1, nested), "nested too deeply");
}

// 40 MiB of zeros in 40 KiB.
TEST_F(MatFile, DoesNotUnpackMoreThanItMay) {
  std::string packed(1 << 16, '\0');
  uLongf size = packed.size();
  const std::string zeros(std::size_t{40} << 20, '\0');
  ASSERT_EQ(compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                      reinterpret_cast<const Bytef*>(zeros.data()), zeros.size(), 9),
            Z_OK);
  packed.resize(size);
  expect_error(header() + element(15, packed, static_cast<std::uint32_t>(size)),
               "more than 32 MiB when it is unpacked");
}

TEST_F(MatFile, TruncatedAnywhereIsAnErrorOrHasFewerArrays) {
  for (const std::string& name : {kMatlabTest, kScipyTest}) {
    const std::string content = read_file(golden_path(name));
    for (std::size_t size = 0; size < content.size(); size += 7) {
      try {
        EXPECT_FALSE(read(content.substr(0, size)).contains("unused") && size + 8 < content.size()) << size;
      } catch (const UserError&) {
      }
    }
  }
}

TEST_F(MatFile, DamagedAnywhereIsAnErrorOrRead) {
  RandomStream random(RandomUse::synthetic_data, {1});
  for (const std::string& name : {kMatlabTest, kScipyTest}) {
    const std::string content = read_file(golden_path(name));
    for (int trial = 0; trial < 200; ++trial) {
      std::string damaged = content;
      for (std::uint64_t i = 0; i <= random.below(3); ++i)
        damaged[128 + random.below(content.size() - 128)] = static_cast<char>(random.below(256));
      try {
        read(damaged);
      } catch (const UserError&) {
      }
    }
  }
}

}  // namespace
}  // namespace cloob
