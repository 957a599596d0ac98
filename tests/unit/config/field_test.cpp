#include "cloob/config/field.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace cloob::testing::field_test {

enum class Color { red };
struct Inner {
  std::string text;
  std::optional<double> number;
};

// Counting must not be misled by members that can be built from anything, nor by nested structs.
struct Texts {
  std::string a, b;
};
struct Optionals {
  std::optional<std::string> a;
  std::optional<Color> b;
  std::optional<bool> c;
};
struct Mixed {
  Inner first;
  std::vector<std::string> list;
  Color color = Color::red;
  std::vector<bool> flags;
  double number = 0;
  Inner last;
};
struct Long {
  double a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0, a6 = 0, a7 = 0, a8 = 0, a9 = 0;
  std::optional<double> b0, b1, b2, b3, b4, b5, b6, b7, b8, b9;
  std::string c0, c1, c2, c3, c4, c5, c6, c7, c8, c9;
  std::vector<std::int64_t> d0, d1, d2, d3, d4, d5, d6, d7, d8;
  Inner inner;
};
static_assert(detail::has_exactly<Texts, 2>);
static_assert(detail::has_exactly<Optionals, 3>);
static_assert(detail::has_exactly<Mixed, 6>);
static_assert(detail::has_exactly<Long, 40>);
static_assert(!detail::has_exactly<Long, 39>);
static_assert(!detail::has_exactly<Mixed, 1>);
static_assert(!detail::has_exactly<Texts, 3>);

struct Complete {
  double a = 0, b = 0;
  static constexpr auto fields() {
    return std::tuple(field("a", &Complete::a, "A."), field("b", &Complete::b, "B."));
  }
};
struct MemberMissing {
  double a = 0, b = 0;
  static constexpr auto fields() { return std::tuple(field("a", &MemberMissing::a, "A.")); }
};
struct MemberTwice {
  double a = 0, b = 0;
  static constexpr auto fields() {
    return std::tuple(field("a", &MemberTwice::a, "A."), field("b", &MemberTwice::a, "B."));
  }
};
struct NameTwice {
  double a = 0;
  bool b = false;
  static constexpr auto fields() {
    return std::tuple(field("a", &NameTwice::a, "A."), field("a", &NameTwice::b, "B."));
  }
};

TEST(ListsEveryMember, IsTrueOnlyWhenEachMemberHasAUniqueName) {
  EXPECT_TRUE(lists_every_member<Complete>);
  EXPECT_FALSE(lists_every_member<MemberMissing>);
  EXPECT_FALSE(lists_every_member<MemberTwice>);
  EXPECT_FALSE(lists_every_member<NameTwice>);
}

}  // namespace cloob::testing::field_test
