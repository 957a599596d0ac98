// How a library declares its settings: a plain struct whose static `fields()` names every member once.
//
//   struct OptimConfig {
//     double lr = 5e-4;
//     static constexpr auto fields() {
//       return std::tuple(
//           field("lr", &OptimConfig::lr, "Peak learning rate, reached after warm-up.", Range{0.0, 1.0}));
//     }
//   };
//   static_assert(lists_every_member<OptimConfig>);
//
// Reading, overriding, printing and documenting all come from that one declaration (config.h). A struct may also
// have `void validate() const`, which throws UserError if its settings contradict each other. The outermost one may
// have `implied_settings() const`, the arrays `kOtherNames` and `kRetiredSettings` (description.h), and
// `void complete()`, which runs before it is validated and sets members that follow from others.
#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace cloob {

/// Inclusive bounds of a number; for a list they apply to every element, for an optional when it is set.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

template <class Owner, class Member>
struct Field {
  using Type = Member;
  std::string_view name;
  Member Owner::*member;
  std::string_view doc;
  Range range;
};

template <class Owner, class Member>
constexpr Field<Owner, Member> field(std::string_view name, Member Owner::*member, std::string_view doc,
                                     Range range = {}) {
  return {name, member, doc, range};
}

/// A struct that declares its settings.
template <class T>
concept Section = requires {
  T::fields();
};

/// Names of an enum as written in YAML; the C++ enumerators are spelled the same. Specialise with
/// `static constexpr std::array<std::pair<std::string_view, E>, n> names`.
template <class E>
struct EnumNames;

template <class E>
concept NamedEnum = std::is_enum_v<E> && requires {
  EnumNames<E>::names;
};

template <NamedEnum E>
constexpr std::string_view enum_name(E value) {
  for (const auto& [name, candidate] : EnumNames<E>::names) {
    if (candidate == value) return name;
  }
  return "?";
}

namespace detail {
struct AnyMember {
  template <class T>
  operator T() const;  // never defined: used in unevaluated expressions only
};

template <class T, std::size_t... I>
constexpr bool is_brace_constructible(std::index_sequence<I...>) {
  return requires { T{(static_cast<void>(I), AnyMember{})...}; };
}

// Brace initialization with more initializers than members never compiles, with fewer it always does.
template <class T, std::size_t N>
inline constexpr bool has_exactly = is_brace_constructible<T>(std::make_index_sequence<N>{}) &&
                                    !is_brace_constructible<T>(std::make_index_sequence<N + 1>{});

template <class A, class B>
constexpr bool is_same_member(const A& a, const B& b) {
  if (a.name == b.name) return true;
  if constexpr (std::is_same_v<A, B>) return a.member == b.member;
  return false;
}

// Every field matches only itself.
template <class... Fields>
constexpr bool are_distinct(const Fields&... fields) {
  const auto count = [&](const auto& one) { return (std::size_t{is_same_member(one, fields)} + ... + 0); };
  return ((count(fields) == 1) && ...);
}
}  // namespace detail

/// Whether `fields()` lists every member of the struct exactly once, under a unique name.
template <Section T>
inline constexpr bool lists_every_member = detail::has_exactly<T, std::tuple_size_v<decltype(T::fields())>>&&
    std::apply([](const auto&... fields) { return detail::are_distinct(fields...); }, T::fields());

}  // namespace cloob
